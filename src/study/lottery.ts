/**
 * The persona lottery of a policy that nobody here made, as the page shows it: how often each persona is right in each task, and every reply.
 * It is put together from the folders that `permix eval` left (`npm run real`); nothing is measured here. The protocol and the numbers in words
 * are in docs/real.
 */
import { LabError } from '../errors.ts';
import { cellKey } from '../evaluate/cells.ts';
import type { HeldOutReply } from '../evaluate/held-out.ts';
import type { Picture } from '../evaluate/picture.ts';
import { generatedQuestions } from '../evaluate/questions.ts';
import type { EvaluationReport } from '../evaluate/report.ts';
import { parseJson } from '../json.ts';
import { taskById } from '../tasks/index.ts';

export const lotteryFormat = 'permix-lottery';
export const lotteryVersion = 1;

export interface Lottery {
  readonly format: typeof lotteryFormat;
  readonly version: typeof lotteryVersion;
  readonly policy: LotteryPolicy;
  /** No persona first, whose name is null. */
  readonly personas: readonly { readonly id: string; readonly name: string | null }[];
  readonly tasks: readonly LotteryTask[];
}

export interface LotteryPolicy {
  readonly name: string;
  readonly parameters: number;
  readonly licence: string;
  /** Who made it, and which file was asked. */
  readonly origin: string;
  /** Where it can be fetched from: `owner/name`. */
  readonly hub: string;
  /** What its chat template says by itself where there is no persona; null: nothing. */
  readonly ownPrompt: string | null;
}

export interface LotteryTask {
  readonly id: string;
  readonly name: string;
  /** [problems] */
  readonly questions: readonly { readonly text: string; readonly answer: string }[];
  /** [personas][problems] */
  readonly replies: readonly (readonly {
    readonly text: string;
    readonly parsed: string | null;
    readonly correct: boolean;
    readonly reason: string;
  }[])[];
  readonly maxNewTokens: number;
  /** If personas did not matter: of the difference between the best and the worst persona, and of PSS. */
  readonly chance: { readonly spread: number; readonly spreadHigh: number; readonly p: number; readonly pss: number };
  /** E[max of k] by k. */
  readonly best: readonly { readonly k: number; readonly accuracy: number }[];
}

/** Report and `cells.jsonl` of one folder. */
export interface AskedTask {
  readonly name: string;
  readonly report: EvaluationReport;
  readonly cells: string;
}

/** @throws LabError 'format' for folders of other personas than the first, of several samples, or without a cell */
export async function lotteryOf(policy: Omit<LotteryPolicy, 'ownPrompt'>, tasks: readonly AskedTask[]): Promise<Lottery> {
  const [{ report: first }] = tasks as [AskedTask];
  const personas = [{ id: 'none', name: null }, ...first.personas.map(({ id, name }) => ({ id, name }))];
  return {
    format: lotteryFormat,
    version: lotteryVersion,
    policy: { ...policy, ownPrompt: first.policy.ownPrompt ?? null },
    personas,
    tasks: await Promise.all(tasks.map((task) => taskOf(task, personas))),
  };
}

async function taskOf({ name, report, cells }: AskedTask, personas: Lottery['personas']): Promise<LotteryTask> {
  const { data, sampling, policy, asking } = report;
  const wrong = (what: string) => new LabError('format', `The evaluation of ${data.name} ${what}.`, 'Evaluate again by docs/real.');
  if (
    report.personas.map(({ id }) => id).join() !==
    personas
      .slice(1)
      .map(({ id }) => id)
      .join()
  )
    throw wrong('has other personas');
  if (sampling.samples !== 1 || !policy.shuffledSpread) throw wrong('is none of single replies');
  const set = generatedQuestions(taskById(data.name), data.problemIds.length, {
    seed: sampling.seed,
    ...(asking ? { instruction: asking.instruction, answers: asking.answers } : {}),
  });
  if (set.questions.map(({ id }) => id).join() !== data.problemIds.join()) throw wrong('asked other questions than this program would');
  const said = new Map(
    cells
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => {
        const { key, replies } = parseJson(line, { file: 'cells.jsonl' }) as { key: string; replies?: readonly { text: string }[] };
        return [key, replies ?? []];
      }),
  );
  const replies = await Promise.all(
    personas.map(async ({ id, name: persona }) => {
      const own = said.get(cellKey('policy', 'task', persona === null ? null : id));
      if (own?.length !== set.questions.length) throw wrong(`has no replies of ${persona ?? 'no persona'}`);
      return Promise.all(
        set.questions.map(async (question, i) => {
          const { text } = own[i]!;
          const { correct, parsed, reason } = await set.judge({ text }, question);
          return { text, parsed, correct, reason };
        }),
      );
    }),
  );
  const { shuffledSpread: spread, shuffled } = policy;
  return {
    id: data.name,
    name,
    questions: set.questions.map(({ text, answer }) => ({ text, answer })),
    replies,
    maxNewTokens: sampling.maxNewTokens,
    chance: { spread: spread.mean, spreadHigh: spread.high, p: spread.p, pss: shuffled.mean },
    best: policy.lottery.map((accuracy, i) => ({ k: i + 1, accuracy })),
  };
}

/** @throws LabError 'format' for a file that is none, or not whole: for the build, which checks what the page only parses */
export function readLottery(text: string): Lottery {
  const lottery = parseJson(text, { file: 'docs/real/results.json' }) as Lottery;
  const whole =
    lottery.format === lotteryFormat &&
    lottery.version === lotteryVersion &&
    lottery.tasks.every(
      ({ questions, replies }) => replies.length === lottery.personas.length && replies.every((row) => row.length === questions.length),
    );
  if (whole) return lottery;
  throw new LabError('format', 'docs/real/results.json is not whole.', 'Make it again: npm run real.');
}

/** No persona first, then the personas from the one that is right least often in the first task: the worst is seen without scrolling. */
export function lotteryPicture({ personas, tasks }: Lottery): Picture {
  const right = (task: LotteryTask, place: number) => task.replies[place]!.filter(({ correct }) => correct).length;
  const [, ...places] = personas.keys();
  const order = [0, ...places.sort((a, b) => right(tasks[0]!, a) - right(tasks[0]!, b))];
  return {
    rows: order.map((place) => {
      const { id, name } = personas[place]!;
      return { key: id, label: name ?? 'No persona', personaId: name === null ? null : id, voice: null };
    }),
    columns: tasks.map((task) => ({
      key: task.id,
      label: task.name,
      recipe: 'base',
      cells: order.map((place) => ({ right: right(task, place), total: task.questions.length })),
      chance: task.chance.pss,
    })),
  };
}

/** What stands behind a cell. */
export function lotteryReplies({ personas, tasks }: Lottery, place: { readonly row: string; readonly column: string }): HeldOutReply[] {
  const task = tasks.find(({ id }) => id === place.column);
  const row = personas.findIndex(({ id }) => id === place.row);
  return (task?.replies[row] ?? []).map((reply, i) => {
    const { text: question, answer } = task!.questions[i]!;
    return { question, answer, ...reply };
  });
}

/** The personas that are right most and least often in a task. */
export function extremes({ personas, tasks }: Lottery, task: LotteryTask = tasks[0]!) {
  const shares = task.replies.slice(1).map((row) => row.filter(({ correct }) => correct).length / row.length);
  const named = (share: number) => ({ name: personas[1 + shares.indexOf(share)]!.name!, share });
  return { worst: named(Math.min(...shares)), best: named(Math.max(...shares)) };
}
