/**
 * The tests of the RL kernels that every backend has to pass: values and gradients against the float64 references on odd,
 * prime and tail shapes, finite differences through all of them, and the sampler. The caller has made the backend current.
 */
import * as tf from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import type { ObjectiveSpec, Sampling } from '../../src/engine/engine.ts';
import { clippedLoss, groupAdvantage, sampleTokens, tokenLogprob } from '../../src/engine/portable/kernels/index.ts';
import { rowColumns, stepMetricsFromRows } from '../../src/engine/step-metrics.ts';
import { drawToken, tokenDistribution } from '../../src/engine/sampler.ts';
import { counterUniform } from '../../src/random/counter.ts';
import type { AdvantageKind } from '../../src/engine/engine.ts';
import { expectClose, grid, integers, normals } from './numbers.ts';
import { referenceAdvantage, referenceFiltered, referenceRow, referenceRowGradient } from './reference-kernels.ts';
import { referenceObjective } from './reference-objective.ts';

const plain: ObjectiveSpec = {
  term: 'clip',
  ratio: 'token',
  epsilonLow: 0.2,
  epsilonHigh: 0.28,
  beta: 0,
  kl: 'none',
  entropyCoef: 0,
  temperature: 1,
};

/** Every term, ratio and divergence at least once, and everything together. */
export const objectives: Readonly<Record<string, ObjectiveSpec>> = {
  sft: { ...plain, term: 'sft' },
  reinforce: { ...plain, term: 'reinforce', entropyCoef: 0.01 },
  clip: plain,
  'clip with k1': { ...plain, kl: 'k1', beta: 0.3 },
  'clip with k2': { ...plain, kl: 'k2', beta: 0.3 },
  'clip with k3': { ...plain, kl: 'k3', beta: 0.3 },
  gspo: { ...plain, ratio: 'sequence-mean' },
  rloo: { ...plain, ratio: 'sequence-sum', epsilonLow: 0.5, epsilonHigh: 0.7 },
  cispo: { ...plain, term: 'cispo', epsilonHigh: 1.3 },
  'cispo by sequence': { ...plain, term: 'cispo', ratio: 'sequence-mean', epsilonHigh: 1.1 },
  'all at once': { ...plain, ratio: 'sequence-sum', epsilonLow: 0.5, epsilonHigh: 0.7, kl: 'k3', beta: 0.2, entropyCoef: 0.05 },
};

const sampling: Sampling = {
  temperature: 1,
  topK: 0,
  topP: 1,
  minP: 0,
  maxNewTokens: 1,
  eosIds: [],
  seed: 0xfedcba98,
  step: 3,
  firstRow: 40,
};

async function numbers(tensor: tf.Tensor): Promise<Float32Array> {
  const values = (await tensor.data()) as Float32Array;
  tensor.dispose();
  return values;
}

interface LossCase {
  logprob: number[][];
  entropy: number[][];
  old: number[][] | null;
  ref: number[][] | null;
  mask: number[][];
  advantage: number[];
  rowWeight: number[];
}

/** Log-probs near their old ones, rows of different lengths, the second one empty; garbage where the mask is 0. */
function lossCase(rows: number, width: number, seed: number): LossCase {
  const lengths = integers(rows, seed, 1, width).map((length, row) => (row === 1 ? 0 : row === 0 ? width : length));
  const mask = lengths.map((length) => Array.from({ length: width }, (_, t) => (t < length ? 1 : 0)));
  const garbage = [Infinity, -Infinity, NaN, 1e30, -1e30];
  const near = (centre: number, spread: number, salt: number) =>
    grid(normals(rows * width, seed + salt, spread, centre), width).map((row, i) =>
      row.map((value, t) => (mask[i]![t] ? value : garbage[(i + t + salt) % garbage.length]!)),
    );
  return {
    logprob: near(-2, 0.25, 1),
    entropy: near(1.5, 0.3, 2),
    old: near(-2, 0.25, 3),
    ref: near(-2, 0.6, 4),
    mask,
    advantage: normals(rows, seed + 5),
    rowWeight: normals(rows, seed + 6, 0.1, 1 / rows),
  };
}

