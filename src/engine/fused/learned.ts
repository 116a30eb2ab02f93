/**
 * What a run changes, on the GPU: the parameters, or, with LoRA, the adapters beside parameters that stay as they are; the
 * gradients and moments of what is trained, and the counters. It knows no batches and no losses; how adapters compute is `linear.ts`.
 * Parameters that nobody trains lie in the format of their file (`frozenLayout`); those that are trained, or come from a state, in float32.
 */
import type { Views } from './machine.ts';
import {
  adapterShapes,
  checkAdapters,
  initialAdapters,
  sameAdapters,
  specOf,
  type LoraSetup,
  type LoraSpec,
} from '../../policy/adapters.ts';
import { parameterShapes, type ParameterShape, type PolicyConfig } from '../../policy/config.ts';
import type { PolicyTensors, Weights } from '../../policy/weights.ts';
import type { OptimSpec, PolicyState } from '../engine.ts';
import { part, type Work } from '../gpu/work.ts';
import { keepBlocks } from './kernels/lora.ts';
import { adamW, finishNorm, squaredSum, squaredSumParts } from './kernels/optimiser.ts';
import { adapterLayout, frozenLayout, policyLayout, type ArenaLayout } from './layout.ts';
import type { AdapterViews, Gradients, PolicyViews } from './linear.ts';
import { Arena, type Pool } from './memory.ts';
import type { Layouts } from './memory-plan.ts';
import { readNumbers, writeNumbers } from './transfer.ts';
import { updateBuffers } from './update.ts';
import { writeTensors } from './upload.ts';

/** All of what is trained, by its layout. */
interface Training {
  readonly gradients: Arena;
  readonly first: Arena;
  readonly second: Arena;
}

interface Lora {
  readonly spec: LoraSpec;
  readonly adapters: Arena;
}

const smallerPolicy = 'Choose a smaller policy, or another device.';

/** The policy an engine was made with, and where it lies. */
export interface Own {
  readonly config: PolicyConfig;
  readonly tensors: PolicyTensors;
  /** As it is trained, and as it lies where it is not. */
  readonly layouts: { readonly plain: ArenaLayout; readonly frozen: ArenaLayout };
  /** What is trained where a state says nothing; null: all parameters. */
  readonly lora: LoraSetup | null;
  readonly maxBytes: number;
}

/** @throws LabError `webgpu` where a single row of a matrix is larger than the GPU binds */
export function ownOf(config: PolicyConfig, tensors: PolicyTensors, lora: LoraSetup | null, maxBytes: number): Own {
  const plain = policyLayout(config, maxBytes);
  return { config, tensors, layouts: { plain, frozen: frozenLayout(config, tensors, plain, maxBytes) }, lora, maxBytes };
}

export class Learned {
  optimSteps = 0;
  skippedSteps = 0;
  private training: Training | null = null;
  /** All parameters, or the base of the adapters, as a state gave them; null: they are the policy's own. */
  private given: Weights | null = null;
  /** Whether all parameters are still what they were before any step. */
  private asGiven = true;

  private constructor(
    private readonly device: GPUDevice,
    private readonly own: Own,
    private readonly pool: Pool,
    /** An arena that plans may read is no more. */
    private readonly onGone: () => void,
    public parameters: Arena,
    private lora: Lora | null,
  ) {}

  static async create(device: GPUDevice, own: Own, pool: Pool, onGone: () => void): Promise<Learned> {
    const parameters = await Arena.create(device, own.layouts.frozen, 'parameters');
    await writeTensors(device, parameters, own.tensors);
    const learned = new Learned(device, own, pool, onGone, parameters, null);
    if (own.lora) await learned.adapt(own.lora, initialAdapters(own.config, own.lora));
    return learned;
  }

  /** What computes. */
  get policy(): PolicyViews {
    return { parameters: this.parameters, adapters: this.lora && this.adapterViews(this.lora.adapters) };
  }

