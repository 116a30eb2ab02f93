/**
 * The contract between what is learned (`rl/`) and how it is computed (`portable/`, `fused/`, `wasm/`): types, and the words they
 * are made of. Each list of words is written here and nowhere else; whatever has a case for each of them (a kernel's twin, a
 * shader's codes, the check of a configuration) is held to it by the compiler.
 *
 * Shapes: R rows, W row width, C completion width, V vocabulary. All arrays are row-major.
 * A row is `[prompt | completion]`, right-padded; positions count from 0 in each row. The completion of a row
 * starts at its own prompt length, so completion arrays [R, C] are indexed by position *within* the completion.
 * log-prob and entropy are natural-log (nats), over the full vocabulary, of logits divided by the temperature.
 */
import type { LoraSpec } from '../policy/adapters.ts';
import type { Weights } from '../policy/weights.ts';

export const engineNames = ['portable', 'fused', 'wasm'] as const;
export type EngineName = (typeof engineNames)[number];
export const backendNames = ['webgpu', 'wasm', 'cpu'] as const;
export type BackendName = (typeof backendNames)[number];

/** What the reader asked for, on the command line or in the page's address; absent where the choice is the program's. */
export interface EngineRequest {
  readonly engine?: EngineName;
  readonly backend?: BackendName;
  /** Bytes that the fused engine may take on the GPU. */
  readonly gpuMemory?: number;
  /** Of the wasm engine; absent: one for each core, up to what a step can use. */
  readonly threads?: number;
}

export interface EngineInfo {
  readonly engine: EngineName;
  readonly backend: BackendName;
  /** The adapter's own description ("nvidia ampere"), null where no GPU is involved. */
  readonly adapter: string | null;
  /** True when the adapter is a software rasteriser: correct, slow. */
  readonly software: boolean;
  readonly features: readonly string[];
  readonly limits: Readonly<Record<string, number>>;
  readonly precision: 'f32';
  /** That compute, of the wasm engine; the bits do not depend on them. */
  readonly threads?: number;
}

/** Rows of tokens on the host, and optionally the same rows still on the device. */
export interface TokenBatch {
  readonly rows: number;
  /** W: tokens per row, padding included. */
  readonly width: number;
  /** C: the widest completion of the batch. */
  readonly completionWidth: number;
  /** [R, W] */
  readonly tokens: Int32Array;
  /** [R] */
  readonly promptLengths: Int32Array;
  /** [R] prompt + completion, EOS included. */
  readonly lengths: Int32Array;
  /** Opaque: the engine that made it may skip uploads. Never serialised. */
  readonly device?: object;
}

export interface Sampling {
  /** 0 is greedy. */
  readonly temperature: number;
  /** 0 is off. */
  readonly topK: number;
  /** 1 is off. */
  readonly topP: number;
  /** 0 is off. */
  readonly minP: number;
  readonly maxNewTokens: number;
  readonly eosIds: readonly number[];
  /** Counters of the draw: (seed, step, firstRow + row, position in the completion). */
  readonly seed: number;
  readonly step: number;
  readonly firstRow: number;
}

export interface GenerateRequest {
  /** Token ids, one prompt per group; at least one token each. */
  readonly prompts: readonly Int32Array[];
  /** Rollouts per prompt; row r belongs to prompt floor(r / repeats). */
  readonly repeats: number;
  readonly sampling: Sampling;
  /** A step will be taken on these rows: an engine may keep what it computed of them until then, to the same bits. */
  readonly forStep?: boolean;
  readonly signal?: AbortSignal;
}

export interface GenerateProgress {
  /** Completion position just decoded, from 0. */
  readonly position: number;
  /** Rows still running. */
  readonly active: number;
  /** [R] the token of each row at this position, -1 where the row had ended. */
  readonly tokens: Int32Array;
}

export interface Rollouts extends TokenBatch {
  /** [R, C] behaviour log-probs of the sampled tokens under the temperature, before top-k/top-p/min-p; 0 past the end. */
  readonly logprobs: Float32Array;
  /** [R, C] full-vocabulary entropies, 0 past the end. */
  readonly entropies: Float32Array;
  /** [R] 1: ended with an EOS, 0: cut at maxNewTokens or at maxPositions. */
  readonly ended: Uint8Array;
}

export interface Scores {
  /** [R, C] */
  readonly logprobs: Float32Array;
  /** [R, C] */
  readonly entropies: Float32Array;
}

