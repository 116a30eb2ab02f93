/**
 * What shape of decoder a policy is: the Llama family, as a Hugging Face `config.json` describes it.
 * It is not the weights (`weights.ts`) and not how they are computed with (`engine/`).
 */

export type RopeScaling =
  | { type: 'linear'; factor: number }
  | { type: 'llama3'; factor: number; lowFreqFactor: number; highFreqFactor: number; originalMaxPositions: number };

export interface PolicyConfig {
  /** Llama and SmolLM2 are `llama`. */
  readonly family: 'llama' | 'qwen2' | 'qwen3';
  readonly vocabSize: number;
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly layers: number;
  readonly heads: number;
  /** Key/value heads; divides `heads` (grouped-query attention). */
  readonly kvHeads: number;
  readonly headDim: number;
  /** Longest row, prompt and completion together, in tokens. */
  readonly maxPositions: number;
  readonly rmsNormEps: number;
  readonly ropeTheta: number;
  readonly ropeScaling: RopeScaling | null;
  /** The head shares the embedding matrix. */
  readonly tied: boolean;
  readonly qkvBias: boolean;
  readonly qkNorm: boolean;
  readonly bosId: number | null;
  /** Ids that end a completion; may be empty for a policy without tokenizer. */
  readonly eosIds: readonly number[];
  readonly padId: number | null;
}
