/**
 * What a run changes: the tensors that are trained, their moments and counters, and the policy they make. That is all
 * parameters; or, with LoRA, adapters whose product is added to a frozen base. It knows no batches and no losses.
 */
import * as tf from '@tensorflow/tfjs';
import normShader from '../../../shaders/optim/norm.wgsl';
import {
  adaptedMatrices,
  adapterShapes,
  checkAdapters,
  initialAdapters,
  specOf,
  type LoraSetup,
  type LoraSpec,
} from '../../policy/adapters.ts';
import { parameterShapes, type ParameterShape, type PolicyConfig } from '../../policy/config.ts';
import type { PolicyTensors, Weights } from '../../policy/weights.ts';
import { untrained, type OptimSpec, type PolicyState } from '../engine.ts';
import { adamW, zeroMoments, type Moments } from './adamw.ts';
import { linear, TurnedEmbedding } from './ops/linear.ts';
import { download, policySlots, upload, uploadTensors, type Slot } from './parameters.ts';

export class Trained {
  /** What is trained, in slot order: all parameters, or for every adapted matrix Aᵀ [in, rank] and Bᵀ [rank, out]. */
  tensors: tf.Tensor[] = [];
  /** What computes: the policy in the order of `policySlots`. Without LoRA the same tensors. */
  parameters: tf.Tensor[] = [];
  readonly turned = new TurnedEmbedding();
  optimSteps = 0;
  skippedSteps = 0;
  private moments: Moments | null = null;
  private readonly policySlots: readonly Slot[];
  /** Null: all parameters are trained. */
  private lora: LoraSpec | null = null;
  /** LoRA: what the adapters are added to. */
  private base: tf.Tensor[] = [];
  /** All parameters, or the base of the adapters, as a state gave them; null: they are the policy's own. */
  private given: Weights | null = null;
  /** Whether all parameters are still what they were before any step. */
  private asGiven = true;

  private constructor(
    private readonly config: PolicyConfig,
    /** Of the policy this was made with. */
    private readonly own: PolicyTensors,
    /** What it trains where a state says nothing. */
    private readonly made: LoraSetup | null,
  ) {
    this.policySlots = policySlots(config);
  }

  static async create(config: PolicyConfig, own: PolicyTensors, made: LoraSetup | null): Promise<Trained> {
    const trained = new Trained(config, own, made);
    await trained.importState(untrained);
    return trained;
  }

  /** Whether adapters are trained, and nothing else. */
  get adapted(): boolean {
    return this.lora !== null;
  }

  /** The policy this was made with, and whether the caller has to free it. */
  async ownParameters(): Promise<{ readonly tensors: tf.Tensor[]; readonly copied: boolean }> {
    if (this.lora && !this.given) return { tensors: this.base, copied: false };
    return { tensors: await uploadTensors(this.policySlots, this.own), copied: true };
  }

  /** Trained tensors -> the policy's. Differentiable. What is not adapted is the base's own tensor. */
  policy(tensors: readonly tf.Tensor[]): tf.Tensor[] {
    if (!this.lora) return [...tensors];
    const scale = this.lora.alpha / this.lora.rank;
    const adapted = new Set(adaptedMatrices(this.config, this.lora).map(({ name }) => name));
    let next = 0;
    return this.policySlots.map(({ parts, shape }, i) => {
      if (!parts.some(({ name }) => adapted.has(name))) return this.base[i]!;
      const products = parts.map(({ name, columns }) =>
        adapted.has(name) ? linear(tensors[next++] as tf.Tensor2D, tensors[next++] as tf.Tensor2D) : tf.zeros([shape[0]!, columns]),
      );
      return tf.add(this.base[i]!, tf.mul(products.length > 1 ? tf.concat(products, 1) : products[0]!, scale));
    });
  }

