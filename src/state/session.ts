/** Where the run that this tab trains is, as the worker told it last, and what it waits for. */
import type { SessionPhase, TrainerEvent } from '../worker/api.ts';

export interface SessionState {
  readonly runId: string | null;
  readonly phase: SessionPhase;
  readonly step: number;
  readonly steps: number;
  readonly message: string | null;
}

export const idle: SessionState = { runId: null, phase: 'idle', step: 0, steps: 0, message: null };

const active: Readonly<Record<SessionPhase, boolean>> = {
  idle: false,
  starting: true,
  running: true,
  pausing: true,
  paused: false,
  recovering: true,
  finished: false,
  failed: false,
};

/** A step is on its way, or will be. */
export const isActive = (phase: SessionPhase): boolean => active[phase];

/** What the button is for that a command was given with, where a run begins with it; nothing may have come of it yet. */
export const beginsRun = (busy: string | null): boolean => busy !== null && ['train', 'step', 'race', 'resume'].includes(busy);

/** How far a policy of the reader's own has come to the engine. */
export interface Loading {
  readonly policy: string;
  /** 0..1 */
  readonly fraction: number;
}

/** Null: it is there. */
export const loadingOf = ({ policy, fraction }: Extract<TrainerEvent, { type: 'loading' }>): Loading | null =>
  policy === null ? null : { policy, fraction };
