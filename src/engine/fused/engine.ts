/**
 * The fused engine: the contract of `engine.ts` as static plans of this project's own shaders, without tfjs operations.
 * Here is what happens in which order and what crosses between host and GPU; which dispatches a pass consists of is in
 * `passes.ts`, `rollouts.ts` and `update.ts`.
 */
import { ropeName, type CellShape, type Machine } from './machine.ts';
import { LabError } from '../../errors.ts';
import type { LoraSetup } from '../../policy/adapters.ts';
import type { PolicyConfig } from '../../policy/config.ts';
import type { PolicyTensors } from '../../policy/weights.ts';
import { Calls } from '../calls.ts';
import { checkBatch, checkPrompts, checkRollouts } from '../check.ts';
import type {
  AdvantageKind,
  EngineInfo,
  GenerateProgress,
  GenerateRequest,
  MemoryPlan,
  ObjectiveSpec,
  OptimSpec,
  PolicyEngine,
  PolicyState,
  Rollouts,
  Scores,
  StepMetrics,
  TokenBatch,
  TrainBatch,
  TrainingShape,
} from '../engine.ts';
import type { GpuContext } from '../gpu/device.ts';
import { Pace } from '../gpu/pace.ts';
import { submitPaced, type Commands, type Plan } from '../gpu/plan.ts';
import type { BufferView } from '../gpu/work.ts';
import { ropeOf } from '../../policy/layers.ts';
import { ropeTable } from '../rope-table.ts';
import { rowColumns, stepMetricsFromRows } from '../step-metrics.ts';
import { batchTokens, passEnd } from '../segments.ts';
import { bucket, countedTokens, passOf, regrid, tablesOfRows, writeTables, type Pass } from './batch.ts';
import { Fits } from './fits.ts';
import { lossBuffers, lossWorks, type LossInputs } from './head.ts';
import { embeddingLists } from './kernels/embedding.ts';
import { groupAdvantage } from './kernels/head.ts';
import { tuningFor } from './kernels/tuning.ts';
import { Learned, ownOf, type Own } from './learned.ts';
import { Pool, readBuffers, type Arena } from './memory.ts';
import { defaultBudget, type BatchShape } from './memory-plan.ts';
import type { PartialSums } from './partials.ts';
import { embeddingWorks, logitsPass, scorePass, trainPass } from './passes.ts';
import { Plans } from './plans.ts';
import { Reference } from './reference.ts';
import { emptyRollouts, generateGroups, joinRollouts, type RolloutShape } from './rollouts.ts';

const shorterRows = 'Use fewer rows per micro-batch (microBatchRows), or shorter completions.';

/** What `Rollouts.device` is: the rows are those that the last generation left in the buffers. */
class OnDevice {
  constructor(readonly shape: RolloutShape) {}
}

export class FusedEngine implements PolicyEngine {
  private readonly calls: Calls;
  private readonly reference: Reference;
  private rollouts: OnDevice | null = null;
  /** The rotary tables that are written. */
  private readonly ropeBuffers = new Map<string, GPUBuffer>();
  private disposed = false;
  /** Resolves when the host's counters have followed all steps that were enqueued. */
  private stepsCounted: Promise<void> = Promise.resolve();
  private readonly fits: Fits;
  /** How long submits are. For the benchmark, too. */
  readonly pace: Pace;
  /** Of the newest step: places that it computed, filling too; dispatches, and milliseconds of host time to encode them. For the benchmark. */
  lastStep = { places: 0, dispatches: 0, encodeMs: 0 };
  /** Where set, steps and scores run dispatch by dispatch and add up here what each kernel takes. For the benchmark. */
  timings: Map<string, { readonly dispatches: number; readonly milliseconds: number }> | null = null;

  private constructor(
    readonly config: PolicyConfig,
    readonly info: EngineInfo,
    private readonly gpu: GpuContext,
    private readonly machine: Machine,
    private readonly pool: Pool,
    private readonly plans: Plans,
    private readonly learned: Learned,
    private readonly own: Own,
    budget: number,
  ) {
    this.pace = new Pace(gpu.device.queue);
    this.fits = new Fits(machine, () => learned.layouts, { bindable: bindableBytes(gpu.device), budget });
    this.calls = new Calls(gpu.check, gpu.unlessLost);
    this.reference = new Reference(gpu.device, own, learned);
  }

