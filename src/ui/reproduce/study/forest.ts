/** Places of ratios on a logarithmic line that all claims share. No drawing here. */
import type { ClaimResult } from '../../../evaluate/reproduction/claims.ts';

/** An interval over two seeds can span decades; what lies beyond is cut, and shown to be. */
const widest = 16;

export interface Forest {
  /** Percent of the line, within it. */
  place(ratio: number): number;
  /** Lies beyond an end of the line. */
  beyond(ratio: number): boolean;
  readonly ticks: readonly number[];
}

export function forestOf(claims: readonly ClaimResult[]): Forest {
  const ratios = claims.flatMap(({ ratio }) => (ratio === null ? [] : [ratio]));
  const ends = claims.flatMap(({ low, high }) => (low === null || high === null ? [] : [low, high]));
  const capped = ends.map((end) => Math.min(widest, Math.max(1 / widest, end)));
  const values = [0.8, 1.25, ...ratios, ...capped].filter((value) => value > 0).map(Math.log2);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const air = 0.04 * (high - low);
  const share = (ratio: number) => (Math.log2(ratio) - low + air) / (high - low + 2 * air);
  const step = Math.max(1, Math.ceil((high - low) / 6));
  const powers = Array.from({ length: 41 }, (_, i) => step * (i - 20)).filter((power) => power >= low && power <= high);
  return {
    place: (ratio) => 100 * Math.min(1, Math.max(0, ratio > 0 ? share(ratio) : 0)),
    beyond: (ratio) => ratio <= 0 || share(ratio) < 0 || share(ratio) > 1,
    ticks: powers.map((power) => 2 ** power),
  };
}