function lossTensors(of: LossCase) {
  const tensor = (values: number[][]) => tf.tensor2d(values, [of.mask.length, of.mask[0]!.length], 'float32');
  return {
    logprob: tensor(of.logprob),
    entropy: tensor(of.entropy),
    old: of.old && tensor(of.old),
    ref: of.ref && tensor(of.ref),
    mask: tensor(of.mask),
    advantage: tf.tensor1d(of.advantage),
    rowWeight: tf.tensor1d(of.rowWeight),
    stepTokens: tokensOf(of.mask),
  };
}

const tokensOf = (mask: readonly number[][]) => mask.flat().reduce((sum, m) => sum + m, 0);

async function runLoss(of: LossCase, objective: ObjectiveSpec) {
  const [loss, rows, dLogprob, dEntropy] = tf.tidy(() => {
    const inputs = lossTensors(of);
    const value = (logprob: tf.Tensor, entropy: tf.Tensor) =>
      clippedLoss({ ...inputs, logprob: logprob as tf.Tensor2D, entropy: entropy as tf.Tensor2D }, objective);
    const [dLp, dH] = tf.grads((lp, h) => value(lp!, h!).loss)([inputs.logprob, inputs.entropy]);
    const { loss, rows } = value(inputs.logprob, inputs.entropy);
    return [loss, rows, dLp!, dH!];
  }) as [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor];
  return {
    loss: (await numbers(loss))[0]!,
    rows: await numbers(rows),
    dLogprob: await numbers(dLogprob),
    dEntropy: await numbers(dEntropy),
  };
}

