/**
 * The one picture of the page as plain data: rows no persona and the personas, a column a policy, a cell the share right. What stands under a
 * column follows from its cells here; where the cells come from (a live run, an evaluation, a study, a class) is its callers' business, how they
 * look that of `ui/picture`, how they are written into files of `exchange/picture-file.ts`. Whatever has no answer yet is null, and so is what would follow from it.
 */
import type { Persona, Voice } from '../persona/persona.ts';
import type { RecipeName } from '../rl/config.ts';
import { tInterval, wilsonInterval } from '../statistics/intervals.ts';
import { mean } from '../statistics/moments.ts';
import { pssOf } from './stability.ts';

export interface Picture {
  readonly rows: readonly PictureRow[];
  /** In any order: shown are base, RLVR, PerMix and then the others. */
  readonly columns: readonly PictureColumn[];
}

export interface PictureRow {
  readonly key: string;
  readonly label: string;
  /** Null: no persona, which worst, mean, spread and PSS leave out. */
  readonly personaId: string | null;
  /** Place of its voice among the world's, by which it is coloured; null: of none. */
  readonly voice: number | null;
  /** Never trained on. */
  readonly heldOut?: boolean;
}

export interface PictureColumn {
  readonly key: string;
  readonly label: string;
  readonly recipe: RecipeName;
  /** [rows] */
  readonly cells: readonly (Cell | null)[];
  /** Its PSS if personas did not matter (evaluate/resample.ts). */
  readonly chance?: number | null;
  /** A few words under the label, such as the step. */
  readonly detail?: string;
  /** More answers are on their way. */
  readonly filling?: boolean;
}

export type Cell = Counted | OverSeeds;

export interface Counted {
  readonly right: number;
  readonly total: number;
  /** Replies to one problem are not independent of each other: how many problems `total` is of. Absent: as many. */
  readonly problems?: number;
}

export interface OverSeeds {
  /** Share right with each seed; the same seeds in the same order in every cell of a column. */
  readonly values: readonly number[];
}

/** A cell, named. */
export interface Place {
  readonly row: string;
  readonly column: string;
}

export interface Estimate {
  readonly value: number;
  /** 95 %: Wilson's over problems, or Student's over seeds, of which one has none. */
  readonly low: number | null;
  readonly high: number | null;
}

/** Over the personas of a column, as docs/evaluation.md defines them; over seeds, of each seed and then their mean. */
export interface Foot {
  readonly worst: Estimate;
  readonly mean: Estimate;
  /** best − worst */
  readonly spread: Estimate;
  readonly pss: Estimate;
}

/** No persona first, then the personas as they come. */
export function rowsOf(personas: readonly Pick<Persona, 'id' | 'name' | 'voice' | 'heldOut'>[], voices: readonly Voice[]): PictureRow[] {
  return [
    { key: 'none', label: 'No persona', personaId: null, voice: null },
    ...personas.map(({ id, name, voice, heldOut }) => ({ key: id, label: name, personaId: id, voice: voicePlace(voices, voice), heldOut })),
  ];
}

export function voicePlace(voices: readonly Voice[], id: string | null): number | null {
  const place = voices.findIndex((voice) => voice.id === id);
  return place < 0 ? null : place;
}

const first: readonly RecipeName[] = ['base', 'rlvr', 'permix'];

export function inOrder<Column extends Pick<PictureColumn, 'recipe'>>(columns: readonly Column[]): Column[] {
  const rank = ({ recipe }: Column) => (first.includes(recipe) ? first.indexOf(recipe) : first.length);
  return columns.toSorted((a, b) => rank(a) - rank(b));
}

/** Null where nothing was answered. */
export function estimateOf(cell: Cell | null): Estimate | null {
  if (cell === null) return null;
  if ('values' in cell) return overSeeds(cell.values);
  const { right, total, problems = total } = cell;
  if (total <= 0) return null;
  const value = right / total;
  return { value, ...wilsonInterval(value, problems) };
}

/** Null until every persona has an answer: the worst of some is not the worst. Null of fewer than two personas. */
export function footOf(rows: readonly PictureRow[], { cells }: PictureColumn): Foot | null {
  const personas = rows.flatMap(({ personaId }, row) => (personaId === null ? [] : [bySeed(cells[row] ?? null)]));
  const seeds = personas[0]?.length ?? 0;
  if (personas.length < 2 || seeds === 0 || personas.some(({ length }) => length !== seeds)) return null;
  const ofEach = (measure: (shares: readonly number[]) => number) =>
    overSeeds(Array.from({ length: seeds }, (_, seed) => measure(personas.map((values) => values[seed]!))))!;
  return {
    worst: ofEach((shares) => Math.min(...shares)),
    mean: ofEach(mean),
    spread: ofEach((shares) => Math.max(...shares) - Math.min(...shares)),
    pss: ofEach(pssOf),
  };
}

/** Places of the rows that are least often right; none until every persona has an answer, and none where all are alike. */
export function worstRows(rows: readonly PictureRow[], { cells }: PictureColumn): number[] {
  const known = rows.flatMap(({ personaId }, row) => (personaId === null ? [] : [{ row, value: estimateOf(cells[row] ?? null)?.value }]));
  const values = known.map(({ value }) => value).filter((value) => value !== undefined);
  const worst = Math.min(...values);
  if (values.length < known.length || values.every((value) => value === worst)) return [];
  return known.filter(({ value }) => value === worst).map(({ row }) => row);
}

/** The shares of one cell, one with each seed; a count is of one. */
function bySeed(cell: Cell | null): readonly number[] {
  if (cell !== null && 'values' in cell) return cell.values;
  const known = estimateOf(cell);
  return known ? [known.value] : [];
}

/** Of a share, or a difference of two: what lies beyond [0, 1] is cut off. */
function overSeeds(values: readonly number[]): Estimate | null {
  if (values.length === 0) return null;
  if (values.length === 1) return { value: values[0]!, low: null, high: null };
  const { mean: value, low, high } = tInterval(values, 0.95);
  return { value, low: Math.max(0, low), high: Math.min(1, high) };
}