  /** @param lora train low-rank adapters instead of all parameters  @param gpu released with the engine */
  static async create(
    config: PolicyConfig,
    tensors: PolicyTensors,
    lora: LoraSetup | null,
    gpu: GpuContext,
    budget = defaultBudget,
  ): Promise<FusedEngine> {
    const { adapter, software, features, limits, device } = gpu;
    const info: EngineInfo = { engine: 'fused', backend: 'webgpu', adapter, software, features, limits, precision: 'f32' };
    const pool = new Pool(device);
    const plans = new Plans(device, pool);
    const own = ownOf(config, tensors, lora, bindableBytes(device));
    const learned = await gpu.unlessLost(Learned.create(device, own, pool, () => plans.clear()));
    return new FusedEngine(config, info, gpu, { config, software, tuning: tuningFor(gpu) }, pool, plans, learned, own, budget);
  }

  private get parameters(): Arena {
    return this.learned.parameters;
  }

  async generate(request: GenerateRequest, onProgress?: (progress: GenerateProgress) => void): Promise<Rollouts> {
    checkPrompts(request.prompts, this.config);
    return this.calls.inTurn(async () => {
      const { prompts, repeats, sampling } = request;
      if (prompts.length * repeats === 0 || sampling.maxNewTokens <= 0) return emptyRollouts(request, this.config);
      const parts: { rollouts: Rollouts; shape: RolloutShape }[] = [];
      this.rollouts = null;
      for (let first = 0; first < prompts.length;) {
        const { groups, cache } = this.fits.generation(request);
        const some = {
          ...request,
          prompts: prompts.slice(first, first + groups),
          sampling: { ...sampling, firstRow: sampling.firstRow + first * repeats },
        };
        const part = await this.fits.orLess(groups > 1, () =>
          generateGroups(this.context(), some, cache, first * repeats, prompts.length * repeats, onProgress),
        );
        if (!part) continue;
        parts.push(part);
        first += some.prompts.length;
      }
      if (parts.length > 1)
        return checkRollouts(
          joinRollouts(
            parts.map(({ rollouts }) => rollouts),
            this.config,
          ),
        );
      this.rollouts = new OnDevice(parts[0]!.shape);
      return { ...checkRollouts(parts[0]!.rollouts), device: this.rollouts };
    });
  }

  async score(batch: TokenBatch, options: { readonly temperature: number; readonly policy: 'current' | 'reference' }): Promise<Scores> {
    checkBatch(batch, this.config);
    const temperature = options.temperature > 0 ? options.temperature : 1;
    return this.calls.inTurn(async () => {
      const { policy, name } =
        options.policy === 'current' ? { policy: this.learned.policy, name: 'current' } : await this.reference.views();
      const { rows, completionWidth } = batch;
      const scores = { logprobs: new Float32Array(rows * completionWidth), entropies: new Float32Array(rows * completionWidth) };
      const { width, gridWidth, asked } = this.shapeOf(batch);
      for (let first = 0; first < rows;) {
        const { tokens } = this.fits.pass(asked, 'score');
        const last = passEnd(batch, first, 0, tokens);
        const pass = passOf(batch, first, last, width, gridWidth);
        if (pass.counted === 0) {
          first = last;
          continue;
        }
        const key = `score ${name} ${shapeKey(pass.shape)} ${temperature}`;
        const ready = await this.fits.orLess(last - first > 1 && tokens > width, () =>
          this.plans.get(key, shorterRows, scorePass(this.machine, policy, pass.shape, temperature)),
        );
        if (!ready) continue;
        const { plan } = ready;
        this.upload(pass);
        await this.run(plan);
        const grid = pass.shape.rows * gridWidth;
        const bytes = await readBuffers(this.gpu.device, [this.pool.view('grid.logprob', grid), this.pool.view('grid.entropy', grid)]);
        const values = new Float32Array(bytes);
        for (let m = 0; m < pass.counted; m++) {
          const cell = pass.cells[m]!;
          const at = pass.grid[m]!;
          scores.logprobs[at] = values[cell]!;
          scores.entropies[at] = values[grid + cell]!;
        }
        first = last;
      }
      return scores;
    });
  }

