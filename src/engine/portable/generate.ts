/**
 * Rollouts: every prompt is read once, its keys and values are shared by the rollouts of its group, then all rows go on
 * token by token. The draw of a row depends on (seed, step, row, position) and its own logits alone, so that dropping
 * finished rows from the batch changes nothing. One small read-back per token: this engine looks at every token.
 */
import * as tf from '@tensorflow/tfjs';
import { LabError } from '../../errors.ts';
import type { PolicyConfig } from '../../policy/config.ts';
import { checkPrompts } from '../check.ts';
import type { GenerateProgress, GenerateRequest, Rollouts } from '../engine.ts';
import { breathe } from '../breathe.ts';
import { createCache, type KeyValueCache } from './cache.ts';
import type { Decoder } from './decoder.ts';
import { drawTokens, headOf } from './head.ts';
import { onHost } from './host.ts';
import { attention } from './ops/attention.ts';
import { gatherRows } from './ops/rows.ts';
import type { Parameters } from './parameters.ts';
import { packRows } from './rows.ts';

/** A row being written. */
interface Row {
  readonly id: number;
  readonly prompt: Int32Array;
  readonly tokens: number[];
  readonly logprobs: number[];
  readonly entropies: number[];
  ended: boolean;
}

/** @param maxPlaces tokens of one pass over prompts */
export async function generate(
  decoder: Decoder,
  parameters: Parameters,
  request: GenerateRequest,
  maxPlaces: number,
  onProgress?: (progress: GenerateProgress) => void,
): Promise<Rollouts> {
  const { prompts, repeats, sampling, signal } = request;
  const { config } = decoder;
  checkPrompts(prompts, config);
  const rows: Row[] = prompts.flatMap((prompt, group) =>
    Array.from({ length: repeats }, (_, i): Row => ({
      id: group * repeats + i,
      prompt,
      tokens: [],
      logprobs: [],
      entropies: [],
      ended: false,
    })),
  );
  const longestPrompt = prompts.reduce((longest, prompt) => Math.max(longest, prompt.length), 0);
  const cache = createCache(config, Math.min(config.maxPositions, longestPrompt + sampling.maxNewTokens));
  const head = headOf(parameters, true);
  let read: tf.Tensor2D | null = null;
  try {
    let active = rows; // the rows of what was read, in order; some may have ended
    if (rows.length > 0 && sampling.maxNewTokens > 0) read = await readPrompts(decoder, parameters, request, cache, maxPlaces);
    for (let position = 0; read; position++) {
      if (signal?.aborted) throw new LabError('cancelled', 'Generation was stopped.', 'Nothing was lost.');
      const ids = Int32Array.from(active, (row) => row.id);
      // The first token comes from the prompt, which the rows of a group share.
      const packed = drawTokens(read, head, sampling, position, ids, position === 0 ? repeats : 1);
      const drawn = await packed.data();
      tf.dispose([packed, read]);
      read = null;

      const tokens = new Int32Array(rows.length).fill(-1);
      active.forEach((row, i) => {
        if (!isRunning(row, request, config)) return;
        const token = drawn[i * 3]!;
        tokens[row.id] = token;
        row.tokens.push(token);
        row.logprobs.push(drawn[i * 3 + 1]!);
        row.entropies.push(drawn[i * 3 + 2]!);
        row.ended = sampling.eosIds.includes(token);
      });
      const running = active.map((row) => isRunning(row, request, config));
      const count = running.filter(Boolean).length;
      onProgress?.({ position, active: count, tokens });
      await breathe();
      if (count === 0) break;
      // A gather of the whole cache pays on a GPU only when many rows go, and shapes should repeat there.
      if (onHost() ? count < active.length : count <= active.length / 2) {
        const kept = running.flatMap((runs, i) => (runs ? [i] : []));
        cache.keep(kept);
        active = kept.map((i) => active[i]!);
      }
      read = readNext(decoder, parameters, cache, active);
    }
  } finally {
    read?.dispose();
    cache.dispose();
  }
  return collect(rows, config);
}

function isRunning(row: Row, { sampling }: GenerateRequest, config: PolicyConfig): boolean {
  return !row.ended && row.tokens.length < sampling.maxNewTokens && row.prompt.length + row.tokens.length < config.maxPositions;
}

/** Fills the cache -> what the head reads at the end of each prompt [P, D]. */
async function readPrompts(
  decoder: Decoder,
  parameters: Parameters,
  { prompts, repeats, signal }: GenerateRequest,
  cache: KeyValueCache,
  maxPlaces: number,
): Promise<tf.Tensor2D> {
  const parts: tf.Tensor2D[] = [];
  const longest = prompts.reduce((most, prompt) => Math.max(most, prompt.length), 0);
  const perPass = Math.max(1, Math.floor(maxPlaces / (longest + 8)));
  try {
    for (let first = 0; first < prompts.length; first += perPass) {
      if (signal?.aborted) throw new LabError('cancelled', 'Generation was stopped.', 'Nothing was lost.');
      const packed = packRows(prompts.slice(first, first + perPass));
      parts.push(
        tf.tidy(() => {
          const hidden = decoder.hidden(parameters, packed, (qkv, layer) => {
            cache.storePrompts(layer, qkv, packed);
            return attention(qkv, packed, decoder.config, layer);
          });
          const ends = Int32Array.from(packed.offsets, (offset, row) => offset + packed.lengths[row]! - 1);
          return decoder.headInput(parameters, gatherRows(hidden, ends));
        }),
      );
      await breathe();
    }
    cache.expand(repeats);
    return tf.concat(parts, 0);
  } finally {
    tf.dispose(parts);
  }
}

/** Reads the newest token of each row -> what the head reads for the one after it [A, D]. */
function readNext(decoder: Decoder, parameters: Parameters, cache: KeyValueCache, active: readonly Row[]): tf.Tensor2D {
  const tokens = Int32Array.from(active, (row) => row.tokens.at(-1)!);
  const positions = Int32Array.from(active, (row) => row.prompt.length + row.tokens.length - 1);
  return tf.tidy(() => {
    const hidden = decoder.hidden(parameters, { tokens, positions }, (qkv, layer) => cache.attend(layer, qkv, positions));
    return decoder.headInput(parameters, hidden);
  });
}

function collect(rows: readonly Row[], config: PolicyConfig): Rollouts {
  const longest = (length: (row: Row) => number) => rows.reduce((most, row) => Math.max(most, length(row)), 0);
  const width = longest((row) => row.prompt.length + row.tokens.length);
  const completionWidth = longest((row) => row.tokens.length);
  const tokens = new Int32Array(rows.length * width).fill(config.padId ?? 0);
  const logprobs = new Float32Array(rows.length * completionWidth);
  const entropies = new Float32Array(rows.length * completionWidth);
  rows.forEach((row, r) => {
    tokens.set(row.prompt, r * width);
    tokens.set(row.tokens, r * width + row.prompt.length);
    logprobs.set(row.logprobs, r * completionWidth);
    entropies.set(row.entropies, r * completionWidth);
  });
  return {
    rows: rows.length,
    width,
    completionWidth,
    tokens,
    promptLengths: Int32Array.from(rows, (row) => row.prompt.length),
    lengths: Int32Array.from(rows, (row) => row.prompt.length + row.tokens.length),
    logprobs,
    entropies,
    ended: Uint8Array.from(rows, (row) => (row.ended ? 1 : 0)),
  };
}
