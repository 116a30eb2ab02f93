/**
 * What a run changes: the parameters, or, with LoRA, the adapters beside parameters that stay as they are; the gradients and moments of what is
 * trained, and the counters; and the frozen reference. It knows no batches and no losses; how adapters compute is `linear.ts`.
 * Parameters that nobody trains lie in the format of their file (`frozenLayout`); those that are trained, or come from a state, in float32.
 */
import normShader from '../../../shaders/optim/norm.wgsl';
import { LabError } from '../../errors.ts';
import {
  adapterShapes,
  checkAdapters,
  initialAdapters,
  sameAdapters,
  specOf,
  type LoraSetup,
  type LoraSpec,
} from '../../policy/adapters.ts';
import { parameterShapes, type PolicyConfig } from '../../policy/config.ts';
import type { PolicyTensors, Weights } from '../../policy/weights.ts';
import type { OptimSpec, PolicyState } from '../engine.ts';
import { Arena } from './arena.ts';
import { adapterLayout, frozenLayout, policyLayout, type Layout } from './layout.ts';
import type { Gradients, Policy } from './linear.ts';
import type { Module } from './module.ts';

interface Training {
  /** Of the shard that is being computed, and of those before it. */
  readonly gradients: Arena;
  readonly sum: Arena;
  readonly first: Arena;
  readonly second: Arena;
}

interface Lora {
  readonly spec: LoraSpec;
  readonly arena: Arena;
}

/** The policy an engine was made with. */
export interface Own {
  readonly config: PolicyConfig;
  readonly tensors: PolicyTensors;
  /** What is trained where a state says nothing; null: all parameters. */
  readonly lora: LoraSetup | null;
}

export class Learned {
  optimSteps = 0;
  skippedSteps = 0;
  private training: Training | null = null;
  private lora: Lora | null = null;
  /** A copy of its own, where what computes is not the reference without its adapters. */
  private copy: Arena | null = null;
  private wanted = false;
  /** All parameters, or the base of the adapters, as a state gave them; null: they are the policy's own. */
  private given: Weights | null = null;
  /** Whether all parameters are still what they were before any step. */
  private asGiven = true;

  private constructor(
    private readonly module: Module,
    private readonly own: Own,
    private readonly layouts: { readonly plain: Layout; readonly frozen: Layout },
    private parameters: Arena,
  ) {}

  static async create(module: Module, own: Own): Promise<Learned> {
    const layouts = { plain: policyLayout(own.config), frozen: frozenLayout(own.config, own.tensors) };
    const learned = new Learned(module, own, layouts, Arena.create(module, layouts.frozen));
    await learned.parameters.writeTensors(own.tensors);
    if (own.lora) learned.adapt(own.lora, initialAdapters(own.config, own.lora));
    return learned;
  }

  /** What computes. */
  get policy(): Policy {
    const { parameters, lora } = this;
    return { parameters, adapters: lora && { arena: lora.arena, scale: lora.spec.alpha / lora.spec.rank } };
  }

  /** Of the largest stack of adapters: query, key and value. */
  get rank(): number {
    return 3 * (this.lora?.spec.rank ?? 0);
  }

  async setReference(): Promise<void> {
    this.wanted = true;
    await this.reference();
  }

  get hasReference(): boolean {
    return this.wanted;
  }

  /** The policy that this was made with. @throws LabError `usage` where none was set */
  async reference(): Promise<Policy> {
    if (!this.wanted) throw new LabError('usage', 'There is no reference policy to score with.', 'Call setReference first.');
    if (this.lora && this.given === null) return { parameters: this.parameters, adapters: null };
    if (!this.copy) {
      const copy = Arena.create(this.module, this.layouts.frozen);
      await copy.writeTensors(this.own.tensors);
      this.copy = copy;
    }
    return { parameters: this.copy, adapters: null };
  }

  /** Gradients of a shard, all zeros. They, float32 parameters and the moments are made when they are first needed: who only generates does not pay for them. */
  async prepare(): Promise<Gradients> {
    const { module, lora } = this;
    if (this.moves) {
      this.lieIn(this.layouts.plain);
      await this.parameters.writeTensors(this.own.tensors);
    }
    if (this.training) {
      this.training.gradients.clear();
    } else {
      const { layout } = this.subject;
      const make = () => Arena.create(module, layout);
      this.training = { gradients: make(), sum: make(), first: make(), second: make() };
    }
    return { of: lora ? 'adapters' : 'parameters', arena: this.training.gradients };
  }

  /** Whether what computes will lie in float32 before it is trained: numbers that were quantised are others then. */
  get moves(): boolean {
    return !this.lora && this.parameters.layout !== this.layouts.plain;
  }

  get isPrepared(): boolean {
    return this.training !== null;
  }

  /** The gradients of a shard as they lie here, for another engine of the same policy. After `prepare`. */
  shard(): Float32Array {
    const { at, layout } = this.training!.gradients;
    return this.module.heap.floats(at, layout.bytes / 4).slice();
  }

  /** Adds the gradients of a shard to those before it. @param first there are none before it  @param shard of another engine; absent: this one's */
  addShard(first: boolean, shard?: Float32Array): void {
    const { gradients, sum, ...moments } = this.training!;
    const { at, layout } = gradients;
    if (shard) this.module.heap.floats(at, layout.bytes / 4).set(shard);
    if (first) this.training = { gradients: sum, sum: gradients, ...moments };
    else this.module.kernels.add(layout.bytes / 4, sum.at, at);
  }