export function kernelSuite(backend: string, size: { readonly large: boolean }): void {
  describe(`token log-prob on ${backend}`, () => {
    const shapes: readonly (readonly [rows: number, vocabulary: number, temperature: number, scale: number])[] = [
      [1, 2, 1, 1],
      [3, 5, 1, 2],
      [7, 13, 0.3, 2],
      [5, 64, 1, 3],
      [4, 65, 2.5, 10],
      [3, 769, 0.7, 3],
      [3, 67, 1, 1000],
    ];
    it.each(shapes)('[%i, %i] at temperature %f, logits of scale %i', async (rows, vocabulary, temperature, scale) => {
      const x = normals(rows * vocabulary, 11, scale);
      const targets = integers(rows, 12, 0, vocabulary - 1);
      const dLp = normals(rows, 13);
      const dH = normals(rows, 14);
      const [logprob, entropy, gradient] = tf.tidy(() => {
        const logits = tf.tensor2d(x, [rows, vocabulary]);
        const chosen = tf.tensor1d(targets, 'int32');
        const out = tokenLogprob(logits, chosen, temperature);
        const gradient = tf.grad((l) => {
          const { logprob, entropy } = tokenLogprob(l as tf.Tensor2D, chosen, temperature);
          return logprob
            .mul(tf.tensor1d(dLp))
            .add(entropy.mul(tf.tensor1d(dH)))
            .sum();
        })(logits);
        return [out.logprob, out.entropy, gradient];
      }) as [tf.Tensor, tf.Tensor, tf.Tensor];
      const table = grid(x, vocabulary);
      const reference = table.map((row) => referenceRow(row, temperature));
      expectClose(
        await numbers(logprob),
        reference.map((row, i) => row.logprobs[targets[i]!]!),
        'logprob',
      );
      expectClose(
        await numbers(entropy),
        reference.map((row) => row.entropy),
        'entropy',
        { absolute: 5e-6 },
      );
      expectClose(
        await numbers(gradient),
        table.flatMap((row, i) => referenceRowGradient(row, targets[i]!, temperature, dLp[i]!, dH[i]!)),
        'gradient',
        { absolute: 5e-6 },
      );
    });

    it.runIf(size.large)('more rows than one dispatch dimension holds, and a vocabulary of 151,936', async () => {
      for (const [rows, vocabulary] of [
        [65_600, 3],
        [2, 151_936],
      ] as const) {
        const one = normals(vocabulary, 21, 3);
        const { value, grad } = tf.tidy(() => {
          const logits = tf.tensor2d(one, [1, vocabulary]).tile([rows, 1]) as tf.Tensor2D;
          const targets = tf.fill([rows], vocabulary - 1, 'int32') as tf.Tensor1D;
          return tf.valueAndGrad((l) => tokenLogprob(l as tf.Tensor2D, targets, 1).logprob.max())(logits.add(0.5));
        });
        expectClose(await numbers(value), [referenceRow(one, 1).logprobs[vocabulary - 1]!], 'the largest of equal log-probs');
        const gradients = grid(await numbers(grad), vocabulary);
        const expected = referenceRowGradient(one, vocabulary - 1, 1, 1, 0);
        for (const row of [0, 1, rows - 1]) expectClose(gradients[row]!, expected, `gradient of row ${row}`);
      }
    });
  });

  describe(`clipped loss on ${backend}`, () => {
    const shapes = [
      [3, 1],
      [5, 7],
      [67, 13],
    ] as const;
    describe.each(shapes)('[%i, %i]', (count, width) => {
      it.each(Object.entries(objectives))('%s', async (_, objective) => {
        const of = lossCase(count, width, 31);
        const got = await runLoss(of, objective);
        const expected = referenceObjective(of, objective);
        const { absolute, relative } = { absolute: 5e-6, relative: 2e-5 };
        expectClose([got.loss], [expected.loss], 'loss', { absolute, relative });
        expectClose(got.dLogprob, expected.gradient.flat(), 'd loss / d logprob', { absolute, relative });
        const dEntropy = of.mask.flatMap((row) => row.map((on) => (on ? -objective.entropyCoef / tokensOf(of.mask) : 0)));
        expectClose(got.dEntropy, dEntropy, 'd loss / d entropy');

        const metrics = stepMetricsFromRows(got.rows, objective, { old: true, ref: true });
        const on = of.mask.flatMap((row, i) => row.flatMap((m, t) => (m ? [[i, t] as const] : [])));
        const masked = (value: (i: number, t: number) => number) => on.map(([i, t]) => value(i, t));
        const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
        const gaps = masked((i, t) => Math.abs(of.logprob[i]![t]! - of.old![i]![t]!));
        expectClose(
          [metrics.loss, metrics.kl!, metrics.tokens, metrics.entropy, metrics.logprobDifference!.mean, metrics.logprobDifference!.max],
          [expected.loss, expected.kl!, on.length, mean(masked((i, t) => of.entropy[i]![t]!)), mean(gaps), Math.max(...gaps)],
          'metrics',
          { absolute, relative },
        );
        const policy = { ...objective, kl: 'none', entropyCoef: 0 } as const;
        expectClose([metrics.policyLoss], [referenceObjective({ ...of, ref: null }, policy).loss], 'policy loss', { absolute });
        if (objective.term === 'clip' && objective.ratio === 'token') {
          expectClose([metrics.clip.lowMean, metrics.clip.highMean], [expected.lowMean, expected.highMean], 'clip shares');
        }
      });
    });

    it('on-policy: the ratio is 1 and the gradient that of the log-prob', async () => {
      const of = { ...lossCase(4, 5, 41), old: null, ref: null };
      for (const objective of [plain, objectives['gspo']!, objectives['rloo']!]) {
        const got = await runLoss(of, objective);
        const expected = referenceObjective(of, objective);
        expectClose(got.dLogprob, expected.gradient.flat(), 'd loss / d logprob');
        const metrics = stepMetricsFromRows(got.rows, objective, { old: false, ref: false });
        expect(metrics.ratioMax).toBe(1);
        expect(metrics.kl).toBeNull();
        expect(metrics.logprobDifference).toBeNull();
      }
    });

    it('a batch of which nothing counts has loss 0 and gradient 0', async () => {
      const of = lossCase(3, 4, 51);
      const got = await runLoss({ ...of, mask: of.mask.map((row) => row.map(() => 0)) }, objectives['all at once']!);
      expect([got.loss, ...got.dLogprob, ...got.dEntropy].every((value) => value === 0)).toBe(true);
      const metrics = stepMetricsFromRows(got.rows, plain, { old: true, ref: true });
      expect(metrics).toMatchObject({ loss: 0, kl: 0, entropy: 0, tokens: 0, ratioMax: 0 });
    });

    it('log-ratios of 100 stay finite, and pass no gradient through the ratio', async () => {
      const ones = [[1, 1]];
      const of = {
        logprob: [[-1, -101]],
        entropy: ones,
        old: [[-101, -1]],
        ref: [[-101, -1]],
        mask: ones,
        advantage: [-1],
        rowWeight: [1],
      };
      const got = await runLoss(of, { ...plain, kl: 'k3', beta: 1e-9 });
      expect(Number.isFinite(got.loss)).toBe(true);
      // k3 pulls towards the reference on both sides
      expect(got.dLogprob[0]).toBeCloseTo(1e-9, 12);
      expectClose([got.dLogprob[1]!], [-1e-9 * Math.expm1(20)], 'pull of k3');
    });

    it('rows of micro-batches, one after the other, give the metrics of the whole', async () => {
      const of = lossCase(6, 5, 61);
      const whole = await runLoss(of, plain);
      const part = (from: number, to: number) =>
        Object.fromEntries(Object.entries(of).map(([name, rows]) => [name, (rows as unknown[]).slice(from, to)])) as unknown as LossCase;
      const [first, second] = [await runLoss(part(0, 2), plain), await runLoss(part(2, 6), plain)];
      const metrics = stepMetricsFromRows(Float32Array.of(...first.rows, ...second.rows), plain, { old: true, ref: true });
      expect(metrics).toEqual(stepMetricsFromRows(whole.rows, plain, { old: true, ref: true }));
      expectClose([first.loss + second.loss], [whole.loss], 'loss');
      expectClose([...first.dLogprob, ...second.dLogprob], whole.dLogprob, 'gradient');
      expect(whole.rows.length).toBe(6 * rowColumns.length);
    });
  });

  // Not for cispo, whose gradient is not the derivative of its value: the weight is held still.
  const differentiable = Object.entries(objectives).filter(([, objective]) => objective.term !== 'cispo');
  it.each(differentiable)(`finite differences through log-prob and loss on ${backend}: %s`, async (_, objective) => {
    const [rows, width, vocabulary, temperature] = [2, 3, 5, 0.8];
    const x = normals(rows * width * vocabulary, 71);
    const targets = integers(rows * width, 72, 0, vocabulary - 1);
    const fixed = lossCase(rows, width, 73);
    fixed.mask = [
      [1, 1, 1],
      [1, 1, 0],
    ];
    const near = (spread: number, seed: number) => {
      const noise = normals(rows * width, seed, spread);
      return grid(
        grid(x, vocabulary).map((row, i) => Math.fround(referenceRow(row, temperature).logprobs[targets[i]!]! + noise[i]!)),
        width,
      );
    };
    fixed.old = near(0.3, 74);
    fixed.ref = near(0.3, 75);
    const value = (logits: readonly number[]) => {
      const reference = grid(logits, vocabulary).map((row) => referenceRow(row, temperature));
      return referenceObjective(
        {
          ...fixed,
          logprob: grid(
            reference.map((row, i) => row.logprobs[targets[i]!]!),
            width,
          ),
          entropy: grid(
            reference.map((row) => row.entropy),
            width,
          ),
        },
        objective,
      ).loss;
    };
    const h = 1e-5;
    const expected = x.map((_, i) => {
      const moved = (by: number) => value(x.map((other, j) => (j === i ? other + by : other)));
      return (moved(h) - moved(-h)) / (2 * h);
    });
    const gradient = tf.tidy(() => {
      const inputs = lossTensors(fixed);
      return tf.grad((logits) => {
        const { logprob, entropy } = tokenLogprob(logits as tf.Tensor2D, tf.tensor1d(targets, 'int32'), temperature);
        const shaped = (t: tf.Tensor) => t.reshape([rows, width]) as tf.Tensor2D;
        return clippedLoss({ ...inputs, logprob: shaped(logprob), entropy: shaped(entropy) }, objective).loss;
      })(tf.tensor2d(x, [rows * width, vocabulary]));
    });
    expectClose(await numbers(gradient), expected, 'gradient', { relative: 5e-5, absolute: 5e-6 });
  });

  describe(`group advantage on ${backend}`, () => {
    const kinds: readonly AdvantageKind[] = ['group-std', 'group', 'leave-one-out', 'batch-std', 'none'];
    const cases: readonly (readonly [name: string, rewards: readonly number[], size: number])[] = [
      ['binary', [1, 0, 0, 0, 1, 1, 0, 1], 4],
      ['eight times 0.1 twice', new Array<number>(16).fill(Math.fround(0.1)), 8],
      ['groups of one', [0.75, -0.25], 1],
      ['pairs', [1, 0, 0.25, 0.75, 2, 2], 2],
      ['unscorable', [1, NaN, 0, 0, NaN, NaN, NaN, 1], 4],
      ['67 groups of 3', normals(201, 81), 3],
    ];
    it.each(kinds.flatMap((kind) => cases.map(([name, rewards, size]) => [kind, name, rewards, size] as const)))(
      '%s of %s',
      async (kind, _, rewards, size) => {
        const got = await numbers(tf.tidy(() => groupAdvantage(tf.tensor1d([...rewards]), size, kind)));
        const expected = referenceAdvantage(rewards, size, kind);
        expectClose(got, expected, 'advantage');
        expected.forEach((value, i) => value === 0 && expect(got[i]! === 0, `${i} is exactly 0`).toBe(true));
      },
    );
  });

  describe(`sampler on ${backend}`, () => {
    const draw = async (logits: readonly number[], rows: number, options: Partial<Sampling>, position = 0, rowIds?: number[]) => {
      const vocabulary = logits.length / (rowIds?.length ?? rows);
      const packed = tf.tidy(() => {
        const tensor = tf.tensor2d([...logits], [logits.length / vocabulary, vocabulary]);
        return sampleTokens(tensor, { ...sampling, ...options }, position, rowIds && Int32Array.from(rowIds));
      });
      return grid(await numbers(packed), 3) as [token: number, logprob: number, entropy: number][];
    };

    const settings: readonly Partial<Sampling>[] = [
      {},
      { temperature: 0.5 },
      { topK: 4 },
      { topP: 0.8 },
      { minP: 0.2 },
      { temperature: 1.5, topK: 6, topP: 0.9, minP: 0.15 },
    ];
    it.each(settings)('%j: draws follow the filtered distribution (chi-square)', async (options) => {
      const one = [2, 1, 0.25, -1, 0.875, -3, 1, 0.5, -0.5];
      const rows = 512;
      const counts = new Array<number>(one.length).fill(0);
      for (const position of [0, 1, 2, 3]) {
        const drawn = await draw(new Array<readonly number[]>(rows).fill(one).flat(), rows, options, position);
        for (const [token] of drawn) counts[token]!++;
      }
      const p = referenceFiltered(one, { ...sampling, ...options });
      let chiSquare = 0;
      p.forEach((value, i) => {
        if (value === 0) expect(counts[i], `token ${i} is filtered away`).toBe(0);
        else chiSquare += (counts[i]! - 4 * rows * value) ** 2 / (4 * rows * value);
      });
      // 8 degrees of freedom at most: beyond 31.8 once in 10,000
      expect(chiSquare).toBeLessThan(31.8);
    });

    it.each(settings)('%j: the draws of the host, and what their log-probs and entropies are', async (options) => {
      const [rows, vocabulary] = [33, 101];
      const logits = normals(rows * vocabulary, 91, 2);
      const drawn = await draw(logits, rows, options, 5);
      const temperature = options.temperature ?? 1;
      grid(logits, vocabulary).forEach((row, i) => {
        const { weights } = tokenDistribution(Float32Array.from(row), { ...sampling, ...options });
        const [token, logprob, entropy] = drawn[i]!;
        expect(token, `row ${i}`).toBe(drawToken(weights, counterUniform(sampling.seed, sampling.step, sampling.firstRow + i, 5)));
        const reference = referenceRow(row, temperature);
        expectClose([logprob, entropy], [reference.logprobs[token]!, reference.entropy], `row ${i}`, { absolute: 5e-6 });
      });
    });

    it('a row alone draws what it draws among others', async () => {
      const logits = normals(6 * 17, 92);
      const all = await draw(logits, 6, {});
      const some = await draw([...logits.slice(17 * 4, 17 * 5), ...logits.slice(17, 34)], 2, {}, 0, [4, 1]);
      expect(some).toEqual([all[4], all[1]]);
    });

    it('temperature 0 takes the largest logit, the lowest of equals, with the log-prob of temperature 1', async () => {
      const logits = [0, 3, 1, 3, 3, -1, -1, -2];
      const [first, second] = await draw(logits, 2, { temperature: 0, topK: 1, topP: 0.5 });
      expect([first![0], second![0]]).toEqual([1, 0]);
      expectClose([first![1]], [referenceRow(logits.slice(0, 4), 1).logprobs[1]!], 'logprob');
    });

    it('ties with the k-th logit are kept', async () => {
      const drawn = await draw(new Array<number[]>(64).fill([1, 1, 1, 0]).flat(), 64, { topK: 2 });
      expect(new Set(drawn.map(([token]) => token))).toEqual(new Set([0, 1, 2]));
    });

    it.runIf(size.large)('a vocabulary of 151,936', async () => {
      const logits = normals(151_936, 93, 3);
      for (const options of [{}, { topK: 50, topP: 0.9 }]) {
        const [row] = await draw(logits, 1, options);
        const { weights } = tokenDistribution(Float32Array.from(logits), { ...sampling, ...options });
        expect(row![0]).toBe(drawToken(weights, counterUniform(sampling.seed, sampling.step, sampling.firstRow, 0)));
      }
    });
  });

  it(`leaves no tensors behind on ${backend}`, async () => {
    const work = () =>
      tf.tidy(() => {
        const inputs = lossTensors(lossCase(3, 4, 99));
        const logits = tf.tensor2d(normals(12 * 5, 98), [12, 5]);
        const targets = tf.tensor1d(integers(12, 97, 0, 4), 'int32');
        const gradient = tf.grad((l) => {
          const { logprob, entropy } = tokenLogprob(l as tf.Tensor2D, targets, 1);
          const shaped = (t: tf.Tensor) => t.reshape([3, 4]) as tf.Tensor2D;
          return clippedLoss({ ...inputs, logprob: shaped(logprob), entropy: shaped(entropy) }, objectives['all at once']!).loss;
        })(logits);
        groupAdvantage(tf.tensor1d([1, 0, 1]), 3, 'group-std');
        sampleTokens(logits, sampling, 0);
        return gradient;
      });
    await numbers(work());
    const before = tf.memory().numTensors;
    for (let i = 0; i < 3; i++) await numbers(work());
    expect(tf.memory().numTensors).toBe(before);
  });
}
