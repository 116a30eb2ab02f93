/**
 * Patterns in JavaScript's syntax (flag `u`, and `i`, `m`, `s` where they are given) as programs for `linear-pattern.ts`. Character classes
 * are left to the native engine, one character at a time. It matches nothing itself.
 */

/** What one character is asked. */
interface CharacterSet {
  readonly kind: 'set';
  /** The class, escape or character in the native engine's syntax, and the flags that it reads it with. */
  readonly source: string;
  readonly flags: string;
  readonly has: (unit: string) => boolean;
}

/** What a place between two characters is asked. */
interface Edge {
  readonly kind: 'edge';
  readonly where: 'start' | 'end' | 'line-start' | 'line-end' | 'word-edge' | 'no-word-edge';
  readonly holds: (units: readonly string[], at: number) => boolean;
}

export type Instruction =
  | CharacterSet
  | { readonly kind: 'split'; readonly first: number; readonly second: number }
  | { readonly kind: 'jump'; readonly to: number }
  | Edge
  | { readonly kind: 'look'; readonly program: Program; readonly negated: boolean }
  | { readonly kind: 'match' };

export interface Program {
  readonly code: readonly Instruction[];
  /** Reads towards the beginning of the text: a look-behind. */
  readonly backward: boolean;
  /** Instructions, with those of what it looks ahead and behind for. */
  readonly size: number;
}

/** Repetitions with a count are written out; no published tokenizer comes near either limit. */
const maxInstructions = 5000;
const maxGroupDepth = 50;

type Node =
  | CharacterSet
  | Edge
  | { readonly kind: 'look'; readonly body: Node; readonly negated: boolean; readonly backward: boolean }
  | { readonly kind: 'either'; readonly ways: readonly Node[] }
  | { readonly kind: 'sequence'; readonly parts: readonly Node[] }
  | { readonly kind: 'repeat'; readonly body: Node; readonly low: number; readonly high: number; readonly greedy: boolean };

/** @param flags of `i`, `m` and `s`  @throws SyntaxError for what is no pattern, or has no program */
export function compilePattern(source: string, flags = ''): Program {
  return compile(parse(source, flags), false, { left: maxInstructions });
}

function compile(node: Node, backward: boolean, budget: { left: number }): Program {
  const code: Instruction[] = [];
  const before = budget.left;
  const emit = (instruction: Instruction): number => {
    if (--budget.left < 0) throw new SyntaxError('the pattern is too large');
    return code.push(instruction) - 1;
  };
  /** Emits a split whose ways are filled in later: [into the body, past it]. */
  const split = () => emit({ kind: 'split', first: 0, second: 0 });
  const fill = (at: number, into: number, past: number, greedy = true) => {
    code[at] = { kind: 'split', first: greedy ? into : past, second: greedy ? past : into };
  };
  const add = (part: Node): void => {
    switch (part.kind) {
      case 'set':
      case 'edge':
        emit(part);
        return;
      case 'look':
        emit({ kind: 'look', program: compile(part.body, part.backward, budget), negated: part.negated });
        return;
      case 'sequence':
        for (const one of backward ? part.parts.toReversed() : part.parts) add(one);
        return;
      case 'either': {
        const ends: number[] = [];
        for (const [i, way] of part.ways.entries()) {
          const last = i === part.ways.length - 1;
          const fork = last ? -1 : split();
          add(way);
          if (last) continue;
          ends.push(emit({ kind: 'jump', to: 0 }));
          fill(fork, fork + 1, code.length);
        }
        for (const end of ends) code[end] = { kind: 'jump', to: code.length };
        return;
      }
      case 'repeat': {
        const { body, low, high, greedy } = part;
        for (let i = 0; i < low; i++) add(body);
        if (high === Infinity) {
          const loop = split();
          add(body);
          emit({ kind: 'jump', to: loop });
          fill(loop, loop + 1, code.length, greedy);
          return;
        }
        const forks: number[] = [];
        for (let i = low; i < high; i++) {
          forks.push(split());
          add(body);
        }
        for (const fork of forks) fill(fork, fork + 1, code.length, greedy);
      }
    }
  };
  add(node);
  emit({ kind: 'match' });
  return { code, backward, size: before - budget.left };
}

