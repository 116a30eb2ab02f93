/**
 * Policies that people have, by their shapes, and the most that training them may take. They have no weights; `planned.ts` plans for them, and
 * tests/bench/real-policy.ts draws some.
 */
import type { PolicyConfig } from '../policy/config.ts';

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
