/**
 * LoRA as dispatches: base and adapters to what computes, and the dense gradient to the adapters' gradients; each of the
 * three for all adapted matrices of a part of an arena at once. What they compute is in shaders/optim/lora.wgsl.
 */
import shader from '../../../../shaders/optim/lora.wgsl';
import type { BufferView, Work } from '../../gpu/work.ts';
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

type Entry = 'merge' | 'gradient_a' | 'gradient_b';

/** Results of a workgroup of each entry point, as in the shader: rows (or ranks) and Quads (or ranks). */
const tilesOf = (entry: Entry, out: number, width: number, rank: number) =>
  ({
    merge: Math.ceil(out / 32) * Math.ceil(width / 16),
    gradient_a: Math.ceil(width / 8) * Math.ceil(rank / 4),
    gradient_b: Math.ceil(out / 32) * Math.ceil(rank / 4),
  })[entry];

/** By fours where every matrix allows it. */
function format(matrices: readonly LoraMatrix[]) {
  const byFours = matrices.every((matrix) => matrix.in % 4 === 0 && matrix.offset % 4 === 0 && matrix.a % 4 === 0);
  return { numbers: byFours ? 4 : 1, constants: quads(byFours ? 4 : 1).constants };
}

/** [matrices, 8] i32, the lines that the shader reads. */
export function loraTable(matrices: readonly LoraMatrix[], rank: number): Int32Array<ArrayBuffer> {
  const { numbers } = format(matrices);
  const first = { merge: 0, gradient_a: 0, gradient_b: 0 };
  return Int32Array.from(
    matrices.flatMap((matrix) => {
      const width = matrix.in / numbers;
      const line = [matrix.offset / numbers, matrix.a / numbers, matrix.b, matrix.out, width];
      for (const entry of ['merge', 'gradient_a', 'gradient_b'] as const) {
        line.push(first[entry]);
        first[entry] += tilesOf(entry, matrix.out, width, rank);
      }
      return line;
    }),
  );
}

function work(entry: Entry, { matrices, rank, scale, table }: LoraAdapters, buffers: Work['buffers']): Work {
  const { numbers, constants } = format(matrices);
  const tiles = matrices.reduce((sum, matrix) => sum + tilesOf(entry, matrix.out, matrix.in / numbers, rank), 0);
  return {
    shader,
    entry,
    constants,
    buffers: { ...buffers, table },
    params: { matrices: matrices.length, tiles, rank, scale },
    groups: tiles,
  };
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
