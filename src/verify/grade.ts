/**
 * Whether an answer is equal to a gold answer, with the steps of the judgement for a person to follow. A number is compared here, exactly; anything
 * else by `symbolic.ts`, which is loaded when the first such gold is met. The rules are in docs/verifier.md.
 */
import type { Amount } from './amount.ts';
import type { Symbolic } from './symbolic.ts';
import { decimalsOf, readAmount, sameNumber } from './number.ts';

export interface Grade {
  /** Null where the gold answer is none that can be compared. */
  readonly equal: boolean | null;
  readonly trace: readonly string[];
}

/** A gold answer that was read once, to be compared with many. */
export interface Gold {
  readonly text: string;
  /** Compared exactly, and a list is no answer to it. */
  readonly isNumber: boolean;
  grade(answer: string): Promise<Grade>;
}

/** Null where it cannot be compared with anything. */
export async function readGold(text: string): Promise<Gold | null> {
  const amount = readAmount(text);
  if (amount) return { text, isNumber: true, grade: (answer) => gradeNumber(text, amount, answer) };
  const gold = await symbolicGold(text);
  return gold.can ? { text, isNumber: false, grade: (answer) => gradeSymbolic(gold, answer) } : null;
}

interface SymbolicGold {
  readonly text: string;
  readonly read: Symbolic;
  /** Whether it can be compared. */
  readonly can: boolean;
}

async function symbolicGold(text: string): Promise<SymbolicGold> {
  const { readSymbolic, isGold } = await import('./symbolic.ts');
  const read = readSymbolic(text, true);
  return { text, read, can: isGold(read) };
}

/** The signs of what a number may be written as beside a number: a power, a root, a set of one, an equation. */
const notation = /[\^√_={²³,]|\*\*|\\(?:sqrt|lbrace)/;

async function gradeNumber(text: string, gold: Amount, answer: string): Promise<Grade> {
  const found = readAmount(answer);
  if (found === null && notation.test(answer)) return gradeSymbolic(await symbolicGold(text), answer);
  const read = `gold ${quoted(text)}: the number ${said(gold)}`;
  if (found === null) return { equal: false, trace: [read, `answer ${quoted(answer)}: no number`, 'different: the gold is a number'] };
  const [own, other] = [nameOf(text), nameOf(answer)];
  if (own !== null && other !== null && own !== other) {
    return { equal: false, trace: [read, `answer ${quoted(answer)}: the number ${said(found)}`, `different: ${other} is not ${own}`] };
  }
  const why = sameNumber(gold, found, Math.max(decimalsOf(text), decimalsOf(answer)));
  return {
    equal: why.equal,
    trace: [read, `answer ${quoted(answer)}: the number ${said(found)}`, `${why.equal ? 'equal' : 'different'}: ${why.why}`],
  };
}

async function gradeSymbolic({ text, read: gold }: SymbolicGold, answer: string): Promise<Grade> {
  const { readSymbolic, readAs, compareSymbolic } = await import('./symbolic.ts');
  const found = readSymbolic(answer, false);
  const { equal, why } = compareSymbolic(gold, found);
  return {
    equal,
    trace: [
      `gold ${quoted(text)}: ${readAs(gold)}`,
      `answer ${quoted(answer)}: ${readAs(found)}`,
      equal ? `equal: ${why}` : why.startsWith('too complex') ? `not equal, ${why}` : `different: ${why}`,
    ],
  };
}

/** The letter that a number is the value of, `x = 5`; null where there is none. */
function nameOf(text: string): string | null {
  return /^[\s$]*([a-z])\s*=/i.exec(text)?.[1]?.toLowerCase() ?? null;
}

function said({ numerator, denominator, percent, unit }: Amount): string {
  const value = denominator === 1n ? String(numerator) : `${numerator}/${denominator}`;
  return `${value.length > 60 ? `${value.slice(0, 59)}…` : value}${percent ? ' %' : ''}${unit ? ` ${unit}` : ''}`;
}

function quoted(text: string): string {
  const line = text.replace(/\s+/g, ' ').trim();
  return `“${line.length > 80 ? `${line.slice(0, 79)}…` : line}”`;
}
