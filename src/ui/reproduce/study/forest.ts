/** Places of ratios on a logarithmic line that all claims share. No drawing here. */
import type { ClaimResult } from '../../../study/claims.ts';

/** One ratio of 30, or an interval over two seeds, would squeeze all others; what lies beyond is cut, and shown to be. */
const widest = 4;

export interface Forest {
  /** Percent of the line, within it. */
  place(ratio: number): number;
  /** Lies beyond an end of the line. */
  beyond(ratio: number): boolean;
  readonly ticks: readonly number[];
}

export function forestOf(claims: readonly ClaimResult[]): Forest {
  const ends = claims.flatMap(({ ratio, low, high }) => [ratio, low, high].filter((end) => end !== null));
  const capped = ends.map((end) => Math.min(widest, Math.max(1 / widest, end)));
  const values = [0.8, 1.25, ...capped].map(Math.log2);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const air = 0.04 * (high - low);
  const share = (ratio: number) => (Math.log2(ratio) - low + air) / (high - low + 2 * air);
  return {
    place: (ratio) => 100 * Math.min(1, Math.max(0, ratio > 0 ? share(ratio) : 0)),
    beyond: (ratio) => ratio <= 0 || share(ratio) < 0 || share(ratio) > 1,
    ticks: [0.25, 0.5, 1, 2, 4].filter((tick) => Math.log2(tick) >= low && Math.log2(tick) <= high),
  };
}
