/**
 * What a policy's layers compute, as numbers: family (`families.ts`) and configuration (`config.ts`) together, for whatever computes them, so that
 * all engines read the same. It computes nothing itself.
 */
import type { PolicyConfig } from './config.ts';
import { families } from './families.ts';

/** Whether a layer looks at the nearest tokens only. */
export const isSliding = ({ window }: Pick<PolicyConfig, 'window'>, layer: number): boolean =>
  window !== undefined && window.sliding[layer % window.sliding.length]!;

/** How many tokens a place of the layer looks at, its own included; infinite: all before it. */
export const windowOf = (config: Pick<PolicyConfig, 'window'>, layer: number): number =>
  isSliding(config, layer) ? config.window!.size : Infinity;

/** The rotary embeddings of a layer. */
export function ropeOf(
  config: Pick<PolicyConfig, 'headDim' | 'ropeTheta' | 'ropeScaling' | 'window'>,
  layer: number,
): Pick<PolicyConfig, 'headDim' | 'ropeTheta' | 'ropeScaling'> {
  const { headDim, ropeTheta, ropeScaling } = config;
  return isSliding(config, layer)
    ? { headDim, ropeTheta: config.window!.ropeTheta, ropeScaling: null }
    : { headDim, ropeTheta, ropeScaling };
}

/** What the products of queries and keys are multiplied by. */
export const attentionScale = ({ headDim, queryScalar }: Pick<PolicyConfig, 'headDim' | 'queryScalar'>): number =>
  1 / Math.sqrt(queryScalar ?? headDim);

/** What embedded tokens are multiplied by, in float32 as transformers has it there. */
export const embeddingScale = ({ family, hiddenSize }: Pick<PolicyConfig, 'family' | 'hiddenSize'>): number =>
  families[family].scaledEmbedding ? Math.fround(Math.sqrt(hiddenSize)) : 1;
