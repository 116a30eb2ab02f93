/**
 * The Llama-family decoder: RMSNorm, rotary positions, grouped-query attention, SwiGLU, tied or untied head, optional
 * q/k/v bias (Qwen2) and q/k norm (Qwen3). It reads as the architecture; how each operation runs, and its gradient, is
 * in `ops/`. It does not know about batches of completions, losses or caches: `attend` is what the caller makes of it.
 * Shapes: N places (tokens of all rows), D hidden, H query heads, K key/value heads of hd, F intermediate, V vocabulary.
 */
import * as tf from '@tensorflow/tfjs';
import type { PolicyConfig } from '../../policy/config.ts';
import { attention } from './ops/attention.ts';
import { linear, tiedHead } from './ops/linear.ts';
import { rmsNorm } from './ops/rms-norm.ts';
import { rope, ropeTable } from './ops/rope.ts';
import { embed, gatherRows } from './ops/rows.ts';
import { swiglu } from './ops/swiglu.ts';
import type { LayerParameters, Parameters } from './parameters.ts';
import type { PackedRows } from './rows.ts';

/** What attention is: turned q|k|v [N, (H + 2K)·hd] of a layer -> mixed values [N, H·hd]. */
export type Attend = (qkv: tf.Tensor2D, layer: number) => tf.Tensor2D;

export class Decoder {
  private ropeTable: Float32Array;

  constructor(readonly config: PolicyConfig) {
    this.ropeTable = ropeTable(config, Math.min(config.maxPositions, 256));
  }

  /** Whole rows at once -> logits [M, V] of the places asked for, which are distinct. */
  logits(parameters: Parameters, rows: PackedRows, places: Int32Array): tf.Tensor2D {
    const x = this.hidden(parameters, rows, (qkv) => attention(qkv, rows, this.config));
    return this.head(parameters, gatherRows(x, places));
  }

  /** Tokens -> the residual stream after the last layer [N, D] */
  hidden(parameters: Parameters, rows: Pick<PackedRows, 'tokens' | 'positions'>, attend: Attend): tf.Tensor2D {
    this.reach(rows.positions);
    let x = embed(parameters.embedding, rows.tokens);
    parameters.layers.forEach((layer, index) => {
      // What a layer leaves behind goes with it; what its gradient needs is saved on the tape.
      x = tf.tidy(() =>
        this.mlpBlock(
          this.attentionBlock(x, layer, rows, (qkv) => attend(qkv, index)),
          layer,
        ),
      );
    });
    return x;
  }

  /** Some policies read 100,000 tokens and more; the table is made for the positions that do occur. */
  private reach(positions: Int32Array): void {
    const needed = positions.reduce((most, position) => Math.max(most, position + 1), 0);
    const made = this.ropeTable.length / this.config.headDim;
    if (needed > made) this.ropeTable = ropeTable(this.config, Math.max(needed, 2 * made));
  }

  /** [N, D] -> [N, V] */
  head(parameters: Parameters, x: tf.Tensor2D): tf.Tensor2D {
    const normed = rmsNorm(x, parameters.norm, this.config.rmsNormEps);
    if (parameters.head) return linear(normed, parameters.head);
    return tiedHead(normed, parameters.embedding, parameters.turned!.get(parameters.embedding));
  }

  private attentionBlock(
    x: tf.Tensor2D,
    layer: LayerParameters,
    rows: Pick<PackedRows, 'positions'>,
    attend: (qkv: tf.Tensor2D) => tf.Tensor2D,
  ): tf.Tensor2D {
    const normed = rmsNorm(x, layer.attentionNorm, this.config.rmsNormEps);
    let qkv = linear(normed, layer.qkv, layer.qkvBias);
    if (layer.queryNorm && layer.keyNorm) qkv = this.normHeads(qkv, layer.queryNorm, layer.keyNorm);
    const mixed = attend(rope(qkv, this.ropeTable, rows, this.config));
    return tf.add(x, linear(mixed, layer.output));
  }

  private mlpBlock(x: tf.Tensor2D, layer: LayerParameters): tf.Tensor2D {
    const normed = rmsNorm(x, layer.mlpNorm, this.config.rmsNormEps);
    return tf.add(x, linear(swiglu(linear(normed, layer.gateUp)), layer.down));
  }

  /** Qwen3: every query head and every key head is normed on its own, before the rotation. */
  private normHeads(qkv: tf.Tensor2D, queryNorm: tf.Tensor1D, keyNorm: tf.Tensor1D): tf.Tensor2D {
    const { heads, kvHeads, headDim, rmsNormEps } = this.config;
    const places = qkv.shape[0];
    const part = (first: number, count: number) => tf.slice(qkv, [0, first * headDim], [places, count * headDim]);
    const normed = (x: tf.Tensor2D, w: tf.Tensor1D) =>
      tf.reshape(rmsNorm(tf.reshape(x, [-1, headDim]), w, rmsNormEps), x.shape) as tf.Tensor2D;
    return tf.concat([normed(part(0, heads), queryNorm), normed(part(heads, kvHeads), keyNorm), part(heads + kvHeads, kvHeads)], 1);
  }
}
