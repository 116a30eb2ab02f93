/**
 * The numbers of a policy on the host: made from a seed, or taken from a checkpoint.
 * It is not where they live while computing; every engine has its own device layout.
 */
import { LabError } from '../errors.ts';
import { Purpose, Stream } from '../random/counter.ts';
import { parameterShapes, type PolicyConfig } from './config.ts';
import { numbersOf, type Tensor } from './tensor.ts';

/** The numbers of a policy, host side, float32, keyed by Hugging Face tensor names (`model.layers.0.self_attn.q_proj.weight` [out, in], …). */
export type Weights = Readonly<Record<string, Float32Array>>;

const product = (shape: readonly number[]) => shape.reduce((total, n) => total * n, 1);

/** Normal with deviation 0.02; projections back into the residual stream by 1/sqrt(2 layers) less (GPT-2); norms 1, biases 0. */
export function initialWeights(config: PolicyConfig, seed: number): Weights {
  const weights: Record<string, Float32Array> = {};
  const residual = 0.02 / Math.sqrt(2 * config.layers);
  parameterShapes(config).forEach(({ name, shape }, index) => {
    const values = new Float32Array(product(shape));
    if (name.endsWith('.bias')) values.fill(0);
    else if (shape.length === 1) values.fill(1);
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
 * The tensors of a checkpoint as weights: every parameter there, in the right shape. Tensors a policy does not use are ignored
 * (a stored copy of a tied head, rotary tables of old checkpoints), and not read; nothing is before all shapes have been compared.
 * They are read one at a time: beside the weights a piece of one of them is in memory, and never the file.
 * @throws LabError `format` naming the tensor
 */
export async function loadWeights(config: PolicyConfig, tensors: ReadonlyMap<string, Tensor>): Promise<Weights> {
  checkClaims(config, tensors.size);
  const found = parameterShapes(config).map(({ name, shape }) => {
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
    return { name, tensor };
  });
  const weights: Record<string, Float32Array> = {};
  for (const { name, tensor } of found) weights[name] = finite(name, await numbersOf(tensor));
  return weights;
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

/** Weights that are not numbers are no policy. @throws LabError `format` naming the tensor and the place */
export function finite(name: string, data: Float32Array): Float32Array {
  const place = noNumber(data);
  if (place < 0) return data;
  throw new LabError(
    'format',
    `The weights are no policy: number ${place + 1} of the tensor ${name} is ${data[place]}.`,
    'Fetch the file again; if it came out of a training run, take an earlier checkpoint of that run.',
  );
}

/**
 * What is to be saved as a policy.
 * @param where the folder or file  @throws LabError `numeric` naming the tensor
 */
export function checkFinite(weights: Weights, where: string): void {
  for (const [name, data] of Object.entries(weights)) {
    const place = noNumber(data);
    if (place < 0) continue;
    throw new LabError(
      'numeric',
      `The weights are no policy and were not saved to ${where}: number ${place} of ${name} is ${data[place]}.`,
      'Begin again with a smaller learning rate.',
    );
  }
}

/** The first place of NaN or an infinity, -1 where there is none; a fifth of findIndex's time. */
function noNumber(data: Float32Array): number {
  for (let i = 0; i < data.length; i++) if (!Number.isFinite(data[i])) return i;
  return -1;
}