  async advantages(rewards: Float32Array, groupSize: number, kind: AdvantageKind): Promise<Float32Array> {
    if (groupSize < 2) {
      throw new LabError('config', `A group of ${groupSize} rollout has nothing to be compared with.`, 'Set the group size to 2 or more.');
    }
    return this.calls.inTurn(async () => {
      const { length } = rewards;
      const { plan } = await this.plans.get(`advantages ${length} ${groupSize} ${kind}`, shorterRows, (memory, works) => {
        const of = { rewards: memory.view('rewards', length), advantage: memory.view('advantages', length) };
        works.push(groupAdvantage({ ...of, groups: length / groupSize, groupSize, kind }));
      });
      this.write('rewards', Float32Array.from(rewards));
      await this.run(plan);
      return new Float32Array(await readBuffers(this.gpu.device, [this.pool.view('advantages', length)]));
    });
  }

  async step(batch: TrainBatch, objective: ObjectiveSpec, optim: OptimSpec, onProgress?: (fraction: number) => void): Promise<StepMetrics> {
    checkBatch(batch, this.config);
    if (objective.kl !== 'none' && objective.beta !== 0 && !batch.refLogprobs) {
      throw new LabError('usage', `The KL term ${objective.kl} needs reference log-probs.`, 'Score the batch under the reference first.');
    }
    const enqueued = await this.calls.inTurn(async () => {
      const { from, width, gridWidth, asked } = this.shapeOf(batch);
      const { gradients, clear } = await this.learned.prepare();
      const { policy } = this.learned;
      const settings: LossInputs = {
        objective,
        old: batch.oldLogprobs ? 'ratio' : from ? 'measure' : 'none',
        ref: batch.refLogprobs !== null,
        stepTokens: countedTokens(batch),
      };
      const sumsBytes = rowColumns.length * 4;
      await this.pool.reserve({ 'step.rows': batch.rows * rowColumns.length }, shorterRows);
      this.lastStep = { places: 0, dispatches: 0, encodeMs: 0 };
      let passes = 0;
      for (let first = 0; first < batch.rows;) {
        const { tokens, keep } = this.fits.pass(asked, 'train');
        const last = passEnd(batch, first, optim.microBatchRows, tokens);
        const pass = passOf(batch, first, last, width, gridWidth, batch.mask);
        if (pass.counted === 0) {
          first = last;
          continue;
        }
        const key = `train ${keep} ${shapeKey(pass.shape)} ${objective.temperature}`;
        const ready = await this.fits.orLess(last - first > 1 && tokens > width, () =>
          this.plans.get(key, shorterRows, trainPass(this.machine, policy, gradients, pass.shape, { ...settings, keep })),
        );
        if (!ready) continue;
        const { plan, extra } = ready;
        this.upload(pass);
        const distinct = this.uploadTraining(batch, first, last, pass, extra.partials);
        const started = performance.now();
        lossWorks(this.pool, pass.shape, settings).forEach((work, i) => plan.setParams(extra.lossAt + i, work.params));
        if (extra.embeddingAt !== null) {
          const { embeddingAt } = extra;
          const works = embeddingWorks(this.pool, this.machine, gradients, pass.shape.places, distinct);
          works.forEach((work, i) => plan.setParams(embeddingAt + i, work.params));
        }
        const sums = this.pool.view('step.rows', batch.rows * rowColumns.length).buffer;
        const loss = lossBuffers(this.pool, pass.shape);
        const isFirst = passes === 0;
        const done = first;
        const before = (encoder: GPUCommandEncoder) => {
          if (isFirst) {
            clear(encoder);
            encoder.clearBuffer(sums);
          }
          // What the cells that do not count read.
          for (const { buffer } of [loss.dlogprob, loss.dentropy]) encoder.clearBuffer(buffer);
          if (from) copyRows(encoder, this.pool.view('rollout.logprobs', from.shape.rows * gridWidth), done * gridWidth, loss.oldLogprob);
        };
        const after = (encoder: GPUCommandEncoder) =>
          encoder.copyBufferToBuffer(loss.rowSums.buffer, 0, sums, done * sumsBytes, (last - done) * sumsBytes);
        await this.run(plan, before, after);
        this.lastStep.encodeMs += performance.now() - started;
        this.lastStep.dispatches += plan.size;
        this.lastStep.places += pass.shape.places;
        // Told when the GPU is there; the next pass is encoded meanwhile. That it never gets there is for the step itself to say.
        if (onProgress)
          void this.gpu.device.queue.onSubmittedWorkDone().then(
            () => onProgress(last / batch.rows),
            () => {},
          );
        passes++;
        first = last;
      }
      const has = { old: settings.old !== 'none', ref: settings.ref };
      if (passes === 0) return { numbers: null, has };
      // Asked for last: a pass that needs larger buffers drops all plans that are there.
      const update = await this.plans.get(`update ${batch.rows}`, shorterRows, (memory, works) => {
        works.push(...this.learned.updateWorks(memory, batch.rows, optim));
      });
      const started = performance.now();
      this.learned.updateWorks(this.pool, batch.rows, optim).forEach((work, i) => {
        if (Object.keys(work.params).length > 0) update.plan.setParams(i, work.params);
      });
      await this.run(update.plan);
      this.lastStep.encodeMs += performance.now() - started;
      this.lastStep.dispatches += update.plan.size;
      const views = [this.pool.view('result', 4), this.pool.view('step.rows', batch.rows * rowColumns.length)];
      // In an object, because a promise would be awaited here.
      return { numbers: { read: this.counted(readBuffers(this.gpu.device, views)) }, has };
    });
    const { numbers, has } = enqueued;
    if (!numbers) {
      return { ...stepMetricsFromRows(new Float32Array(batch.rows * rowColumns.length), objective, has), gradNorm: 0, skipped: false };
    }
    // The next call may be encoded while this step runs.
    return this.calls.watched(async () => {
      const read = await numbers.read;
      return { ...stepMetricsFromRows(read.slice(4), objective, has), gradNorm: read[0]!, skipped: read[1]! !== 0 };
    });
  }

