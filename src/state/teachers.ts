/** Which stored checkpoints a distillation could learn from, and which of them is taken unless the reader says otherwise. Pure. */
import type { CheckpointInfo, RunRecord } from '../storage/records.ts';

export interface TeacherCandidate {
  readonly run: RunRecord;
  readonly checkpoint: CheckpointInfo;
}

/**
 * Every checkpoint that was trained at all, from this policy; runs newest first, as they come.
 * @param policy that the learner trains too: with adapters their base, which runs that begin from adapters name as theirs
 */
export function candidates(
  runs: readonly RunRecord[],
  checkpoints: Readonly<Record<string, readonly CheckpointInfo[]>>,
  policy: string,
): readonly TeacherCandidate[] {
  return runs
    .filter(({ config }) => config.policy === policy && config.optim.learningRate > 0)
    .flatMap((run) => (checkpoints[run.id] ?? []).filter(({ step }) => step > 0).map((checkpoint) => ({ run, checkpoint })));
}

/**
 * The highest reward among runs of reinforcement learning under personas, PerMix or a mix of the reader's own, because they answer best
 * where the lessons are asked; then among other reinforcement learning, then among all. Equal rewards: the later step, then the newer run.
 */
export function bestTeacher(all: readonly TeacherCandidate[]): TeacherCandidate | null {
  const rank = ({ run: { config } }: TeacherCandidate): number => (config.objective.name === 'sft' ? 0 : config.mix.noneShare < 1 ? 2 : 1);
  const reward = ({ checkpoint }: TeacherCandidate): number => checkpoint.reward ?? -Infinity;
  const compare = (a: TeacherCandidate, b: TeacherCandidate): number =>
    rank(b) - rank(a) || difference(reward(b), reward(a)) || b.checkpoint.step - a.checkpoint.step;
  return all.toSorted(compare)[0] ?? null;
}

/** Of numbers that may both be infinite. */
const difference = (a: number, b: number): number => (a === b ? 0 : a - b);
