/** The model families, and in what they differ from one another. What they share, and how a file says it, is in `config.ts`. */

/** A config.json's `model_type`. Llama and SmolLM2 are `llama`, Qwen2.5 is `qwen2`. */
export const policyFamilies = ['llama', 'qwen2', 'qwen3'] as const;
export type PolicyFamily = (typeof policyFamilies)[number];

/** Defaults are those of transformers' configuration classes. */
export interface FamilyTraits {
  readonly architecture: string;
  /** Biases of queries, keys and values, whatever `attention_bias` says. */
  readonly qkvBias: boolean;
  /** RMSNorm of each head's queries and keys. */
  readonly qkNorm: boolean;
  /** Width of a head where the file names none; null: the hidden size over the heads. */
  readonly headDim: number | null;
  /** Sliding-window attention where the file does not speak of it: tokens (null: none), whether it is used, and the first layer that has it. */
  readonly window: { readonly size: number | null; readonly used: boolean; readonly from: number };
}

// Qwen's files name a window that they do not use; a Llama has none, so that one that names it is something else.
const qwenWindow = { size: 4096, used: false, from: 28 };

export const families: Readonly<Record<PolicyFamily, FamilyTraits>> = {
  llama: { architecture: 'LlamaForCausalLM', qkvBias: false, qkNorm: false, headDim: null, window: { size: null, used: true, from: 0 } },
  qwen2: { architecture: 'Qwen2ForCausalLM', qkvBias: true, qkNorm: false, headDim: null, window: qwenWindow },
  qwen3: { architecture: 'Qwen3ForCausalLM', qkvBias: false, qkNorm: true, headDim: 128, window: qwenWindow },
};
