/** What a checkpoint is called where it answers. */
import type { Lab } from '../../state/lab.svelte.ts';
import type { ProbeCheckpoint } from '../../state/probe.svelte.ts';

export function checkpointLabel(lab: Lab, id: ProbeCheckpoint): string {
  if (id === null) return 'Base policy';
  if (id === 'current') return `Now${lab.session.step ? `, step ${lab.session.step}` : ''}`;
  const checkpoint = lab.library.all.find((entry) => entry.id === id);
  const run = lab.library.run(checkpoint?.runId ?? null);
  return checkpoint ? `${run?.name ?? 'Run'}, step ${checkpoint.step}` : 'a deleted checkpoint';
}

/** The colour token of the recipe that made a checkpoint. */
export function checkpointColour(lab: Lab, id: ProbeCheckpoint): string {
  if (id === null) return 'var(--recipe-base)';
  const runId = id === 'current' ? lab.session.runId : lab.library.all.find((entry) => entry.id === id)?.runId;
  return `var(--recipe-${lab.library.run(runId ?? null)?.config.recipe ?? 'base'})`;
}
