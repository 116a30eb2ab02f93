/**
 * A run that begins at a checkpoint of another with settings of its own: how a run that diverged is saved, and how one is taken further in
 * another way. What the checkpoint decides and cannot be changed after it is said here, for page and command line alike.
 */
import { untrained, type Adapters, type PolicyState } from '../engine/engine.ts';
import { LabError, type Complaint } from '../errors.ts';
import type { RecipeName, RunConfig } from '../rl/config.ts';
import { recipes } from '../rl/recipes.ts';
import type { CheckpointContent } from '../storage/records.ts';

/** What keeps these settings from being begun with at this checkpoint, empty when nothing does. */
export function forkComplaints(config: RunConfig, { config: was, trainer: { step } }: Omit<CheckpointContent, 'state'>): Complaint[] {
  const complaints: Complaint[] = [];
  const wrong = (field: string, problem: string) => complaints.push({ field, problem });
  if (config.policy !== was.policy) wrong('policy', `The checkpoint is of the policy ${was.policy}, not of ${config.policy}.`);
  if (config.steps <= step) {
    wrong('steps', `The checkpoint is of step ${step}, and the run is to end at step ${config.steps}: give it more than ${step} steps.`);
  }
  if (step > 0 && JSON.stringify(config.lora) !== JSON.stringify(was.lora)) {
    wrong('lora', 'What is trained (lora) was decided at step 0: leave it as the checkpoint has it, or begin at step 0.');
  }
  return complaints;
}

/**
 * The first checkpoint of such a run. Updates that failed under the old settings do not count under the new ones.
 * @throws LabError 'config' where the run began from adapters, and others are to be trained
 */
export function forked({ config: was, trainer, state }: CheckpointContent, config: RunConfig): CheckpointContent {
  // Of step 0 only what was there before: what is trained may be another thing now.
  const first = () => ({ ...untrained, adapters: begunAdapters(state) });
  const start = trainer.step === 0 ? first() : state;
  if (start.adapters && JSON.stringify(config.lora) !== JSON.stringify(was.lora)) {
    const what = 'The run began from adapters that were trained elsewhere, and they keep what is trained (lora).';
    throw new LabError('config', what, 'Leave it as the checkpoint has it, or begin a new run.');
  }
  return { config, trainer: { ...trainer, nonFiniteStreak: 0 }, state: start };
}

/** Those that a run began from; new ones have nothing but zeros in B. */
function begunAdapters({ adapters }: PolicyState): Adapters | null {
  const learned = Object.entries(adapters?.tensors ?? {}).some(([name, b]) => /lora_B/.test(name) && b.some((value) => value !== 0));
  return learned ? adapters : null;
}

/** What two recipes differ in, as the second has it: all else of a run that changes its recipe stays. */
export function recipeChange(from: RecipeName, to: RecipeName): Record<string, unknown> {
  const of = (name: RecipeName): object => recipes[name === 'custom' ? 'permix' : name] ?? {};
  return difference(of(from), of(to));
}

function difference(from: object, to: object): Record<string, unknown> {
  const changed: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(to)) {
    const was = (from as Record<string, unknown>)[key];
    if (JSON.stringify(was) === JSON.stringify(value)) continue;
    const sections = [was, value].every((part) => typeof part === 'object' && part !== null && !Array.isArray(part));
    changed[key] = sections && key !== 'weights' ? difference(was as object, value as object) : value;
  }
  return changed;
}
