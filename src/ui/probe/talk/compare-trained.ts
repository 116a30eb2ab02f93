/** Whom a first conversation is with beside the base: what was trained last, both of a race, unless the reader has chosen others already. */
import type { Lab } from '../../../state/lab.svelte.ts';

export async function compareTrained(lab: Lab): Promise<void> {
  const { probe, library, race, session, viewed } = lab;
  const before = probe.checkpoints;
  if (before.some((id) => id !== null && id !== 'current')) return;
  const pair = race.pair ? [race.pair.rlvr, race.pair.permix] : null;
  // One run is offered as it is now, and is put beside the base when it begins (`Probe.compare`).
  const runs = pair ?? (viewed !== null && viewed !== session.runId ? [viewed] : []);
  for (const id of runs) await library.open(id);
  const newest = runs.flatMap((id) => (library.checkpoints[id] ?? []).filter(({ step }) => step > 0).slice(0, 1));
  if (newest.length === 0 || (before.includes('current') && newest.length < 2) || probe.checkpoints !== before) return;
  probe.checkpoints = [null, ...newest.map(({ id }) => id)];
}
