/**
 * What a run changes, on the GPU: the parameters, or, with LoRA, the adapters beside parameters that stay as they are; the
 * gradients and moments of what is trained, and the counters. It knows no batches and no losses; how adapters compute is `linear.ts`.
 */
import type { Views } from './machine.ts';
import { LabError } from '../../errors.ts';
import { adapterShapes, initialAdapters, mergedWeights, type LoraSetup } from '../../policy/adapters.ts';
import { parameterShapes, type PolicyConfig } from '../../policy/config.ts';
import type { Weights } from '../../policy/weights.ts';
import type { OptimSpec, PolicyState } from '../engine.ts';
import { part, type Work } from '../gpu/work.ts';
import { rowColumns } from '../step-metrics.ts';
import { keepBlocks } from './kernels/lora.ts';
import { adamW, finishNorm, squaredSum, squaredSumParts } from './kernels/optimiser.ts';
import { adapterLayout, packArena, policyLayout, unpackArena, type Slot } from './layout.ts';
import type { AdapterViews, Gradients, PolicyViews } from './linear.ts';
import { Arena, type Pool } from './memory.ts';
import type { Layouts } from './memory-plan.ts';

/** All of what is trained, by its layout. */
interface Training {
  readonly gradients: Arena;
  readonly first: Arena;
  readonly second: Arena;
}

interface Lora {
  readonly setup: LoraSetup;
  readonly adapters: Arena;
  /** What the adapters are added to, on the host; states with adapters are relative to it. */
  base: Weights;
}

const smallerPolicy = 'Choose a smaller policy, or another device.';

export class Learned {
  readonly parameters: Arena;
  optimSteps = 0;
  skippedSteps = 0;
  private readonly lora: Lora | null;
  private training: Training | null = null;

  private constructor(
    private readonly device: GPUDevice,
    private readonly config: PolicyConfig,
    private readonly pool: Pool,
    parameters: Arena,
    lora: Lora | null,
  ) {
    this.parameters = parameters;
    this.lora = lora;
  }

