/**
 * The kernels' twins and the float64 references against the shared vectors, on wasm. Binding are the losses of the objectives
 * this project has, and everything about log-probs, alignment, KL, advantages, sampling and overflow; what belongs to other
 * systems' variants is skipped by name. Without ../shared everything here is skipped.
 */
import * as tf from '@tensorflow/tfjs';
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import { resolve } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { ObjectiveSpec, Sampling } from '../../src/engine/engine.ts';
import { clippedLoss, groupAdvantage, sampleTokens, tokenLogprob } from '../../src/engine/portable/kernels/index.ts';
import { stepMetricsFromRows } from '../../src/engine/step-metrics.ts';
import { tokenDistribution } from '../../src/engine/sampler.ts';
import type { AdvantageKind } from '../../src/engine/engine.ts';
import { expectClose, grid } from '../helpers/numbers.ts';
import { referenceAdvantage, referenceFiltered, referenceRow, referenceRowGradient } from '../helpers/reference-kernels.ts';
import { sharedJson } from '../helpers/shared.ts';

type Grid = number[][];
type Params = { temperature?: number; top_k?: number; top_p?: number; min_p?: number };
interface LossCase {
  config: {
    kind: string;
    A: number[];
    agg: string | null;
    is_level?: string;
    eps_low?: number;
    eps_high?: number;
    cispo_hi?: number;
    beta?: number;
    entropy_coef?: number;
    on_policy?: boolean;
    agg_kw?: { num_items_in_batch?: number; max_completion_length?: number };
  };
  mask?: Grid;
  loss: number;
  grad_logps: Grid;
  grad_logits: Grid[];
  metrics: Record<string, number>;
}
interface Vectors {
  logprobs: {
    logits: Grid[];
    ids: Grid;
    cases: { temperature: number; logps: Grid; entropy: Grid; d_logp_d_logits: Grid[]; d_entropy_d_logits: Grid[] }[];
  };
  alignment: { full_logits: Grid[]; ids: Grid; prompt_len: number; completion_logps: Grid; wrong_if_not_shifted: Grid };
  sampling: {
    logits: number[];
    cases: { params: Params; kept: number[]; probs: number[] }[];
    ties: { logits: number[]; params: Params; kept: number[] };
    mismatch_trap: { params: Params; sampled_token: number; full_vocab_logp: number };
  };
  advantages: { cases: { name: string; rewards: (number | null)[]; group_size: number; expected: Record<string, number[] | undefined> }[] };
  kl: Record<'logp' | 'ref_logp' | 'k1' | 'k2' | 'k3', number[]> & { grad_wrt_logp: Record<'k1' | 'k2' | 'k3', number[]> };
  losses: {
    fixture: { logits: Grid[] } & Record<'ids' | 'mask' | 'old_logps' | 'ref_logps', Grid>;
    cases: Record<string, LossCase>;
  };
  clip_table: { rows: ({ A: number; ratio: number } & Record<string, number[]>)[] };
  overflow: {
    log_ratio: number[];
    verl_clamped_ratio: number[];
    masked_position: {
      logp: number[];
      old_logp: number[];
      ref_logp: number[];
      advantage: number;
      mask: number[];
      expected_loss_ppo_token_mean: number;
    };
  };
}

const vectors = sharedJson<Vectors>('vectors/rl_vectors.json');
/** Never read where there are no vectors. */
const data = vectors as Vectors;

