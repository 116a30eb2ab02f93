/** How fine the clock is: browsers round it, so that nobody is told by what takes how long. */

/** Milliseconds between two times that it tells, the shortest of a few. */
export function clockTick(now: () => number = () => performance.now()): number {
  let tick = Infinity;
  for (let i = 0; i < 5; i++) {
    const start = now();
    let next = now();
    while (next === start) next = now();
    tick = Math.min(tick, next - start);
  }
  return tick;
}

/** A clock that rounds to more than this says nothing of a millisecond by itself. */
const coarse = 0.02;

/** What a clock that ticks so says of short times: themselves, or, where it is coarse, their mean, in which what it rounds away evens out. */
export function readable(samples: readonly number[], tick: number): readonly number[] {
  if (tick <= coarse || samples.length === 0) return samples;
  return [samples.reduce((sum, value) => sum + value, 0) / samples.length];
}
