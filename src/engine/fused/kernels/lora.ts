/**
 * LoRA as dispatches: base and adapters to what computes, and the dense gradient to the adapters' gradients; each of the
 * three for all adapted matrices of a part of an arena at once. What they compute is in shaders/optim/lora.wgsl.
 */
import shader from '../../../../shaders/optim/lora.wgsl';
import type { BufferOf, EntryOf, ParamOf } from '../../gpu/shader.ts';
import { lanes } from '../../gpu/settings.ts';
import { workOf, type BufferView, type Work } from '../../gpu/work.ts';
import { quads } from './quads.ts';

/** A matrix [out, in] and its adapters A [rank, in] and B [out, rank]; rows of a stacked matrix are one too. */
export interface LoraMatrix {
  /** Where it starts in base, merged and dense gradient, in floats. */
  readonly offset: number;
  readonly out: number;
  readonly in: number;
  /** Where A and B start in the adapters' arena, in floats; a multiple of four. */
  readonly a: number;
  readonly b: number;
}

export interface LoraAdapters {
  /** Of one part of the parameters' arena, and at least one. */
  readonly matrices: readonly LoraMatrix[];
  readonly rank: number;
  /** alpha / rank */
  readonly scale: number;
  /** `loraTable(matrices, rank)` */
  readonly table: BufferView;
  /** All A and B. */
  readonly adapters: BufferView;
}

/** In the order of their columns in the table. */
const entries = ['merge', 'gradient_a', 'gradient_b'] as const satisfies EntryOf<typeof shader>[];
type Entry = (typeof entries)[number];

const { MERGE_COLUMNS, MERGE_ROWS, RANKS, SLICES, ROWS_B } = shader.constants;

/** Results of a workgroup of each entry point: rows (or ranks) by Quads (or ranks). */
const tilesOf = (entry: Entry, out: number, width: number, rank: number) =>
  ({
    merge: Math.ceil(out / ((lanes / MERGE_COLUMNS) * MERGE_ROWS)) * Math.ceil(width / MERGE_COLUMNS),
    gradient_a: Math.ceil(width / (lanes / SLICES)) * Math.ceil(rank / RANKS),
    gradient_b: Math.ceil(out / ((lanes / SLICES) * ROWS_B)) * Math.ceil(rank / RANKS),
  })[entry];

/** By fours where every matrix allows it. */
function format(matrices: readonly LoraMatrix[]) {
  const byFours = matrices.every((matrix) => matrix.in % 4 === 0 && matrix.offset % 4 === 0 && matrix.a % 4 === 0);
  return { numbers: byFours ? 4 : 1, constants: quads(byFours ? 4 : 1).constants };
}

/** [matrices, LINE of the shader] i32, the lines that it reads. */
export function loraTable(matrices: readonly LoraMatrix[], rank: number): Int32Array<ArrayBuffer> {
  const { numbers } = format(matrices);
  const first = { merge: 0, gradient_a: 0, gradient_b: 0 };
  return Int32Array.from(
    matrices.flatMap((matrix) => {
      const width = matrix.in / numbers;
      const line = [matrix.offset / numbers, matrix.a / numbers, matrix.b, matrix.out, width];
      for (const entry of entries) {
        line.push(first[entry]);
        first[entry] += tilesOf(entry, matrix.out, width, rank);
      }
      return line;
    }),
  );
}

type Buffers<E extends Entry> = Readonly<Record<BufferOf<typeof shader, E>, BufferView>>;

function work<E extends Entry>(entry: E, { matrices, rank, scale, table }: LoraAdapters, buffers: Omit<Buffers<E>, 'table'>): Work {
  const { numbers, constants } = format(matrices);
  const tiles = matrices.reduce((sum, matrix) => sum + tilesOf(entry, matrix.out, matrix.in / numbers, rank), 0);
  return workOf<typeof shader, E>(shader, entry, {
    constants,
    buffers: { ...buffers, table } as Buffers<E>,
    params: { matrices: matrices.length, tiles, rank, scale } as Readonly<Record<ParamOf<typeof shader, E>, number>>,
    groups: tiles,
  });
}

/** merged = base + scale B A at the adapted matrices; the rest of `merged` is left as it is. */
export function loraMerge(of: LoraAdapters & { readonly base: BufferView; readonly merged: BufferView }): Work {
  return work('merge', of, { base: of.base, merged: of.merged, factors_a: of.adapters, factors_b: of.adapters });
}

/** The dense gradient of the merged matrices -> the adapters' gradients, written (not added), laid out as the adapters are. */
export function loraGradients(
  of: LoraAdapters & {
    /** d loss / d merged, of the whole step. */
    readonly gradients: BufferView;
    readonly dAdapters: BufferView;
  },
): [gradientA: Work, gradientB: Work] {
  const { gradients: dw, adapters, dAdapters } = of;
  return [
    work('gradient_a', of, { dw, factors_b: adapters, gradients_a: dAdapters }),
    work('gradient_b', of, { dw, factors_a: adapters, gradients_b: dAdapters }),
  ];
}