/** Loss cases whose definition is one of ours; all others are other systems' variants, or are named in `elsewhere`. */
const binding: Record<string, Partial<ObjectiveSpec>> = {
  trl_grpo: {},
  trl_grpo_kl_k3: {},
  trl_bnpo: {},
  trl_dr_grpo: {},
  trl_dapo_clip_higher: {},
  trl_dapo_global_normaliser: {},
  trl_dapo_on_policy: {},
  trl_grpo_on_policy: {},
  trl_cispo_eps_high_5: { term: 'cispo' },
  'trl_cispo_eps_high_1.3': { term: 'cispo' },
  trl_gspo: { ratio: 'sequence-mean' },
  trl_gspo_wide: { ratio: 'sequence-mean' },
  trl_gspo_token: { ratio: 'sequence-mean' },
  trl_entropy_bonus_dapo: {},
  trl_entropy_bonus_grpo: {},
  trl_rloo: { ratio: 'sequence-sum' },
  nanochat_reinforce: { term: 'reinforce' },
  grpo_zero: { term: 'reinforce' },
  verl_gpg: { term: 'reinforce' },
  zero_advantage_no_kl: {},
  zero_advantage_with_kl: {},
  masked_row_trl_grpo: {},
  masked_row_trl_dapo: {},
  all_masked_trl_grpo: {},
  all_masked_trl_dapo: {},
  all_masked_trl_bnpo: {},
};
const elsewhere: Record<string, string> = {};

function rowWeights({ config }: LossCase, mask: Grid): number[] {
  const lengths = mask.map((row) => row.reduce((sum, m) => sum + m, 0));
  const tokens = Math.max(
    lengths.reduce((sum, n) => sum + n, 0),
    1,
  );
  return lengths.map((length) => {
    if (config.agg === 'trl_dr_grpo') return 1 / (mask.length * config.agg_kw!.max_completion_length!);
    if (config.agg === 'trl_dapo') return 1 / Math.max(config.agg_kw!.num_items_in_batch!, 1);
    if (config.agg === 'trl_bnpo' || config.agg === 'token-mean') return 1 / tokens;
    return 1 / (Math.max(length, 1) * mask.length);
  });
}

async function flat(tensor: tf.Tensor): Promise<Float32Array> {
  return (await tensor.data()) as Float32Array;
}

const filters = ({ temperature = 1, top_k = 0, top_p = 1, min_p = 0 }: Params) => ({ temperature, topK: top_k, topP: top_p, minP: min_p });

