/**
 * Answers that are more than a number: read, and compared. Loaded when the first such gold is met (`grade.ts`), so that who asks for numbers never
 * loads it. Linear time up to a limit, beyond which nothing is read.
 */
import { maxAnswerLength, TooComplex, Unreadable, type Answer } from './expression.ts';
import { tidied, withoutPhrase } from './number.ts';
import { parseAnswer } from './parse-answer.ts';
import { sameAnswer } from './same-answer.ts';
import { different, type Comparison } from './same-value.ts';
import { isSign, tokensOf, type Token } from './tokens.ts';
import { choiceOf, isText, plainText, type Choice } from './words.ts';
import { written } from './written.ts';

/** An answer that was read. */
export interface Symbolic {
  readonly choice: Choice | null;
  /** As text, for a gold that is words. */
  readonly text: string;
  readonly isText: boolean;
  /** Null where it is no formula; `why` is the end of a sentence then. */
  readonly answer: Answer | null;
  readonly why: string;
  /** It is longer or deeper than anything is compared. */
  readonly tooComplex: boolean;
}

/** @param isGold a small letter in an answer may be a choice, in a gold it is a variable */
export function readSymbolic(said: string, isGold: boolean): Symbolic {
  const none = { choice: null, text: '', isText: false, answer: null };
  if (said.length > maxAnswerLength) return { ...none, why: `it is longer than ${maxAnswerLength} characters`, tooComplex: true };
  // Python's power; elsewhere two stars set something bold.
  const plain = said.trim().replace(/(?<=[\w)])\*\*(?=[\w(-])/g, '^');
  const tokens = withoutPhrase(tidied(tokensOf(plain)));
  const words = { choice: choiceOf(tokens, !isGold), text: plainText(tokens), isText: isText(tokens) };
  try {
    return { ...words, answer: parseNamed(tokens), why: '', tooComplex: false };
  } catch (error) {
    if (!(error instanceof Unreadable || error instanceof TooComplex)) throw error;
    return { ...words, answer: null, why: error.message, tooComplex: error instanceof TooComplex };
  }
}

/** Also behind a name that is no formula: `\text{Area} = 3\pi`, `\angle ABC = \frac{\pi}{3}`. */
function parseNamed(tokens: readonly Token[]): Answer {
  try {
    return parseAnswer(tokens);
  } catch (error) {
    const equals = tokens.findIndex((token) => isSign(token, '='));
    const name = tokens.slice(0, equals);
    const isName = name.every(({ kind, text }) => kind !== 'digits' && !(kind === 'sign' && '+-*/^<>,;&'.includes(text)));
    if (!(error instanceof Unreadable) || equals < 1 || !isName || !name.some(({ kind }) => kind === 'word')) throw error;
    return parseAnswer(tokens.slice(equals + 1));
  }
}

/** Whether a gold answer can be compared with others. */
export function isGold({ choice, isText: words, answer }: Symbolic): boolean {
  return answer !== null || words || choice !== null;
}

/** What an answer was read as, for the trace. */
export function readAs({ choice, text, isText: words, answer, why }: Symbolic): string {
  if (choice && choice.rest.length === 0) return `the choice ${choice.letter}`;
  if (words) return `the text “${text}”`;
  return answer ? written(answer) : why;
}

/** Never throws: what is too complex is not equal, and says so. */
export function compareSymbolic(gold: Symbolic, answer: Symbolic): Comparison {
  if (answer.tooComplex) return different(`too complex: ${answer.why}`);
  if (gold.choice && answer.choice && (gold.choice.rest.length === 0 || answer.choice.rest.length === 0)) {
    if (gold.choice.letter === answer.choice.letter) return { equal: true, why: 'the same choice' };
    if (gold.isText || gold.answer === null) return different('another choice');
  }
  if (gold.text !== '' && (gold.isText || gold.answer === null) && gold.text === answer.text) return { equal: true, why: 'the same text' };
  if (gold.choice && gold.choice.rest.length > 0) {
    const rest = restOf(gold.choice);
    if (rest.answer !== null || rest.isText)
      return compareSymbolic(rest, answer.choice && answer.choice.rest.length > 0 ? restOf(answer.choice) : answer);
  }
  if (gold.answer === null) return different('another text');
  if (answer.answer === null) return different(answer.isText ? 'a text' : `it is not read: ${answer.why}`);
  try {
    return sameAnswer(gold.answer, answer.answer);
  } catch (error) {
    if (!(error instanceof TooComplex)) throw error;
    return different(`too complex: ${error.message}`);
  }
}

/** What a choice says behind its letter, in its own words. */
function restOf({ rest }: Choice): Symbolic {
  return readSymbolic(rest.map(({ kind, text }) => (kind === 'gap' ? ' ' : text)).join(''), true);
}
