/**
 * W + s·B A of an adapted matrix (s = alpha / rank), as a tensor: computed while it is read, a piece of the base at a time, so that a merged
 * policy is never in memory. How engines compute with adapters, which they do without merging, is theirs.
 */
import { adaptedMatrices, type LoraSpec } from './adapters.ts';
import type { PolicyConfig } from './config.ts';
import { decode, tensorFormats } from './tensor-format.ts';
import { numberCount, type Tensor } from './tensor.ts';
import { tensorsOf, type PolicyTensors, type Weights } from './weights.ts';

/** @param base every parameter by its Hugging Face name  @param adapters by PEFT's names; those of other matrices than the base's have no part */
export function mergedTensors(
  config: PolicyConfig,
  base: ReadonlyMap<string, Tensor>,
  adapters: Weights,
  lora: LoraSpec,
): Map<string, Tensor> {
  const merged = new Map(base);
  for (const { name, a, b } of adaptedMatrices(config)) {
    const [tensor, down, up] = [base.get(name), adapters[a], adapters[b]];
    if (tensor && down && up) merged.set(name, mergedTensor(tensor, { down, up, ...lora }));
  }
  return merged;
}

/** What a state answers with. */
interface Answering {
  readonly weights: Weights | null;
  readonly adapters: (LoraSpec & { readonly tensors: Weights }) | null;
}

/** A policy as a state has it answer. @param own of the policy that the state began from */
export function answeringTensors(config: PolicyConfig, own: PolicyTensors, { weights, adapters }: Answering): PolicyTensors {
  const base = weights ? tensorsOf(config, weights) : own;
  return adapters ? mergedTensors(config, base, adapters.tensors, adapters) : base;
}

interface Product extends LoraSpec {
  /** A: [rank, in] */
  readonly down: Float32Array;
  /** B: [out, rank] */
  readonly up: Float32Array;
}

/** @param base [out, in] */
export function mergedTensor(base: Tensor, product: Product): Tensor {
  return {
    name: base.name,
    shape: base.shape,
    dtype: 'F32',
    format: 'f32',
    byteLength: 4 * numberCount(base),
    async read(from, to) {
      const first = Math.floor(from / 4);
      const numbers = await numbersBetween(base, first, Math.ceil(to / 4));
      addProduct(numbers, first, base.shape[1]!, product);
      return new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength).subarray(from - 4 * first, to - 4 * first);
    },
  };
}

async function numbersBetween(tensor: Tensor, first: number, end: number): Promise<Float32Array> {
  if (tensor.format === null) throw new Error(`${tensor.name} has a dtype that no weights are read from`);
  const { numbers, bytes } = tensorFormats[tensor.format];
  const [firstBlock, endBlock] = [Math.floor(first / numbers), Math.ceil(end / numbers)];
  const whole = new Float32Array((endBlock - firstBlock) * numbers);
  decode(tensor.format, await tensor.read(firstBlock * bytes, endBlock * bytes), whole);
  return whole.subarray(first - firstBlock * numbers, end - firstBlock * numbers);
}

/** @param numbers those of the matrix from number `first` on, to which s·B A is added; summed in float64, rounded once */
function addProduct(numbers: Float32Array, first: number, width: number, { down, up, rank, alpha }: Product): void {
  const scale = alpha / rank;
  const sums = new Float64Array(width);
  for (let at = 0; at < numbers.length;) {
    const row = Math.floor((first + at) / width);
    const from = first + at - row * width;
    const to = Math.min(width, from + numbers.length - at);
    sums.fill(0);
    for (let k = 0; k < rank; k++) {
      const factor = up[row * rank + k]!;
      if (factor === 0) continue;
      for (let i = from; i < to; i++) sums[i]! += factor * down[k * width + i]!;
    }
    for (let i = from; i < to; i++, at++) numbers[at] = numbers[at]! + scale * sums[i]!;
  }
}
