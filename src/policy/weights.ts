/**
 * The parameters of a policy: as tensors that are read when they are needed, in the format of their file, or as numbers in memory, made from
 * a seed or by training. It is not where they live while computing; every engine has its own device layout.
 */
import { LabError } from '../errors.ts';
import { Purpose, Stream } from '../random/counter.ts';
import { parameterShapes, type PolicyConfig } from './config.ts';
import { families } from './families.ts';
import { tensorFormats } from './tensor-format.ts';
import { checkFormat, memoryTensor, numbersOf, pieces, type Tensor } from './tensor.ts';

/** Every parameter of a policy by its Hugging Face name, in canonical order and in the shape that its configuration asks for. */
export type PolicyTensors = ReadonlyMap<string, Tensor>;

/** The numbers of a policy, host side, float32, keyed by Hugging Face tensor names (`model.layers.0.self_attn.q_proj.weight` [out, in], …). */
export type Weights = Readonly<Record<string, Float32Array>>;

const product = (shape: readonly number[]) => shape.reduce((total, n) => total * n, 1);

/** Normal with deviation 0.02; projections back into the residual stream by 1/sqrt(2 layers) less (GPT-2); norms that multiply by 1, biases 0. */
export function initialWeights(config: PolicyConfig, seed: number): Weights {
  const weights: Record<string, Float32Array> = {};
  const { normOffset } = families[config.family];
  const residual = 0.02 / Math.sqrt(2 * config.layers);
  parameterShapes(config).forEach(({ name, shape }, index) => {
    const values = new Float32Array(product(shape));
    if (name.endsWith('.bias')) values.fill(0);
    else if (shape.length === 1) values.fill(1 - normOffset);
    else {
      const deviation = /\.(o_proj|down_proj)\.weight$/.test(name) ? residual : 0.02;
      const stream = new Stream(seed, Purpose.weights, 0, index);
      for (let i = 0; i < values.length; i++) values[i] = deviation * stream.normal();
    }
    weights[name] = values;
  });
  return weights;
}

/** Parameters in a policy, the shared embedding of a tied head counted once. */
export function parameterCount(config: PolicyConfig): number {
  return parameterShapes(config).reduce((total, { shape }) => total + product(shape), 0);
}

/**
 * Those tensors of a checkpoint that a policy is made of: every parameter there, in the right shape, in a format that is read. Others are
 * ignored (a stored copy of a tied head, rotary tables of old checkpoints). No number is read.
 * @throws LabError `format` naming the tensor
 */
export function policyTensors(config: PolicyConfig, tensors: ReadonlyMap<string, Tensor>): PolicyTensors {
  checkClaims(config, tensors.size);
  const found = parameterShapes(config).map(({ name, shape }): [string, Tensor] => {
    // Checkpoints of the bare decoder carry no `model.` prefix.
    const tensor = tensors.get(name) ?? tensors.get(name.replace(/^model\./, ''));
    if (!tensor) {
      throw new LabError(
        'format',
        `The weights have no tensor ${name}.`,
        'Check that model.safetensors and config.json belong to the same policy.',
      );
    }
    if (tensor.shape.length !== shape.length || tensor.shape.some((n, i) => n !== shape[i])) {
      throw new LabError(
        'format',
        `The tensor ${name} has the shape [${tensor.shape.join(', ')}], config.json asks for [${shape.join(', ')}].`,
        'Check that model.safetensors and config.json belong to the same policy.',
      );
    }
    checkFormat(tensor);
    return [name, tensor];
  });
  return new Map(found);
}

/** What is small is read once and kept: it is asked for again with every engine, and a server may be gone by then. */
const keptBytes = 64 * 2 ** 20;

/** The same tensors, those of a small policy in memory. @throws LabError `format` for numbers that are none, where they are read */
export async function keptTensors(tensors: PolicyTensors): Promise<PolicyTensors> {
  const bytes = [...tensors.values()].reduce((sum, { byteLength }) => sum + byteLength, 0);
  if (bytes > keptBytes) return tensors;
  const kept = new Map<string, Tensor>();
  for (const [name, tensor] of tensors) {
    await finiteNumbers(tensor);
    const all = (await tensor.read(0, tensor.byteLength)).slice();
    kept.set(name, { ...tensor, read: (from, to) => Promise.resolve(all.subarray(from, to)) });
  }
  return kept;
}

