/** The rollouts of one step: gathered into groups, counted, and left out where a filter says so. Pure. */
import type { RolloutRecord } from '../rl/events.ts';

export interface RolloutGroup {
  readonly key: string;
  readonly question: string;
  readonly answer: string;
  readonly task: string;
  /** Null: no persona, or one per rollout (`mixed`). */
  readonly personaId: string | null;
  readonly mixed: boolean;
  /** Highest reward first, then the highest advantage; the order of rows decides ties. */
  readonly rollouts: readonly RolloutRecord[];
  readonly correct: number;
  readonly reward: number;
}

export function groupRollouts(rollouts: readonly RolloutRecord[]): RolloutGroup[] {
  const groups = new Map<string, RolloutRecord[]>();
  for (const rollout of rollouts) groups.set(rollout.group, [...(groups.get(rollout.group) ?? []), rollout]);
  return [...groups].map(([key, rows]) => {
    const first = rows[0]!;
    return {
      key,
      question: first.question,
      answer: first.answer,
      task: first.task,
      personaId: first.personaId,
      mixed: rows.some((row) => row.personaId !== first.personaId),
      rollouts: [...rows].sort((a, b) => b.reward - a.reward || b.advantage - a.advantage || a.row - b.row),
      correct: rows.filter((row) => row.correct).length,
      reward: rows.reduce((sum, row) => sum + row.reward, 0) / rows.length,
    };
  });
}

export const groupKinds = ['right', 'mixed', 'wrong'] as const;
/** All of its rollouts are right, some, or none. */
export type GroupKind = (typeof groupKinds)[number];

export function kindOf({ correct, rollouts }: Pick<RolloutGroup, 'correct' | 'rollouts'>): GroupKind {
  return correct === rollouts.length ? 'right' : correct === 0 ? 'wrong' : 'mixed';
}

/** Groups of every kind. */
export function countKinds(groups: readonly RolloutGroup[]): Readonly<Record<GroupKind, number>> {
  const count = { right: 0, mixed: 0, wrong: 0 };
  for (const group of groups) count[kindOf(group)]++;
  return count;
}

/** Null and blank: everything. */
export interface RolloutFilter {
  readonly kind: GroupKind | null;
  /** Voice id; `none`: no persona. */
  readonly voice: string | null;
  readonly task: string | null;
  readonly verdict: 'right' | 'wrong' | null;
  readonly cutOff: boolean;
  /** In the completion, case aside. */
  readonly text: string;
}

export const everything: RolloutFilter = { kind: null, voice: null, task: null, verdict: null, cutOff: false, text: '' };

/** A group with those of its rollouts that pass. */
export interface ShownGroup extends RolloutGroup {
  readonly shown: readonly RolloutRecord[];
}

/** Groups without a rollout that passes are left out. @param voiceOf of a persona's id; null for one without a voice */
export function filterGroups(
  groups: readonly RolloutGroup[],
  filter: RolloutFilter,
  voiceOf: (personaId: string) => string | null,
): ShownGroup[] {
  const text = filter.text.trim().toLowerCase();
  const passes = (rollout: RolloutRecord): boolean =>
    (filter.voice === null || (rollout.personaId === null ? 'none' : voiceOf(rollout.personaId)) === filter.voice) &&
    (filter.task === null || rollout.task === filter.task) &&
    (filter.verdict === null || rollout.correct === (filter.verdict === 'right')) &&
    (!filter.cutOff || !rollout.ended) &&
    rollout.completion.toLowerCase().includes(text);
  return groups
    .filter((group) => filter.kind === null || kindOf(group) === filter.kind)
    .map((group) => ({ ...group, shown: group.rollouts.filter(passes) }))
    .filter(({ shown }) => shown.length > 0);
}
