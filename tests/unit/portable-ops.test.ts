/** The operations of the portable engine one by one: gradients against differences, and AdamW against float64. */
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { createEngine } from '../helpers/engine.ts';
import { adamW, globalNorm, zeroMoments, type Moments } from '../../src/engine/portable/adamw.ts';
import { attention } from '../../src/engine/portable/ops/attention.ts';
import { gated } from '../../src/engine/portable/ops/gated.ts';
import { linear } from '../../src/engine/portable/ops/linear.ts';
import { rmsNorm } from '../../src/engine/portable/ops/rms-norm.ts';
import { rope, ropeTable } from '../../src/engine/portable/ops/rope.ts';
import { embed, gatherRows, placeRows } from '../../src/engine/portable/ops/rows.ts';
import { transpose } from '../../src/engine/portable/ops/transpose.ts';
import { packRows } from '../../src/engine/portable/rows.ts';
import { initialWeights } from '../../src/policy/weights.ts';
import { expectClose, integers, normals } from '../helpers/numbers.ts';
import { variants } from '../helpers/engine-suite.ts';
import { tinyConfig } from '../helpers/tiny-policy.ts';

const grouped = variants['grouped queries, tied head']!;

const nearest = { size: 2, sliding: [true], ropeTheta: 10 };

type Op = (...inputs: tf.Tensor[]) => tf.Tensor;

/** Each: the shapes of the inputs, and the operation. Sizes are odd on purpose: loops in fours and blocks of 16 have remainders. */
const operations: Record<string, { shapes: number[][]; op: (config: typeof grouped) => Op }> = {
  'linear, wide output': { shapes: [[7, 3], [3, 5], [5]], op: () => (x, w, b) => linear(x as tf.Tensor2D, w as tf.Tensor2D, b as tf.Tensor1D) }, // prettier-ignore
  'linear, narrow output': { shapes: [[7, 5], [5, 3]], op: () => (x, w) => linear(x as tf.Tensor2D, w as tf.Tensor2D) }, // prettier-ignore
  'rms norm': { shapes: [[5, 7], [7]], op: () => (x, w) => rmsNorm(x as tf.Tensor2D, w as tf.Tensor1D, 1e-2, 0) }, // prettier-ignore
  'rms norm, weights from one': { shapes: [[5, 7], [7]], op: () => (x, w) => rmsNorm(x as tf.Tensor2D, w as tf.Tensor1D, 1e-2, 1) }, // prettier-ignore
  'silu, gated': { shapes: [[5, 6]], op: () => (x) => gated(x as tf.Tensor2D, 'silu') },
  'gelu, gated': { shapes: [[5, 6]], op: () => (x) => gated(x as tf.Tensor2D, 'gelu_pytorch_tanh') },
  embedding: { shapes: [[6, 3]], op: () => (table) => embed(table as tf.Tensor2D, Int32Array.of(4, 1, 4, 0, 4)) },
  'gather rows': { shapes: [[6, 3]], op: () => (x) => gatherRows(x as tf.Tensor2D, Int32Array.of(4, 1, 5)) },
  'place rows': { shapes: [[4, 3]], op: () => (x) => placeRows(x as tf.Tensor2D, Int32Array.of(4, 1, 5), 7) },
  rope: {
    shapes: [[10, 48]],
    op: (config) => (x) => rope(x as tf.Tensor2D, ropeTable(config, 16), packRows([new Int32Array(7), new Int32Array(3)]), config),
  },
  attention: {
    shapes: [[10, 48]],
    op: (config) => (x) => attention(x as tf.Tensor2D, packRows([new Int32Array(7), new Int32Array(3)]), config, 0),
  },
  'attention to the nearest': {
    shapes: [[10, 48]],
    op: (config) => (x) =>
      attention(x as tf.Tensor2D, packRows([new Int32Array(7), new Int32Array(3)]), { ...config, window: nearest, queryScalar: 2 }, 0),
  },
};

