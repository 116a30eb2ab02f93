/** What a checkpoint is called where it answers. */
import type { Lab } from '../../state/lab.svelte.ts';
import type { ProbeCheckpoint } from '../../state/probe.svelte.ts';

/** @param base id of the policy that is the base */
export function checkpointLabel(lab: Lab, id: ProbeCheckpoint, base = lab.baseOf(lab.probe.checkpoints)): string {
  if (id === null) return basePolicyLabel(lab, base);
  if (id === 'current') return `Now${lab.session.step ? `, step ${lab.session.step}` : ''}`;
  const checkpoint = lab.library.all.find((entry) => entry.id === id);
  const run = lab.library.run(checkpoint?.runId ?? null);
  return checkpoint ? `${run?.name ?? 'Run'}, step ${checkpoint.step}` : 'a deleted checkpoint';
}

/** The bundled policy needs no name. */
export function basePolicyLabel(lab: Lab, policy: string): string {
  return policy === lab.boot?.policy.id || policy === '' ? 'Base policy' : `Base policy, ${lab.policies.nameOf(policy)}`;
}

/** The colour token of the recipe that made a checkpoint. */
export function checkpointColour(lab: Lab, id: ProbeCheckpoint): string {
  if (id === null) return 'var(--recipe-base)';
  const runId = id === 'current' ? lab.session.runId : lab.library.all.find((entry) => entry.id === id)?.runId;
  return `var(--recipe-${lab.library.run(runId ?? null)?.config.recipe ?? 'base'})`;
}
