/**
 * Everything that decides a run. Two runs with equal configs on the same engine and machine are equal bit for bit.
 * Defaults and recipes are in `recipes.ts`.
 */
import type { AdvantageKind, KlEstimator } from '../engine/engine.ts';
import type { PersonaMix } from '../persona/persona.ts';
import { plainPlaces, type LoraSetup, type LoraSpec } from '../policy/adapters.ts';
import type { SourceChoice } from '../tasks/source.ts';
import type { RewardChoice } from '../verify/reward-names.ts';
import type { AskingSettings } from './asking.ts';

/** The settings of each are in `recipes.ts`. */
export const namedRecipes = ['base', 'sft', 'distill', 'rlvr', 'permix'] as const;
/** `custom`: settings of the reader's own. */
export const recipeNames = [...namedRecipes, 'custom'] as const;
export type RecipeName = (typeof recipeNames)[number];
/** What they mean is in `objectives.ts`. */
export const objectiveNames = ['sft', 'reinforce', 'rloo', 'grpo', 'dr_grpo', 'dapo', 'gspo', 'cispo'] as const;
export type ObjectiveName = (typeof objectiveNames)[number];
/** Of the learning rate, after the warm-up: `schedule.ts`. */
export const schedules = ['constant', 'linear', 'cosine'] as const;
export type Schedule = (typeof schedules)[number];

export interface RunConfig extends AskingSettings {
  readonly recipe: RecipeName;
  /** 32-bit unsigned. */
  readonly seed: number;
  readonly steps: number;
  /** Policy folder id; `permix-tiny` is the bundled one. */
  readonly policy: string;
  /** Where its questions come from; no two of the same `id`. */
  readonly tasks: readonly SourceChoice[];
  readonly mix: PersonaMix;
  readonly promptsPerStep: number;
  /** Rollouts per prompt, G. */
  readonly groupSize: number;
  readonly objective: {
    readonly name: ObjectiveName;
    readonly advantage: AdvantageKind;
    readonly epsilonLow: number;
    readonly epsilonHigh: number;
    readonly beta: number;
    readonly kl: KlEstimator;
    readonly entropyCoef: number;
    /** Passes over each batch of rollouts. */
    readonly innerEpochs: number;
    /** Truncated completions do not count in the loss. */
    readonly maskTruncated: boolean;
    /** DAPO eq. 13: the last n tokens before the limit are penalised linearly; 0 is off. */
    readonly overlongBuffer: number;
    /** DAPO: replace groups whose rewards are all equal, at most this many extra generations; 0 is off. */
    readonly dynamicSampling: number;
  };
  readonly sampling: {
    readonly temperature: number;
    readonly topK: number;
    readonly topP: number;
    readonly minP: number;
    readonly maxNewTokens: number;
  };
  readonly optim: {
    readonly learningRate: number;
    readonly schedule: Schedule;
    readonly warmupSteps: number;
    readonly beta1: number;
    readonly beta2: number;
    readonly eps: number;
    readonly weightDecay: number;
    readonly maxGradNorm: number;
    readonly microBatchRows: number;
  };
  /** Steps between checkpoints; 0: only at the end. */
  readonly checkpointEvery: number;
  /** Questions outside the training, asked on the way (evaluate/held-out.ts). They change nothing of the run. */
  readonly heldOut: {
    /** For each row: without a persona, and every voice; 0: none are asked. */
    readonly questions: number;
    /** Steps between two evaluations; the first is before step 1, the last at the end. */
    readonly every: number;
  };
  /** What a reply earns, added up; absent: 1 for a right answer and 0 for any other. */
  readonly rewards?: readonly RewardChoice[];
  /** Train low-rank adapters only; null: all parameters. */
  readonly lora: LoraSpec | null;
}

/** Every recipe's. */
export const usualHeldOut: RunConfig['heldOut'] = { questions: 12, every: 10 };

/** A configuration as this version or an earlier one, which knew no LoRA and no held-out questions, stored it. */
export type StoredConfig = Omit<RunConfig, 'lora' | 'heldOut'> & Partial<Pick<RunConfig, 'lora' | 'heldOut'>>;

export const currentConfig = (stored: StoredConfig): RunConfig => ({
  ...stored,
  lora: stored.lora ?? null,
  heldOut: stored.heldOut ?? usualHeldOut,
});

/** What the engine of a run is made with. */
export const loraSetup = ({ lora, seed }: RunConfig): LoraSetup | null => lora && { ...plainPlaces(lora), seed };
