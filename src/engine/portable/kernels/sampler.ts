/**
 * Sampling as a tfjs kernel: logits in, tokens out, with nothing read back. On `cpu` and `wasm` the host sampler runs on
 * the backend's own memory; on `webgpu` it is shaders/decode/sampler.wgsl. tf.multinomial is not used: on webgpu it
 * always returns token 0 for the first row, and its draws differ between backends.
 */
import * as tf from '@tensorflow/tfjs';
import { counterUniform } from '../../../random/counter.ts';
import type { Sampling } from '../../engine.ts';
import { drawToken, tokenDistribution } from '../../sampler.ts';
import { hostView } from '../host.ts';
import { runKernel } from './register.ts';

/**
 * @param logits [R / repeats, V], finite; each line is of as many rows
 * @param position of the new token in its completion
 * @param rowIds [R] int32, which row of the batch each row is; absent: 0..R-1
 * @returns [R, 3]: token, its log-prob and the entropy (see src/engine/sampler.ts). The draw of a row depends on
 * (seed, step, firstRow + rowId, position) and its logits alone.
 */
export function sampleTokens(
  logits: tf.Tensor2D,
  sampling: Sampling,
  position: number,
  rowIds?: tf.Tensor1D | Int32Array,
  repeats = 1,
): tf.Tensor2D {
  const { temperature, topK, topP, minP, seed, step, firstRow } = sampling;
  const rows = logits.shape[0] * repeats;
  return tf.tidy(() => {
    const ids = !rowIds ? tf.range(0, rows, 1, 'int32') : rowIds instanceof tf.Tensor ? rowIds : tf.tensor1d(rowIds, 'int32');
    return runKernel(
      'SampleTokens',
      { logits, rowIds: ids },
      { temperature, topK, topP, minP, seed, step, firstRow, position, repeats },
    )[0] as tf.Tensor2D;
  });
}

/** What the kernels are told beside their tensors. */
export interface SampleAttributes extends Sampling {
  readonly position: number;
  readonly repeats: number;
}

for (const backendName of ['cpu', 'wasm']) {
  tf.registerKernel({
    kernelName: 'SampleTokens',
    backendName,
    kernelFunc: ({ inputs, attrs }) => {
      const { logits, rowIds } = inputs as { logits: tf.TensorInfo; rowIds: tf.TensorInfo };
      const sampling = attrs as unknown as SampleAttributes;
      const vocabulary = logits.shape[1]!;
      const rows = rowIds.shape[0]!;
      const values = hostView(logits);
      const ids = hostView(rowIds);
      const out = new Float32Array(rows * 3);
      for (let row = 0; row < rows; row++) {
        const line = Math.floor(row / sampling.repeats);
        const slice = values.subarray(line * vocabulary, (line + 1) * vocabulary);
        const { weights, argmax, logprobs, entropy } = tokenDistribution(slice, sampling);
        const uniform = counterUniform(sampling.seed, sampling.step, sampling.firstRow + ids[row]!, sampling.position);
        const token = sampling.temperature > 0 ? drawToken(weights, uniform) : argmax;
        out.set([token, logprobs[token]!, entropy], row * 3);
      }
      return tf.tensor2d(out, [rows, 3]);
    },
  });
}