/** Numbers that are in memory, as what an engine is made of. They are not copied. */
export function tensorsOf(config: PolicyConfig, weights: Weights): PolicyTensors {
  return new Map(parameterShapes(config).map(({ name, shape }) => [name, memoryTensor(name, shape, weights[name]!)]));
}

/** All of them as float32: for what is small, or has to be in memory whole. @throws LabError as `finiteNumbers` */
export async function weightsOf(tensors: PolicyTensors): Promise<Weights> {
  const weights: Record<string, Float32Array> = {};
  for (const [name, tensor] of tensors) weights[name] = await finiteNumbers(tensor);
  return weights;
}

/** All numbers of a parameter; beside them a piece is in memory. @throws LabError `format` where one is no number, `memory` where there is no room for them */
export async function finiteNumbers(tensor: Tensor): Promise<Float32Array> {
  const numbers = await numbersOf(tensor);
  const place = placeOfNoNumber(numbers);
  if (place >= 0) throw noPolicy(tensor, place, numbers[place]!);
  return numbers;
}

/** The same, piece after piece. */
export async function* finitePieces(tensor: Tensor): AsyncGenerator<Float32Array> {
  let at = 0;
  for await (const piece of pieces(tensor)) {
    const place = placeOfNoNumber(piece);
    if (place >= 0) throw noPolicy(tensor, at + place, piece[place]!);
    at += piece.length;
    yield piece;
  }
}

/**
 * A matrix of Q8_0 as its file has it, some whole rows at a time.
 * @param most bytes of a piece, at least a row's  @throws LabError `format` where a number is none
 */
export async function* finiteRows(tensor: Tensor, most: number): AsyncGenerator<Uint8Array> {
  const { numbers, bytes } = tensorFormats.q8_0;
  const row = (tensor.shape[1]! / numbers) * bytes;
  const some = row * Math.max(1, Math.floor(most / row));
  for (let at = 0; at < tensor.byteLength; at += some) {
    const piece = await tensor.read(at, Math.min(tensor.byteLength, at + some));
    for (let block = 0; block < piece.length; block += bytes) {
      // Its scale has the exponent of infinities and NaN.
      if ((piece[block + 1]! & 0x7c) === 0x7c) throw noPolicy(tensor, ((at + block) / bytes) * numbers, NaN);
    }
    yield piece;
  }
}

/** What config.json claims is compared with what there is before a list of it is made: ten million layers would not fit into memory. */
function checkClaims({ layers }: PolicyConfig, tensors: number): void {
  if (layers <= tensors) return;
  throw new LabError(
    'format',
    `config.json asks for ${layers} layers, the weights have ${tensors} tensors.`,
    'Check that model.safetensors and config.json belong to the same policy.',
  );
}

/**
 * What is to be saved as a policy.
 * @param where the folder or file  @throws LabError `numeric` naming the tensor
 */
export function checkFinite(weights: Weights, where: string): void {
  for (const [name, data] of Object.entries(weights)) {
    const place = placeOfNoNumber(data);
    if (place < 0) continue;
    throw new LabError(
      'numeric',
      `The weights are no policy and were not saved to ${where}: number ${place} of ${name} is ${data[place]}.`,
      'Begin again with a smaller learning rate.',
    );
  }
}

/** Weights that are not numbers are none. @param place from 0 */
export function noPolicy({ name }: Tensor, place: number, value: number): LabError {
  return new LabError(
    'format',
    `The weights are no policy: number ${place + 1} of the tensor ${name} is ${value}.`,
    'Fetch the file again; if it came out of a training run, take an earlier checkpoint of that run.',
  );
}

/** The first place of NaN or an infinity, -1 where there is none; a fifth of findIndex's time. */
function placeOfNoNumber(numbers: Float32Array): number {
  for (let i = 0; i < numbers.length; i++) if (!Number.isFinite(numbers[i])) return i;
  return -1;
}
