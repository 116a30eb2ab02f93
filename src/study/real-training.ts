/**
 * RLVR and PerMix from a policy that nobody here made, one seed each, as the page shows them: the curves of training, and every reply to held-out
 * questions before and after. Put together from the folders that `permix race` and `permix eval` left (`npm run real:training`); nothing is
 * measured here. The protocol is in docs/real/training.md.
 */
import { LabError } from '../errors.ts';
import type { HeldOutReply } from '../evaluate/held-out.ts';
import type { Picture } from '../evaluate/picture.ts';
import { parseJson } from '../json.ts';
import { lotteryOf, lotteryPicture, lotteryReplies, type AskedTask, type Lottery, type LotteryPolicy } from './lottery.ts';

export const realTrainingFormat = 'permix-real-training';
export const realTrainingVersion = 1;

export const realArms = ['base', 'rlvr', 'permix'] as const;
export type RealArm = (typeof realArms)[number];

export interface RealTraining {
  readonly format: typeof realTrainingFormat;
  readonly version: typeof realTrainingVersion;
  readonly seed: number;
  /** The task that was trained on; the others of the arms are asked only. */
  readonly task: string;
  /** Ids of personas that no training prompt carried. */
  readonly heldOut: readonly string[];
  /** The policy before, and after either training: the same personas, tasks and questions. */
  readonly arms: readonly { readonly recipe: RealArm; readonly asked: Lottery }[];
  readonly curves: readonly RealCurve[];
}

/** By step, from 1. */
export interface RealCurve {
  readonly recipe: RealArm;
  readonly reward: readonly number[];
  /** Nats a token, over the whole vocabulary. */
  readonly entropy: readonly number[];
  /** Tokens of a reply. */
  readonly length: readonly number[];
  /** To the policy before, nats a token (k3); null where a step did not measure it. */
  readonly kl: readonly (number | null)[];
}

/** What a run folder says. */
export interface TrainedArm {
  readonly recipe: RealArm;
  readonly config: { readonly seed: number; readonly tasks: readonly { readonly id: string }[] };
  /** Lines of metrics.jsonl. */
  readonly metrics: readonly Readonly<Record<string, number | null>>[];
}

/** @throws LabError 'format' for folders that do not belong together */
export async function realTrainingOf(
  policy: Omit<LotteryPolicy, 'ownPrompt'>,
  trained: readonly TrainedArm[],
  asked: readonly { readonly recipe: RealArm; readonly tasks: readonly AskedTask[] }[],
): Promise<RealTraining> {
  const { config } = trained[0]!;
  const { tasks } = asked[0]!;
  const settings = new Set(trained.map((arm) => JSON.stringify([arm.config.seed, arm.config.tasks])));
  if (settings.size !== 1) throw new LabError('format', 'The two runs have another seed or task.', 'Race them from one seed.');
  return {
    format: realTrainingFormat,
    version: realTrainingVersion,
    seed: config.seed,
    task: config.tasks[0]!.id,
    heldOut: tasks[0]!.report.personas.filter(({ heldOut }) => heldOut).map(({ id }) => id),
    arms: await Promise.all(asked.map(async (arm) => ({ recipe: arm.recipe, asked: await lotteryOf(policy, arm.tasks) }))),
    curves: trained.map(({ recipe, metrics }) => ({
      recipe,
      reward: metrics.map((step) => step['reward']!),
      entropy: metrics.map((step) => step['entropy']!),
      length: metrics.map((step) => step['completions/mean_length']!),
      kl: metrics.map((step) => step['kl'] ?? null),
    })),
  };
}

/** @throws LabError 'format' for a file that is none, or not whole: for the build, which checks what the page only parses */
export function readRealTraining(text: string): RealTraining {
  const training = parseJson(text, { file: 'docs/real/training.json' }) as RealTraining;
  const shape = ({ personas, tasks }: Lottery) =>
    JSON.stringify([personas, tasks.map(({ id, questions, replies }) => [id, questions, replies.map((row) => row.length)])]);
  const whole =
    training.format === realTrainingFormat &&
    training.version === realTrainingVersion &&
    training.arms.map(({ recipe }) => recipe).join() === realArms.join() &&
    new Set(training.arms.map(({ asked }) => shape(asked))).size === 1 &&
    training.arms[0]!.asked.tasks.every(({ questions, replies }) => replies.every((row) => row.length === questions.length)) &&
    training.curves.every(({ reward, entropy, length, kl }) => [entropy, length, kl].every((line) => line.length === reward.length));
  if (whole) return training;
  throw new LabError('format', 'docs/real/training.json is not whole.', 'Make it again: npm run real:training.');
}

/** A column before and after either training, for one task; personas from the one that was right most often before. */
export function trainingPicture({ arms, heldOut }: RealTraining, task: string): Picture {
  const pictures = arms.map(({ recipe, asked }) => ({
    recipe,
    picture: lotteryPicture({ ...asked, tasks: asked.tasks.filter(({ id }) => id === task) }),
  }));
  const { rows } = pictures[0]!.picture;
  return {
    rows: rows.map((row) => ({ ...row, heldOut: heldOut.includes(row.key) })),
    columns: pictures.map(({ recipe, picture }) => {
      const [column] = picture.columns;
      const cells = rows.map(({ key }) => column!.cells[picture.rows.findIndex((row) => row.key === key)]!);
      return { ...column!, cells, key: recipe, recipe, label: armLabels[recipe] };
    }),
  };
}

export const armLabels: Readonly<Record<RealArm, string>> = { base: 'Before', rlvr: 'RLVR', permix: 'PerMix' };

/** What stands behind a cell: the column is an arm. */
export function trainingReplies(
  { arms }: RealTraining,
  task: string,
  { row, column }: { readonly row: string; readonly column: string },
): HeldOutReply[] {
  const arm = arms.find(({ recipe }) => recipe === column);
  return arm ? lotteryReplies(arm.asked, { row, column: task }) : [];
}

/** The first step whose reward, as the mean of the last five, reaches a share; null: none does. */
export function stepsUntil({ reward }: RealCurve, share: number, over = 5): number | null {
  for (let step = over; step <= reward.length; step++) {
    const last = reward.slice(step - over, step);
    if (last.reduce((sum, one) => sum + one, 0) / over >= share) return step;
  }
  return null;
}