/**
 * One optimiser step's data. loss = sum_i rowWeights[i] * sum_t mask[i,t] * term[i,t]; how an objective normalises
 * (per sequence, per token of the whole step, by a constant) is entirely in `rowWeights`, computed over the whole
 * optimiser step, which is why the result does not depend on how the engine splits the rows into micro-batches.
 */
export interface TrainBatch extends TokenBatch {
  /** [R, C] 1 where the token counts. */
  readonly mask: Uint8Array;
  /** [R] */
  readonly advantages: Float32Array;
  /** [R] */
  readonly rowWeights: Float32Array;
  /** [R, C] behaviour log-probs; null: exactly on-policy, the ratio is 1 with gradient d(logp). */
  readonly oldLogprobs: Float32Array | null;
  /** [R, C] log-probs under the frozen reference; needed when kl is not `none`. */
  readonly refLogprobs: Float32Array | null;
}

/** http://joschu.net/blog/kl-approx.html; `none`: no KL term, and where a KL is measured it is by k3. */
export const klEstimators = ['none', 'k1', 'k2', 'k3'] as const;
export type KlEstimator = (typeof klEstimators)[number];

/** `sft` -logp · `reinforce` -A logp · `clip` -min(rA, clip(r)A) · `cispo` -stop(min(r, epsilonHigh)) A logp */
export const lossTerms = ['sft', 'reinforce', 'clip', 'cispo'] as const;
export type LossTerm = (typeof lossTerms)[number];

/** The importance ratio r: per token, exp of the masked mean log-ratio (GSPO), exp of the sum (RLOO). */
export const ratioLevels = ['token', 'sequence-mean', 'sequence-sum'] as const;
export type RatioLevel = (typeof ratioLevels)[number];

/** What one token contributes to the loss. The named objectives of `rl/objectives.ts` are settings of these. */
export interface ObjectiveSpec {
  readonly term: LossTerm;
  readonly ratio: RatioLevel;
  readonly epsilonLow: number;
  /** For `cispo` the cap itself, as in TRL. */
  readonly epsilonHigh: number;
  /** Weight of the KL term, added per token. */
  readonly beta: number;
  readonly kl: KlEstimator;
  /** Entropy bonus: -entropyCoef * the mean H of the step's tokens is added to the loss, whatever the row weights (TRL). */
  readonly entropyCoef: number;
  /** Logits are divided by it before every log-softmax; equals the sampling temperature. */
  readonly temperature: number;
}

/** AdamW (Loshchilov and Hutter 2019) with bias correction and decoupled decay. */
export interface OptimSpec {
  readonly learningRate: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly eps: number;
  /** Not applied to norms and biases. */
  readonly weightDecay: number;
  /** Gradients are scaled by min(1, max / (norm + 1e-6)); 0 is off. */
  readonly maxGradNorm: number;
  /** Rows per forward/backward pass; 0: all at once. */
  readonly microBatchRows: number;
}

export interface StepMetrics {
  readonly loss: number;
  /** The loss without the KL and entropy terms. */
  readonly policyLoss: number;
  /** Masked mean of the chosen estimator (k3 when only measured), null without reference log-probs. */
  readonly kl: number | null;
  /** Masked mean entropy, nats. */
  readonly entropy: number;
  /** Global norm before clipping. */
  readonly gradNorm: number;
  /** A non-finite loss or gradient: parameters and moments were left as they were. */
  readonly skipped: boolean;
  /** Tokens that counted (sum of the mask). */
  readonly tokens: number;
  /** TRL's clip metrics; see rl-trainers "clip metrics": low r < 1 - eps and A < 0, high r > 1 + eps and A > 0. */
  readonly clip: {
    readonly lowMean: number;
    readonly lowMin: number;
    readonly highMean: number;
    readonly highMax: number;
    readonly regionMean: number;
  };
  /** Largest importance ratio of the step. */
  readonly ratioMax: number;
  /** |logp - old logp|: what the sampler said against the training forward. Null on-policy without old log-probs. */
  readonly logprobDifference: { readonly mean: number; readonly max: number } | null;
}

/** `group-std` (r - mean)/(std + 1e-4) ddof 1 · `group` r - mean · `leave-one-out` · `batch-std` group mean, std over the batch · `none` raw reward */
export const advantageKinds = ['group-std', 'group', 'leave-one-out', 'batch-std', 'none'] as const;
export type AdvantageKind = (typeof advantageKinds)[number];

