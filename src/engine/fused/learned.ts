/**
 * What a run changes, on the GPU: the parameters that compute, the gradients and moments of what is trained, and the
 * counters. Trained are all parameters; or, with LoRA, adapters whose product is merged into a copy of a frozen base
 * after every step, so that passes and rollouts know nothing of them. Gradients are dense in both cases; the adapters'
 * are made from them. It knows no batches and no losses.
 */
import type { Views } from './machine.ts';
import { LabError } from '../../errors.ts';
import { adaptedMatrices, adapterShapes, initialAdapters, type AdaptedMatrix, type LoraSetup } from '../../policy/adapters.ts';
import { parameterShapes, type PolicyConfig } from '../../policy/config.ts';
import type { Weights } from '../../policy/weights.ts';
import type { OptimSpec, PolicyState } from '../engine.ts';
import { part, type Work } from '../gpu/work.ts';
import { rowColumns } from '../step-metrics.ts';
import { loraGradients, loraMerge, loraTable, type LoraMatrix } from './kernels/lora.ts';
import { adamW, finishNorm, squaredSum, squaredSumParts } from './kernels/optimiser.ts';
import { layOut, packArena, policyLayout, unpackArena, type ArenaLayout } from './layout.ts';
import { Arena, type Pool } from './memory.ts';

interface Training {
  /** Of all parameters, by the policy's layout. */
  readonly gradients: Arena;
  /** Of what is trained; without LoRA the same. */
  readonly trained: Arena;
  readonly first: Arena;
  readonly second: Arena;
}

interface Lora {
  readonly setup: LoraSetup;
  readonly adapters: Arena;
  /** What the adapters are added to. */
  readonly base: Arena;
  /** The weights this was made with; states with adapters are relative to them. */
  readonly own: Weights;
}

const smallerPolicy = 'Choose a smaller policy, or another device.';