  /** With other adapters of the same kind; null: without any, which is the base. */
  policyWith(adapters: Arena | null): PolicyViews {
    return { parameters: this.parameters, adapters: adapters && this.adapterViews(adapters) };
  }

  /** Null: all parameters are trained. */
  get adapters(): Arena | null {
    return this.lora?.adapters ?? null;
  }

  /** As they are while training. */
  get layouts(): Layouts {
    const { lora, parameters, own } = this;
    return lora ? { layout: parameters.layout, adapters: lora.adapters.layout } : { layout: own.layouts.plain, adapters: null };
  }

  /** Whether what computes is the policy that this was made with, but for adapters. */
  get isOwn(): boolean {
    return this.given === null && (this.lora !== null || this.asGiven);
  }

  /** Gradients and moments are made when they are first needed: who only generates does not pay for them. */
  async prepare(): Promise<{ readonly gradients: Gradients; clear(encoder: GPUCommandEncoder): void }> {
    const { device } = this;
    if (!this.lora) await this.lieIn(this.own.layouts.plain);
    const { lora } = this;
    const { layout } = this.subject;
    if (!this.training) {
      this.training = {
        gradients: await Arena.create(device, layout, 'gradients'),
        first: await Arena.create(device, layout, 'first moments'),
        second: await Arena.create(device, layout, 'second moments'),
      };
      await this.pool.reserve({ optimiser: 2 }, smallerPolicy);
      this.writeCounters();
    }
    const { gradients } = this.training;
    return { gradients: { of: lora ? 'adapters' : 'parameters', views: gradients }, clear: (encoder) => gradients.clear(encoder) };
  }

  /**
   * The end of an optimiser step: the global norm and the decision whether the step is taken, and AdamW. After `prepare`.
   * @param rows of the whole step, whose sums are in the buffer `step.rows` [R, K]
   */
  updateWorks(memory: Views, rows: number, optim: OptimSpec): Work[] {
    const { gradients, first, second } = this.training!;
    const { subject } = this;
    if (!this.lora) {
      this.asGiven = false;
      this.given = null;
    }
    const { parts } = subject.layout;
    const { state, result, squares, rowSums } = updateBuffers(memory, parts.length, rows);
    return [
      ...this.blockWorks(gradients),
      ...parts.map((_, i) => squaredSum({ g: gradients.part(i), partials: part(squares, i * squaredSumParts, squaredSumParts) })),
      finishNorm({
        partials: squares,
        count: parts.length * squaredSumParts,
        rows: rowSums,
        stepRows: rows,
        state,
        result,
        maxGradNorm: optim.maxGradNorm,
      }),
      ...parts.map(({ length, decayed }, i) =>
        adamW({ p: subject.part(i), g: gradients.part(i), m: first.part(i), v: second.part(i), state, result, length, decayed, optim }),
      ),
    ];
  }

  /** What is trained. */
  private get subject(): Arena {
    return this.lora?.adapters ?? this.parameters;
  }

  private adapterViews(views: Arena): AdapterViews {
    const { alpha, rank } = this.lora!.spec;
    return { views, scale: alpha / rank };
  }

  /** The gradients of block-diagonal matrices, without what is not of the blocks. */
  private blockWorks(gradients: Arena): Work[] {
    if (!this.lora) return [];
    const { rank } = this.lora.spec;
    return [...gradients.layout.slots.values()].flatMap(({ name, blocks }) =>
      blocks && blocks.length > 1 ? [keepBlocks({ gradient: gradients.view(name), rank, blocks })] : [],
    );
  }

  async exportState(): Promise<PolicyState> {
    const { parameters, training, lora, optimSteps, skippedSteps, given, asGiven } = this;
    const { config } = this.own;
    const shapes = parameterShapes(config);
    const trained = lora ? adapterShapes(config, lora.spec) : shapes;
    const host = (arena: Arena, of: readonly ParameterShape[]) => readNumbers(this.device, arena, of);
    return {
      weights: lora || asGiven ? given : await host(parameters, shapes),
      adapters: lora && { ...lora.spec, tensors: await host(lora.adapters, trained) },
      moments:
        training && optimSteps > 0 ? { first: await host(training.first, trained), second: await host(training.second, trained) } : null,
      optimSteps,
      skippedSteps,
    };
  }

