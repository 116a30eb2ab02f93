/**
 * What a generation computed of its places, kept for the step that trains on them: the same tokens through the same weights leave behind the same
 * numbers, bit for bit, so that an update need not read them again. It is one block beside the scratch of the passes, worth nothing once anything
 * was trained. Whether there is room for it is the engine's to say.
 */
import type { PolicyConfig } from '../../policy/config.ts';
import type { TokenBatch } from '../engine.ts';
import type { CellPass } from '../segments.ts';
import type { Tabled } from './batch.ts';
import { measure, type Take } from './buffers.ts';
import { layerBuffers, layerWidths, widths, type ForwardBuffers, type LayerBuffers } from './decoder.ts';
import type { Module } from './module.ts';

/** More than that is not kept, whatever room there is: what it saves is time, which is not worth everything else on the machine. */
export const mostKept = 2 ** 30;

/** A row of a generation by its places. */
interface KeptRow {
  /** First place of its prompt. */
  readonly prompt: number;
  /** Place of each token that was read after it. */
  readonly own: readonly number[];
}

function lay(take: Take, config: PolicyConfig, places: number) {
  const of = layerWidths(config, true);
  return {
    layers: Array.from({ length: config.layers }, () => layerBuffers(of, (width) => take(places * width))),
    last: take(places * widths(config).d),
  };
}

/** Bytes of so many places. */
export const keptBytes = (config: PolicyConfig, places: number): number => measure((take) => lay(take, config, places));

export class Kept {
  private readonly at: number;
  private readonly buffers: ReturnType<typeof lay>;
  private readonly of: ReturnType<typeof layerWidths>;
  private readonly rows = new Map<string, KeptRow>();
  private used = 0;

  /** @param places at most  @throws LabError `memory` where the module has no room */
  constructor(
    private readonly module: Module,
    private readonly config: PolicyConfig,
    private readonly places: number,
  ) {
    this.of = layerWidths(config, true);
    this.at = module.heap.take(keptBytes(config, places));
    let next = this.at;
    this.buffers = lay(
      (numbers) => {
        const here = next;
        next += measure((take) => take(numbers));
        return here;
      },
      config,
      places,
    );
  }

  dispose(): void {
    this.module.heap.give(this.at);
  }

  /** Room for the next so many places: the first of them, and where the decoder leaves them. */
  take(count: number): { readonly first: number; readonly buffers: Pick<ForwardBuffers, 'layers' | 'last'> } {
    const first = this.used;
    this.used += count;
    if (this.used > this.places) throw new Error(`there is no room for ${this.used} places, only for ${this.places}`);
    const layers = this.buffers.layers.map((layer) => this.from(layer, first));
    return { first, buffers: { layers, last: this.buffers.last + 4 * first * widths(this.config).d } };
  }

  private from(layer: LayerBuffers, place: number): LayerBuffers {
    return layerBuffers(this.of, (width, name) => layer[name] + 4 * place * width);
  }

  /** @param tokens prompt and reply */
  add(tokens: readonly number[], row: KeptRow): void {
    this.rows.set(tokens.join(), row);
  }

  /** [N] where the places of a pass lie here; null where some do not. */
  sources({ places, segments, segmentRows }: Tabled<CellPass>, { tokens, width, lengths }: TokenBatch): Int32Array | null {
    const found = new Int32Array(places);
    for (let s = 0; s < segments.count; s++) {
      const at = segmentRows[s]! * width;
      const row = this.rows.get(tokens.subarray(at, at + lengths[segmentRows[s]!]!).join());
      if (!row) return null;
      const [first, count, prefix] = segments.table.subarray(5 * s, 5 * s + 3) as unknown as [number, number, number];
      for (let i = 0; i < count; i++) found[first + i] = prefix < 0 ? row.prompt + i : row.own[i]!;
    }
    return found;
  }

  /** @param sources address of [N] places here */
  restoreLast(n: number, sources: number, last: number): void {
    this.module.kernels.gatherRows(n, widths(this.config).d, sources, this.buffers.last, last);
  }

  /** What a layer left behind of these places, put where a backward pass looks for it. */
  restore(n: number, sources: number, layer: number, to: LayerBuffers): void {
    const from = this.buffers.layers[layer]!;
    for (const name of Object.keys(this.of) as (keyof LayerBuffers)[]) {
      if (this.of[name] > 0) this.module.kernels.gatherRows(n, this.of[name], sources, from[name], to[name]);
    }
  }
}
