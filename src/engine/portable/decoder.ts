/**
 * The decoder: RMSNorm, rotary positions, grouped-query attention, a gated MLP, tied or untied head; what of it is different
 * from family to family (biases, q/k norms, norms after a block, activation, windows) is as the family is described
 * (`policy/families.ts`). It reads as the architecture; how each operation runs, and its gradient, is in `ops/`. It does not know about batches of completions, losses or caches: `attend` is what the caller makes of it.
 * Shapes: N places (tokens of all rows), D hidden, H query heads, K key/value heads of hd, F intermediate, V vocabulary.
 */
import * as tf from '@tensorflow/tfjs';
import type { PolicyConfig } from '../../policy/config.ts';
import { attention } from './ops/attention.ts';
import { linear } from './ops/linear.ts';
import { rmsNorm } from './ops/rms-norm.ts';
import { families } from '../../policy/families.ts';
import { embeddingScale, isSliding, ropeOf } from '../../policy/layers.ts';
import { rope, ropeTable } from './ops/rope.ts';
import { embed, gatherRows } from './ops/rows.ts';
import { gated } from './ops/gated.ts';
import type { LayerParameters, Parameters } from './parameters.ts';
import type { PackedRows } from './rows.ts';

/** What attention is: turned q|k|v [N, (H + 2K)·hd] of a layer -> mixed values [N, H·hd]. */
export type Attend = (qkv: tf.Tensor2D, layer: number) => tf.Tensor2D;

export class Decoder {
  /** By whether the layer slides; all turn alike where none does. */
  private readonly ropeTables = new Map<boolean, Float32Array>();
  private readonly embeddingScale: number;
  private readonly offset: 0 | 1;

  constructor(readonly config: PolicyConfig) {
    this.embeddingScale = embeddingScale(config);
    this.offset = families[config.family].normOffset;
  }

  /** Whole rows at once -> what the head reads of the places asked for, which are distinct [M, D]. */
  read(parameters: Parameters, rows: PackedRows, places: Int32Array): tf.Tensor2D {
    const x = this.hidden(parameters, rows, (qkv, layer) => attention(qkv, rows, this.config, layer));
    return this.headInput(parameters, gatherRows(x, places));
  }

  /** Tokens -> the residual stream after the last layer [N, D] */
  hidden(parameters: Parameters, rows: Pick<PackedRows, 'tokens' | 'positions'>, attend: Attend): tf.Tensor2D {
    const positions = rows.positions.reduce((most, position) => Math.max(most, position + 1), 0);
    let x = embed(parameters.embedding, rows.tokens);
    if (this.embeddingScale !== 1) x = tf.mul(x, this.embeddingScale);
    parameters.layers.forEach((layer, index) => {
      // What a layer leaves behind goes with it; what its gradient needs is saved on the tape.
      x = tf.tidy(() =>
        this.mlpBlock(
          this.attentionBlock(x, layer, (qkv) => attend(rope(qkv, this.ropeTable(index, positions), rows, this.config), index)),
          layer,
        ),
      );
    });
    return x;
  }

  /** Some policies read 100,000 tokens and more; the table is made for the positions that do occur. */
  private ropeTable(layer: number, positions: number): Float32Array {
    const { headDim, maxPositions } = this.config;
    const kind = isSliding(this.config, layer);
    const table = this.ropeTables.get(kind);
    const made = table ? table.length / headDim : 0;
    if (table && positions <= made) return table;
    const larger = ropeTable(ropeOf(this.config, layer), Math.max(positions, table ? 2 * made : Math.min(maxPositions, 256)));
    this.ropeTables.set(kind, larger);
    return larger;
  }

  private norm(x: tf.Tensor2D, w: tf.Tensor1D): tf.Tensor2D {
    return rmsNorm(x, w, this.config.rmsNormEps, this.offset);
  }

  /** The residual stream [N, D] -> what the head reads of it [N, D] */
  headInput(parameters: Parameters, x: tf.Tensor2D): tf.Tensor2D {
    return this.norm(x, parameters.norm);
  }

  /** @param attend turns queries and keys, too */
  private attentionBlock(x: tf.Tensor2D, layer: LayerParameters, attend: (qkv: tf.Tensor2D) => tf.Tensor2D): tf.Tensor2D {
    const normed = this.norm(x, layer.attentionNorm);
    let qkv = linear(normed, layer.qkv, layer.qkvBias);
    if (layer.queryNorm && layer.keyNorm) qkv = this.normHeads(qkv, layer.queryNorm, layer.keyNorm);
    const said = linear(attend(qkv), layer.output);
    return tf.add(x, layer.attentionAfter ? this.norm(said, layer.attentionAfter) : said);
  }

  private mlpBlock(x: tf.Tensor2D, layer: LayerParameters): tf.Tensor2D {
    const normed = this.norm(x, layer.mlpNorm);
    const said = linear(gated(linear(normed, layer.gateUp), families[this.config.family].activation), layer.down);
    return tf.add(x, layer.mlpAfter ? this.norm(said, layer.mlpAfter) : said);
  }

  /** Every query head and every key head is normed on its own, before the rotation. */
  private normHeads(qkv: tf.Tensor2D, queryNorm: tf.Tensor1D, keyNorm: tf.Tensor1D): tf.Tensor2D {
    const { heads, kvHeads, headDim } = this.config;
    const places = qkv.shape[0];
    const part = (first: number, count: number) => tf.slice(qkv, [0, first * headDim], [places, count * headDim]);
    const normed = (x: tf.Tensor2D, w: tf.Tensor1D) => tf.reshape(this.norm(tf.reshape(x, [-1, headDim]), w), x.shape) as tf.Tensor2D;
    return tf.concat([normed(part(0, heads), queryNorm), normed(part(heads, kvHeads), keyNorm), part(heads + kvHeads, kvHeads)], 1);
  }
}