/** LoRA, by PEFT's names, with what they are scaled by (src/policy/adapters.ts). */
export interface Adapters extends LoraSpec {
  readonly tensors: Weights;
}

/** Everything that must survive a closed tab, host side: what was trained, its AdamW moments, and counters. The policy it began from is not in it. */
export interface PolicyState {
  /** All parameters, without adapters; null: those the engine was made with. */
  readonly weights: Weights | null;
  /** On top of them, and what is trained; null: all parameters are. */
  readonly adapters: Adapters | null;
  /** First and second moments, same keys as what is trained; null before the first step. */
  readonly moments: { readonly first: Weights; readonly second: Weights } | null;
  /** Optimiser steps taken (bias correction). */
  readonly optimSteps: number;
  readonly skippedSteps: number;
}

/** The policy that an engine was made with, as it is. */
export const untrained: PolicyState = { weights: null, adapters: null, moments: null, optimSteps: 0, skippedSteps: 0 };

/** The largest batch of a run, and whether a reference policy is kept. */
export interface TrainingShape {
  readonly rows: number;
  /** Prompts, each with rows / groups replies; absent: a prompt a row. */
  readonly groups?: number;
  /** Tokens of a row, prompt and completion. */
  readonly width: number;
  readonly completionWidth: number;
  /** 0: as many rows per pass as fit. */
  readonly microBatchRows: number;
  readonly withReference: boolean;
  /** Whether the backward pass makes again what it could have kept; absent: as it fits. */
  readonly recompute?: boolean;
  /** Of keys and values while tokens are drawn; absent: as they fit. */
  readonly cache?: 'f32' | 'f16';
}

/** Bytes on the GPU. */
export interface MemoryPlan {
  readonly weights: number;
  readonly gradients: number;
  readonly moments: number;
  readonly reference: number;
  /** Buffers of a training pass, largest first. */
  readonly passes: readonly { readonly name: string; readonly bytes: number }[];
  /** What drawing tokens takes beside them. */
  readonly generation: number;
  readonly total: number;
  /** What may be taken. */
  readonly budget: number;
  /** Rows of one pass; more are taken in turn. */
  readonly rowsPerPass: number;
  /** Only the inputs of the layers are kept for the backward pass, which makes the rest again. */
  readonly recomputed: boolean;
  /** Prompts that are generated for at once. */
  readonly promptsPerGeneration: number;
  /** Of keys and values while tokens are drawn. */
  readonly cache: 'f32' | 'f16';
}

export interface PolicyEngine {
  readonly info: EngineInfo;
  generate(request: GenerateRequest, onProgress?: (progress: GenerateProgress) => void): Promise<Rollouts>;
  /** Teacher-forced log-probs of the completions under the policy or under the frozen reference. */
  score(batch: TokenBatch, options: { readonly temperature: number; readonly policy: 'current' | 'reference' }): Promise<Scores>;
  /**
   * Rewards [n * groupSize], the rollouts of a group consecutive -> advantages of the same shape. NaN: no verdict, excluded
   * from every statistic, advantage 0. A group whose rewards are all equal gets exactly 0, except under `none`.
   */
  advantages(rewards: Float32Array, groupSize: number, kind: AdvantageKind): Promise<Float32Array>;
  /**
   * Forward, backward, clip, AdamW.
   * @param onProgress the share of the rows that have been passed over, where that takes several passes
   */
  step(batch: TrainBatch, objective: ObjectiveSpec, optim: OptimSpec, onProgress?: (fraction: number) => void): Promise<StepMetrics>;
  /**
   * What training on such batches will take, before anything is allocated; null or absent where there is nothing to say but whether it fits.
   * @throws LabError `webgpu` or `memory` naming what does not fit and the dial to turn
   */
  planMemory?(shape: TrainingShape): MemoryPlan | null;
  /** [V] raw logits that predict the token after the last one. */
  logits(tokens: Int32Array): Promise<Float32Array>;
  /** The frozen reference is the policy that the engine was made with. */
  setReference(): Promise<void>;
  exportState(): Promise<PolicyState>;
  /**
   * Computes, and from now on trains, exactly what the state says; where it has no adapters and the engine was made to train some, new ones.
   * @throws LabError `usage` for adapters of other shapes than the policy's; nothing has changed then
   */
  importState(state: PolicyState): Promise<void>;
  dispose(): void;
}
