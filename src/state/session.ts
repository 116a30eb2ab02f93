/** Where the run that this tab trains is, as the worker told it last. */
import type { SessionPhase } from '../worker/api.ts';

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
