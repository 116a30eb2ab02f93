/**
 * Policies that people have, by their shapes, and what the fused engine plans for training them: what it may take, the settings that it is
 * asked with, the plan. They have no weights; `tests/bench/real-policy.ts` draws some.
 */
import type { MemoryPlan, TrainingShape } from '../../src/engine/engine.ts';
import { tuningFor } from '../../src/engine/fused/kernels/tuning.ts';
import { adapterLayout } from '../../src/engine/fused/layout.ts';
import { ownOf } from '../../src/engine/fused/learned.ts';
import { planMemory } from '../../src/engine/fused/memory-plan.ts';
import { parameterShapes, type PolicyConfig } from '../../src/policy/config.ts';
import type { PolicyTensors } from '../../src/policy/weights.ts';

const llama: Omit<PolicyConfig, 'vocabSize' | 'hiddenSize' | 'intermediateSize' | 'layers' | 'heads' | 'kvHeads' | 'headDim'> = {
  family: 'llama',
  maxPositions: 4096,
  rmsNormEps: 1e-5,
  ropeTheta: 100_000,
  ropeScaling: null,
  tied: true,
  qkvBias: false,
  qkNorm: false,
  bosId: null,
  eosIds: [],
  padId: null,
};

export const realPolicies = {
  'SmolLM2-135M': {
    most: 1.2e9,
    config: { ...llama, vocabSize: 49152, hiddenSize: 576, intermediateSize: 1536, layers: 30, heads: 9, kvHeads: 3, headDim: 64 },
  },
  'Qwen2.5-0.5B': {
    most: 2e9,
    config: {
      ...llama,
      family: 'qwen2',
      vocabSize: 151936,
      hiddenSize: 896,
      intermediateSize: 4864,
      layers: 24,
      heads: 14,
      kvHeads: 2,
      headDim: 64,
      qkvBias: true,
    },
  },
  'Qwen3-0.6B': {
    most: 2.5e9,
    config: {
      ...llama,
      family: 'qwen3',
      vocabSize: 151936,
      hiddenSize: 1024,
      intermediateSize: 3072,
      layers: 28,
      heads: 16,
      kvHeads: 8,
      headDim: 128,
      qkNorm: true,
    },
  },
  'Llama-3.2-1B': {
    most: 4e9,
    config: { ...llama, vocabSize: 128256, hiddenSize: 2048, intermediateSize: 8192, layers: 16, heads: 32, kvHeads: 8, headDim: 64 },
  },
} as const satisfies Record<string, { readonly most: number; readonly config: PolicyConfig }>;
export type RealPolicy = keyof typeof realPolicies;

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
