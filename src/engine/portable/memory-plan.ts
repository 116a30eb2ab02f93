/**
 * What a policy, a call and a training run take on the host backends, compared with what is there before anything of it is allocated.
 * On wasm all tensors lie in the heap of one module, which multiplies by a packed copy of every matrix (weights count twice, a tied
 * embedding four times: itself, turned, and both packed) and copies what the tape saves. On cpu nothing is packed or copied.
 *
 * The counts follow the code of this folder (`decoder.ts`, `ops/`, `kernels/token-logprob.ts`, `adamw.ts`); they are what is alive at the
 * worst moment. tests/unit/memory-plan.test.ts compares them with what the module really takes.
 */
import { LabError } from '../../errors.ts';
import { adaptedMatrices, adapterShapes } from '../../policy/adapters.ts';
import { parameterShapes, type PolicyConfig } from '../../policy/config.ts';
import { families } from '../../policy/families.ts';
import type { TrainingShape } from '../engine.ts';
import { freeMemory } from '../free-memory.ts';
import { chunkRows } from './head.ts';
import { wasmMemoryLimit } from './wasm.ts';

export type HostBackend = 'wasm' | 'cpu';

/** What there is, in bytes. */
export interface HostLimits {
  /** Of the module; all engines share it. */
  readonly heap: number;
  /** Of the machine; infinite where it is not known. */
  readonly free: number;
}

/** Bytes of tensors, and of plain arrays beside them (keys and values, states for the disk). */
interface Need {
  readonly tensors: number;
  readonly arrays: number;
}

/** The part of the heap that is lost in the holes between tensors of many sizes: measured 10 to 20 %. */
const holes = 1.15;

/** One pass over some tokens, of which some are asked for their logits. */
interface Pass {
  readonly places: number;
  readonly cells: number;
}

/** What engines that are alive keep in the module's heap. */
const held = new Map<object, number>();

export class HostMemory {
  readonly #sizes: ReturnType<typeof sizesOf>;
  readonly #limits: HostLimits;

  /** @param loraRank 0: all parameters are trained  @param maxPlaces tokens of one pass */
  constructor(
    private readonly backend: HostBackend,
    private readonly config: PolicyConfig,
    private readonly loraRank: number,
    private readonly maxPlaces: number,
    limits: HostLimits = { heap: wasmMemoryLimit, free: freeMemory() },
  ) {
    this.#limits = limits;
    this.#sizes = sizesOf(config, loraRank);
  }

