/** What a link into the page can say: the words for it, and what says nothing. How it is read and written is `link.ts`, which is loaded when there is one. */
import type { RunConfig } from '../rl/config.ts';

/** Parts of the page that a class need not see. */
export const hideable = [
  'settings',
  'advanced',
  'learning',
  'rollouts',
  'probe',
  'runs',
  'stories',
  'real',
  'evaluate',
  'reproduce',
] as const;
export type Hideable = (typeof hideable)[number];
/** Settings that are shown and cannot be changed. `settings`: all that makes another training, so neither steps nor seed. */
export const lockable = ['settings', 'steps', 'seed'] as const;
export type Lockable = (typeof lockable)[number];
/** Columns of the race's picture. */
export const columnNames = ['base', 'rlvr', 'permix'] as const;
export type ColumnName = (typeof columnNames)[number];
/** What starts by itself: both in turn, or the next run. */
export const startable = ['race', 'train'] as const;
export type Startable = (typeof startable)[number];

export interface Link {
  /** Of the next run; null: the link sets none. */
  readonly config: RunConfig | null;
  readonly hide: readonly Hideable[];
  readonly lock: readonly Lockable[];
  /** Null: all. */
  readonly columns: readonly ColumnName[] | null;
  /** In large type. */
  readonly projector: boolean;
  /** The picture holds the recorded race at this step. */
  readonly recording: number | null;
  /** Whose replies are open under the picture. */
  readonly cell: { readonly row: string; readonly column: ColumnName } | null;
  readonly autostart: Startable | null;
}

export const noLink: Link = {
  config: null,
  hide: [],
  lock: [],
  columns: null,
  projector: false,
  recording: null,
  cell: null,
  autostart: null,
};
