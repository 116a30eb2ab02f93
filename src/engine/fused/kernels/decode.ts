/**
 * Rollouts as dispatches: begin, then for every token sample, append and compact. Which rows still
 * run is known to the GPU alone, so the same works serve every token. What each computes is in shaders/decode/.
 * Shapes: R rows of G prompts, C completion width, V vocabulary, A rows still running.
 */
import advanceShader from '../../../../shaders/decode/advance.wgsl';
import piecesShader from '../../../../shaders/decode/sampler-pieces.wgsl';
import samplerShader from '../../../../shaders/decode/sampler.wgsl';
import { lanes, samplerParams, type SamplerSettings } from '../../gpu/settings.ts';
import { workOf, type BufferView, type Work } from '../../gpu/work.ts';
import type { Views } from '../machine.ts';

/** What the GPU keeps of rollouts while they grow. */
export interface RolloutBuffers {
  /** [2R] i32: the rows still running, in order; the second half is room to move them in */
  readonly active: BufferView;
  /** [2] i32: A and the position in the completion */
  readonly state: BufferView;
  /** [R, C] i32 */
  readonly tokens: BufferView;
  /** [R, C] */
  readonly logprobs: BufferView;
  /** [R, C] */
  readonly entropies: BufferView;
  /** [R] i32 tokens of the completion, EOS included */
  readonly lengths: BufferView;
  /** [R] i32, 1: with an EOS */
  readonly ended: BufferView;
}

export interface DecodeShape {
  readonly rows: number;
  /** C, at least maxNewTokens. */
  readonly completionWidth: number;
  /** Rows per prompt. */
  readonly repeats: number;
  readonly maxNewTokens: number;
  /** Tokens a row may have, prompt included. */
  readonly maxPositions: number;
  readonly eosCount: number;
  /** Fills what no token was written to. */
  readonly padId: number;
}

const shapeParams = (shape: DecodeShape) => ({
  rows: shape.rows,
  width: shape.completionWidth,
  repeats: shape.repeats,
  eos_count: shape.eosCount,
  max_new_tokens: shape.maxNewTokens,
  max_positions: shape.maxPositions,
  pad_id: shape.padId,
});

/** All R rows run, at position 0; completions are empty. */
export function beginRollouts(rollouts: RolloutBuffers, shape: DecodeShape): Work {
  const { active, state, tokens, logprobs, entropies, lengths, ended } = rollouts;
  return workOf(advanceShader, 'begin', {
    buffers: { row_ids: active, state, tokens, logprobs, entropies, lengths, ended },
    params: shapeParams(shape),
    groups: Math.ceil((shape.rows * Math.max(shape.completionWidth, 1)) / lanes),
  });
}

/** Scratch of a row that is drawn in pieces. */
export interface SamplerPieces {
  readonly maxima: BufferView;
  readonly sums: BufferView;
}

/** Below, a row is few logits for its 64 lanes, and two dispatches more take longer than they save. */
const largeVocabulary = 8192;

/** Null where one workgroup draws a row: of few logits, under filters that want all of them again and again, and where lanes wait for each other long. */
export function samplerPieces(
  memory: Views,
  {
    rows,
    vocabulary,
    sampling,
    software,
  }: Pick<SamplerSettings, 'vocabulary' | 'sampling'> & { readonly rows: number; readonly software: boolean },
): SamplerPieces | null {
  const { temperature, topK, topP } = sampling;
  const filtered = temperature > 0 && ((topK > 0 && topK < vocabulary) || topP < 1);
  if (software || vocabulary < largeVocabulary || filtered) return null;
  const pieces = piecesShader.constants.PIECES;
  return { maxima: memory.view('decode.maxima', 2 * pieces * rows), sums: memory.view('decode.sums', 3 * lanes * rows) };
}

/**
 * One token for every running row: `sampled` [R, 3] = (token, log-prob, entropy) by place in the list of running rows.
 * The logits are by place too; for the first token those of the prompts, [G, V], with `logitsRepeats` rows to each.
 * @param of.rows of the batch, or, with `firstPlace`, at most 65,535 of a chunk
 * @param of.pieces of `samplerPieces`
 */
export function sampleTokens(
  of: SamplerSettings & {
    readonly logits: BufferView;
    readonly active: BufferView;
    readonly state: BufferView;
    readonly sampled: BufferView;
    readonly rows: number;
    readonly pieces?: SamplerPieces | null;
  },
): Work[] {
  const { logits, state, active: row_ids, sampled, rows, pieces } = of;
  const params = samplerParams(of);
  if (!pieces) return [workOf(samplerShader, 'sample', { buffers: { logits, row_ids, state, sampled }, params, groups: rows })];
  const { maxima, sums } = pieces;
  const several = { params, groups: rows * piecesShader.constants.PIECES };
  return [
    workOf(piecesShader, 'largest', { buffers: { logits, state, maxima }, ...several }),
    workOf(piecesShader, 'weigh', { buffers: { logits, state, row_maxima: maxima, sums }, ...several }),
    workOf(piecesShader, 'choose', {
      buffers: { logits, state, row_maxima: maxima, row_sums: sums, row_ids, sampled },
      params,
      groups: rows,
    }),
  ];
}

/** After sampling: writes the tokens down and drops the rows that stopped. Does nothing once no row runs. */
export function advance(
  of: RolloutBuffers & {
    readonly sampled: BufferView;
    /** [at least 1] i32, of which `eosCount` count */
    readonly eosIds: BufferView;
    /** [G] i32 */
    readonly promptLengths: BufferView;
    /** [R] i32: by place, the token that the row goes on from */
    readonly nextTokens: BufferView;
  },
  shape: DecodeShape,
): Work[] {
  const { active, state, tokens, logprobs, entropies, lengths, ended, sampled } = of;
  const params = shapeParams(shape);
  return [
    workOf(advanceShader, 'append', {
      buffers: { row_ids: active, state, tokens, logprobs, entropies, ended, sampled, eos_ids: of.eosIds },
      params,
      groups: Math.ceil(shape.rows / lanes),
    }),
    workOf(advanceShader, 'compact', {
      buffers: { row_ids: active, state, ended, lengths, sampled, prompt_lengths: of.promptLengths, next_tokens: of.nextTokens },
      params,
      groups: 1,
    }),
  ];
}
