/**
 * Whether two answers that were read are one: values by `same-value.ts`, and what collects them by its own rules, each of which is in docs/verifier.md.
 * The order of the arguments matters: what is asked of an answer depends on what its gold is.
 */
import { approximate, type Approximate } from './approximate.ts';
import { isExpression, maxItems, partsOf, TooComplex, type Answer, type Expression, type Relator } from './expression.ts';
import { different, pointAt, pointCount, same, sameValue, symbolsOf, type Comparison } from './same-value.ts';
import { inFull, written } from './written.ts';

type Of<K extends Answer['kind']> = Answer & { readonly kind: K };

/** @throws TooComplex where nothing can be said */
export function sameAnswer(gold: Answer, answer: Answer): Comparison {
  return compare(simplified(gold), simplified(answer));
}

function compare(gold: Answer, answer: Answer): Comparison {
  if (gold.kind === 'relation' || answer.kind === 'relation') return compareRelations(gold, answer);
  if (isExpression(gold) && isExpression(answer)) return sameValue(gold, answer);
  if (gold.kind === 'list' && !['tuple', 'list', 'sets'].includes(answer.kind)) return unordered(gold.items, [answer]);
  if (answer.kind === 'list' && !['tuple', 'sets'].includes(gold.kind) && gold.kind !== 'list') return unordered([gold], answer.items);
  if (gold.kind === 'ratio' || answer.kind === 'ratio') return compareRatios(gold, answer);
  if (gold.kind === 'matrix' || answer.kind === 'matrix') return compareMatrices(gold, answer);
  if (gold.kind === 'sets' || answer.kind === 'sets') return compareSets(gold.kind === 'list' ? (unionOf(gold) ?? gold) : gold, answer);
  if (gold.kind === 'tuple' && answer.kind === 'tuple') return compareTuples(gold, answer);
  if (gold.kind === 'list' && answer.kind === 'list') return unordered(gold.items, answer.items);
  // `(1, 2)` and `1, 2`: who asks for a pair cares for its order, who asks for two numbers does not.
  if (gold.kind === 'tuple' && answer.kind === 'list') {
    return gold.open === '(' && gold.close === ')' ? ordered(gold.items, answer.items) : different('the gold is in brackets of its own');
  }
  if (gold.kind === 'list' && answer.kind === 'tuple') {
    return answer.open === '(' && answer.close === ')' ? unordered(gold.items, answer.items) : different('the answer is an interval');
  }
  return different(`${written(answer)} is another kind of thing than ${written(gold)}`);
}

/** What says the same in a simpler way: `{5}` is 5, `1 ± 2` is `3, -1`, ℝ is an interval. */
function simplified(answer: Answer): Answer {
  if (isExpression(answer)) {
    if (answer.kind === 'symbol' && answer.name === 'ℝ')
      return { kind: 'tuple', open: '(', close: ')', items: [{ kind: 'negative', of: infinite }, infinite] };
    return hasEither(answer) ? { kind: 'list', items: [chosen(answer, 1), chosen(answer, -1)], braces: false } : answer;
  }
  switch (answer.kind) {
    case 'list': {
      const items = answer.items.map(simplified).flatMap((item) => (item.kind === 'list' ? item.items : [item]));
      return items.length === 1 ? items[0]! : { ...answer, items };
    }
    case 'tuple':
      return { ...answer, items: answer.items.map(simplified) };
    case 'sets':
      return { ...answer, of: answer.of.map(simplified) };
    case 'relation': {
      const sides = answer.sides.map(simplified);
      // `16\sqrt{3} \approx 27.7`: the exact value is the answer.
      const about = answer.relators.indexOf('≈');
      if (about < 0 || (about === 0 && isName(sides[0]!))) return { ...answer, sides };
      return about === 0 ? sides[0]! : { ...answer, sides: sides.slice(0, about + 1), relators: answer.relators.slice(0, about) };
    }
    case 'matrix':
      return { ...answer, rows: answer.rows.map((row) => row.map(simplified)) };
    case 'ratio':
      return answer;
  }
}

const infinite: Expression = { kind: 'symbol', name: '∞' };

function hasEither(expression: Expression): boolean {
  return expression.kind === 'either' || partsOf(expression).some(hasEither);
}