  /** The global norm of the sum of the shards, before clipping. */
  norm(): number {
    const { sum } = this.training!;
    this.keepBlocks(sum);
    return Math.sqrt(this.module.kernels.sumOfSquares(sum.layout.bytes / 4, sum.at));
  }

  /** One step of AdamW on that sum. */
  update(gradNorm: number, optim: OptimSpec): void {
    const { subject, training } = this;
    const { sum, first, second } = training!;
    const { bytes, decayed } = subject.layout;
    this.optimSteps++;
    if (!this.lora) {
      this.asGiven = false;
      this.given = null;
    }
    const { learningRate, beta1, beta2, eps, weightDecay, maxGradNorm } = optim;
    const clip = maxGradNorm > 0 ? Math.min(1, maxGradNorm / (gradNorm + normShader.constants.NORM_EPSILON)) : 1;
    const correction = Math.sqrt(1 - beta2 ** this.optimSteps);
    const rate = (learningRate * correction) / (1 - beta1 ** this.optimSteps);
    const some = (from: number, to: number, shrink: number) => {
      const at = (arena: Arena) => arena.at + from;
      const addresses = [at(subject), at(sum), at(first), at(second)] as const;
      const gains = [beta1, (1 - beta1) * clip, beta2, (1 - beta2) * clip * clip] as const;
      this.module.kernels.adamW((to - from) / 4, ...addresses, ...gains, rate, eps * correction, shrink);
    };
    some(0, decayed, 1 - learningRate * weightDecay);
    some(decayed, bytes, 1);
  }

  /** What is trained as it lies here, for another engine of the same policy. */
  trained(): Float32Array {
    const { at, layout } = this.subject;
    return this.module.heap.floats(at, layout.bytes / 4).slice();
  }

  /** What another engine has trained meanwhile. */
  takeTrained(numbers: Float32Array): void {
    if (!this.lora) {
      this.lieIn(this.layouts.plain);
      this.given = null;
      this.asGiven = false;
    }
    const { at, layout } = this.subject;
    this.module.heap.floats(at, layout.bytes / 4).set(numbers);
  }

  exportState(): PolicyState {
    const { lora, training, given, asGiven, optimSteps, skippedSteps, own } = this;
    const policyNames = parameterShapes(own.config).map(({ name }) => name);
    const trainedNames = lora ? adapterShapes(own.config, lora.spec).map(({ name }) => name) : policyNames;
    return {
      weights: lora || asGiven ? given : this.parameters.read(policyNames),
      adapters: lora && { ...lora.spec, tensors: lora.arena.read(trainedNames) },
      moments: training && optimSteps > 0 ? { first: training.first.read(trainedNames), second: training.second.read(trainedNames) } : null,
      optimSteps,
      skippedSteps,
    };
  }

  /** @throws LabError `usage` for adapters of other shapes; nothing has changed then */
  async importState({ weights, adapters, moments, optimSteps, skippedSteps }: PolicyState): Promise<void> {
    const { own } = this;
    if (adapters) checkAdapters(own.config, adapters, adapters.tensors);
    if (weights) {
      this.lieIn(this.layouts.plain);
      this.parameters.write(weights);
    } else if (this.given !== null || (!this.lora && !this.asGiven)) {
      this.lieIn(this.layouts.frozen);
      await this.parameters.writeTensors(own.tensors);
    }
    this.given = weights;
    this.asGiven = true;
    if (adapters) this.adapt(adapters, adapters.tensors);
    else if (own.lora) this.adapt(own.lora, initialAdapters(own.config, own.lora));
    else if (this.lora) this.unadapt();
    // New adapters begin anew: moments of whole weights would be of other tensors.
    const anew = this.lora !== null && !adapters;
    if (moments && !anew) {
      await this.prepare();
      this.training!.first.write(moments.first);
      this.training!.second.write(moments.second);
    } else if (this.training) {
      this.training.first.clear();
      this.training.second.clear();
    }
    this.optimSteps = anew ? 0 : optimSteps;
    this.skippedSteps = skippedSteps;
  }

  /** What was there is gone, unless it lies like that already. */
  private lieIn(layout: Layout): void {
    if (this.parameters.layout === layout) return;
    this.parameters.dispose();
    this.parameters = Arena.create(this.module, layout);
  }

  /** What is trained. */
  private get subject(): Arena {
    return this.lora?.arena ?? this.parameters;
  }

  /** Adapters with these numbers; moments and gradients of others go. */
  private adapt(given: LoraSpec, tensors: Weights): void {
    const spec = specOf(given);
    if (this.lora && sameAdapters(this.lora.spec, spec)) {
      this.lora = { ...this.lora, spec };
    } else {
      this.unadapt();
      this.lora = { spec, arena: Arena.create(this.module, adapterLayout(this.own.config, spec)) };
    }
    this.lora.arena.write(tensors);
  }

  private unadapt(): void {
    this.lora?.arena.dispose();
    this.lora = null;
    const { training } = this;
    this.training = null;
    for (const arena of training ? Object.values(training) : []) (arena as Arena).dispose();
  }

  /** What of a block-diagonal gradient is not of the blocks that are trained is 0. */
  private keepBlocks(gradients: Arena): void {
    const { kernels } = this.module;
    for (const { shape, blocks, offset } of gradients.layout.slots.values()) {
      if (!blocks || !this.lora) continue;
      const { rank } = this.lora.spec;
      let row = 0;
      blocks.forEach((rows, block) => {
        kernels.keepColumns(rows, shape[1]!, row, block * rank, rank, gradients.at + offset);
        row += rows;
      });
    }
  }
}