export class Learned {
  /** What computes. */
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
    const layout = policyLayout(config, maxBytes);
    const parameters = await Arena.create(device, layout, 'parameters');
    const packed = packArena(layout, weights);
    parameters.write(packed);
    if (!setup) return new Learned(device, config, pool, parameters, null);
    const adapters = await Arena.create(device, adapterLayout(config, setup.rank, maxBytes), 'adapters');
    adapters.write(packArena(adapters.layout, initialAdapters(config, setup))); // B is zero: nothing to merge yet
    const base = await Arena.create(device, layout, 'base');
    base.write(packed);
    return new Learned(device, config, pool, parameters, { setup, adapters, base, own: weights });
  }

  /** Gradients and moments are made when they are first needed: who only generates does not pay for them. */
  async prepare(): Promise<{ readonly gradients: Arena }> {
    if (this.training) return this.training;
    const { device, parameters, lora } = this;
    const gradients = await Arena.create(device, parameters.layout, 'gradients');
    const layout = lora ? lora.adapters.layout : parameters.layout;
    this.training = {
      gradients,
      trained: lora ? await Arena.create(device, layout, 'gradients of the adapters') : gradients,
      first: await Arena.create(device, layout, 'first moments'),
      second: await Arena.create(device, layout, 'second moments'),
    };
    await this.pool.reserve({ optimiser: 2 }, smallerPolicy);
    this.writeCounters();
    return this.training;
  }

  /**
   * The end of an optimiser step: the adapters' gradients, the global norm and the decision whether the step is taken, AdamW,
   * and the merge. After `prepare`.
   * @param rows of the whole step, whose sums are in the buffer `step.rows` [R, K]
   */
  updateWorks(memory: Views, rows: number, optim: OptimSpec): Work[] {
    const { gradients, trained, first, second } = this.training!;
    const { lora, parameters } = this;
    const subject = lora ? lora.adapters : parameters;
    const { parts } = subject.layout;
    const state = memory.view('optimiser', 2);
    const result = memory.view('result', 4);
    const squares = memory.view('squares', parts.length * squaredSumParts);
    const adapted = lora ? this.adaptedParts(memory, lora) : [];
    return [
      ...adapted.flatMap(({ index, of }) =>
        loraGradients({ ...of, gradients: gradients.part(index), adapters: lora!.adapters.part(0), dAdapters: trained.part(0) }),
      ),
      ...parts.map((_, i) => squaredSum({ g: trained.part(i), partials: part(squares, i * squaredSumParts, squaredSumParts) })),
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
        adamW({ p: subject.part(i), g: trained.part(i), m: first.part(i), v: second.part(i), state, result, length, decayed, optim }),
      ),
      ...(lora ? this.mergeWorks(memory, lora) : []),
    ];
  }

  /** Base and adapters -> the parameters that compute. */
  private mergeWorks(memory: Views, lora: Lora): Work[] {
    return this.adaptedParts(memory, lora).map(({ index, of }) =>
      loraMerge({ ...of, base: lora.base.part(index), merged: this.parameters.part(index), adapters: lora.adapters.part(0) }),
    );
  }

  /** The adapted matrices of every part of the arena, with the buffer their table goes to. */
  private adaptedParts(memory: Views, { setup, adapters }: Lora) {
    const { layout } = this.parameters;
    return layout.parts.flatMap((_, index) => {
      const matrices = matricesIn(layout, adapters.layout, this.config, index);
      if (matrices.length === 0) return [];
      const table = memory.view(`lora.table.${index}`, loraTable(matrices, setup.rank).length);
      return [{ index, matrices, of: { matrices, table, rank: setup.rank, scale: setup.alpha / setup.rank } }];
    });
  }

  /** What the dispatches of `updateWorks` read beside arenas; once their buffers are there. */
  writeTables(): void {
    if (!this.lora) return;
    const { setup } = this.lora;
    for (const { of, matrices } of this.adaptedParts(this.pool, this.lora))
      this.device.queue.writeBuffer(of.table.buffer, 0, loraTable(matrices, setup.rank));
  }

  async exportState(): Promise<PolicyState> {
    const { parameters, training, lora, optimSteps, skippedSteps, config } = this;
    const policyNames = parameterShapes(config).map(({ name }) => name);
    const trainedNames = lora ? adapterShapes(config, lora.setup.rank).map(({ name }) => name) : policyNames;
    const host = async (arena: Arena, names: readonly string[]) => unpackArena(arena.layout, await arena.read(), names);
    return {
      weights: await host(parameters, policyNames),
      adapters: lora && (await host(lora.adapters, trainedNames)),
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
   * adapters, new ones on these weights. Returns whether the parameters are still to be merged (`mergeWorks`).
   * @throws LabError `usage` for adapters of another kind or base; nothing has changed then
   */
  async importState({ weights, adapters, moments, optimSteps, skippedSteps }: PolicyState): Promise<void> {
    const { lora, parameters } = this;
    if (adapters) this.checkAdapters(weights, adapters);
    const whole = lora !== null && !adapters;
    // What was merged when it was exported is the same sum of the same numbers, so it need not be merged again.
    parameters.write(packArena(parameters.layout, weights));
    if (lora) {
      lora.base.write(packArena(parameters.layout, whole ? weights : lora.own));
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
    const arenas = training ? new Set([training.gradients, training.trained, training.first, training.second]) : [];
    const sum = (some: Iterable<Arena>) => [...some].reduce((total, { bytes }) => total + bytes, 0);
    return { parameters: sum(lora ? [parameters, lora.base, lora.adapters] : [parameters]), training: sum(arenas) };
  }

  dispose(): void {
    const { training, lora } = this;
    for (const arena of new Set([
      this.parameters,
      lora?.base,
      lora?.adapters,
      training?.gradients,
      training?.trained,
      training?.first,
      training?.second,
    ]))
      arena?.dispose();
  }

  private writeCounters(): void {
    this.device.queue.writeBuffer(this.pool.view('optimiser', 2).buffer, 0, Int32Array.of(this.optimSteps, this.skippedSteps));
  }

  private checkAdapters(weights: Weights, adapters: Weights): void {
    const { lora } = this;
    const next = 'Give the engine the LoRA rank of the run.';
    if (!lora) throw new LabError('usage', 'The state holds LoRA adapters, and this engine trains all parameters.', next);
    for (const { name, shape } of adapterShapes(this.config, lora.setup.rank)) {
      if (adapters[name]?.length !== shape[0]! * shape[1]!)
        throw new LabError('usage', `The state's LoRA adapters are not of rank ${lora.setup.rank}.`, next);
    }
    // LoRA leaves the embedding alone, so it tells one base from another.
    const [embedding, own] = [weights['model.embed_tokens.weight']!, lora.own['model.embed_tokens.weight']!];
    if (embedding.length !== own.length || embedding.some((value, i) => value !== own[i])) {
      throw new LabError('usage', 'The state’s LoRA adapters belong to another base policy.', 'Load the policy that the run began with.');
    }
  }
}

function adapterLayout(config: PolicyConfig, rank: number, maxBytes: number): ArenaLayout {
  const shapes = adapterShapes(config, rank);
  const lengths = new Map(shapes.map(({ name, shape }) => [name, shape[0]! * shape[1]!]));
  const layout = layOut(
    shapes.map(({ name, shape }) => ({ name, shape, sources: [name] })),
    lengths,
    maxBytes,
  );
  if (layout.parts.length > 1) {
    throw new LabError('webgpu', `LoRA adapters of rank ${rank} do not fit into one buffer of this GPU.`, 'Choose a smaller rank.');
  }
  return layout;
}

/** Where the adapted matrices of one part of the policy's arena lie, and their adapters in theirs, in floats. */
function matricesIn(layout: ArenaLayout, adapters: ArenaLayout, config: PolicyConfig, index: number): LoraMatrix[] {
  const adapted = new Map<string, AdaptedMatrix>(adaptedMatrices(config).map((matrix) => [matrix.name, matrix]));
  const found: LoraMatrix[] = [];
  for (const { part: at, offset, sources } of layout.slots.values()) {
    if (at !== index) continue;
    for (const source of sources) {
      const matrix = adapted.get(source.name);
      if (!matrix) continue;
      found.push({
        offset: offset + source.offset,
        out: matrix.out,
        in: matrix.in,
        a: adapters.slots.get(matrix.a)!.offset,
        b: adapters.slots.get(matrix.b)!.offset,
      });
    }
  }
  return found;
}
