/**
 * What a run changes: the tensors that are trained, their moments and counters, and the policy they make. That is all
 * parameters; or, with LoRA, adapters whose product is added to a frozen base. It knows no batches and no losses.
 */
import * as tf from '@tensorflow/tfjs';
import normShader from '../../../shaders/optim/norm.wgsl';
import { LabError } from '../../errors.ts';
import { adaptedMatrices, adapterShapes, initialAdapters, type LoraSetup } from '../../policy/adapters.ts';
import { parameterShapes, type ParameterShape, type PolicyConfig } from '../../policy/config.ts';
import type { Weights } from '../../policy/weights.ts';
import type { OptimSpec, PolicyState } from '../engine.ts';
import { adamW, zeroMoments, type Moments } from './adamw.ts';
import { linear, TurnedEmbedding } from './ops/linear.ts';
import { download, policySlots, upload, type Slot } from './parameters.ts';

export class Trained {
  /** What is trained, in slot order: all parameters, or for every adapted matrix Aᵀ [in, rank] and Bᵀ [rank, out]. */
  tensors: tf.Tensor[];
  /** What computes: the policy in the order of `policySlots`. Without LoRA the same tensors. */
  parameters: tf.Tensor[];
  readonly turned = new TurnedEmbedding();
  optimSteps = 0;
  skippedSteps = 0;
  private moments: Moments | null = null;
  private readonly policySlots: readonly Slot[];
  private readonly slots: readonly Slot[];
  private readonly shapes: readonly ParameterShape[];
  /** LoRA: the weights it was made with; states with adapters are relative to them. */
  private readonly own: readonly tf.Tensor[];
  /** LoRA: what the adapters are added to: `own`, or whole weights that were imported. */
  private base: readonly tf.Tensor[];

  constructor(
    private readonly config: PolicyConfig,
    weights: Weights,
    private readonly lora: LoraSetup | null,
  ) {
    this.policySlots = policySlots(config);
    this.slots = lora ? adapterSlots(config, lora.rank) : this.policySlots;
    this.shapes = lora ? adapterShapes(config, lora.rank) : parameterShapes(config);
    this.own = lora ? upload(this.policySlots, weights) : [];
    this.base = this.own;
    this.tensors = upload(this.slots, lora ? initialAdapters(config, lora) : weights);
    this.parameters = this.computing();
  }

  /** Trained tensors -> the policy's. Differentiable. What is not adapted is the base's own tensor. */
  policy(tensors: readonly tf.Tensor[]): tf.Tensor[] {
    if (!this.lora) return [...tensors];
    const scale = this.lora.alpha / this.lora.rank;
    const adapted = new Set(adaptedMatrices(this.config).map(({ name }) => name));
    let next = 0;
    return this.policySlots.map(({ parts }, i) => {
      if (!adapted.has(parts[0]!.name)) return this.base[i]!;
      const products = parts.map(() => linear(tensors[next++] as tf.Tensor2D, tensors[next++] as tf.Tensor2D));
      return tf.add(this.base[i]!, tf.mul(products.length > 1 ? tf.concat(products, 1) : products[0]!, scale));
    });
  }

  /** One step of AdamW on gradients in slot order, which are disposed. */
  update(gradients: readonly tf.Tensor[], gradNorm: number, optim: OptimSpec): void {
    const scale = optim.maxGradNorm > 0 ? Math.min(1, optim.maxGradNorm / (gradNorm + normShader.constants.NORM_EPSILON)) : 1;
    const moments = this.moments ?? zeroMoments(this.tensors);
    this.optimSteps++;
    // Adapters leave the embedding alone.
    if (!this.lora) this.turned.dispose();
    this.disposeMerged();
    const next = adamW(this.tensors, gradients, moments, optim, this.optimSteps, scale);
    this.tensors = next.parameters;
    this.moments = next.moments;
    this.parameters = this.computing();
  }

