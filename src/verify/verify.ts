/**
 * The verifier of RLVR: reads the answer out of a completion and says right or wrong, with a reason a person can read.
 * Binary on purpose: there is no reward for a format, for trying, or for the persona.
 */
import type { Question, Task } from '../tasks/question.ts';
import { equivalent, readNumber } from './equivalence.ts';
import { boxedAnswers, gsm8kAnswer, replyOf } from './extract.ts';
import type { Verdict } from './verdict.ts';

/** The answer is the last `\boxed{…}`. Several boxes with different contents are a guess at more than one answer, hence wrong. */
export function verify(completion: string, question: Question, task: Pick<Task, 'accepts'>): Verdict {
  return judge(completion, boxedAnswers, question.answer, (answer) => task.accepts(answer, question));
}

/**
 * The same for a question of an imported data set, which brings only its gold answer: a number, LaTeX, or GSM8K's
 * `… #### 42`. Without any box, a `####` mark in the completion is read.
 * Null where the gold answer is not one that can be checked; such a completion must not be trained on.
 */
export function verifyGold(completion: string, gold: string): Verdict | null {
  const expected = gsm8kAnswer(gold) ?? boxedAnswers(gold).at(-1) ?? gold;
  if (readNumber(expected) === null) return null;
  return judge(completion, boxedOrMarked, expected, (answer) => equivalent(answer, expected));
}

function boxedOrMarked(reply: string): string[] {
  const boxes = boxedAnswers(reply);
  const marked = boxes.length === 0 ? gsm8kAnswer(reply) : null;
  return marked === null ? boxes : [marked];
}

function judge(completion: string, read: (reply: string) => string[], expected: string, accepts: (answer: string) => boolean): Verdict {
  const reply = replyOf(completion);
  if (reply === null) return wrong(null, 'the thinking never ended');
  const answers = read(reply);
  const answer = answers.at(-1);
  if (answer === undefined) return wrong(null, 'no \\boxed answer');
  if (answer === '') return wrong('', 'the \\boxed answer is empty');
  if (answers.some((other) => !same(other, answer))) return wrong(answer, `${new Set(answers).size} different \\boxed answers`);
  if (!accepts(answer)) return wrong(answer, `${clip(answer)}, expected ${clip(expected)}`);
  return { reward: 1, correct: true, parsed: answer, reason: clip(answer) };
}

function same(a: string, b: string): boolean {
  return a === b || equivalent(a, b);
}

function wrong(parsed: string | null, reason: string): Verdict {
  return { reward: 0, correct: false, parsed, reason };
}

/** Short enough for a table cell. */
function clip(text: string): string {
  return text.length <= 40 ? text : `${text.slice(0, 39)}…`;
}