/** With every ± as + (sign 1) or as - (sign -1). */
function chosen(expression: Expression, sign: 1 | -1): Expression {
  const inner = (part: Expression) => chosen(part, sign);
  switch (expression.kind) {
    case 'either':
      return expression.sign === sign ? inner(expression.of) : { kind: 'negative', of: inner(expression.of) };
    case 'sum':
      return { ...expression, terms: expression.terms.map(inner) };
    case 'product':
      return { ...expression, factors: expression.factors.map(inner) };
    case 'quotient':
      return { ...expression, top: inner(expression.top), bottom: inner(expression.bottom) };
    case 'power':
      return { ...expression, base: inner(expression.base), exponent: inner(expression.exponent) };
    case 'root':
      return { ...expression, of: inner(expression.of) };
    case 'call':
      return { ...expression, of: expression.of.map(inner) };
    case 'negative':
    case 'percent':
    case 'degrees':
      return { ...expression, of: inner(expression.of) };
    case 'number':
    case 'symbol':
    case 'based':
      return expression;
  }
}

function ordered(gold: readonly Answer[], answer: readonly Answer[]): Comparison {
  if (gold.length !== answer.length) return different(`${answer.length} of ${gold.length}`);
  for (const [i, item] of gold.entries()) {
    const { equal, why } = compare(item, answer[i]!);
    if (!equal) return different(`at place ${i + 1}, ${why}`);
  }
  return same('each is the same as the one in its place');
}

/** As sets: every one has its equal on the other side, however often. */
function unordered(gold: readonly Answer[], answer: readonly Answer[]): Comparison {
  if (gold.length > maxItems || answer.length > maxItems) throw new TooComplex(`it lists more than ${maxItems}`);
  const missing = gold.find((item) => !answer.some((other) => compare(item, other).equal));
  if (missing) return different(`${written(missing)} is missing`);
  const extra = answer.find((item) => !gold.some((other) => compare(other, item).equal));
  return extra ? different(`${written(extra)} is too much`) : same('the same, in any order');
}

function compareTuples(gold: Of<'tuple'>, answer: Of<'tuple'>): Comparison {
  // Of two it may be an interval, where the brackets say which ends belong to it.
  const bracket = (tuple: Of<'tuple'>) => (tuple.open === '<' ? '()' : tuple.open + tuple.close);
  if (gold.items.length === 2 && bracket(gold) !== bracket(answer))
    return different('the brackets differ, and with them the ends that belong to it');
  return ordered(gold.items, answer.items);
}

function compareSets(gold: Answer, answer: Answer): Comparison {
  if (gold.kind !== 'sets' || answer.kind !== 'sets' || gold.operator !== answer.operator) {
    return different(`${written(answer)} is another set than ${written(gold)}`);
  }
  const flat = (sets: Of<'sets'>): readonly Answer[] =>
    sets.of.flatMap((part) => (part.kind === 'sets' && part.operator === sets.operator && sets.operator !== '∖' ? flat(part) : [part]));
  return gold.operator === '∖' ? ordered(gold.of, answer.of) : unordered(flat(gold), flat(answer));
}

function compareMatrices(gold: Answer, answer: Answer): Comparison {
  if (gold.kind !== 'matrix' || answer.kind !== 'matrix') return different('one is a matrix, the other is not');
  const [rows, columns] = [gold.rows.length, gold.rows[0]!.length];
  if (answer.rows.length !== rows || answer.rows[0]!.length !== columns) {
    return different(`it has ${answer.rows.length} rows and ${answer.rows[0]!.length} columns, not ${rows} and ${columns}`);
  }
  return ordered(gold.rows.flat(), answer.rows.flat());
}

/** `3:4` is `6:8` and `3/4`. `10:30` may be a time, which is only itself. */
function compareRatios(gold: Answer, answer: Answer): Comparison {
  const parts = (of: Answer): readonly Expression[] | null =>
    of.kind === 'ratio' ? of.of : isExpression(of) && of.kind === 'quotient' ? [of.top, of.bottom] : null;
  const [a, b] = [parts(gold), parts(answer)];
  if (!a || !b || a.length !== b.length) return different('one is a ratio, the other is not');
  const digits = (part: Expression) => (part.kind === 'number' ? String(part.value.numerator) : '');
  const time = [gold, answer].some((of) => of.kind === 'ratio' && of.of.slice(1).some((part) => digits(part).length === 2));
  if (time || a.length > 2) return gold.kind === answer.kind ? ordered(a, b) : different('one may be a time');
  const cross = (x: Expression, y: Expression): Expression => ({ kind: 'product', factors: [x, y] });
  return sameValue(cross(a[0]!, b[1]!), cross(b[0]!, a[1]!)).equal ? same('the same ratio') : different('another ratio');
}

