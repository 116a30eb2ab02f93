/**
 * Which run the charts and the rollouts show: the lab's viewed one, or a recorded one. They read it from context, so that several runs can
 * stand side by side in one page.
 */
import { createContext } from 'svelte';
import type { Persona, Voice } from '../persona/persona.ts';
import type { RecipeName, RunConfig } from '../rl/config.ts';
import type { HeldOut } from './held-out.svelte.ts';
import type { Metrics } from './metrics.svelte.ts';
import type { RolloutsState } from './rollouts.svelte.ts';

export interface Stage {
  readonly metrics: Metrics;
  readonly rollouts: RolloutsState;
  readonly heldOut: HeldOut;
  /** Whose colour the curves have. */
  readonly recipe: RecipeName;
  /** Null until it is known. */
  readonly config: RunConfig | null;
  readonly voices: readonly Voice[];
  readonly personas: readonly Persona[];
  /** The step that axes reach to; null: the newest. */
  readonly end: number | null;
}

export const [useStage, provideStage] = createContext<Stage>();
