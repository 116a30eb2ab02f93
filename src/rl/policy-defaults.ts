/**
 * What a policy is trained with and asked by where the reader says nothing: every policy brings its own, by family and size, in this one table.
 * The recipes' own settings (`recipes.ts`) are the bundled miniature's, and the wrong ones for any other. Only the first row is measured
 * (docs/policies.md); the others are where to begin, not what is best.
 */
import type { PolicyConfig } from '../policy/config.ts';
import { parameterCount } from '../policy/weights.ts';
import { boxedInstruction } from '../tasks/instruction.ts';
import { anyAnswer } from '../verify/answer-forms.ts';
import type { AskingSettings } from './asking.ts';
import type { RecipeName, RunConfig } from './config.ts';

/** SmolLM2 is a Llama by its architecture, told by its vocabulary. */
export type PolicyKind = PolicyConfig['family'] | 'smollm2';

export interface PolicyDefaults extends AskingSettings {
  readonly tasks: RunConfig['tasks'];
  readonly promptsPerStep: number;
  readonly groupSize: number;
  readonly lora: RunConfig['lora'];
  readonly learningRate: number;
  /** Of the KL to the reference; 0 needs no reference. */
  readonly beta: number;
  readonly maxNewTokens: number;
}

interface Row {
  readonly kinds: readonly PolicyKind[];
  /** Parameters up to here. */
  readonly most: number;
  readonly defaults: PolicyDefaults;
}

/** Below this a policy is a miniature, made for the lab, and has the recipes' settings. */
const smallest = 20e6;

const lora = { rank: 16, alpha: 32 };
const batch = { promptsPerStep: 4, groupSize: 8, lora, beta: 0 };
/** Of a policy that follows an instruction most of the time; what else it says is read as well. */
const instructed = { library: 'general', instruction: boxedInstruction, answers: anyAnswer } as const;
const stories = [{ id: 'word-problem', weight: 1 }];

const table: readonly Row[] = [
  {
    kinds: ['smollm2'],
    most: 200e6,
    // It follows no instruction, and says its answer last.
    defaults: {
      ...batch,
      ...{ library: 'general', answers: ['last-number'], tasks: [{ id: 'one-digit-sums', weight: 1 }] },
      ...{ learningRate: 3e-4, maxNewTokens: 32 },
    },
  },
  {
    kinds: ['smollm2'],
    most: 500e6,
    defaults: {
      ...batch,
      ...{ library: 'general', answers: ['last-number'], tasks: [{ id: 'one-digit-stories', weight: 1 }] },
      ...{ learningRate: 2e-4, maxNewTokens: 64 },
    },
  },
  {
    kinds: ['qwen3'],
    most: Infinity,
    // It would think for longer than its replies may be.
    defaults: {
      ...batch,
      ...instructed,
      templateArguments: { enable_thinking: false },
      tasks: stories,
      learningRate: 1e-4,
      maxNewTokens: 200,
    },
  },
  {
    kinds: ['smollm2', 'llama', 'qwen2', 'gemma3_text'],
    most: Infinity,
    defaults: { ...batch, ...instructed, tasks: stories, learningRate: 1e-4, maxNewTokens: 200 },
  },
];

const smollm2Vocabulary = 49152;

export function policyKind({ family, vocabSize }: Pick<PolicyConfig, 'family' | 'vocabSize'>): PolicyKind {
  return family === 'llama' && vocabSize === smollm2Vocabulary ? 'smollm2' : family;
}

/** Null for a miniature, which has the recipes' settings. */
export const policyDefaults = (config: PolicyConfig): PolicyDefaults | null =>
  defaultsOfSize({ ...config, parameters: parameterCount(config) });

/** The same of a policy whose configuration is not at hand. */
export function defaultsOfSize(
  policy: Pick<PolicyConfig, 'family' | 'vocabSize'> & { readonly parameters: number },
): PolicyDefaults | null {
  const { parameters } = policy;
  if (parameters < smallest) return null;
  const kind = policyKind(policy);
  return table.find(({ kinds, most }) => kinds.includes(kind) && parameters <= most)?.defaults ?? null;
}

/** As changes of a recipe. The Base recipe learns nothing, whatever the policy. */
export function defaultSettings(defaults: PolicyDefaults, recipe: RecipeName): Record<string, unknown> {
  const { learningRate, beta, maxNewTokens, ...others } = defaults;
  return {
    ...others,
    objective: { beta },
    sampling: { maxNewTokens },
    ...(recipe === 'base' ? {} : { optim: { learningRate } }),
  };
}