  /** Follows the GPU's counters once a step's numbers are here, in the order of the steps. */
  private counted(bytes: Promise<ArrayBuffer>): Promise<Float32Array> {
    const numbers = bytes.then((read) => new Float32Array(read));
    const { learned } = this;
    const before = this.stepsCounted;
    this.stepsCounted = numbers.then(
      async (read) => {
        await before;
        if (read[1]! !== 0) learned.skippedSteps++;
        else learned.optimSteps++;
      },
      () => {}, // whoever asked for the step hears of it
    );
    return numbers;
  }

  async logits(tokens: Int32Array): Promise<Float32Array> {
    const lengths = Int32Array.of(tokens.length);
    checkBatch({ rows: 1, width: tokens.length, completionWidth: 0, tokens, promptLengths: lengths, lengths }, this.config);
    return this.calls.inTurn(async () => {
      const width = bucket(tokens.length);
      const { plan } = await this.plans.get(`logits ${width}`, shorterRows, logitsPass(this.machine, this.learned.policy, width));
      const padded = new Int32Array(width);
      padded.set(tokens);
      this.write('tokens', padded);
      writeTables(this.gpu.device, this.pool, tablesOfRows(lengths, width));
      this.write('places', Int32Array.of(tokens.length - 1));
      this.writeRope();
      await this.run(plan);
      return new Float32Array(await readBuffers(this.gpu.device, [this.pool.view('logits', this.config.vocabSize)]));
    });
  }

  async setReference(): Promise<void> {
    return this.calls.inTurn(() => this.reference.set());
  }

  async exportState(): Promise<PolicyState> {
    return this.calls.inTurn(async () => {
      await this.stepsCounted;
      return this.learned.exportState();
    });
  }

  async importState(state: PolicyState): Promise<void> {
    return this.calls.inTurn(async () => {
      await this.stepsCounted;
      await this.learned.importState(state);
      this.fits.forget();
    });
  }

  dispose(): void {
    if (this.disposed) return;
    this.disposed = true;
    this.plans.clear();
    this.pool.dispose();
    this.learned.dispose();
    this.reference.dispose();
    this.gpu.release();
  }

  planMemory(shape: TrainingShape): MemoryPlan {
    const reference = this.own.layouts.frozen.parts.reduce((sum, { length }) => sum + 4 * length, 0);
    return this.fits.plan(shape, reference);
  }

  /** Bytes of GPU memory held now: what computes, what training adds, the reference, and the buffers of the passes. */
  get memory(): { readonly parameters: number; readonly training: number; readonly reference: number; readonly passes: number } {
    return { ...this.learned.memory, reference: this.reference.bytes, passes: this.pool.bytes };
  }