// Relations.

const isEquation = ({ relators }: Of<'relation'>) => relators.every((relator) => relator === '=');
const isMembership = ({ relators }: Of<'relation'>) => relators.length === 1 && relators[0] === '∈';

/** `x < 2 or x > 3` as the union of what each says; null where one says no interval. */
function unionOf({ items }: Of<'list'>): Of<'sets'> | null {
  const of = items.map((item) => (item.kind === 'relation' ? intervalOf(item) : null));
  return of.every((interval) => interval !== null) ? { kind: 'sets', operator: '∪', of } : null;
}

/** What an answer is called: `x`, `x_1`, `f(2)`, or a word. */
function isName(side: Answer): boolean {
  if (side.kind === 'symbol') return true;
  // `(x, y)`
  if (side.kind === 'tuple') return side.items.every((item) => item.kind === 'symbol');
  // `f(x)`, `P(A, B)`
  if (side.kind !== 'product') return false;
  const [name, argument] = side.factors;
  const called = name!.kind === 'symbol' && /^[fghpqFGHPQ](?:[_′].*)?$/u.test(name!.name);
  return side.factors.length === 2 && called && (argument!.kind === 'symbol' || argument!.kind === 'number');
}

/** The name that an equation gives a value to, as it is written. */
function nameOf({ sides }: Of<'relation'>): string | null {
  const name = sides.find(isName);
  return name ? inFull(name) : null;
}

/** What an equation gives to a name, or has worked out: its last side. Null where it says something about an unknown (`2x + 3 = 7`). */
function valueOf(relation: Of<'relation'>): Answer | null {
  const last = relation.sides.at(-1)!;
  if (isMembership(relation)) return last;
  if (!isEquation(relation)) return null;
  const others = relation.sides.slice(0, -1);
  const worked = (side: Answer) => isName(side) || equalQuietly(side, last);
  if (others.every(worked)) return last;
  // `5 = x`
  return relation.sides.length === 2 && isName(last) ? others[0]! : null;
}

function equalQuietly(a: Answer, b: Answer): boolean {
  if (!isExpression(a) || !isExpression(b)) return false;
  try {
    // Both ways round: which of them is worked out does not matter here.
    return sameValue(a, b).equal || sameValue(b, a).equal;
  } catch (error) {
    if (error instanceof TooComplex) return false;
    throw error;
  }
}

function compareRelations(gold: Answer, answer: Answer): Comparison {
  if (gold.kind !== 'relation' && answer.kind === 'relation') {
    const value = valueOf(answer);
    return value ? compare(gold, value) : different(`${written(answer)} is a condition, where the gold is ${written(gold)}`);
  }
  if (gold.kind === 'relation' && answer.kind !== 'relation') {
    const value = valueOf(gold);
    if (value) return compare(value, answer);
    const interval = intervalOf(gold);
    return interval ? compare(interval, answer) : different(`${written(answer)} is no condition, where the gold is ${written(gold)}`);
  }
  const [a, b] = [gold as Of<'relation'>, answer as Of<'relation'>];
  if (isMembership(a) || isMembership(b)) {
    if (!isMembership(a) || !isMembership(b)) return different('one says what something is an element of, the other does not');
    return ordered(a.sides, b.sides);
  }
  const [left, right] = [valueOf(a), valueOf(b)];
  const [own, other] = [nameOf(a), nameOf(b)];
  if (left && right && own !== null && own === other) {
    const found = compare(left, right);
    if (found.equal || !isExpression(left) || !isExpression(right)) return found;
  }
  return compareConditions(conditionsOf(a), conditionsOf(b));
}

/** A condition as the difference of its sides: `difference > 0`, `≥ 0`, `= 0`, `≠ 0`. */
interface Condition {
  readonly difference: Expression;
  readonly relator: '>' | '≥' | '=' | '≠';
}

