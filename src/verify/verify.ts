/**
 * The verifier of RLVR: reads the answer out of a completion and says right or wrong, with a reason a person can read. A verdict is a promise,
 * because not every answer can be compared in the thread that waits for it.
 * Binary on purpose: there is no reward for a format, for trying, or for the persona.
 */
import type { Question, Task } from '../tasks/question.ts';
import { readAnswer, sameReading } from './equivalence.ts';
import { usualAnswers, usualImportedAnswers, type AnswerForm } from './answer-forms.ts';
import { boxedAnswers, extractAnswers, markedAnswer } from './extract.ts';
import { readAmount, sameAmount } from './number.ts';
import { withoutThinking } from './thinking.ts';
import type { Verdict } from './verdict.ts';

/**
 * The answer is what the first form of `answers` that the reply uses says. Several boxes with different contents are a guess at more than one
 * answer, hence wrong.
 * @param opened the closing mark of a thinking that the prompt opened (`openedThinking`): without it the reply never began
 */
export async function verify(
  completion: string,
  question: Question,
  task: Pick<Task, 'accepts'>,
  opened: string | null = null,
  answers: readonly AnswerForm[] = usualAnswers,
): Promise<Verdict> {
  const accepts = (answer: string, form: AnswerForm) => {
    if (task.accepts(answer, question)) return true;
    // A sentence says more than its number: `8 apples`, `3 + 5 = 8`.
    const stated = form === 'answer-is' ? wholeNumber(answer) : null;
    return stated !== null && task.accepts(stated, question);
  };
  return judge(completion, opened, answers, question.answer, accepts);
}

/**
 * The same for a question of an imported data set, which brings only its gold answer: a number, LaTeX, a solution that boxes its answer, or
 * GSM8K's `… #### 42`. Without any box, a `####` mark in the completion is read.
 * Null where the gold answer is not one that can be checked; such a completion must not be trained on.
 */
export async function verifyGold(
  completion: string,
  gold: string,
  opened: string | null = null,
  answers: readonly AnswerForm[] = usualImportedAnswers,
): Promise<Verdict | null> {
  const expected = goldAnswer(gold);
  const right = readAmount(expected);
  if (right === null) return null;
  return judge(completion, opened, answers, expected, (answer) => {
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

/** Of a sentence that is a whole number with a unit, or works one out; null for any other. */
function wholeNumber(said: string): string | null {
  const amount = readAmount(said);
  if (!amount || amount.percent || amount.numerator % amount.denominator !== 0n) return null;
  return (amount.numerator / amount.denominator).toString();
}

async function judge(
  completion: string,
  opened: string | null,
  order: readonly AnswerForm[],
  expected: string,
  accepts: (answer: string, form: AnswerForm) => boolean | Promise<boolean>,
): Promise<Verdict> {
  const reply = withoutThinking(completion, opened);
  if (reply === null) return wrong(null, 'the thinking never ended');
  const found = extractAnswers(reply, order);
  const answer = found?.answers.at(-1);
  if (!found || answer === undefined) return wrong(null, noAnswer(order));
  if (answer === '') return wrong('', 'the \\boxed answer is empty');
  const different = [...new Set(found.answers)];
  const last = different.length > 1 ? readAnswer(answer) : null;
  if (last && different.some((other) => other !== answer && !sameReading(readAnswer(other), last))) {
    return wrong(answer, `${different.length} different \\boxed answers`);
  }
  if (!(await accepts(answer, found.form))) return wrong(answer, `${clip(answer)}, expected ${clip(expected)}`);
  return { reward: 1, correct: true, parsed: answer, reason: clip(answer) };
}

/** In the words of the table. A reply without a box has had its mark looked for where one may stand. */
function noAnswer(order: readonly AnswerForm[]): string {
  if (order.includes('last-number')) return 'no number';
  if (order.includes('answer-is')) return 'no answer';
  return order.includes('boxed') ? 'no \\boxed answer' : 'no #### answer';
}

function wrong(parsed: string | null, reason: string): Verdict {
  return { reward: 0, correct: false, parsed, reason };
}

/** Short enough for a table cell. */
function clip(text: string): string {
  return text.length <= 40 ? text : `${text.slice(0, 39)}…`;
}
