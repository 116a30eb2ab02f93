/**
 * The runs there are buttons and flags for. RLVR and PerMix are the same run but for the mix: same data, seeds, steps and
 * hyper-parameters, which is what makes them comparable. The values are this project's declared choice for the
 * bundled policy; the paper's own (arXiv 2604.08986) were made for models a thousand times larger.
 */
import { usualHeldOut, type RecipeName, type RunConfig } from './config.ts';
import { grpo, presetObjective } from './objectives.ts';

const rlvr: RunConfig = {
  recipe: 'rlvr',
  seed: 1,
  steps: 100,
  policy: 'permix-tiny',
  tasks: [{ id: 'addition', weight: 1 }],
  mix: { noneShare: 1, weights: {}, draw: 'prompt' },
  promptsPerStep: 16,
  groupSize: 8,
  objective: grpo,
  sampling: { temperature: 1, topK: 0, topP: 1, minP: 0, maxNewTokens: 24 },
  optim: {
    learningRate: 3e-4,
    schedule: 'constant',
    warmupSteps: 0,
    beta1: 0.9,
    beta2: 0.999,
    eps: 1e-8,
    weightDecay: 0,
    maxGradNorm: 1,
    microBatchRows: 0,
  },
  checkpointEvery: 10,
  heldOut: usualHeldOut,
  lora: null,
};

export const recipes: Readonly<Record<Exclude<RecipeName, 'custom'>, RunConfig>> = {
  /** Learns nothing: samples and measures the policy as it is, with and without personas. */
  base: { ...rlvr, recipe: 'base', mix: { ...rlvr.mix, noneShare: 0.5 }, optim: { ...rlvr.optim, learningRate: 0 } },
  /** Cross-entropy on the tasks' own solutions, without a persona. */
  sft: { ...rlvr, recipe: 'sft', objective: presetObjective('sft') },
  /** Sequence distillation: cross-entropy on a teacher's right replies to the questions and personas that PerMix would meet. */
  distill: { ...rlvr, recipe: 'distill', mix: { ...rlvr.mix, noneShare: 0.5 }, objective: presetObjective('sft') },
  rlvr,
  permix: { ...rlvr, recipe: 'permix', mix: { ...rlvr.mix, noneShare: 0.5 } },
};

/** What a reader calls them. */
export const recipeTitles: Readonly<Record<RecipeName, string>> = {
  base: 'Base',
  sft: 'SFT',
  distill: 'Distillation',
  rlvr: 'RLVR',
  permix: 'PerMix',
  custom: 'Own settings',
};