/** Null for a side that is no value, or a sign that is no condition. */
function conditionsOf({ sides, relators }: Of<'relation'>): readonly Condition[] | null {
  const conditions: Condition[] = [];
  for (const [i, relator] of relators.entries()) {
    const [a, b] = [sides[i]!, sides[i + 1]!];
    if (!isExpression(a) || !isExpression(b) || relator === '∈' || relator === '≈') return null;
    const minus = (x: Expression, y: Expression): Expression => ({ kind: 'sum', terms: [x, { kind: 'negative', of: y }] });
    const turned = relator === '<' || relator === '≤';
    const normal = ({ '<': '>', '>': '>', '≤': '≥', '≥': '≥', '=': '=', '≠': '≠' } as const)[relator];
    conditions.push({ difference: turned ? minus(b, a) : minus(a, b), relator: normal });
  }
  return conditions;
}

function compareConditions(gold: readonly Condition[] | null, answer: readonly Condition[] | null): Comparison {
  if (!gold || !answer) return different('they are not conditions that can be compared');
  if (gold.length !== answer.length) return different('one says more than the other');
  if (gold.length > 10) throw new TooComplex('it has more than ten conditions');
  const missing = gold.some((one) => !answer.some((other) => sameCondition(one, other)));
  return missing ? different('they are different conditions') : same('the same conditions, up to a factor');
}

/** Whether one difference is the other times a constant, which for an inequality is positive. */
function sameCondition(a: Condition, b: Condition): boolean {
  if (a.relator !== b.relator) return false;
  const symbols = [...new Set([...symbolsOf(a.difference), ...symbolsOf(b.difference)])];
  let first: Approximate | null = null;
  let compared = 0;
  for (let k = 0; k < pointCount; k++) {
    const at = pointAt(symbols, k);
    const [x, y] = [approximate(a.difference, at), approximate(b.difference, at)];
    if (!x || !y || Math.hypot(x.re, x.im) <= 4 * x.error || Math.hypot(y.re, y.im) <= 4 * y.error) continue;
    // x / y, with what its rounding may be
    const square = y.re * y.re + y.im * y.im;
    const quotient = { re: (x.re * y.re + x.im * y.im) / square, im: (x.im * y.re - x.re * y.im) / square };
    const size = Math.hypot(quotient.re, quotient.im);
    const error = size * (x.error / Math.hypot(x.re, x.im) + y.error / Math.sqrt(square) + 1e-15);
    if (first && Math.hypot(quotient.re - first.re, quotient.im - first.im) > 4 * (error + first.error)) return false;
    first ??= { ...quotient, error };
    compared++;
  }
  if (!first || compared < 3) return false;
  return a.relator === '=' || a.relator === '≠' || (first.re > 0 && Math.abs(first.im) <= 4 * first.error);
}

/** The interval that an inequality in one unknown says: `x > 2`, `1 < x ≤ 3`; null for any other. */
function intervalOf({ sides, relators }: Of<'relation'>): Of<'tuple'> | null {
  const turned: Readonly<Partial<Record<Relator, Relator>>> = { '<': '>', '≤': '≥', '>': '<', '≥': '≤' };
  if (relators.length === 0 || relators.length > 2) return null;
  let [values, signs] = [[...sides], [...relators]];
  if (signs.every((sign) => sign === '>' || sign === '≥')) {
    values = values.reverse();
    signs = signs.reverse().map((sign) => turned[sign]!);
  }
  if (!signs.every((sign) => sign === '<' || sign === '≤')) return null;
  const bracket = (sign: Relator | undefined, closed: '[' | ']') => (sign === '≤' ? closed : closed === '[' ? '(' : ')');
  const at = values.findIndex((side) => side.kind === 'symbol' && !['π', 'e', 'i', '∞'].includes(side.name));
  if (at < 0 || (values.length === 3 && at !== 1)) return null;
  const low = at === 1 ? values[0]! : ({ kind: 'negative', of: infinite } as const);
  const high = at === 1 ? (values[2] ?? infinite) : values[1]!;
  if (!isExpression(low) || !isExpression(high)) return null;
  return {
    kind: 'tuple',
    open: bracket(at === 1 ? signs[0] : '<', '[') as '(' | '[',
    close: bracket(at === 1 ? (signs[1] ?? '<') : signs[0], ']') as ')' | ']',
    items: [low, high],
  };
}
