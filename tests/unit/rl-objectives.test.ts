/** Named objectives and their normalisers, in float64, against the shared vectors and by their own definitions. */
import { describe, expect, it } from 'vitest';
import { objectiveNames, type ObjectiveName, type RunConfig } from '../../src/rl/config.ts';
import { klIsInReward, objectiveSpec, presetObjective, rowWeights } from '../../src/rl/objectives.ts';
import { recipes } from '../../src/rl/recipes.ts';
import { referenceObjective } from '../helpers/reference-objective.ts';
import { sharedJson } from '../helpers/shared.ts';

type Grid = number[][];
interface Vectors {
  losses: {
    fixture: Record<'mask' | 'old_logps' | 'ref_logps' | 'new_logps' | 'entropy', Grid>;
    cases: Record<
      string,
      {
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
          agg_kw?: { num_items_in_batch?: number };
        };
        mask?: Grid;
        loss: number;
        grad_logps: Grid;
        metrics: Record<string, number>;
      }
    >;
  };
}
const vectors = sharedJson<Vectors>('vectors/rl_vectors.json');

const names: Record<string, ObjectiveName> = {
  trl_grpo: 'grpo',
  trl_grpo_kl_k3: 'grpo',
  trl_grpo_on_policy: 'grpo',
  trl_dr_grpo: 'dr_grpo',
  trl_dapo_clip_higher: 'dapo',
  trl_dapo_on_policy: 'dapo',
  trl_gspo: 'gspo',
  trl_gspo_wide: 'gspo',
  trl_cispo_eps_high_5: 'cispo',
  'trl_cispo_eps_high_1.3': 'cispo',
  trl_rloo: 'rloo',
  trl_entropy_bonus_dapo: 'dapo',
  trl_entropy_bonus_grpo: 'grpo',
  nanochat_reinforce: 'reinforce',
  zero_advantage_no_kl: 'dapo',
  zero_advantage_with_kl: 'dapo',
  masked_row_trl_grpo: 'grpo',
  masked_row_trl_dapo: 'dapo',
  all_masked_trl_grpo: 'grpo',
  all_masked_trl_dapo: 'dapo',
};

function configOf(name: ObjectiveName, changes: Partial<RunConfig['objective']>): RunConfig {
  return { ...recipes.rlvr, objective: { ...presetObjective(name), beta: 0, kl: 'none', ...changes } };
}

describe.skipIf(!vectors)('rl vectors (../shared)', () => {
  const { fixture, cases } = (vectors ?? { losses: { fixture: {}, cases: {} } }).losses as Vectors['losses'];
  for (const [id, name] of Object.entries(names)) {
    it(`${id}: loss, gradient and clip metrics of ${name}`, () => {
      const { config: given, mask = fixture.mask, loss, grad_logps, metrics } = cases[id]!;
      const wideDefault = name === 'dapo' && given.eps_high === undefined ? 0.2 : undefined;
      const high = given.cispo_hi ?? given.eps_high ?? wideDefault;
      const config = configOf(name, {
        ...(high !== undefined ? { epsilonHigh: high } : {}),
        ...(given.eps_low !== undefined ? { epsilonLow: given.eps_low } : {}),
        ...(given.beta ? { beta: given.beta, kl: 'k3' } : {}),
        entropyCoef: given.entropy_coef ?? 0,
      });
      const counts = mask.map((row) => row.reduce((sum, m) => sum + m, 0));
      const result = referenceObjective(
        {
          logprob: fixture.new_logps,
          entropy: fixture.entropy,
          old: given.on_policy ? null : fixture.old_logps,
          ref: given.beta ? fixture.ref_logps : null,
          mask,
          advantage: given.A,
          rowWeight: rowWeights(name, counts, 8),
        },
        objectiveSpec(config),
      );
      expect(result.loss).toBeCloseTo(loss, 9);
      result.gradient.forEach((row, i) => row.forEach((g, t) => expect(g).toBeCloseTo(grad_logps[i]![t]!, 9)));
      if (metrics['kl'] !== undefined) expect(result.kl).toBeCloseTo(metrics['kl'], 9);
      if (name !== 'gspo' && metrics['clip_ratio/low_mean'] !== undefined) {
        expect(result.lowMean).toBeCloseTo(metrics['clip_ratio/low_mean'], 9);
        expect(result.highMean).toBeCloseTo(metrics['clip_ratio/high_mean']!, 9);
      }
    });
  }
});

describe('rowWeights', () => {
  const counts = [4, 3, 0, 1];

  it('grpo: every sequence weighs the same, masked ones stay in the denominator', () => {
    expect([...rowWeights('grpo', counts, 8)]).toEqual([1 / 16, 1 / 12, 0, 1 / 4]);
  });

  it('dr_grpo: a constant that knows no length', () => {
    expect([...rowWeights('dr_grpo', counts, 8)]).toEqual([1 / 32, 1 / 32, 0, 1 / 32]);
  });

  it('dapo: every token of the step weighs the same', () => {
    expect([...rowWeights('dapo', counts, 8)]).toEqual([1 / 8, 1 / 8, 0, 1 / 8]);
  });

  it('is 0, not NaN, when no token counts', () => {
    for (const name of objectiveNames) expect([...rowWeights(name, [0, 0], 8)]).toEqual([0, 0]);
  });

  it('sums to what each definition says over counted tokens', () => {
    const total = (name: ObjectiveName) => rowWeights(name, counts, 8).reduce((sum, w, i) => sum + w * counts[i]!, 0);
    for (const name of ['dapo', 'sft', 'reinforce', 'cispo'] as const) expect(total(name)).toBeCloseTo(1, 12);
    for (const name of ['grpo', 'gspo', 'rloo'] as const) expect(total(name)).toBeCloseTo(3 / 4, 12);
  });
});

describe('objectiveSpec', () => {
  it('puts k1 into the reward for RLOO and into the loss for the rest', () => {
    const rloo = configOf('rloo', { beta: 0.05, kl: 'k1' });
    expect(klIsInReward(rloo.objective)).toBe(true);
    expect(objectiveSpec(rloo)).toMatchObject({ beta: 0, kl: 'none', ratio: 'sequence-sum' });
    expect(objectiveSpec(configOf('grpo', { beta: 0.05, kl: 'k1' }))).toMatchObject({ beta: 0.05, kl: 'k1' });
    expect(objectiveSpec(configOf('rloo', { beta: 0.05, kl: 'k3' }))).toMatchObject({ beta: 0.05, kl: 'k3' });
  });

  it('scores under the sampling temperature, except cross-entropy', () => {
    const sampling = { ...recipes.rlvr.sampling, temperature: 0.7 };
    expect(objectiveSpec({ ...recipes.rlvr, sampling }).temperature).toBe(0.7);
    expect(objectiveSpec({ ...recipes.sft, sampling }).temperature).toBe(1);
  });
});