  static async create(
    device: GPUDevice,
    config: PolicyConfig,
    weights: Weights,
    setup: LoraSetup | null,
    pool: Pool,
    maxBytes: number,
  ): Promise<Learned> {
    const parameters = await Arena.create(device, policyLayout(config, maxBytes), 'parameters');
    parameters.write(packArena(parameters.layout, weights));
    if (!setup) return new Learned(device, config, pool, parameters, null);
    const adapters = await Arena.create(device, adapterLayout(config, setup.rank, maxBytes), 'adapters');
    adapters.write(packArena(adapters.layout, initialAdapters(config, setup)));
    return new Learned(device, config, pool, parameters, { setup, adapters, base: weights });
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

  get layouts(): Layouts {
    return { layout: this.parameters.layout, adapters: this.lora?.adapters.layout ?? null };
  }

  /** Whether these are the weights that adapters are added to. */
  isBase(weights: Weights): boolean {
    if (!this.lora) return false;
    const { base } = this.lora;
    if (weights === base) return true;
    return Object.entries(base).every(([name, values]) => {
      const other = weights[name];
      return other === values || (other?.length === values.length && values.every((value, i) => value === other[i]));
    });
  }

  /** Gradients and moments are made when they are first needed: who only generates does not pay for them. */
  async prepare(): Promise<{ readonly gradients: Gradients; clear(encoder: GPUCommandEncoder): void }> {
    const { device, lora } = this;
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
    const { parts } = subject.layout;
    const state = memory.view('optimiser', 2);
    const result = memory.view('result', 4);
    const squares = memory.view('squares', parts.length * squaredSumParts);
    return [
      ...this.blockWorks(gradients),
      ...parts.map((_, i) => squaredSum({ g: gradients.part(i), partials: part(squares, i * squaredSumParts, squaredSumParts) })),
      finishNorm({
        partials: squares,
        count: parts.length * squaredSumParts,
        rows: memory.view('step.rows', rows * rowColumns.length),
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
    const { alpha, rank } = this.lora!.setup;
    return { views, scale: alpha / rank };
  }

  /** The gradients of block-diagonal matrices, without what is not of the blocks. */
  private blockWorks(gradients: Arena): Work[] {
    if (!this.lora) return [];
    const { rank } = this.lora.setup;
    const diagonal = ({ sources }: Slot) => sources.length > 1 && sources.every(({ rows }) => rows !== undefined);
    return [...gradients.layout.slots.values()].filter(diagonal).map(({ name, sources }) => {
      const blocks = sources.map(({ length }) => length / rank);
      return keepBlocks({ gradient: gradients.view(name), rank, blocks });
    });
  }

  async exportState(): Promise<PolicyState> {
    const { parameters, training, lora, optimSteps, skippedSteps, config } = this;
    const policyNames = parameterShapes(config).map(({ name }) => name);
    const trainedNames = lora ? adapterShapes(config, lora.setup.rank).map(({ name }) => name) : policyNames;
    const host = async (arena: Arena, names: readonly string[]) => unpackArena(arena.layout, await arena.read(), names);
    const adapters = lora && (await host(lora.adapters, trainedNames));
    return {
      weights: lora ? mergedWeights(config, lora.base, adapters!, lora.setup) : await host(parameters, policyNames),
      adapters,
      moments:
        training && optimSteps > 0
          ? { first: await host(training.first, trainedNames), second: await host(training.second, trainedNames) }
          : null,
      optimSteps,
      skippedSteps,
    };
  }

  /**
   * With adapters: exactly that state, on the base this was made with. Without: the weights as they are, and where this trains
   * adapters, new ones on these weights.
   * @param own what this was made with
   * @throws LabError `usage` for adapters of another kind or base; nothing has changed then
   */
  async importState({ weights, adapters, moments, optimSteps, skippedSteps }: PolicyState, own: Weights): Promise<void> {
    const { lora, parameters } = this;
    if (adapters) this.checkAdapters(weights, adapters, own);
    const whole = lora !== null && !adapters;
    const base = lora && !whole ? own : weights;
    if (!lora || lora.base !== base) parameters.write(packArena(parameters.layout, base));
    if (lora) {
      lora.base = base;
      lora.adapters.write(packArena(lora.adapters.layout, adapters ?? initialAdapters(this.config, lora.setup)));
    }
    // Whole weights begin anew: moments of theirs would be of other tensors.
    const kept = whole ? null : moments;
    if (kept) {
      await this.prepare();
      const { first, second } = this.training!;
      first.write(packArena(first.layout, kept.first));
      second.write(packArena(second.layout, kept.second));
    } else if (this.training) {
      const encoder = this.device.createCommandEncoder();
      this.training.first.clear(encoder);
      this.training.second.clear(encoder);
      this.device.queue.submit([encoder.finish()]);
    }
    this.optimSteps = whole ? 0 : optimSteps;
    this.skippedSteps = skippedSteps;
    if (this.training) this.writeCounters();
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

  private checkAdapters(weights: Weights, adapters: Weights, own: Weights): void {
    const { lora } = this;
    const next = 'Give the engine the LoRA rank of the run.';
    if (!lora) throw new LabError('usage', 'The state holds LoRA adapters, and this engine trains all parameters.', next);
    for (const { name, shape } of adapterShapes(this.config, lora.setup.rank)) {
      if (adapters[name]?.length !== shape[0]! * shape[1]!)
        throw new LabError('usage', `The state's LoRA adapters are not of rank ${lora.setup.rank}.`, next);
    }
    // LoRA leaves the embedding alone, so it tells one base from another.
    const [embedding, expected] = [weights['model.embed_tokens.weight']!, own['model.embed_tokens.weight']!];
    if (embedding.length !== expected.length || embedding.some((value, i) => value !== expected[i])) {
      throw new LabError('usage', 'The state’s LoRA adapters belong to another base policy.', 'Load the policy that the run began with.');
    }
  }
}
