/**
 * A short try on an engine of its own: what the untrained policy answers to the held-out questions, and how long a step takes on this machine.
 * Nothing of it is kept, no run is touched, and whoever wants the engine goes first.
 */
import { labErrorCode } from '../errors.ts';
import type { HeldOutEvaluation } from '../evaluate/held-out.ts';
import { libraryOf } from '../persona/libraries.ts';
import { loraSetup, type RunConfig } from '../rl/config.ts';
import { initialTrainerState } from '../rl/trainer.ts';
import { runSteps } from '../run/loop.ts';
import type { Bench } from './bench.ts';
import type { Sets } from './sets.ts';
import { nextTask, type Turns } from './turns.ts';

/** The first one compiles what there is to compile. */
const steps = 2;

/** @returns seconds of a step; null where it was cut short */
export async function trial(
  { bench, turns, sets: kept }: { readonly bench: Bench; readonly turns: Turns; readonly sets: Pick<Sets, 'read'> },
  given: RunConfig,
  signal: AbortSignal,
  onEvaluation: (evaluation: HeldOutEvaluation) => void,
): Promise<number | null> {
  const own = bench.beside();
  const config = { ...given, steps, heldOut: { ...given.heldOut, every: steps + 1 } };
  let seconds: number | null = null;
  try {
    const engine = await turns.take(async () => {
      const made = await own.engineFor(config.policy, loraSetup(config));
      await made.setReference();
      return made;
    });
    const tokenizer = await own.tokenizer(config.policy, config);
    const { eosIds } = (await own.policy(config.policy)).config;
    const state = initialTrainerState;
    const sets = await kept.read(config);
    // Asked for once, at the beginning.
    const events = runSteps({ engine, tokenizer, eosIds, ...libraryOf(config.library), config, sets, state, evaluated: [steps], signal });
    for (;;) {
      const { value, done } = await turns.take(() => events.next());
      if (done) return seconds;
      if (value.kind === 'evaluation') onEvaluation(value.evaluation);
      else seconds = value.report.metrics['step_time'] ?? null;
      await nextTask();
    }
  } catch (error) {
    if (labErrorCode(error) !== 'cancelled') throw error;
    return null;
  } finally {
    own.dispose();
  }
}
