/**
 * Token rows → the optimiser step's batch: masks, weights, and rows picked from several generations.
 * Shapes as in `engine/engine.ts`: R rows, W row width, C completion width.
 */
import type { Rollouts, TokenBatch, TrainBatch } from '../engine/engine.ts';
import type { RunConfig } from './config.ts';
import { rowWeights } from './objectives.ts';

/** Tokens of the completion up to and including its first EOS, found by position: the pad id may be an EOS id. */
export function completionLength(completion: ArrayLike<number>, eosIds: readonly number[]): { length: number; ended: boolean } {
  for (let t = 0; t < completion.length; t++) if (eosIds.includes(completion[t]!)) return { length: t + 1, ended: true };
  return { length: completion.length, ended: false };
}

/** The completion tokens of a row, EOS included. */
export function completionOf(batch: TokenBatch, row: number): Int32Array {
  const start = row * batch.width;
  return batch.tokens.subarray(start + batch.promptLengths[row]!, start + batch.lengths[row]!);
}

/**
 * Which completion tokens count in the loss.
 * @param skipTruncated rows without an EOS do not count at all
 * @returns [R, C]
 */
export function completionMask(batch: TokenBatch, eosIds: readonly number[], skipTruncated: boolean): Uint8Array {
  const mask = new Uint8Array(batch.rows * batch.completionWidth);
  for (let row = 0; row < batch.rows; row++) {
    const { length, ended } = completionLength(completionOf(batch, row), eosIds);
    if (ended || !skipTruncated) mask.fill(1, row * batch.completionWidth, row * batch.completionWidth + length);
  }
  return mask;
}

/** What `TrainBatch` adds to rollouts. Old log-probs are the sampler's own, so that every step measures how far sampler and trainer differ. */
export function policyBatch(
  rollouts: Rollouts,
  mask: Uint8Array,
  advantages: Float32Array,
  reference: Float32Array | null,
  config: RunConfig,
): TrainBatch {
  return {
    ...rollouts,
    mask,
    advantages,
    rowWeights: weights(mask, rollouts, config),
    oldLogprobs: rollouts.logprobs,
    refLogprobs: reference,
  };
}

/** Given replies to given prompts, for cross-entropy: one row each, `[prompt | reply]`. */
export function supervisedBatch(pairs: readonly { prompt: Int32Array; reply: Int32Array }[], config: RunConfig): TrainBatch {
  const rows = pairs.length;
  const width = Math.max(...pairs.map(({ prompt, reply }) => prompt.length + reply.length));
  const completionWidth = Math.max(...pairs.map(({ reply }) => reply.length));
  const tokens = new Int32Array(rows * width);
  const mask = new Uint8Array(rows * completionWidth);
  pairs.forEach(({ prompt, reply }, row) => {
    tokens.set(prompt, row * width);
    tokens.set(reply, row * width + prompt.length);
    mask.fill(1, row * completionWidth, row * completionWidth + reply.length);
  });
  const batch: TokenBatch = {
    rows,
    width,
    completionWidth,
    tokens,
    promptLengths: Int32Array.from(pairs, ({ prompt }) => prompt.length),
    lengths: Int32Array.from(pairs, ({ prompt, reply }) => prompt.length + reply.length),
  };
  return {
    ...batch,
    mask,
    advantages: new Float32Array(rows).fill(1),
    rowWeights: weights(mask, batch, config),
    oldLogprobs: null,
    refLogprobs: null,
  };
}

/** Rows picked from several generations, on the host only: the device's copies no longer match. */
export function pickRows(picks: readonly { readonly from: Rollouts; readonly row: number }[]): Rollouts {
  const rows = picks.length;
  const width = Math.max(...picks.map(({ from, row }) => from.lengths[row]!));
  const completionWidth = Math.max(...picks.map(({ from, row }) => from.lengths[row]! - from.promptLengths[row]!));
  const tokens = new Int32Array(rows * width);
  const logprobs = new Float32Array(rows * completionWidth);
  const entropies = new Float32Array(rows * completionWidth);
  picks.forEach(({ from, row }, i) => {
    const { length } = completionOf(from, row);
    const completion = row * from.completionWidth;
    tokens.set(from.tokens.subarray(row * from.width, row * from.width + from.lengths[row]!), i * width);
    logprobs.set(from.logprobs.subarray(completion, completion + length), i * completionWidth);
    entropies.set(from.entropies.subarray(completion, completion + length), i * completionWidth);
  });
  return {
    rows,
    width,
    completionWidth,
    tokens,
    promptLengths: Int32Array.from(picks, ({ from, row }) => from.promptLengths[row]!),
    lengths: Int32Array.from(picks, ({ from, row }) => from.lengths[row]!),
    logprobs,
    entropies,
    ended: Uint8Array.from(picks, ({ from, row }) => from.ended[row]!),
  };
}

function weights(mask: Uint8Array, batch: TokenBatch, config: RunConfig): Float32Array {
  const counts = Int32Array.from({ length: batch.rows }, (_, row) =>
    mask.subarray(row * batch.completionWidth, (row + 1) * batch.completionWidth).reduce((sum, counted) => sum + counted, 0),
  );
  return Float32Array.from(rowWeights(config.objective.name, counts, config.sampling.maxNewTokens));
}
