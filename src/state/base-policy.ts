/** Which policy is the base that checkpoints are compared with. */
import type { CheckpointInfo, RunRecord } from '../storage/records.ts';
import type { Suited } from './evaluation.svelte.ts';
import type { BaseChoice } from './examination.svelte.ts';
import type { AskingSettings } from '../rl/asking.ts';
import type { OwnPolicies } from './policies.svelte.ts';

interface Known {
  /** Of the next run. */
  readonly policy: string;
  readonly draft: { readonly config: AskingSettings } | null;
  readonly boot: { readonly policy: { readonly id: string } } | null;
  readonly session: { readonly runId: string | null };
  readonly library: { readonly all: readonly CheckpointInfo[]; run(id: string | null): RunRecord | null };
}

/** What the first of them was trained from; of none the policy of the next run. @param checkpoints `current`: the open run, null: the base */
export function basePolicy(known: Known, checkpoints: readonly (string | null)[]): string {
  return firstRun(known, checkpoints)?.config.policy ?? known.policy;
}

/** How they are asked in an evaluation where the reader says nothing: a checkpoint as its run was, and a policy as it brings it. */
export function suitedTo(known: Known & { readonly policies: Pick<OwnPolicies, 'recipesOf'> }, checkpoints: readonly string[]): Suited {
  const own = known.policies.recipesOf(basePolicy(known, checkpoints));
  return { config: firstRun(known, checkpoints)?.config ?? own?.['permix'] ?? null, own: own !== null };
}

/** How they are probed where the reader says nothing: a checkpoint as its run was asked, and a policy as the next run will ask it. */
export function probedAs(known: Known, checkpoints: readonly (string | null)[]): AskingSettings {
  return firstRun(known, checkpoints)?.config ?? known.draft?.config ?? {};
}

function firstRun({ session, library }: Known, checkpoints: readonly (string | null)[]): RunRecord | null {
  for (const id of checkpoints) {
    const runId = id === 'current' ? session.runId : (library.all.find((one) => one.id === id)?.runId ?? null);
    const run = library.run(runId);
    if (run) return run;
  }
  return null;
}

/** The same for settings. */
export function baseChoice(known: Known, checkpoints: readonly string[]): BaseChoice {
  const policy = basePolicy(known, checkpoints);
  return policy === known.boot?.policy.id ? {} : { policy };
}
