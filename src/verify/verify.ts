/**
 * The verifier of RLVR: reads the answer out of a completion and says right or wrong, with a reason a person can read.
 * Binary on purpose: there is no reward for a format, for trying, or for the persona.
 */
import type { Question, Task } from '../tasks/question.ts';
import { readAnswer, sameReading } from './equivalence.ts';
import { boxedAnswers, markedAnswer } from './extract.ts';
import { readAmount, sameAmount } from './number.ts';
import { withoutThinking } from './thinking.ts';
import type { Verdict } from './verdict.ts';

/**
 * The answer is the last `\boxed{…}`. Several boxes with different contents are a guess at more than one answer, hence wrong.
 * @param opened the closing mark of a thinking that the prompt opened (`openedThinking`): without it the reply never began
 */
export function verify(completion: string, question: Question, task: Pick<Task, 'accepts'>, opened: string | null = null): Verdict {
  return judge(completion, opened, boxedAnswers, question.answer, (answer) => task.accepts(answer, question));
}

/**
 * The same for a question of an imported data set, which brings only its gold answer: a number, LaTeX, a solution that boxes its answer, or
 * GSM8K's `… #### 42`. Without any box, a `####` mark in the completion is read.
 * Null where the gold answer is not one that can be checked; such a completion must not be trained on.
 */
export function verifyGold(completion: string, gold: string, opened: string | null = null): Verdict | null {
  const expected = goldAnswer(gold);
  const right = readAmount(expected);
  if (right === null) return null;
  return judge(completion, opened, boxedOrMarked, expected, (answer) => {
    const amount = readAmount(answer);
    return amount !== null && sameAmount(amount, right);
  });
}

/** Whether a gold answer is one that can be checked. */
export function isCheckable(gold: string): boolean {
  return readAmount(goldAnswer(gold)) !== null;
}

/** A box goes before a mark; of several boxes the last is the answer, those before it are its steps. */
function goldAnswer(gold: string): string {
  return boxedAnswers(gold).at(-1) ?? markedAnswer(gold) ?? gold;
}

function boxedOrMarked(reply: string): string[] {
  const boxes = boxedAnswers(reply);
  const marked = boxes.length === 0 ? markedAnswer(reply) : null;
  return marked === null ? boxes : [marked];
}

function judge(
  completion: string,
  opened: string | null,
  read: (reply: string) => string[],
  expected: string,
  accepts: (answer: string) => boolean,
): Verdict {
  const reply = withoutThinking(completion, opened);
  if (reply === null) return wrong(null, 'the thinking never ended');
  const answers = read(reply);
  const answer = answers.at(-1);
  if (answer === undefined) return wrong(null, 'no \\boxed answer');
  if (answer === '') return wrong('', 'the \\boxed answer is empty');
  const different = [...new Set(answers)];
  const last = different.length > 1 ? readAnswer(answer) : null;
  if (last && different.some((other) => other !== answer && !sameReading(readAnswer(other), last))) {
    return wrong(answer, `${different.length} different \\boxed answers`);
  }
  if (!accepts(answer)) return wrong(answer, `${clip(answer)}, expected ${clip(expected)}`);
  return { reward: 1, correct: true, parsed: answer, reason: clip(answer) };
}

function wrong(parsed: string | null, reason: string): Verdict {
  return { reward: 0, correct: false, parsed, reason };
}

/** Short enough for a table cell. */
function clip(text: string): string {
  return text.length <= 40 ? text : `${text.slice(0, 39)}…`;
}
