/**
 * The model families, each a description of its layers: what computes reads these words, and nothing asks for a family by its name. A family
 * that is made of the same parts is a line here. What families share, and how a file says it, is in `config.ts`.
 */

/** A config.json's `model_type`. Llama and SmolLM2 are `llama`, Qwen2.5 is `qwen2`, Gemma 3 without images is `gemma3_text`. */
export const policyFamilies = ['llama', 'qwen2', 'qwen3', 'gemma3_text'] as const;
export type PolicyFamily = (typeof policyFamilies)[number];

/** Of the gate of an MLP, by transformers' names: g · σ(g), and the tanh approximation of g · Φ(g). */
export const activations = ['silu', 'gelu_pytorch_tanh'] as const;
export type Activation = (typeof activations)[number];

/** Hugging Face's names of the norms of attention or MLP. */
export interface Norms {
  /** Of what goes in. */
  readonly before: string;
  /** Of what comes out, before it is added to the residual stream; null: it is added as it is. */
  readonly after: string | null;
}

/** Defaults are those of transformers' configuration classes. */
export interface FamilyTraits {
  readonly architecture: string;
  /** The `general.architecture` of its GGUF files. */
  readonly gguf: string;
  readonly norms: { readonly attention: Norms; readonly mlp: Norms };
  /** What is added to the weights of every norm before they multiply: of Gemma they are stored as what they differ from one by. */
  readonly normOffset: 0 | 1;
  /** Biases of queries, keys and values, whatever `attention_bias` says. */
  readonly qkvBias: boolean;
  /** RMSNorm of each head's queries and keys. */
  readonly qkNorm: boolean;
  readonly activation: Activation;
  /** Embedded tokens are multiplied by the square root of the hidden size; the head is not. */
  readonly scaledEmbedding: boolean;
  /** Width of a head where the file names none; null: the hidden size over the heads. */
  readonly headDim: number | null;
  /** Attention scores are divided by the square root of a number of the file's own (`query_pre_attn_scalar`), this where it names none; null: of the head's width. */
  readonly queryScalar: number | null;
  /** Whether the head shares the embedding where the file does not say. */
  readonly tied: boolean;
  readonly ropeTheta: number;
  readonly window: WindowTraits;
}

/** Layers that look at the nearest tokens only. */
export type WindowTraits =
  /** None are computed. What a file that does not speak of it means: tokens (null: none), whether it is used, and the first layer that has it. */
  | { readonly computed: false; readonly size: number | null; readonly used: boolean; readonly from: number }
  /** As the file says; where it does not: tokens, every how manieth layer looks at everything, and the theta of the others' rotary embeddings, which are not scaled. */
  | { readonly computed: true; readonly size: number; readonly fullEvery: number; readonly ropeTheta: number };

const llama: FamilyTraits = {
  architecture: 'LlamaForCausalLM',
  gguf: 'llama',
  norms: { attention: { before: 'input_layernorm', after: null }, mlp: { before: 'post_attention_layernorm', after: null } },
  normOffset: 0,
  qkvBias: false,
  qkNorm: false,
  activation: 'silu',
  scaledEmbedding: false,
  headDim: null,
  queryScalar: null,
  tied: false,
  ropeTheta: 10_000,
  // A Llama has none, so that one that names it is something else.
  window: { computed: false, size: null, used: true, from: 0 },
};

// Qwen's files name a window that they do not use.
const qwenWindow: WindowTraits = { computed: false, size: 4096, used: false, from: 28 };

export const families: Readonly<Record<PolicyFamily, FamilyTraits>> = {
  llama,
  qwen2: { ...llama, architecture: 'Qwen2ForCausalLM', gguf: 'qwen2', qkvBias: true, window: qwenWindow },
  qwen3: { ...llama, architecture: 'Qwen3ForCausalLM', gguf: 'qwen3', qkNorm: true, headDim: 128, window: qwenWindow },
  gemma3_text: {
    architecture: 'Gemma3ForCausalLM',
    gguf: 'gemma3',
    norms: {
      attention: { before: 'input_layernorm', after: 'post_attention_layernorm' },
      mlp: { before: 'pre_feedforward_layernorm', after: 'post_feedforward_layernorm' },
    },
    normOffset: 1,
    qkvBias: false,
    qkNorm: true,
    activation: 'gelu_pytorch_tanh',
    scaledEmbedding: true,
    headDim: 256,
    queryScalar: 256,
    tied: true,
    ropeTheta: 1_000_000,
    window: { computed: true, size: 4096, fullEvery: 6, ropeTheta: 10_000 },
  },
};
