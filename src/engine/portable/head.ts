/**
 * From the normed stream to log-probs and back, or to drawn tokens, in chunks of rows, so that no [N, V] ever exists: logits, probabilities
 * and their gradients are of one row, or of as many as `logitsBytes` hold. With one chunk the logits are still there on the way back; with more
 * they are computed a second time. What is computed of the logits of a chunk is in `kernels/`, which rows are asked for in `batch.ts` and `generate.ts`.
 * N rows, D hidden, V vocabulary.
 */
import * as tf from '@tensorflow/tfjs';
import type { Sampling } from '../engine.ts';
import { hostView, onHost } from './host.ts';
import { sampleTokens, tokenLogprobForward, tokenLogprobGradient, type TokenLogprobs } from './kernels/index.ts';
import { weightGradient } from './ops/linear.ts';
import { transpose } from './ops/transpose.ts';
import type { Parameters } from './parameters.ts';

/** Logits of a chunk. */
const logitsBytes = 32 * 2 ** 20;

/** Rows of a chunk. */
export const chunkRows = (vocabulary: number): number => Math.max(1, Math.floor(logitsBytes / (4 * vocabulary)));

/** The matrix of logits. It outlives every tape, on which nothing of it is saved, because on wasm that is a copy. */
export interface Head {
  /** [D, V], what is multiplied by */
  readonly columns: tf.Tensor2D;
  /** [V, D], the same numbers, where the embedding is the head: the gradient is its. */
  readonly embedding: tf.Tensor2D | null;
  /** Nobody trains it, and it has no gradient. */
  readonly frozen: boolean;
}

/** @param frozen whether nobody trains it */
export function headOf({ head, embedding, turned }: Parameters, frozen: boolean): Head {
  return head ? { columns: head, embedding: null, frozen } : { columns: turned!.get(embedding), embedding, frozen };
}

interface Chunk {
  readonly first: number;
  readonly count: number;
}

const chunksOf = (rows: number, size: number): Chunk[] =>
  Array.from({ length: Math.ceil(rows / size) }, (_, i) => ({ first: i * size, count: Math.min(size, rows - i * size) }));
const part = <R extends tf.Rank>(x: tf.Tensor<R>, { first, count }: Chunk): tf.Tensor<R> =>
  count === x.shape[0] ? x : tf.slice<R, tf.Tensor<R>>(x, first, count);
const joined = <T extends tf.Tensor>(parts: readonly T[]): T => (parts.length > 1 ? tf.concat([...parts], 0) : parts[0]!);

const logitsOf = (x: tf.Tensor, columns: tf.Tensor2D): tf.Tensor2D => tf.matMul<tf.Tensor2D>(x, columns);

/**
 * x [N, D] -> log-probs and entropies of `kernels/token-logprob.ts`, differentiable in x and, where it is trained, in the head.
 * @param targets [N] token ids  @param temperature > 0  @param size rows of a chunk
 */
export function headLogprobs(
  x: tf.Tensor2D,
  head: Head,
  targets: Int32Array,
  temperature: number,
  size = chunkRows(head.columns.shape[1]),
): TokenLogprobs {
  const { columns, embedding, frozen } = head;
  const chunks = chunksOf(x.shape[0], size);
  const targetsOf = ({ first, count }: Chunk) => tf.tensor1d(targets.subarray(first, first + count), 'int32');
  const op = tf.customGrad((...inputs) => {
    const [x, save] = [inputs[0] as tf.Tensor2D, inputs.at(-1) as unknown as tf.GradSaveFunc];
    const found = chunks.map((chunk) =>
      tf.tidy(() => {
        const logits = logitsOf(part(x, chunk), columns);
        const kept = chunks.length > 1 ? {} : { logits };
        return { ...tokenLogprobForward(logits, targetsOf(chunk), temperature), ...kept };
      }),
    );
    const entropy = joined(found.map((of) => of.entropy));
    const stats = joined(found.map((of) => of.stats));
    save([x, entropy, stats, ...found.flatMap(({ logits }) => logits ?? [])]);
    return {
      value: tf.stack([joined(found.map((of) => of.logprob)), entropy]),
      gradFunc: (dy, saved) =>
        tf.tidy(() => {
          const [x, entropy, stats, logits] = saved as [tf.Tensor2D, tf.Tensor1D, tf.Tensor2D, tf.Tensor2D?];
          const [dLogprob, dEntropy] = tf.unstack(dy as tf.Tensor2D) as [tf.Tensor1D, tf.Tensor1D];
          const rows = embedding ?? transpose(columns);
          let dColumns: tf.Tensor2D | null = null;
          const dx: tf.Tensor2D[] = [];
          for (const chunk of chunks) {
            const made = tf.tidy(() => {
              const xs = part(x, chunk);
              const of = { entropy: part(entropy, chunk), stats: part(stats, chunk) };
              const dOf = { logprob: part(dLogprob, chunk), entropy: part(dEntropy, chunk) };
              const dLogits = tokenLogprobGradient(logits ?? logitsOf(xs, columns), targetsOf(chunk), of, dOf, temperature);
              return { dx: tf.matMul<tf.Tensor2D>(dLogits, rows), ...(frozen ? {} : { dColumns: weightGradient(xs, dLogits) }) };
            });
            dx.push(made.dx);
            if (made.dColumns) dColumns = dColumns ? added(dColumns, made.dColumns) : made.dColumns;
          }
          const ofHead = dColumns && (embedding ? transpose(dColumns) : dColumns);
          return [joined(dx), ...(ofHead ? [ofHead] : [])];
        }),
    };
  });
  const [logprob, entropy] = tf.unstack(frozen ? op(x) : op(x, embedding ?? columns)) as [tf.Tensor1D, tf.Tensor1D];
  return { logprob, entropy };
}

/** The sum of both, in the place of the first where that can be; they are disposed or become it. */
function added(total: tf.Tensor2D, part: tf.Tensor2D): tf.Tensor2D {
  if (!onHost()) {
    const sum = tf.add<tf.Tensor2D>(total, part);
    tf.dispose([total, part]);
    return sum;
  }
  const [to, from] = [hostView(total), hostView(part)];
  for (let i = 0; i < to.length; i++) to[i]! += from[i]!;
  part.dispose();
  return total;
}

/**
 * The next token of every row, as `sampleTokens`.
 * @param x [R / repeats, D], each line for as many rows  @param rowIds [R]
 */
export function drawTokens(
  x: tf.Tensor2D,
  { columns }: Pick<Head, 'columns'>,
  sampling: Sampling,
  position: number,
  rowIds: Int32Array,
  repeats = 1,
  size = chunkRows(columns.shape[1]),
): tf.Tensor2D {
  return tf.tidy(
    () =>
      joined(
        chunksOf(x.shape[0], size).map((chunk) =>
          tf.tidy(() => {
            const ids = rowIds.subarray(chunk.first * repeats, (chunk.first + chunk.count) * repeats);
            return sampleTokens(logitsOf(part(x, chunk), columns), sampling, position, ids, repeats);
          }),
        ),
      ) as tf.Tensor2D,
  );
}