  /** Takes the policy's share of the module, until `release`. @throws LabError `memory` */
  hold(): void {
    const need = { tensors: this.policy(), arrays: 0 };
    if (!this.#fits(need)) {
      const { heap, free } = this.#limits;
      // Only what is enough is named.
      const plain = this.backend === 'wasm' && new HostMemory('cpu', this.config, this.loraRank, this.maxPlaces, { heap, free });
      const cpu = plain && plain.#fits({ tensors: plain.policy(), arrays: 0 });
      throw this.#refusal('this policy', need, [
        'a smaller policy',
        ...(cpu ? ['plain JavaScript, which is slow (--backend cpu, ?backend=cpu)'] : []),
      ]);
    }
    held.set(this, need.tensors * holes);
  }

  release(): void {
    held.delete(this);
  }

  /** @throws LabError `memory` where rows of these lengths cannot be read */
  checkReading(places: number, cells: number): void {
    const need = { tensors: this.policy() + this.#reading({ places, cells }), arrays: 0 };
    if (this.#fits(need)) return;
    throw this.#refusal(`to read ${places.toLocaleString('en')} tokens`, need, ['a shorter text', 'a smaller policy']);
  }

  /** @param width tokens of the longest prompt and its reply  @throws LabError `memory` */
  checkGenerating(prompts: number, longest: number, rows: number, width: number): void {
    const need = this.generating(prompts, longest, rows, width);
    if (this.#fits(need)) return;
    const room = (r: number, w: number) => this.#fits(this.generating(Math.min(prompts, r), longest, r, w));
    throw this.#refusal(`to make ${rows} replies at once, of up to ${width} tokens with their prompts`, need, [
      ...(room(1, width) ? ['fewer replies at once (--batch N of permix eval; questions a step, group size of a run)'] : []),
      ...(room(rows, longest + 1) ? ['shorter replies (--max-new N; longest reply of a run)'] : []),
      'a smaller policy',
    ]);
  }

  /** @throws LabError `memory` naming the dials that are enough, before the first step */
  checkTraining(shape: TrainingShape): void {
    const need = this.training(shape);
    if (this.#fits(need)) return;
    const oneRow = { ...shape, microBatchRows: 1 };
    const adapters = new HostMemory(this.backend, this.config, 8, this.maxPlaces, this.#limits);
    const lora = this.loraRank === 0 && adapters.#fits(adapters.training(oneRow));
    // Only where fewer rows a pass are not enough.
    const fewer = !this.#fits(this.training(oneRow)) && this.#fits(this.training({ ...oneRow, rows: 2 }));
    throw this.#refusal(`to train with rows of up to ${shape.width} tokens`, need, [
      ...(this.#fits(this.training(oneRow)) ? ['fewer rows a pass (optim.microBatchRows, down to 1)'] : []),
      ...(fewer ? ['fewer replies a step (promptsPerStep, groupSize)'] : []),
      ...(lora ? ['low-rank adapters with one row a pass (--lora-rank 8, optim.microBatchRows 1)'] : []),
      'a smaller policy',
    ]);
  }

  /** Bytes of tensors once the policy has answered. */
  policy(): number {
    const { all, embedding, linear, head, vectors, trained } = this.#sizes;
    const packed = this.backend === 'wasm' ? 1 : 0;
    const multiplied = linear + head;
    const turned = this.config.tied ? (1 + packed) * embedding : 0;
    // With adapters the base lies beside what is multiplied by, which is base and adapters together.
    const base = this.loraRank > 0 ? all + trained - head - embedding - vectors : 0;
    return all + packed * multiplied + turned + base;
  }

  /** Of prompts that share their keys and values, `rows` replies in all. */
  generating(prompts: number, longest: number, rows: number, width: number): Need {
    const { hiddenSize, kvHeads, headDim, layers } = this.config;
    const perPass = Math.max(1, Math.min(prompts, Math.floor(this.maxPlaces / (longest + 8))));
    const asked = 4 * hiddenSize * Math.max(prompts, rows);
    const pass = Math.max(this.#reading({ places: perPass * longest, cells: perPass }), this.#reading({ places: rows, cells: rows }));
    const tensors = this.policy() + asked + pass;
    return { tensors, arrays: 4 * layers * 2 * kvHeads * headDim * (prompts * longest + rows * width) };
  }

  /** Of a whole run, at the worst moment of a step. */
  training(shape: TrainingShape): Need {
    const { all, embedding, head, largest, linear, trained } = this.#sizes;
    const { layers, hiddenSize: D, intermediateSize: F, vocabSize, tied, qkvBias, qkNorm } = this.config;
    const wasm = this.backend === 'wasm';
    const asked = shape.microBatchRows > 0 ? shape.microBatchRows : shape.rows;
    const rows = Math.max(1, Math.min(asked, shape.rows, Math.floor(this.maxPlaces / shape.width)));
    const pass = { places: rows * shape.width, cells: rows * shape.completionWidth };
    const { qkv, mixed, heads } = widths(this.config);
    const once = 4 * pass.places * layers;
    const after = families[this.config.family].norms.attention.after ? 1 : 0;
    const more = ((qkvBias ? 1 : 0) + (qkNorm ? 4 : 0)) * qkv + after * (wasm ? 4 : 2) * D;
    const saved = once * (wasm ? 8 * D + qkv + 2 * mixed + heads + 3 * F + more : 6 * D + qkv + mixed + heads + 3 * F + more);
    // tfjs lets go of no gradient of a layer's output before the backward pass is over.
    const left = once * (6 * D + 2 * qkv + mixed + 3 * F + more);
    const logits = 4 * Math.min(pass.cells, chunkRows(vocabSize)) * vocabSize;
    // What logits multiply by, the other way round, and the gradient of it: the sum, and a chunk's share or the sum turned.
    const ofHead = (wasm ? 2 : 1) * head + (this.loraRank > 0 ? 0 : 2 * embedding);
    // The matrices that adapters make are made anew on the tape, with what their gradients need.
    const adapted = this.loraRank > 0 ? (wasm ? 8 : 4) * linear : 0;
    const again = rows < shape.rows ? trained : 0;
    const ends = trained + left + (tied && this.loraRank === 0 ? 2 * embedding : largest);
    const backward = saved + adapted + again + Math.max(7 * logits + ofHead, ends);
    const resident = this.policy() + 2 * trained + (shape.withReference ? this.#reference() : 0) + (wasm && tied ? embedding : 0);
    const step = resident + Math.max(backward, trained + 4 * largest);
    const longest = shape.width - shape.completionWidth;
    const replies = this.generating(shape.rows, longest, shape.rows, shape.width);
    const tensors = Math.max(step, resident - this.policy() + replies.tensors);
    // What is written to disk is put together in memory: the state, and the file of it.
    return { tensors, arrays: Math.max(replies.arrays, 2 * (all + 2 * trained)) };
  }

  /** Of adapters it is the base itself, with what it is multiplied by. */
  #reference(): number {
    const whole = new HostMemory(this.backend, this.config, 0, this.maxPlaces, this.#limits).policy();
    return this.loraRank > 0 ? whole - this.#sizes.all : whole;
  }

  /** Bytes of a pass without gradients: one layer at its widest, then the head with the probabilities and their like. */
  #reading({ places, cells }: Pass): number {
    const { hiddenSize: D, intermediateSize: F, vocabSize, qkvBias, qkNorm } = this.config;
    const { qkv, mixed, heads } = widths(this.config);
    const layer = 7 * D + (2 + (qkvBias ? 1 : 0) + (qkNorm ? 4 : 0)) * qkv + mixed + heads + 5 * F;
    return 4 * Math.max(places * layer, places * D + cells * 2 * D + 5 * Math.min(cells, chunkRows(vocabSize)) * vocabSize);
  }

  #fits({ tensors, arrays }: Need): boolean {
    const { heap, free } = this.#limits;
    const mine = tensors * (this.backend === 'wasm' ? holes : 1);
    return (this.backend === 'cpu' || mine + this.#others() <= heap) && mine + arrays <= free;
  }

  #others(): number {
    return [...held].reduce((sum, [engine, bytes]) => sum + (engine === this ? 0 : bytes), 0);
  }

  #refusal(what: string, { tensors, arrays }: Need, dials: readonly string[]): LabError {
    const wasm = this.backend === 'wasm';
    const mine = tensors * (wasm ? holes : 1);
    const others = wasm ? this.#others() : 0;
    const ofModule = wasm && mine + others > this.#limits.heap;
    const need = ofModule ? mine : mine + arrays;
    const subject = what.startsWith('to ')
      ? `this policy needs about ${mebibytes(need)} MiB ${what}`
      : `${what} needs about ${mebibytes(need)} MiB`;
    const taken = others > 0 ? `, of which ${mebibytes(others)} MiB are taken by another policy` : '';
    const there = ofModule
      ? `the module has ${mebibytes(this.#limits.heap)} MiB${taken}`
      : `this machine has ${mebibytes(this.#limits.free)} MiB free`;
    const ways = [...dials, 'a GPU (--engine fused, ?engine=fused)', ...(ofModule ? [] : ['a machine with more memory'])];
    return new LabError(
      'memory',
      `${wasm ? 'On WebAssembly' : 'In plain JavaScript'} ${subject}, and ${there}.`,
      `Use ${ways.slice(0, -1).join(', ')}, or ${ways.at(-1)}.`,
    );
  }
}