describe.each(['cpu', 'wasm'] as const)('%s', (backend) => {
  beforeAll(async () => {
    await createEngine({ config: tinyConfig, weights: initialWeights(tinyConfig, 1), engine: 'portable', backend });
  });

  it.each(Object.entries(operations))('%s: the gradient agrees with differences', async (_, { shapes, op }) => {
    const run = op(grouped);
    const inputs = shapes.map((shape, i) => normals(tf.util.sizeFromShape(shape), 10 + i));
    const tensors = shapes.map((shape, i) => tf.tensor(inputs[i]!, shape));
    const probe = tf.tidy(() => run(...tensors));
    const weights = tf.tensor(normals(probe.size, 99), probe.shape);
    const loss = (...x: tf.Tensor[]) => tf.sum(tf.mul(run(...x), weights)) as tf.Scalar;
    const { grads } = tf.valueAndGrads(loss)(tensors);
    // The difference of two outputs is taken output by output in double precision: a float32 loss would drown it.
    const at = async (input: number, index: number, shift: number) => {
      const moved = Float32Array.from(inputs[input]!);
      moved[index]! += shift;
      const x = tensors.map((tensor, i) => (i === input ? tf.tensor(moved, shapes[i]!) : tensor));
      return { value: moved[index]!, output: await tf.tidy(() => run(...x)).data() };
    };
    const w = (await weights.data()) as Float32Array;
    for (let input = 0; input < inputs.length; input++) {
      const gradient = await grads[input]!.data();
      for (const index of new Set(integers(6, 50 + input, 0, inputs[input]!.length - 1))) {
        const [high, low] = [await at(input, index, 2e-2), await at(input, index, -2e-2)];
        const expected = w.reduce((sum, v, i) => sum + v * (high.output[i]! - low.output[i]!), 0) / (high.value - low.value);
        expectClose([gradient[index]!], [expected], `input ${input} at ${index}`, { relative: 5e-3, absolute: 2e-3 });
      }
    }
  });

  it('transposes', async () => {
    for (const [rows, columns] of [
      [1, 5],
      [33, 17],
      [16, 32],
    ] as const) {
      // prettier-ignore
      const values = normals(rows * columns, 3);
      const transposed = await transpose(tf.tensor2d(values, [rows, columns])).data();
      values.forEach((value, i) => expect(transposed[(i % columns) * rows + Math.floor(i / columns)]).toBe(value));
    }
  });

  it('AdamW follows its definition in float64, with decay on matrices only', async () => {
    const optim = { learningRate: 0.02, beta1: 0.9, beta2: 0.95, eps: 1e-6, weightDecay: 0.3, maxGradNorm: 0, microBatchRows: 0 };
    const shapes = [[3, 4], [5]]; // prettier-ignore
    const expected = shapes.map((shape, i) => normals(tf.util.sizeFromShape(shape), i));
    const state = expected.map((p) => p.map(() => [0, 0] as [number, number]));
    let parameters = expected.map((p, i) => tf.tensor(p, shapes[i]!));
    let moments: Moments = zeroMoments(parameters);
    for (let step = 1; step <= 4; step++) {
      const gradients = expected.map((p, i) => normals(p.length, 10 * step + i, 0.1));
      const scale = 1 / step;
      const next = adamW(parameters, gradients.map((g, i) => tf.tensor(g, shapes[i]!)), moments, optim, step, scale); // prettier-ignore
      ({ parameters, moments } = next);
      expected.forEach((p, i) => {
        p.forEach((value, k) => {
          const g = gradients[i]![k]! * scale;
          const s = state[i]![k]!;
          s[0] = optim.beta1 * s[0] + (1 - optim.beta1) * g;
          s[1] = optim.beta2 * s[1] + (1 - optim.beta2) * g * g;
          const decayed = shapes[i]!.length > 1 ? value * (1 - optim.learningRate * optim.weightDecay) : value;
          const direction = s[0] / (1 - optim.beta1 ** step) / (Math.sqrt(s[1] / (1 - optim.beta2 ** step)) + optim.eps);
          p[k] = decayed - optim.learningRate * direction;
        });
      });
    }
    for (let i = 0; i < shapes.length; i++) expectClose(await parameters[i]!.data(), expected[i]!, `parameter ${i}`);
  });

  it('the global norm is infinite or NaN where a gradient is', async () => {
    expectClose([await globalNorm([tf.tensor1d([3, 0]), tf.tensor2d([[4]])])], [5], 'norm');
    expect(await globalNorm([tf.tensor1d([1, Infinity])])).toBe(Infinity);
    expect(await globalNorm([tf.tensor1d([1]), tf.tensor1d([NaN])])).toBeNaN();
  });
});