/** By their first characters: what a group is. */
const groups: readonly (readonly [RegExp, { readonly negated: boolean; readonly backward: boolean } | null])[] = [
  [/^\(\?=/, { negated: false, backward: false }],
  [/^\(\?!/, { negated: true, backward: false }],
  [/^\(\?<=/, { negated: false, backward: true }],
  [/^\(\?<!/, { negated: true, backward: true }],
  [/^\(\?:/, null],
  [/^\(\?<[A-Za-z_$][\w$]*>/, null],
  [/^\((?!\?)/, null],
];

const escape =
  /^\\(?:[pP]\{[\w=]+\}|u\{[0-9A-Fa-f]{1,8}\}|u[0-9A-Fa-f]{4}(?:\\u[0-9A-Fa-f]{4})?|x[0-9A-Fa-f]{2}|c[A-Za-z]|0(?!\d)|[dDwWsStnrvf]|[\^$\\.*+?()[\]{}|/])/;
const quantifier = /^(?:[*+?]|\{(\d{1,6})(?:(,)(\d{1,6})?)?\})/;

function parse(source: string, flags: string): Node {
  const set = (of: string) => setOf(of, `u${flags.includes('i') ? 'i' : ''}${flags.includes('s') ? 's' : ''}`);
  let at = 0;
  const wrong = (what: string) => new SyntaxError(`${what} at character ${at + 1} of the pattern`);
  const rest = (length = 40) => source.slice(at, at + length);

  const either = (depth: number): Node => {
    if (depth > maxGroupDepth) throw wrong('groups are nested too deep');
    const ways: Node[] = [sequence(depth)];
    while (source[at] === '|') {
      at++;
      ways.push(sequence(depth));
    }
    return ways.length === 1 ? ways[0]! : { kind: 'either', ways };
  };

  const sequence = (depth: number): Node => {
    const parts: Node[] = [];
    while (at < source.length && source[at] !== '|' && source[at] !== ')') parts.push(repeated(term(depth)));
    return { kind: 'sequence', parts };
  };

  const repeated = (body: Node): Node => {
    const found = quantifier.exec(rest());
    if (!found) return body;
    if (body.kind === 'edge' || body.kind === 'look') throw wrong('nothing can be repeated');
    at += found[0].length;
    const greedy = source[at] !== '?';
    if (!greedy) at++;
    const [sign, low = '0', comma, high] = found;
    const [least, most] =
      sign === '*'
        ? [0, Infinity]
        : sign === '+'
          ? [1, Infinity]
          : sign === '?'
            ? [0, 1]
            : [Number(low), comma ? Number(high ?? Infinity) : Number(low)];
    if (least > most) throw wrong('a repetition is the wrong way round');
    return { kind: 'repeat', body, low: least, high: most, greedy };
  };

  const term = (depth: number): Node => {
    const character = source[at]!;
    if (character === '(') return group(depth);
    if (character === '[') {
      const closed = /^\[(?:[^\]\\]|\\[\s\S])*\]/.exec(source.slice(at));
      if (!closed) throw wrong('a character class is not closed');
      at += closed[0].length;
      return set(closed[0]);
    }
    if (character === '\\') {
      const edge = { '\\b': true, '\\B': false }[rest(2)];
      if (edge !== undefined) {
        at += 2;
        const isWord = flags.includes('i') ? isAnyWord : isPlainWord;
        const holds: Edge['holds'] = (units, i) => (isWord(units[i - 1]) !== isWord(units[i])) === edge;
        return { kind: 'edge', where: edge ? 'word-edge' : 'no-word-edge', holds };
      }
      const escaped = escape.exec(rest());
      if (!escaped) throw wrong('there is an escape that cannot be read');
      at += escaped[0].length;
      return set(escaped[0]);
    }
    if (character === '^' || character === '$') {
      at++;
      return edges[`${flags.includes('m') ? 'line-' : ''}${character === '^' ? 'start' : 'end'}`];
    }
    if ('*+?{}]'.includes(character)) throw wrong(`“${character}” stands where nothing is to be repeated`);
    const literal = String.fromCodePoint(source.codePointAt(at)!);
    at += literal.length;
    return literal === '.' || flags.includes('i')
      ? set(literal)
      : { kind: 'set', source: literal, flags: 'u', has: (unit) => unit === literal };
  };

  const group = (depth: number): Node => {
    const found = groups.flatMap(([opening, look]) => {
      const text = opening.exec(rest(200))?.[0];
      return text === undefined ? [] : [{ text, look }];
    })[0];
    if (!found) throw wrong('there is a kind of group that is not supported');
    at += found.text.length;
    const body = either(depth + 1);
    if (source[at] !== ')') throw wrong('a group is not closed');
    at++;
    return found.look ? { kind: 'look', body, ...found.look } : body;
  };

  const node = either(0);
  if (at < source.length) throw wrong('a group is closed that was not opened');
  return node;
}

/** One character, or one character class: asked of the native engine once for every character. */
function setOf(source: string, flags: string): CharacterSet {
  const native = nativeOf(source, flags);
  const known = new Map<string, boolean>();
  return {
    kind: 'set',
    source,
    flags,
    has: (unit) => {
      const before = known.get(unit);
      if (before !== undefined) return before;
      const is = native.test(unit);
      known.set(unit, is);
      return is;
    },
  };
}

function nativeOf(source: string, flags: string): RegExp {
  try {
    return new RegExp(`^(?:${source})$`, flags);
  } catch {
    throw new SyntaxError(`there are no such characters as ${source}`);
  }
}

const isBreak = (unit: string | undefined) => unit !== undefined && '\n\r\u2028\u2029'.includes(unit);
const edge = (where: Edge['where'], holds: Edge['holds']): Edge => ({ kind: 'edge', where, holds });
const edges = {
  start: edge('start', (_, i) => i === 0),
  end: edge('end', (units, i) => i === units.length),
  'line-start': edge('line-start', (units, i) => i === 0 || isBreak(units[i - 1])),
  'line-end': edge('line-end', (units, i) => i === units.length || isBreak(units[i])),
};

const isPlainWord = (unit: string | undefined) => unit !== undefined && /^\w$/.test(unit);
/** Without regard to case two more letters are s and k. */
const isAnyWord = (unit: string | undefined) => unit !== undefined && /^\w$/iu.test(unit);
