/**
 * The verifier of RLVR: reads the answer out of a completion and says right or wrong, with a reason a person can read. A verdict is a promise,
 * because not every answer can be compared in the thread that waits for it.
 * Binary on purpose: there is no reward for a format, for trying, or for the persona.
 */
import type { Question, Task } from '../tasks/question.ts';
import type { QuestionSource } from '../tasks/source.ts';
import { usualAnswers, usualImportedAnswers, type AnswerForm } from './answer-forms.ts';
import { readAnswer, sameReading } from './equivalence.ts';
import { boxedAnswers, extractAnswers, markedAnswer } from './extract.ts';
import { readGold, type Gold, type Grade } from './grade.ts';
import { readAmount } from './number.ts';
import { withoutThinking } from './thinking.ts';
import type { Verdict } from './verdict.ts';

/**
 * As the source of the question says: by its own rule, or by comparing with the gold answer.
 * @param opened the closing mark of a thinking that the prompt opened (`openedThinking`)
 */
export async function verifyAs(
  { accepts, name }: Pick<QuestionSource, 'accepts' | 'name'>,
  completion: string,
  question: Question,
  opened: string | null = null,
  answers?: readonly AnswerForm[],
): Promise<Verdict> {
  if (accepts) return verify(completion, question, { accepts }, opened, answers);
  const verdict = await verifyGold(completion, question.answer, opened, answers);
  // Such questions are left out where the set is read.
  if (!verdict) throw new Error(`${name} has a gold answer that cannot be checked: ${question.answer}`);
  return verdict;
}

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
  const reply = withoutThinking(completion, opened);
  if (reply === null) return wrong(null, 'the thinking never ended');
  const found = extractAnswers(reply, answers);
  const answer = found?.answers.at(-1);
  if (!found || answer === undefined) return wrong(null, noAnswer(answers));
  if (answer === '') return wrong('', 'the \\boxed answer is empty');
  const guesses = differing(found.answers);
  if (guesses > 1) return wrong(answer, `${guesses} different \\boxed answers`);
  // A sentence says more than its number: `8 apples`, `3 + 5 = 8`.
  const stated = found.form === 'answer-is' ? wholeNumber(answer) : null;
  const accepted = task.accepts(answer, question) || (stated !== null && task.accepts(stated, question));
  return accepted ? right(answer) : wrong(answer, `${clip(answer)}, expected ${clip(question.answer)}`);
}

/** A verdict with the steps that led to it. */
export interface Judgement extends Verdict {
  readonly trace: readonly string[];
}

/**
 * The same for a question of an imported data set, which brings only its gold answer: a number, a formula, words, a solution that boxes its
 * answer, or GSM8K's `… #### 42`. Without any box, a `####` mark in the completion is read. The rules are in docs/verifier.md.
 * Null where the gold answer is not one that can be compared; such a completion must not be trained on.
 */
export async function verifyGold(
  completion: string,
  gold: string,
  opened: string | null = null,
  answers: readonly AnswerForm[] = usualImportedAnswers,
): Promise<Judgement | null> {
  const expected = await readGold(goldAnswer(gold));
  return expected && judge(completion, expected, opened, answers);
}

/** Whether a gold answer is one that can be compared with others. */
export async function isCheckable(gold: string): Promise<boolean> {
  return (await readGold(goldAnswer(gold))) !== null;
}

/** What a gold answer says: a box goes before a mark; of several boxes the last is the answer, those before it are its steps. */
export function goldAnswer(gold: string): string {
  return boxedAnswers(gold).at(-1) ?? markedAnswer(gold) ?? gold;
}

async function judge(completion: string, gold: Gold, opened: string | null, order: readonly AnswerForm[]): Promise<Judgement> {
  const reply = withoutThinking(completion, opened);
  if (reply === null)
    return { ...wrong(null, 'the thinking never ended'), trace: ['the thinking never ended, so that nothing was answered'] };
  const found = extractAnswers(reply, order);
  const said = found?.answers.at(-1);
  if (!found || said === undefined) return { ...wrong(null, noAnswer(order)), trace: [`${noAnswer(order)} in the reply`] };
  const several = found.answers.length > 1;
  const where = `read as ${found.form}${several ? `, the last of ${found.answers.length}` : ''}`;
  if (said === '') return { ...wrong('', 'the \\boxed answer is empty'), trace: [where, 'it is empty'] };
  const { equal, trace } = await gradeFound(gold, found.answers, found.joined);
  const verdict = equal ? right(said) : wrong(said, `${clip(said)}, expected ${clip(gold.text)}`);
  return { ...verdict, trace: [where, ...trace] };
}

/** The last of several, or, where they are one list in boxes of their own (`\boxed{1}, \boxed{2}`), all of them. */
async function gradeFound(gold: Gold, answers: readonly string[], joined: boolean): Promise<Grade> {
  if (!joined || differing(answers) === 1) return gold.grade(answers.at(-1)!);
  if (gold.isNumber) return { equal: false, trace: ['several numbers side by side in boxes are a guess at more than one'] };
  return gold.grade(answers.join(', '));
}

/** How many different things several answers say. */
function differing(answers: readonly string[]): number {
  const different = [...new Set(answers)];
  if (different.length < 2) return different.length;
  const last = readAnswer(answers.at(-1)!);
  return different.some((other) => other !== answers.at(-1) && !sameReading(readAnswer(other), last)) ? different.length : 1;
}

/** Of a sentence that is a whole number with a unit, or works one out; null for any other. */
function wholeNumber(said: string): string | null {
  const amount = readAmount(said);
  if (!amount || amount.percent || amount.numerator % amount.denominator !== 0n) return null;
  return (amount.numerator / amount.denominator).toString();
}

/** In the words of the table. A reply without a box has had its mark looked for where one may stand. */
function noAnswer(order: readonly AnswerForm[]): string {
  if (order.includes('last-number')) return 'no number';
  if (order.includes('answer-is')) return 'no answer';
  if (order.includes('boxed')) return 'no \\boxed answer';
  return order.includes('hashes') ? 'no #### answer' : 'no answer';
}

function right(answer: string): Verdict {
  return { reward: 1, correct: true, parsed: answer, reason: clip(answer) };
}

function wrong(parsed: string | null, reason: string): Verdict {
  return { reward: 0, correct: false, parsed, reason };
}

/** Short enough for a table cell. */
function clip(text: string): string {
  return text.length <= 40 ? text : `${text.slice(0, 39)}…`;
}