function widths({ heads, kvHeads, headDim }: PolicyConfig) {
  return { qkv: (heads + 2 * kvHeads) * headDim, mixed: heads * headDim, heads };
}

/** Bytes by kind: all parameters; the embedding, an untied head, the matrices of the layers, the rest; what is trained, and its largest tensor. */
function sizesOf(config: PolicyConfig, loraRank: number) {
  const bytes = ({ shape }: { readonly shape: readonly number[] }) => shape.reduce((total, n) => total * n, 4);
  const sum = (sizes: readonly number[]) => sizes.reduce((total, n) => total + n, 0);
  const parameters = parameterShapes(config);
  const all = sum(parameters.map(bytes));
  const embedding = 4 * config.vocabSize * config.hiddenSize;
  const head = config.tied ? 0 : embedding;
  const linear = sum(adaptedMatrices(config).map((matrix) => 4 * matrix.in * matrix.out));
  // Where only some matrices are adapted it is less.
  const trained = loraRank > 0 ? adapterShapes(config, { rank: loraRank }) : parameters;
  // Gate and up lie side by side.
  const largest = loraRank > 0 ? Math.max(...trained.map(bytes)) : Math.max(embedding, 8 * config.intermediateSize * config.hiddenSize);
  return { all, embedding, head, linear, vectors: all - embedding - head - linear, trained: sum(trained.map(bytes)), largest };
}

function mebibytes(bytes: number): string {
  return Math.ceil(bytes / 2 ** 20).toLocaleString('en');
}