  /** Copies and clears, the plan, copies; in submits that are not too long. Waits for nothing, unless every dispatch is timed. */
  private async run(plan: Plan, before?: Commands, after?: Commands): Promise<void> {
    const { device } = this.gpu;
    if (!this.timings) return submitPaced(device, this.pace, [plan], before, after);
    const submit = (commands: Commands) => {
      const encoder = device.createCommandEncoder();
      commands(encoder);
      device.queue.submit([encoder.finish()]);
    };
    if (before) submit(before);
    for (const { label, milliseconds } of await plan.runTimed()) {
      const known = this.timings.get(label) ?? { dispatches: 0, milliseconds: 0 };
      this.timings.set(label, { dispatches: known.dispatches + 1, milliseconds: known.milliseconds + milliseconds });
    }
    if (after) submit(after);
  }

  private context() {
    const { gpu, machine, learned, pool, plans, pace } = this;
    return { device: gpu.device, machine, policy: learned.policy, pool, plans, pace, writeRope: () => this.writeRope() };
  }

  /** What a batch asks of passes, and its rollouts if what they left behind is still on the GPU. */
  private shapeOf(batch: TokenBatch): { width: number; gridWidth: number; asked: BatchShape; from: OnDevice | null } {
    const from = this.isHere(batch) ? this.rollouts : null;
    const width = bucket(batch.width);
    const gridWidth = from ? from.shape.completionWidth : bucket(batch.completionWidth);
    return { width, gridWidth, asked: { rows: batch.rows, tokens: batchTokens(batch), width, completionWidth: gridWidth }, from };
  }

  private isHere(batch: TokenBatch): boolean {
    return this.rollouts !== null && batch.device === this.rollouts && batch.rows === this.rollouts.shape.rows;
  }

  private upload(pass: Pass): void {
    this.write('tokens', pass.tokens);
    writeTables(this.gpu.device, this.pool, pass);
    this.write('places', pass.places);
    this.write('cells', pass.cells);
    this.write('targets', pass.targets);
    this.writeRope();
  }

  private uploadTraining(batch: TrainBatch, first: number, last: number, pass: Pass, partials: PartialSums | null): number {
    const grid = (values: ArrayLike<number>) => regrid(values, first, last, batch.completionWidth, pass.shape.completionWidth);
    this.write('cellStarts', pass.cellStarts);
    this.write('grid.mask', grid(batch.mask));
    this.write('row.advantage', batch.advantages.slice(first, last));
    this.write('row.weight', batch.rowWeights.slice(first, last));
    if (batch.oldLogprobs && !this.isHere(batch)) this.write('grid.old', grid(batch.oldLogprobs));
    if (batch.refLogprobs) this.write('grid.ref', grid(batch.refLogprobs));
    if (!partials) return 0; // Embedding, norms and biases are frozen.
    const lists = embeddingLists(pass.tokens, pass.real);
    this.write('embedding.order', lists.order);
    this.write('embedding.starts', lists.starts);
    this.write('embedding.ids', lists.ids);
    for (let index = 0; index < this.parameters.layout.parts.length; index++) {
      const table = partials.tableOf(index);
      if (table.length > 0) this.write(`partials.table.${index}`, table);
    }
    return lists.ids.length;
  }

  /** The rotary tables, when their buffers are new. */
  private writeRope(): void {
    const { layers, headDim } = this.config;
    for (let layer = 0; layer < layers; layer++) {
      const name = ropeName(this.config, layer);
      const { buffer } = this.pool.view(name, 1);
      if (buffer === this.ropeBuffers.get(name)) continue;
      this.ropeBuffers.set(name, buffer);
      this.write(name, ropeTable(ropeOf(this.config, layer), Math.floor(buffer.size / 4 / headDim)));
    }
  }

  private write(name: string, values: Int32Array<ArrayBuffer> | Float32Array<ArrayBuffer>): void {
    if (values.length > 0) this.gpu.device.queue.writeBuffer(this.pool.view(name, values.length).buffer, 0, values);
  }
}

function bindableBytes(device: GPUDevice): number {
  return Math.min(device.limits.maxBufferSize, device.limits.maxStorageBufferBindingSize);
}

function shapeKey({ places, width, rows, completionWidth, cells }: CellShape): string {
  return `${places} of ${width}, ${cells} of ${rows}x${completionWidth}`;
}

function copyRows(encoder: GPUCommandEncoder, source: BufferView, first: number, target: BufferView): void {
  encoder.copyBufferToBuffer(source.buffer, source.offset + first * 4, target.buffer, target.offset, target.size);
}