  /** @throws LabError `usage` for adapters of other shapes; nothing has changed then */
  async importState({ weights, adapters, moments, optimSteps, skippedSteps }: PolicyState): Promise<void> {
    const { own } = this;
    if (adapters) checkAdapters(own.config, adapters, adapters.tensors);
    if (weights) {
      await this.lieIn(own.layouts.plain, false);
      await writeNumbers(this.device, this.parameters, weights);
    } else if (!this.isOwn) {
      await this.lieIn(own.layouts.frozen, false);
      await writeTensors(this.device, this.parameters, own.tensors);
    }
    this.given = weights;
    this.asGiven = true;
    if (adapters) await this.adapt(adapters, adapters.tensors);
    else if (own.lora) await this.adapt(own.lora, initialAdapters(own.config, own.lora));
    else if (this.lora) this.unadapt();
    // New adapters begin anew: moments of whole weights would be of other tensors.
    const anew = this.lora !== null && !adapters;
    const kept = anew ? null : moments;
    if (kept) {
      await this.prepare();
      const { first, second } = this.training!;
      await writeNumbers(this.device, first, kept.first);
      await writeNumbers(this.device, second, kept.second);
    } else if (this.training) {
      const encoder = this.device.createCommandEncoder();
      this.training.first.clear(encoder);
      this.training.second.clear(encoder);
      this.device.queue.submit([encoder.finish()]);
    }
    this.optimSteps = anew ? 0 : optimSteps;
    this.skippedSteps = skippedSteps;
    if (this.training) this.writeCounters();
  }

  /** Parameters in another format. @param same whether the numbers are to be the same there; only the policy's own can be moved */
  private async lieIn(layout: ArenaLayout, same = true): Promise<void> {
    const { device, parameters } = this;
    if (parameters.layout === layout) return;
    this.onGone();
    parameters.dispose();
    this.parameters = await Arena.create(device, layout, 'parameters');
    if (same) await writeTensors(device, this.parameters, this.own.tensors);
  }

  /** Adapters with these numbers; moments and gradients of others go. */
  private async adapt(given: LoraSpec, tensors: Weights): Promise<void> {
    const { device, own, lora } = this;
    const spec = specOf(given);
    if (lora && sameAdapters(lora.spec, spec)) {
      // What plans were made with.
      if (lora.spec.alpha !== spec.alpha) this.onGone();
      this.lora = { ...lora, spec };
    } else {
      this.unadapt();
      this.lora = { spec, adapters: await Arena.create(device, adapterLayout(own.config, spec, own.maxBytes), 'adapters') };
    }
    await writeNumbers(device, this.lora.adapters, tensors);
  }

  private unadapt(): void {
    this.onGone();
    this.lora?.adapters.dispose();
    this.lora = null;
    const { training } = this;
    this.training = null;
    for (const arena of [training?.gradients, training?.first, training?.second]) arena?.dispose();
  }

  /** Bytes. */
  get memory(): { readonly parameters: number; readonly training: number } {
    const { lora, training, parameters } = this;
    const sum = (some: readonly Arena[]) => some.reduce((total, { bytes }) => total + bytes, 0);
    return {
      parameters: sum(lora ? [parameters, lora.adapters] : [parameters]),
      training: sum(training ? [training.gradients, training.first, training.second] : []),
    };
  }

  dispose(): void {
    const { training, lora } = this;
    for (const arena of [this.parameters, lora?.adapters, training?.gradients, training?.first, training?.second]) arena?.dispose();
  }

  private writeCounters(): void {
    this.device.queue.writeBuffer(this.pool.view('optimiser', 2).buffer, 0, Int32Array.of(this.optimSteps, this.skippedSteps));
  }
}