describe.skipIf(!vectors)('shared vectors', () => {
  beforeAll(async () => {
    setWasmPaths(`${resolve(import.meta.dirname, '../../node_modules/@tensorflow/tfjs-backend-wasm/dist')}/`);
    tf.env().set('WASM_HAS_MULTITHREAD_SUPPORT', false);
    await tf.setBackend('wasm');
  });

  it('log-probs, entropies and their derivatives, at every temperature', async () => {
    const { logits, ids, cases } = data.logprobs;
    const rows = logits.flat();
    const targets = tf.tensor1d(ids.flat(), 'int32');
    for (const { temperature, logps, entropy, d_logp_d_logits, d_entropy_d_logits } of cases) {
      const x = tf.tensor2d(rows);
      const got = tokenLogprob(x, targets, temperature);
      expectClose(await flat(got.logprob), logps.flat(), 'logprob');
      expectClose(await flat(got.entropy), entropy.flat(), 'entropy');
      const gradientOf = (output: 'logprob' | 'entropy') =>
        flat(tf.grad((l) => tokenLogprob(l as tf.Tensor2D, targets, temperature)[output].sum())(x));
      expectClose(await gradientOf('logprob'), d_logp_d_logits.flat(2), 'd logprob');
      expectClose(await gradientOf('entropy'), d_entropy_d_logits.flat(2), 'd entropy');
      const exact = { relative: 1e-9, absolute: 1e-9 };
      rows.forEach((row, i) => {
        const reference = referenceRow(row, temperature);
        expectClose([reference.logprobs[ids.flat()[i]!]!, reference.entropy], [logps.flat()[i]!, entropy.flat()[i]!], 'reference', exact);
        expectClose(referenceRowGradient(row, ids.flat()[i]!, temperature, 1, 0), d_logp_d_logits.flat()[i]!, 'reference', exact);
      });
    }
  });

  it('alignment: completion token t is scored by the logits at t - 1', async () => {
    const { full_logits, ids, prompt_len, completion_logps, wrong_if_not_shifted } = data.alignment;
    const length = ids[0]!.length;
    const { logprob } = tokenLogprob(
      tf.tensor2d(full_logits[0]!.slice(prompt_len - 1, length - 1)),
      tf.tensor1d(ids[0]!.slice(prompt_len), 'int32'),
      1,
    );
    expectClose(await flat(logprob), completion_logps[0]!, 'logprob');
    expect(Math.abs((await flat(logprob))[0]! - wrong_if_not_shifted[0]![0]!)).toBeGreaterThan(0.1);
  });

  describe('losses', () => {
    for (const [name, of] of Object.entries(vectors?.losses.cases ?? {})) {
      const ours = binding[name];
      if (!ours) {
        it.skip(`${name} (${elsewhere[name] ?? "another system's variant"})`, () => {});
        continue;
      }
      it(name, async () => {
        const { config } = of;
        const { fixture } = data.losses;
        const mask = of.mask ?? fixture.mask;
        const objective: ObjectiveSpec = {
          term: 'clip',
          ratio: 'token',
          epsilonLow: config.eps_low ?? 0.2,
          epsilonHigh: config.cispo_hi ?? config.eps_high ?? 0.2,
          beta: config.beta ?? 0,
          kl: config.beta ? 'k3' : 'none',
          entropyCoef: config.entropy_coef ?? 0,
          temperature: 1,
          ...ours,
        };
        const shape: [number, number] = [mask.length, mask[0]!.length];
        const fixed = {
          old: config.on_policy ? null : tf.tensor2d(fixture.old_logps),
          ref: tf.tensor2d(fixture.ref_logps),
          mask: tf.tensor2d(mask),
          advantage: tf.tensor1d(config.A),
          rowWeight: tf.tensor1d(rowWeights(of, mask)),
          stepTokens: mask.flat().reduce((sum, m) => sum + m, 0),
        };
        const logits = tf.tensor2d(fixture.logits.flat());
        const targets = tf.tensor1d(fixture.ids.flat(), 'int32');
        const forward = (l: tf.Tensor) => {
          const { logprob, entropy } = tokenLogprob(l as tf.Tensor2D, targets, 1);
          return { logprob: logprob.reshape(shape) as tf.Tensor2D, entropy: entropy.reshape(shape) as tf.Tensor2D };
        };
        const { loss, rows } = clippedLoss({ ...fixed, ...forward(logits) }, objective);
        expectClose(await flat(loss), [of.loss], 'loss');
        const { logprob, entropy } = forward(logits);
        const gradient = tf.grad((lp) => clippedLoss({ ...fixed, entropy, logprob: lp as tf.Tensor2D }, objective).loss)(logprob);
        expectClose(await flat(gradient), of.grad_logps.flat(), 'd loss / d logprob');
        const dLogits = tf.grad((l) => clippedLoss({ ...fixed, ...forward(l) }, objective).loss)(logits);
        expectClose(await flat(dLogits), of.grad_logits.flat(2), 'd loss / d logits');
        const { clip } = stepMetricsFromRows(await flat(rows), objective, { old: true, ref: true });
        const metrics: Record<string, number> = {
          'clip_ratio/low_mean': clip.lowMean,
          'clip_ratio/low_min': clip.lowMin,
          'clip_ratio/high_mean': clip.highMean,
          'clip_ratio/high_max': clip.highMax,
          'clip_ratio/region_mean': clip.regionMean,
        };
        for (const [metric, value] of Object.entries(metrics)) {
          const expected = of.metrics[metric];
          if (expected !== undefined) expectClose([value], [expected], metric);
        }
      });
    }
  });

  describe('clip table', () => {
    const columns: Record<string, Partial<ObjectiveSpec>> = {
      'ppo_0.2_0.2': { epsilonHigh: 0.2 },
      'ppo_0.2_0.28': { epsilonHigh: 0.28 },
      cispo_cap5_dloss_dlogp: { term: 'cispo', epsilonHigh: 5 },
    };
    it.each(Object.entries(columns))('%s', async (column, spec) => {
      const { rows } = data.clip_table;
      const objective = {
        term: 'clip',
        ratio: 'token',
        epsilonLow: 0.2,
        epsilonHigh: 0.2,
        beta: 0,
        kl: 'none',
        entropyCoef: 0,
        temperature: 1,
        ...spec,
      } as const;
      const count = rows.length;
      const column2d = (values: number[]) => tf.tensor2d(values, [count, 1]);
      const fixed = {
        entropy: column2d(rows.map(() => 0)),
        old: column2d(rows.map(() => -3)),
        ref: null,
        mask: column2d(rows.map(() => 1)),
        advantage: tf.tensor1d(rows.map(({ A }) => A)),
        rowWeight: tf.ones([count]) as tf.Tensor1D,
        stepTokens: count,
      };
      const logprob = column2d(rows.map(({ ratio }) => -3 + Math.log(ratio)));
      const got = clippedLoss({ ...fixed, logprob }, objective);
      const table = grid(await flat(got.rows), 10);
      const gradient = await flat(tf.grad((lp) => clippedLoss({ ...fixed, logprob: lp as tf.Tensor2D }, objective).loss)(logprob));
      rows.forEach((row, i) => {
        // On the boundary itself either side's gradient is right.
        const onBoundary = [1 - objective.epsilonLow, 1 + objective.epsilonHigh].some((edge) => Math.abs(row.ratio - edge) < 1e-6);
        const expected = row[column] as unknown;
        const [value, slope] = Array.isArray(expected) ? (expected as number[]) : [undefined, expected as number];
        if (value !== undefined) expectClose([table[i]![2]!], [value], `value at A ${row.A}, ratio ${row.ratio}`);
        if (!onBoundary) expectClose([gradient[i]!], [slope!], `gradient at A ${row.A}, ratio ${row.ratio}`);
      });
    });
    for (const column of ['dual_clip_c3', 'delta_4', 'sapo', 'cispo_0.8_1.28_dloss_dlogp'])
      it.skip(`${column} (another system's variant)`, () => {});
  });

  it.each(['k1', 'k2', 'k3'] as const)('KL estimator %s', async (kl) => {
    const { logp, ref_logp } = data.kl;
    const row = (values: number[]) => tf.tensor2d(values, [1, values.length]);
    const zero = row(logp.map(() => 0));
    const objective = { term: 'sft', ratio: 'token', epsilonLow: 0, epsilonHigh: 0, beta: 1, kl, entropyCoef: 0, temperature: 1 } as const;
    const ones = row(logp.map(() => 1));
    const fixed = {
      entropy: zero,
      old: null,
      ref: row(ref_logp),
      mask: ones,
      advantage: tf.tensor1d([0]),
      rowWeight: tf.tensor1d([1]),
      stepTokens: 1,
    };
    const { rows } = clippedLoss({ ...fixed, logprob: row(logp) }, objective);
    expectClose([(await flat(rows))[3]!], [data.kl[kl].reduce((sum, value) => sum + value, 0)], 'sum of the estimator');
    const gradient = await flat(tf.grad((lp) => clippedLoss({ ...fixed, logprob: lp as tf.Tensor2D }, objective).loss)(row(logp)));
    expectClose(
      gradient,
      data.kl.grad_wrt_logp[kl].map((value) => value - 1),
      'its gradient, beside that of -logp',
    );
  });

  describe('advantages', () => {
    const columns: Record<string, AdvantageKind> = {
      trl_group: 'group-std',
      trl_batch: 'batch-std',
      'trl_none(dr_grpo)': 'group',
      rloo: 'leave-one-out',
    };
    const others = new Set(
      (vectors?.advantages.cases ?? []).flatMap(({ expected }) => Object.keys(expected)).filter((name) => !(name in columns)),
    );
    for (const name of others) it.skip(`${name} (another system's variant)`, () => {});
    it.each((vectors?.advantages.cases ?? []).map((of) => [of.name, of] as const))('%s', async (_, { rewards, group_size, expected }) => {
      const given = rewards.map((reward) => reward ?? NaN);
      for (const [column, kind] of Object.entries(columns)) {
        const values = expected[column];
        if (!values) continue;
        const got = await flat(groupAdvantage(tf.tensor1d(given), group_size, kind));
        expectClose(got, values, column);
        values.forEach((value, i) => value === 0 && expect(Math.abs(got[i]!), `${column}[${i}]`).toBeLessThan(1e-7));
        expectClose(referenceAdvantage(given, group_size, kind), values, `reference ${column}`, { relative: 1e-9, absolute: 1e-9 });
      }
    });
  });

  describe('sampling', () => {
    it.each((vectors?.sampling.cases ?? []).map((of) => [JSON.stringify(of.params), of] as const))('%s', (_, { params, kept, probs }) => {
      const { weights } = tokenDistribution(Float32Array.from(data.sampling.logits), filters(params));
      expect(Array.from(weights, (weight) => (weight > 0 ? 1 : 0))).toEqual(kept);
      const total = weights.reduce((sum, weight) => sum + weight, 0);
      expectClose(
        weights.map((weight) => weight / total),
        probs,
        'probabilities',
      );
      expectClose(referenceFiltered(data.sampling.logits, filters(params)), probs, 'reference', { relative: 1e-9, absolute: 1e-9 });
    });

    it('top-k keeps ties', () => {
      const { logits, params, kept } = data.sampling.ties;
      const { weights } = tokenDistribution(Float32Array.from(logits), filters(params));
      expect(Array.from(weights, (weight) => (weight > 0 ? 1 : 0))).toEqual(kept);
    });

    it('the behaviour log-prob is that of the full vocabulary, so the first ratio is 1', async () => {
      const { params, sampled_token, full_vocab_logp } = data.sampling.mismatch_trap;
      const rest = { maxNewTokens: 1, eosIds: [], seed: 1, step: 0, firstRow: 0 };
      const sampling: Sampling = { ...filters(params), ...rest };
      const logits = tf.tile(tf.tensor2d([data.sampling.logits]), [64, 1]) as tf.Tensor2D;
      const drawn = grid(await flat(sampleTokens(logits, sampling, 0)), 3).filter(([token]) => token === sampled_token);
      expect(drawn.length).toBeGreaterThan(0);
      expectClose([drawn[0]![1]!], [full_vocab_logp], 'log-prob');
    });
  });

  it('overflow: a masked position may hold anything, and log-ratios are clamped as by verl', async () => {
    const { masked_position: of, log_ratio, verl_clamped_ratio } = data.overflow;
    const row = (values: number[]) => tf.tensor2d(values, [1, values.length]);
    const objective = {
      term: 'clip',
      ratio: 'token',
      epsilonLow: 0.2,
      epsilonHigh: 0.2,
      beta: 0.1,
      kl: 'none',
      entropyCoef: 0,
      temperature: 1,
    } as const;
    const fixed = { entropy: row(of.mask), advantage: tf.tensor1d([of.advantage]), rowWeight: tf.tensor1d([1]), stepTokens: 1 };
    const masked = clippedLoss(
      { ...fixed, logprob: row(of.logp), old: row(of.old_logp), ref: row(of.ref_logp), mask: row(of.mask) },
      objective,
    );
    expectClose(await flat(masked.loss), [of.expected_loss_ppo_token_mean], 'loss');
    const ratios = await Promise.all(
      log_ratio.map(async (value) => {
        const one = row([1]);
        const { rows } = clippedLoss({ ...fixed, entropy: one, logprob: row([value]), old: row([0]), ref: null, mask: one }, objective);
        return (await flat(rows))[7]!;
      }),
    );
    expectClose(ratios, verl_clamped_ratio, 'ratio');
  });
});
