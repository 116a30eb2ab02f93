/** What the fused engine plans for training the policies of `real-policies.ts`: the settings that it is asked with, and the plan. Nothing is computed. */
import type { MemoryPlan, TrainingShape } from '../engine/engine.ts';
import { tuningFor } from '../engine/fused/kernels/tuning.ts';
import { adapterLayout } from '../engine/fused/layout.ts';
import { ownOf } from '../engine/fused/learned.ts';
import { planMemory } from '../engine/fused/memory-plan.ts';
import { parameterShapes, type PolicyConfig } from '../policy/config.ts';
import type { PolicyTensors } from '../policy/weights.ts';
import { realPolicies, type RealPolicy } from './real-policies.ts';
import type { Rows } from './report.ts';

/** 64 rows of 200 drawn with keys and values in float16, four rows of 350 tokens a pass whose layers are made again. */
const training: TrainingShape = {
  rows: 64,
  groups: 8,
  width: 350,
  completionWidth: 200,
  microBatchRows: 4,
  recompute: true,
  cache: 'f16',
  withReference: true,
};
/** Bytes that most adapters bind. */
const mostBind = 2 ** 31;

export function planPolicies(rows: Rows): void {
  for (const policy of Object.keys(realPolicies) as RealPolicy[]) rows.add(`planned.${policy}`, 'fused', [planned(policy).total / 1e9]);
}

/** Weights in bf16, LoRA of rank 16; the plan keeps within `most`. */
export function planned(name: RealPolicy, bindable = mostBind): MemoryPlan {
  const { most, config } = realPolicies[name];
  const machine = { config, software: false, tuning: tuningFor({ adapter: '', software: false }) };
  const own = ownOf(config, imaginedBf16(config), { rank: 16, alpha: 32, seed: 1 }, bindable);
  const layouts = { layout: own.layouts.frozen, adapters: adapterLayout(config, { rank: 16 }, bindable) };
  return planMemory(machine, layouts, training, { bindable, budget: most });
}

/** Matrices in bf16 that nobody reads. */
function imaginedBf16(config: PolicyConfig): PolicyTensors {
  const read = () => Promise.reject(new Error('not to be read'));
  return new Map(
    parameterShapes(config).map(({ name, shape }) => {
      const count = shape.reduce((product, n) => product * n, 1);
      return [name, { name, shape, dtype: 'BF16', format: 'bf16', byteLength: 2 * count, read }];
    }),
  );
}
