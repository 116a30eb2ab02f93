/** What the reader is told of a worker that does not answer, or in which something failed. Nothing is ended for it: that is the reader's to decide. */
import type { RunRecord } from '../storage/records.ts';

export interface Trouble {
  /** Seconds without an answer; null: it answers. */
  readonly silent: number | null;
  /** What failed in it that no command was told of; null: nothing. */
  readonly why: string | null;
}

export const noTrouble: Trouble = { silent: null, why: null };

export interface Stake {
  /** Whether the worker's script has come at all. */
  readonly arrived: boolean;
  /** The run that is being trained; null: none. */
  readonly run: RunRecord | null;
  /** Whether what is stored outlives the worker. */
  readonly durable: boolean;
  /** Whether anything is stored. */
  readonly stored: boolean;
}

/** Null where there is nothing to say. */
export function troubleSentence({ silent, why }: Trouble, { arrived, run, durable, stored }: Stake): string | null {
  if (silent === null && why === null) return null;
  if (!arrived) return `The part of the page that trains has not arrived after ${silent} s. Over a slow connection it may still come.`;
  const failed = why === null ? [] : [`Something failed in the trainer that it was not prepared for (${why}).`];
  const quiet = silent === null ? [] : [`The trainer has not answered for ${silent} s.`];
  const hope = silent === null ? 'It still answers; restart it if it does not go on.' : 'It may be in the middle of a long computation.';
  return [...failed, ...quiet, hope, atStake(run, durable, stored)].filter((text) => text !== null).join(' ');
}

/** What a restart costs. */
function atStake(run: RunRecord | null, durable: boolean, stored: boolean): string | null {
  if (!durable) return run || stored ? 'A restart loses the runs, which are in memory only.' : null;
  if (run) return `“${run.name}” is saved up to step ${run.step}; after a restart it can be continued from there.`;
  return stored ? 'A restart loses nothing that was saved.' : null;
}
