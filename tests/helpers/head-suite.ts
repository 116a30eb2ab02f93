/** The portable engine's head, whatever the size of its chunks: values and gradients against float64, and the same draws. The caller has made the backend current. */
import * as tf from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import type { Sampling } from '../../src/engine/engine.ts';
import { drawTokens, headLogprobs, type Head } from '../../src/engine/portable/head.ts';
import { sampleTokens } from '../../src/engine/portable/kernels/index.ts';
import { expectClose, grid, integers, normals } from './numbers.ts';
import { referenceRow, referenceRowGradient } from './reference-kernels.ts';

const [rows, hidden, vocabulary, temperature] = [7, 5, 13, 0.8];
const sampling: Sampling = { temperature: 1, topK: 0, topP: 1, minP: 0, maxNewTokens: 1, eosIds: [], seed: 7, step: 3, firstRow: 40 };

export function headSuite(backend: string): void {
  const x = normals(rows * hidden, 1);
  const w = normals(vocabulary * hidden, 2);
  const targets = Int32Array.from(integers(rows, 3, 0, vocabulary - 1));
  const dLogprob = normals(rows, 4);
  const dEntropy = normals(rows, 5);
  const [xs, ws] = [grid(x, hidden), grid(w, hidden)];
  const dot = (a: readonly number[], b: readonly number[]) => a.reduce((sum, value, i) => sum + value * b[i]!, 0);
  const logits = xs.map((row) => ws.map((column) => dot(row, column)));
  const reference = logits.map((row) => referenceRow(row, temperature));
  const dLogits = logits.map((row, n) => referenceRowGradient(row, targets[n]!, temperature, dLogprob[n]!, dEntropy[n]!));
  const expected = {
    logprob: reference.map(({ logprobs }, n) => logprobs[targets[n]!]!),
    entropy: reference.map(({ entropy }) => entropy),
    dx: dLogits.flatMap((d) => xs[0]!.map((_, i) => dot(d, ws.map((column) => column[i]!)))), // prettier-ignore
    // [V, D]
    dw: ws.flatMap((_, v) => xs[0]!.map((_, i) => dot(dLogits.map((d) => d[v]!), xs.map((row) => row[i]!)))), // prettier-ignore
  };

  const embedding = () => tf.tensor2d(w, [vocabulary, hidden]);
  const columns = () => tf.tidy(() => tf.transpose(embedding()));

  describe(`head on ${backend}`, () => {
    describe.each([1, 2, 3, 7, 100])('in chunks of %i rows', (size) => {
      it.each([
        ['tied', true, false],
        ['untied', false, false],
        ['frozen', false, true],
        ['tied and frozen', true, true],
      ])('%s', async (_, tied, frozen) => {
        const run = tf.tidy(() => {
          const made = { embedding: tied ? embedding() : null, columns: columns(), frozen };
          const input = tf.tensor2d(x, [rows, hidden]);
          const { logprob, entropy } = headLogprobs(input, made, targets, temperature, size);
          const loss = (x: tf.Tensor, learnt?: tf.Tensor) => {
            const head = (learnt ? { ...made, [tied ? 'embedding' : 'columns']: learnt } : made) as Head;
            const scored = headLogprobs(x as tf.Tensor2D, head, targets, temperature, size);
            return tf.add(
              tf.sum(tf.mul(scored.logprob, tf.tensor1d(dLogprob))),
              tf.sum(tf.mul(scored.entropy, tf.tensor1d(dEntropy))),
            ) as tf.Scalar;
          };
          const inputs = frozen ? [input] : [input, tied ? made.embedding! : made.columns];
          const [dx, dw] = tf.grads((x, learnt) => loss(x!, learnt))(inputs);
          return { logprob, entropy, dx: dx!, ...(dw ? { dw: tied ? dw : tf.transpose(dw) } : {}) };
        });
        expect(Object.keys(run)).toHaveLength(frozen ? 3 : 4);
        for (const [name, tensor] of Object.entries(run)) {
          expectClose(await tensor.data(), expected[name as keyof typeof expected], name, { absolute: 5e-6 });
          tensor.dispose();
        }
      });

      it('draws what is drawn from all logits at once', async () => {
        const repeats = 3;
        const ids = Int32Array.from({ length: rows * repeats }, (_, row) => 2 * row);
        const [drawn, whole] = tf.tidy(() => {
          const input = tf.tensor2d(x, [rows, hidden]);
          const lines = Int32Array.from(ids, (_, row) => Math.floor(row / repeats));
          const all = tf.gather(tf.matMul<tf.Tensor2D>(input, columns()), tf.tensor1d(lines, 'int32'));
          return [drawTokens(input, { columns: columns() }, sampling, 2, ids, repeats, size), sampleTokens(all, sampling, 2, ids)];
        });
        expect(drawn.shape).toEqual([rows * repeats, 3]);
        expect(new Set(grid(await drawn.data(), 3).map(([token]) => token)).size).toBeGreaterThan(3);
        expectClose(await drawn.data(), await whole.data(), 'draws');
        tf.dispose([drawn, whole]);
      });
    });

    it('leaves nothing behind, and makes nothing of all rows by the vocabulary', () => {
      const work = () =>
        tf.tidy(() => {
          const head = { embedding: embedding(), columns: columns(), frozen: false };
          const loss = (x: tf.Tensor, embedding: tf.Tensor) =>
            tf.sum(headLogprobs(x as tf.Tensor2D, { ...head, embedding: embedding as tf.Tensor2D }, targets, temperature, 2).logprob);
          tf.grads((x, e) => loss(x!, e!) as tf.Scalar)([tf.tensor2d(x, [rows, hidden]), head.embedding]);
        });
      work();
      const before = tf.memory().numTensors;
      const sizes = new Set<string>();
      const engine = tf.engine();
      const track = engine.trackTensor.bind(engine);
      engine.trackTensor = (tensor, of) => {
        sizes.add(tensor.shape.join(' × '));
        track(tensor, of);
      };
      try {
        work();
      } finally {
        engine.trackTensor = track;
      }
      expect(sizes).toContain(`2 × ${vocabulary}`);
      expect(sizes).not.toContain(`${rows} × ${vocabulary}`);
      expect(tf.memory().numTensors).toBe(before);
    });
  });
}