  /** One step of AdamW on gradients in slot order, which are disposed. */
  update(gradients: readonly tf.Tensor[], gradNorm: number, optim: OptimSpec): void {
    const scale = optim.maxGradNorm > 0 ? Math.min(1, optim.maxGradNorm / (gradNorm + normShader.constants.NORM_EPSILON)) : 1;
    const moments = this.moments ?? zeroMoments(this.tensors);
    this.optimSteps++;
    // Adapters leave the embedding alone.
    if (!this.lora) {
      this.turned.dispose();
      this.asGiven = false;
      this.given = null;
    }
    this.disposeMerged();
    const next = adamW(this.tensors, gradients, moments, optim, this.optimSteps, scale);
    this.tensors = next.parameters;
    this.moments = next.moments;
    this.parameters = this.computing();
  }

  async exportState(): Promise<PolicyState> {
    const { lora, slots, shapes, moments, optimSteps, skippedSteps } = this;
    const trained = (tensors: readonly tf.Tensor[]) => download(slots, shapes, tensors);
    return {
      weights: lora || this.asGiven ? this.given : await trained(this.tensors),
      adapters: lora && { ...specOf(lora), tensors: await trained(this.tensors) },
      moments: moments && { first: await trained(moments.first), second: await trained(moments.second) },
      optimSteps,
      skippedSteps,
    };
  }

  /** @throws LabError `usage` for adapters of other shapes; nothing has changed then */
  async importState({ weights, adapters, moments, optimSteps, skippedSteps }: PolicyState): Promise<void> {
    const { config, own, made, policySlots: all } = this;
    if (adapters) checkAdapters(config, adapters, adapters.tensors);
    const lora = adapters ?? made;
    const slots = lora ? adapterSlots(config, lora) : all;
    const given = () => (weights ? Promise.resolve(upload(all, weights)) : uploadTensors(all, own));
    const sameBase = lora !== null && this.lora !== null && weights === this.given && this.base.length > 0;
    const base = !lora ? [] : sameBase ? this.base : await given();
    const tensors = lora ? upload(slots, adapters?.tensors ?? initialAdapters(config, made!)) : await given();
    // New adapters begin anew: moments of whole weights would be of other tensors.
    const kept = lora && !adapters ? null : moments;
    const next = kept && { first: upload(slots, kept.first), second: upload(slots, kept.second) };
    this.disposeState(sameBase);
    this.lora = lora;
    this.base = base;
    this.given = weights;
    this.asGiven = true;
    this.tensors = tensors;
    this.moments = next;
    this.parameters = this.computing();
    this.optimSteps = lora && !adapters ? 0 : optimSteps;
    this.skippedSteps = skippedSteps;
  }

  dispose(): void {
    this.disposeState(false);
  }

  private get slots(): readonly Slot[] {
    return this.lora ? adapterSlots(this.config, this.lora) : this.policySlots;
  }

  private get shapes(): readonly ParameterShape[] {
    return this.lora ? adapterShapes(this.config, this.lora) : parameterShapes(this.config);
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

  private disposeState(keepBase: boolean): void {
    if (!keepBase) this.turned.dispose();
    this.disposeMerged();
    disposeAll(this.tensors, this.moments?.first ?? [], this.moments?.second ?? []);
    if (!keepBase) disposeAll(this.base);
    this.tensors = [];
    this.parameters = [];
    this.moments = null;
  }
}

/** Adapters as the products want them: transposed, A before B, in the order of the matrices. */
function adapterSlots(config: PolicyConfig, { rank, ...places }: LoraSpec): Slot[] {
  return adaptedMatrices(config, places).flatMap((matrix) => [
    { shape: [matrix.in, rank], parts: [{ name: matrix.a, columns: rank }], transposed: true },
    { shape: [rank, matrix.out], parts: [{ name: matrix.b, columns: matrix.out }], transposed: true },
  ]);
}

/** Frees every tensor of every list. */
export function disposeAll(...lists: (readonly tf.Tensor[])[]): void {
  for (const list of lists) for (const tensor of list) tensor.dispose();
}
