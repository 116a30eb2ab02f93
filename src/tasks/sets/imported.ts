/** An imported set in memory, and how questions are drawn from it. What was read of its file is `read.ts`. */
import { LabError } from '../../errors.ts';
import { Stream } from '../../random/counter.ts';
import { hash53, questionId } from '../hash.ts';
import { parseExpression, wholeValue } from '../expression.ts';
import type { Question, Split } from '../question.ts';
import type { HeldOutSplit, ImportedQuestion, ImportedSet, QuestionSource } from '../source.ts';

/** Characters of questions and answers that one set keeps in memory. */
export const mostSetText = 400_000_000;

/** Two questions that differ in blanks alone are one, and belong to one split. */
export const plainQuestion = (asked: string): string => asked.normalize('NFC').replace(/\s+/g, ' ').trim();

/** Where a question lies in [0, 1); those below the share are held out. */
const placeOf = (asked: string, seed: number): number => hash53(plainQuestion(asked), seed) / 2 ** 53;

/** Whether a question is held out, as long as either side has one. */
export const isHeldOut = (asked: string, { share, seed }: HeldOutSplit): boolean => placeOf(asked, seed) < share;

/** The split of every question, by its hash. Where that would leave one of them empty, the question nearest to the border goes there. */
export function splitSet({ questions }: Pick<ImportedSet, 'questions'>, { share, seed }: HeldOutSplit): Record<Split, number[]> {
  const places = questions.map(({ asked }) => placeOf(asked, seed));
  const split: Record<Split, number[]> = { train: [], evaluation: [] };
  for (const [i, place] of places.entries()) split[place < share ? 'evaluation' : 'train'].push(i);
  for (const [empty, full] of [['evaluation', 'train'] as const, ['train', 'evaluation'] as const]) {
    if (split[empty].length > 0 || split[full].length < 2) continue;
    const nearest = split[full].reduce((best, i) => (Math.abs(places[i]! - share) < Math.abs(places[best]! - share) ? i : best));
    split[empty] = [nearest];
    split[full] = split[full].filter((i) => i !== nearest);
  }
  return split;
}

/** Stands where a pass has its order from, and never where a question is drawn again. */
const orderRow = 0xffffffff;

/**
 * @param id by which the run calls it  @param fewest questions it has to have: to be trained on, one more than is held out
 * @throws LabError 'config' for fewer
 */
export function importedSource({ kind, questions }: ImportedSet, id: string, split: HeldOutSplit, fewest = 2): QuestionSource {
  const members = splitSet({ questions }, split);
  if (questions.length < fewest) {
    throw new LabError(
      'config',
      `${id} has ${questions.length} question that can be used; one to train on and one to hold out are needed.`,
      'Give a larger set.',
    );
  }
  const orders = new Map<string, readonly number[]>();
  const orderOf = (stream: Stream, part: Split): readonly number[] => {
    const { length } = members[part];
    const pass = Math.floor(stream.step / length);
    const key = [part, stream.seed, stream.purpose, pass].join(' ');
    let order = orders.get(key);
    if (!order) {
      order = new Stream(stream.seed, stream.purpose, pass, orderRow).shuffle(members[part]);
      // A run goes on from pass to pass, and asks for two splits.
      if (orders.size > 3) orders.clear();
      orders.set(key, order);
    }
    return order;
  };
  return {
    id,
    name: id,
    count: { train: members.train.length, evaluation: members.evaluation.length },
    draw(stream, part) {
      const { length } = members[part];
      const index = stream.row === 0 ? orderOf(stream, part)[stream.step % length]! : stream.pick(members[part]);
      return importedQuestion(questions[index]!, id);
    },
    accepts: kind === 'countdown' ? makesTarget : null,
    whole: false,
    solution: kind === 'countdown' ? () => null : ({ answer }) => `\\boxed{${answer}}`,
  };
}

export function importedQuestion({ asked, gold }: ImportedQuestion, id: string): Question {
  return { id: questionId('import', asked), task: id, text: asked, answer: gold };
}

/** An expression of the numbers, each once, whose value is the target. The gold is `23 from 30, 100, 93`. */
function makesTarget(answer: string, { answer: gold }: Question): boolean {
  const [target, numbers] = gold.split(' from ') as [string, string];
  const given = parseExpression(answer);
  if (!given || wholeValue(given) !== BigInt(target)) return false;
  const sorted = (list: readonly string[]) => list.toSorted().join(' ');
  return sorted(given.numbers.map(String)) === sorted(numbers.split(', ').map((number) => String(BigInt(number))));
}
