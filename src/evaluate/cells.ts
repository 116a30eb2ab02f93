/**
 * What an examination is made of: cells (one persona's replies of one kind, how likely they are, a judge's verdict), each kept under its key
 * as soon as it is done. Which cells an evaluation has and how many rows each takes is counted here, and nowhere else. Nothing is asked here.
 */
import type { EvaluationPlan } from './plan.ts';
import type { ReplyKind } from './request.ts';
import { trainingFactor } from './training-factor.ts';

export type AskedKind = ReplyKind | `${ReplyKind} training`;
export type CellKind = AskedKind | `likelihood ${ReplyKind}`;

/** Replies to generate, and replies to score under a persona. */
export type RowSort = 'asked' | 'scored';
export type Rows = Readonly<Record<RowSort, number>>;

/** @param owner whose cell it is: a policy's place, or its part  @param persona its id or place; null: without one */
export const cellKey = (owner: string | number, kind: string, persona: string | number | null): string =>
  `${owner}/${kind}/${persona ?? 'none'}`;

export interface CellPlace {
  readonly owner: string;
  readonly kind: string;
  /** Null: without one. */
  readonly persona: string | null;
}

export function cellPlace(key: string): CellPlace {
  const [owner, kind, persona] = key.split('/') as [string, string, string];
  return { owner, kind, persona: persona === 'none' ? null : persona };
}

/** Questions of each kind. */
export type CellSizes = Readonly<Record<'task' | 'roleplay' | 'taskTraining' | 'roleplayTraining', number>>;

export interface CellSettings {
  readonly samples: number;
  /** As in `EvaluationPlanSettings`. */
  readonly fidelityReplies: number;
}

export const plannedSizes = ({ task, roleplay, taskTraining, roleplayTraining }: EvaluationPlan): CellSizes => ({
  task: task.length,
  roleplay: roleplay.length,
  taskTraining: taskTraining.length,
  roleplayTraining: roleplayTraining.length,
});

/** What a plan comes to where there are questions enough and all can be read. */
export function expectedSizes({ problems, fidelityReplies }: { readonly problems: number; readonly fidelityReplies: number }): CellSizes {
  const each = Math.min(fidelityReplies, problems);
  return { task: problems, roleplay: each, taskTraining: trainingFactor * each, roleplayTraining: trainingFactor * each };
}

export interface PlannedCell {
  readonly key: string;
  readonly sort: RowSort;
  readonly rows: number;
}

/**
 * All cells of an evaluation that have something to do.
 * @param owners  the policies  @param base  which of them the voice classifier learns from
 */
export function evaluationCells(
  owners: readonly (string | number)[],
  base: string | number,
  personas: readonly string[],
  sizes: CellSizes,
  { samples, fidelityReplies }: CellSettings,
): PlannedCell[] {
  const kinds: readonly { kind: CellKind; sort: RowSort; rows: number; of: 'all' | 'base' }[] = [
    { kind: 'task', sort: 'asked', rows: sizes.task * samples, of: 'all' },
    { kind: 'roleplay', sort: 'asked', rows: sizes.roleplay, of: 'all' },
    { kind: 'likelihood task', sort: 'scored', rows: Math.min(fidelityReplies, sizes.task) * personas.length, of: 'all' },
    { kind: 'likelihood roleplay', sort: 'scored', rows: sizes.roleplay * personas.length, of: 'all' },
    { kind: 'task training', sort: 'asked', rows: sizes.taskTraining, of: 'base' },
    { kind: 'roleplay training', sort: 'asked', rows: sizes.roleplayTraining, of: 'base' },
  ];
  const asked = kinds.filter(({ kind, rows }) => rows > 0 && (kind === 'task' || fidelityReplies > 0));
  return owners.flatMap((owner) =>
    asked
      .filter(({ of }) => of === 'all' || owner === base)
      .flatMap(({ kind, sort, rows }) =>
        (kind === 'task' ? [null, ...personas] : personas).map((persona) => ({ key: cellKey(owner, kind, persona), sort, rows })),
      ),
  );
}

export function rowsOfCells(cells: Iterable<PlannedCell>): Rows {
  const rows = { asked: 0, scored: 0 };
  for (const cell of cells) rows[cell.sort] += cell.rows;
  return rows;
}

/** Rows as work: a reply is one. @param scored what a scored row is: one pass, where a reply takes one a token */
export const workOf = (rows: Rows, scored: number): number => rows.asked + scored * rows.scored;
