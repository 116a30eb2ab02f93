/** Segments (`../segments.ts`) as the kernels of this engine read them: with the columns that their keys and values lie in (kernels/attention.ts). */
import type { Pass, Segment } from '../segments.ts';
import { upTo } from './layout.ts';

export interface SegmentTable {
  readonly count: number;
  /** [count, 5] first place, places, prefix or -1, first column, 0: as kernels/attention.ts reads it. */
  readonly table: Int32Array;
  /** Of keys and values, every segment rounded up to 8. */
  readonly columns: number;
  /** Places of the longest, and columns of the widest with its prefix. */
  readonly longest: number;
  readonly widest: number;
}

/** A pass whose segments are such a table. */
export type Tabled<P extends Pass = Pass> = Omit<P, 'segments'> & { readonly segments: SegmentTable };

export const tabled = <P extends Pass>(pass: P): Tabled<P> => ({ ...pass, segments: tableOf(pass.segments) });

function tableOf(segments: readonly Segment[]): SegmentTable {
  const table = new Int32Array(5 * segments.length);
  let [columns, longest, widest] = [0, 0, 0];
  segments.forEach(({ first, places, prefix }, i) => {
    table.set([first, places, prefix, columns, 0], 5 * i);
    const before = prefix < 0 ? 0 : segments[prefix]!.places;
    columns += upTo(places, 8);
    longest = Math.max(longest, places);
    widest = Math.max(widest, upTo(before, 8) + upTo(places, 8));
  });
  return { count: segments.length, table, columns, longest, widest };
}
