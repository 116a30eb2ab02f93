/** Pinned runs laid over a chart: every seed faint, their mean above it, on one axis of steps with the run on view. Pure. */
import type { PinnedGroup, PinnedRun } from '../../state/pinned.svelte.ts';
import { mean } from '../../statistics/moments.ts';
import type { DrawnCurve } from './curve.svelte.ts';

interface Drawn {
  readonly steps: ArrayLike<number>;
  readonly curves: readonly DrawnCurve[];
}

export type Points = ReadonlyMap<number, number>;

/** @param points what is drawn of a run, by step */
export function overlaid(own: Drawn, groups: readonly PinnedGroup[], points: (run: PinnedRun) => Points): Drawn {
  if (groups.length === 0) return own;
  const lines = groups.map((group) => ({ group, seeds: group.runs.map(points) }));
  const steps = [...new Set([...Array.from(own.steps), ...lines.flatMap(({ seeds }) => seeds.flatMap((seed) => [...seed.keys()]))])].sort(
    (a, b) => a - b,
  );
  const place = new Map(Array.from(own.steps, (step, i) => [step, i]));
  const moved = (values: readonly (number | null)[]) => steps.map((step) => values[place.get(step) ?? -1] ?? null);
  return {
    steps,
    curves: [
      ...own.curves.map(({ raw, line, band, ...curve }) => ({
        ...curve,
        raw: moved(raw),
        line: moved(line),
        ...(band ? { band: { low: moved(band.low), high: moved(band.high) } } : {}),
      })),
      ...lines.flatMap(({ group, seeds }) => ofGroup(group, seeds, steps)),
    ],
  };
}

function ofGroup({ title, colour, dash }: PinnedGroup, seeds: readonly Points[], steps: readonly number[]): DrawnCurve[] {
  const none = steps.map(() => null);
  const faint = seeds.length > 1 ? seeds : [];
  // A mean of some seeds would jump where one ends.
  const line = steps.map((step) =>
    seeds.every((seed) => seed.has(step)) && seeds.length > 0 ? mean(seeds.map((seed) => seed.get(step)!)) : null,
  );
  return [
    ...faint.map((seed) => ({ label: title, colour, raw: steps.map((step) => seed.get(step) ?? null), line: none })),
    { label: title, colour, dash, raw: none, line },
  ];
}
