/**
 * What a policy, a call and a run take in the module's memory, compared with what 32-bit addresses reach and what the machine has, before anything
 * of it is taken. Buffers are measured by the functions that lay them out, so that what is planned is what is taken.
 */
import { LabError } from '../../errors.ts';
import { adapterShapes, type LoraSpec } from '../../policy/adapters.ts';
import type { PolicyConfig } from '../../policy/config.ts';
import type { Sampling, TrainingShape } from '../engine.ts';
import { freeMemory } from '../free-memory.ts';
import { transferBytes } from './arena.ts';
import type { SegmentTable } from './batch.ts';
import { measure, type Take } from './buffers.ts';
import { attentionBuffers, backwardBuffers, forwardBuffers, type Left } from './decoder.ts';
import { generationBuffers, generationShape } from './generate.ts';
import { headBuffers } from './head.ts';
import { heapLimit } from './heap.ts';
import { adapterLayout, policyLayout, upTo } from './layout.ts';

/** Tokens of a pass, a prompt once: enough for products to be fast, few enough to lie near the processor. */
export const maxPlaces = 1024;

/** Bytes that there are. */
export interface WasmLimits {
  readonly heap: number;
  /** Of the machine; infinite where it is not known. */
  readonly free: number;
}

/** Rotary tables, what crosses to the host, and the holes between blocks. */
const others = 2 * transferBytes + 2 ** 22;

interface Shape {
  readonly places: number;
  readonly segments: SegmentTable;
  readonly cells: number;
}

/** Everything a pass with log-probs takes. @param left what its layers leave behind for the way back; none: there is no way back */
export function passBuffers(take: Take, config: PolicyConfig, { places, segments, cells }: Shape, left: Left, rank: number) {
  const back = left !== 'none';
  return {
    ...forwardBuffers(take, config, places, left, rank),
    attention: attentionBuffers(take, config, segments),
    head: headBuffers(take, config, cells, back),
    ...(back ? { backward: backwardBuffers(take, config, places, segments) } : {}),
    // Where its places lie among those that were kept.
    sources: left === 'one' ? take(places) : 0,
  };
}

export class WasmMemory {
  /** All parameters in float32. */
  private readonly plain: number;
  private threads = 1;
  /** Bytes that are taken beside all this, and can be given up. */
  held = 0;

  /** @param lora what is trained where there are adapters; null: all parameters  @param frozen bytes of parameters that nobody trains */
  constructor(
    private readonly config: PolicyConfig,
    private readonly lora: LoraSpec | null,
    private readonly frozen: number,
    private readonly limits: WasmLimits = { heap: heapLimit, free: freeMemory() },
  ) {
    this.plain = policyLayout(config).bytes;
  }

  /** Each of so many engines on this machine has its part of what is free, and 32-bit addresses of its own. */
  sharedBy(threads: number): void {
    this.threads = threads;
  }

  /** @throws LabError `memory` for a policy that cannot be held */
  checkPolicy(): void {
    const needed = this.resting(false, false);
    if (this.fits(needed)) return;
    throw this.refusal('', needed, ['a smaller policy']);
  }

  /** Bytes that are taken between calls. */
  resting(trained: boolean, reference: boolean): number {
    const { plain, frozen, lora } = this;
    if (lora) {
      const adapters = adapterLayout(this.config, lora).bytes;
      return frozen + (trained ? 5 : 1) * adapters + others;
    }
    return (trained ? 5 * plain : frozen) + (reference ? frozen : 0) + others;
  }

  /** Whether a block of scratch has room beside what is taken between calls. */
  hasRoom(scratch: number, trained: boolean, reference: boolean): boolean {
    return this.fits(this.resting(trained, reference) + scratch);
  }

  /** @throws LabError `memory` where not even one row has room */
  checkPass(scratch: number, width: number, trained: boolean, reference: boolean): void {
    if (this.hasRoom(scratch, trained, reference)) return;
    const needed = this.resting(trained, reference) + scratch;
    const what = trained ? ` to train with rows of up to ${width} tokens` : ` to read ${width} tokens`;
    throw this.refusal(what, needed, [...this.adaptersInstead(trained, reference, width), 'shorter rows', 'a smaller policy']);
  }

  /** Bytes of scratch to generate for some prompts. */
  generation(prompts: readonly Int32Array[], repeats: number, sampling: Sampling): number {
    const shape = generationShape(this.config, prompts, repeats, sampling, maxPlaces, this.rank);
    return measure((take) => generationBuffers(take, this.config, shape));
  }

  /** @throws LabError `memory` where not even one prompt's replies have room */
  checkGeneration(scratch: number, rows: number, width: number, trained: boolean, reference: boolean): void {
    if (this.hasRoom(scratch, trained, reference)) return;
    const what = ` to make ${rows} replies to a prompt, of up to ${width} tokens with it`;
    throw this.refusal(what, this.resting(trained, reference) + scratch, [
      'fewer replies to a prompt (group size)',
      'shorter replies (--max-new N; longest reply of a run)',
      'a smaller policy',
    ]);
  }

  /** A run, at its least: a row a pass, a prompt a generation. @throws LabError `memory` naming what would be enough */
  checkTraining({ rows, groups, width, completionWidth, withReference }: TrainingShape): void {
    const repeats = Math.ceil(rows / (groups ?? rows));
    const prompt = new Int32Array(Math.max(1, width - completionWidth));
    const sampling: Sampling = {
      temperature: 1,
      topK: 0,
      topP: 1,
      minP: 0,
      maxNewTokens: completionWidth,
      eosIds: [],
      seed: 0,
      step: 0,
      firstRow: 0,
    };
    this.checkPass(this.oneRow(width, completionWidth, this.rank), width, true, withReference);
    this.checkGeneration(this.generation([prompt], repeats, sampling), repeats, width, true, withReference);
  }

  private oneRow(width: number, completionWidth: number, rank: number): number {
    const columns = upTo(width, 8) + 8;
    const segments = { count: 2, table: new Int32Array(0), columns, longest: width, widest: columns };
    return measure((take) => passBuffers(take, this.config, { places: width, segments, cells: completionWidth }, 'all', rank));
  }

  private get rank(): number {
    return 3 * (this.lora?.rank ?? 0);
  }

  private adaptersInstead(trained: boolean, reference: boolean, width: number): string[] {
    if (!trained || this.lora || adapterShapes(this.config, { rank: 8 }).length === 0) return [];
    const adapted = new WasmMemory(this.config, { rank: 8, alpha: 16 }, this.frozen, this.limits);
    const enough = adapted.hasRoom(adapted.oneRow(width, width, adapted.rank), true, reference);
    return enough ? ['low-rank adapters (--lora-rank 8)'] : [];
  }

  private fits(bytes: number): boolean {
    const all = bytes + this.held;
    return all <= this.limits.heap && all * this.threads <= this.limits.free;
  }

  private refusal(what: string, needed: number, dials: readonly string[]): LabError {
    const { heap, free } = this.limits;
    const there = needed > heap ? `WebAssembly reaches ${mebibytes(heap)} MiB` : `this machine has ${mebibytes(free)} MiB free`;
    const ways = [...dials, 'a GPU (--engine fused, ?engine=fused)', ...(needed > heap ? [] : ['a machine with more memory'])];
    return new LabError(
      'memory',
      `On the wasm engine this policy needs about ${mebibytes(needed)} MiB${what}, and ${there}.`,
      `Use ${ways.slice(0, -1).join(', ')}, or ${ways.at(-1)}.`,
    );
  }
}

const mebibytes = (bytes: number): string => Math.ceil(bytes / 2 ** 20).toLocaleString('en');