  async exportState(): Promise<PolicyState> {
    const trained = (tensors: readonly tf.Tensor[]) => download(this.slots, this.shapes, tensors);
    return {
      weights: await download(this.policySlots, parameterShapes(this.config), this.parameters),
      adapters: this.lora && (await trained(this.tensors)),
      moments: this.moments && { first: await trained(this.moments.first), second: await trained(this.moments.second) },
      optimSteps: this.optimSteps,
      skippedSteps: this.skippedSteps,
    };
  }

  /**
   * With adapters: exactly that state, on the base this was made with. Without: the weights as they are, and where this trains
   * adapters, new ones on these weights.
   * @throws LabError `usage` for adapters of another kind or base; nothing has changed then
   */
  async importState({ weights, adapters, moments, optimSteps, skippedSteps }: PolicyState): Promise<void> {
    if (adapters) await this.checkAdapters(weights, adapters);
    const whole = this.lora && !adapters ? upload(this.policySlots, weights) : null;
    const start = this.lora ? (adapters ?? initialAdapters(this.config, this.lora)) : weights;
    const tensors = upload(this.slots, start);
    // Whole weights begin anew: moments of theirs would be of other tensors.
    const kept = whole ? null : moments;
    const next = kept && { first: upload(this.slots, kept.first), second: upload(this.slots, kept.second) };
    this.disposeState();
    this.base = whole ?? this.own;
    this.tensors = tensors;
    this.moments = next;
    this.parameters = this.computing();
    this.optimSteps = whole ? 0 : optimSteps;
    this.skippedSteps = skippedSteps;
  }

  dispose(): void {
    this.disposeState();
    this.turned.dispose();
    disposeAll(this.own);
  }

  /** The matrices of base and adapters together; the rest of `parameters` is the base's own, or what is trained. */
  private disposeMerged(): void {
    if (this.lora) disposeAll(this.parameters.filter((tensor) => !this.base.includes(tensor)));
  }

  /** The policy of the present tensors, to be disposed with `disposeMerged`. */
  private computing(): tf.Tensor[] {
    if (!this.lora) return this.tensors;
    return tf.tidy(() => this.policy(this.tensors).map((tensor) => (this.base.includes(tensor) ? tensor : tf.keep(tensor))));
  }

  private async checkAdapters(weights: Weights, adapters: Weights): Promise<void> {
    if (!this.lora) {
      throw new LabError(
        'usage',
        'The state holds LoRA adapters, and this engine trains all parameters.',
        'Give the engine the LoRA rank of the run.',
      );
    }
    for (const { name, shape } of this.shapes) {
      if (adapters[name]?.length !== shape[0]! * shape[1]!) {
        throw new LabError(
          'usage',
          `The state's LoRA adapters are not of rank ${this.lora.rank}.`,
          'Give the engine the LoRA rank of the run.',
        );
      }
    }
    // LoRA leaves the embedding alone, so it tells one base from another.
    const embedding = weights[this.policySlots[0]!.parts[0]!.name]!;
    const own = await this.own[0]!.data();
    if (embedding.length !== own.length || embedding.some((value, i) => value !== own[i])) {
      throw new LabError('usage', 'The state’s LoRA adapters belong to another base policy.', 'Load the policy that the run began with.');
    }
  }

  private disposeState(): void {
    if (!this.lora || this.base !== this.own) this.turned.dispose();
    this.disposeMerged();
    disposeAll(this.tensors, this.moments?.first ?? [], this.moments?.second ?? []);
    if (this.base !== this.own) disposeAll(this.base);
    this.base = this.own;
    this.tensors = [];
    this.parameters = [];
    this.moments = null;
  }
}

/** Adapters as the products want them: transposed, A before B, in the order of the matrices. */
function adapterSlots(config: PolicyConfig, rank: number): Slot[] {
  return adaptedMatrices(config).flatMap((matrix) => [
    { shape: [matrix.in, rank], parts: [{ name: matrix.a, columns: rank }], transposed: true },
    { shape: [rank, matrix.out], parts: [{ name: matrix.b, columns: matrix.out }], transposed: true },
  ]);
}

/** Frees every tensor of every list. */
export function disposeAll(...lists: (readonly tf.Tensor[])[]): void {
  for (const list of lists) for (const tensor of list) tensor.dispose();
}
