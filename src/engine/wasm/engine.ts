/**
 * The wasm engine: the contract of `engine.ts` on this project's own WebAssembly kernels (kernels/), without tfjs, tape or loops over tensors in
 * JavaScript. Here is what happens in which order and what crosses between host and module; what a pass consists of is in `decoder.ts`, `head.ts`
 * and `generate.ts`.
 */
import { LabError, labErrorCode } from '../../errors.ts';
import type { LoraSetup } from '../../policy/adapters.ts';
import type { PolicyConfig } from '../../policy/config.ts';
import { ropeOf } from '../../policy/layers.ts';
import type { PolicyTensors } from '../../policy/weights.ts';
import { breathe } from '../breathe.ts';
import { Calls } from '../calls.ts';
import { checkBatch, checkPrompts, checkRollouts } from '../check.ts';
import type {
  AdvantageKind,
  EngineInfo,
  GenerateProgress,
  GenerateRequest,
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
import { ropeTable } from '../rope-table.ts';
import { rowColumns, stepMetricsFromRows } from '../step-metrics.ts';
import { groupAdvantages } from './advantages.ts';
import { passOfRows, passOfTexts, ranges, type CellPass } from '../segments.ts';
import { tabled, type Tabled } from './batch.ts';
import { Frame, measure } from './buffers.ts';
import { attendSegments, decoderBackward, decoderForward, tableName, type Left, type Machine } from './decoder.ts';
import { collect, generateGroups, longestReply, type Row } from './generate.ts';
import { headBackward, headForward, headInput, headLogits } from './head.ts';
import { Kept, keptBytes, mostKept } from './kept.ts';
import { frozenLayout } from './layout.ts';
import { Learned } from './learned.ts';
import type { Gradients, Policy } from './linear.ts';
import { lossGradient } from './loss.ts';
import { maxPlaces, passBuffers, WasmMemory } from './memory-plan.ts';
import { startModule, type Module } from './module.ts';
import { hasRelaxedSimd } from './simd.ts';
import { rowsOf, shardsOf, tokensThatCount } from './shards.ts';

type PassBuffers = ReturnType<typeof passBuffers>;

/** A pass, and where its places lie among those that were kept; null: they are computed. */
type KnownPass = Tabled<CellPass> & { readonly sources: Int32Array | null };

const leftBy = (backward: boolean, sources: Int32Array | null): Left => (!backward ? 'none' : sources ? 'one' : 'all');

/** What is left of a shard of a step. */
export interface ShardGradient {
  /** [R, K] sums of its rows, by `rowColumns`. */
  readonly rows: Float32Array;
  /** As `Learned` lays them; null: no token of it counts. */
  readonly numbers: Float32Array | null;
}

/** Room for sums [R, K] of all rows of a step. */
const sumsOf = ({ rows }: TrainBatch) => new Float32Array(rows * rowColumns.length);

export class WasmEngine implements PolicyEngine {
  readonly info: EngineInfo = {
    engine: 'wasm',
    backend: 'wasm',
    adapter: null,
    software: false,
    features: hasRelaxedSimd() ? ['relaxed-simd'] : [],
    limits: {},
    precision: 'f32',
  };
  private readonly calls = new Calls(() => {}, told);
  /** Given back before anything else is taken, so that it is the last block and can grow where it lies. */
  private readonly frame: Frame;
  private readonly machine: Machine;
  /** What was computed of the newest rollouts that a step will be taken on, while the policy is the one that wrote them. */
  private kept: Kept | null = null;
  /** By whether the layer slides: address and positions. */
  private readonly tables = new Map<string, { readonly at: number; readonly positions: number }>();

  private constructor(
    readonly config: PolicyConfig,
    private readonly module: Module,
    private readonly learned: Learned,
    private readonly memory: WasmMemory,
  ) {
    this.frame = new Frame(module);
    this.machine = { config, kernels: module.kernels, table: (layer) => this.tables.get(tableName(config, layer))!.at };
  }

  /** @param lora train low-rank adapters instead of all parameters  @param threads engines that share the machine's memory  @param given what computes; absent: a new one  @throws LabError `wasm` without SIMD, `memory` for a policy that will not fit */
  static async create(
    config: PolicyConfig,
    tensors: PolicyTensors,
    lora: LoraSetup | null,
    threads = 1,
    given?: Module,
  ): Promise<WasmEngine> {
    const memory = new WasmMemory(config, lora, frozenLayout(config, tensors).bytes);
    memory.sharedBy(threads);
    memory.checkPolicy();
    const module = given ?? (await startModule());
    const learned = await Learned.create(module, { config, tensors, lora });
    return new WasmEngine(config, module, learned, memory);
  }

  /** Whether so many engines can hold the policy. */
  static hasRoom(config: PolicyConfig, tensors: PolicyTensors, lora: LoraSetup | null, threads: number): boolean {
    const memory = new WasmMemory(config, lora, frozenLayout(config, tensors).bytes);
    memory.sharedBy(threads);
    return memory.hasRoom(0, false, false);
  }

  async generate(request: GenerateRequest, onProgress?: (progress: GenerateProgress) => void): Promise<Rollouts> {
    checkPrompts(request.prompts, this.config);
    return this.calls.inTurn(async () => {
      const { prompts, repeats, sampling } = request;
      const { machine, frame, learned } = this;
      const rows: Row[] = [];
      this.turnTo(prompts.reduce((most, prompt) => Math.max(most, prompt.length), 0) + longestReply(this.config, prompts, sampling));
      this.keep(request);
      const { kept } = this;
      const context = { machine, heap: this.module.heap, frame, policy: learned.policy, rank: learned.rank, maxPlaces, kept };
      for (let first = 0; first < prompts.length;) {
        const last = first + this.promptsAtOnce(request, first);
        const some = { ...sampling, firstRow: sampling.firstRow + first * repeats };
        const part = { ...request, prompts: prompts.slice(first, last), sampling: some };
        rows.push(...(await generateGroups(context, part, first * repeats, prompts.length * repeats, onProgress)));
        first = last;
      }
      return checkRollouts(collect(rows, this.config));
    });
  }

  /** Makes room for what is computed of these rollouts, where a step will be taken on them and memory is plenty. What was kept of others goes. */
  private keep({ prompts, repeats, sampling, forStep }: GenerateRequest): void {
    this.drop();
    if (!forStep || this.learned.moves) return;
    const { config, memory, learned, module } = this;
    const replies = prompts.length * repeats * Math.max(0, longestReply(config, prompts, sampling) - 1);
    const places = prompts.reduce((sum, { length }) => sum + length, 0) + replies;
    const bytes = keptBytes(config, places);
    // The passes of reference and update come between and after; they are cut to what is left, and should not be cut small.
    const segments = { count: 2, table: new Int32Array(0), columns: maxPlaces, longest: maxPlaces, widest: 2 * maxPlaces };
    const pass = measure((take) => passBuffers(take, config, { places: maxPlaces, cells: maxPlaces, segments }, 'one', learned.rank));
    const scratch = Math.max(pass, memory.generation(prompts, repeats, sampling));
    if (bytes > mostKept || !memory.hasRoom(bytes + scratch, true, learned.hasReference)) return;
    this.frame.dispose();
    try {
      this.kept = new Kept(module, config, places);
      memory.held = bytes;
    } catch (error) {
      // A plan does not know what a browser gives: without it a step takes longer, and nothing else.
      if (labErrorCode(error) !== 'memory') throw error;
    }
  }

  private drop(): void {
    if (!this.kept) return;
    this.frame.dispose();
    this.kept.dispose();
    this.kept = null;
    this.memory.held = 0;
  }

  /** As many prompts from `first` on as there is room for. @throws LabError `memory` where there is none for one */
  private promptsAtOnce({ prompts, repeats, sampling }: GenerateRequest, first: number): number {
    const { isPrepared, hasReference } = this.learned;
    const bytes = (count: number) => this.memory.generation(prompts.slice(first, first + count), repeats, sampling);
    const width = prompts[first]!.length + longestReply(this.config, prompts, sampling);
    this.memory.checkGeneration(bytes(1), repeats, width, isPrepared, hasReference);
    let count = prompts.length - first;
    while (count > 1 && !this.memory.hasRoom(bytes(count), isPrepared, hasReference)) count = Math.ceil(count / 2);
    return count;
  }

  async score(batch: TokenBatch, options: { readonly temperature: number; readonly policy: 'current' | 'reference' }): Promise<Scores> {
    checkBatch(batch, this.config);
    // As in the sampler: the log-probs of greedy decoding are those of temperature 1.
    const temperature = options.temperature > 0 ? options.temperature : 1;
    return this.calls.inTurn(async () => {
      const { learned } = this;
      const policy = options.policy === 'reference' ? await learned.reference() : learned.policy;
      const scores = {
        logprobs: new Float32Array(batch.rows * batch.completionWidth),
        entropies: new Float32Array(batch.rows * batch.completionWidth),
      };
      for (const pass of this.passes(batch, 0, false)) {
        const b = await this.forward(policy, pass, false, temperature);
        const { logprob, entropy } = this.cells(pass, b);
        pass.grid.forEach((cell, m) => {
          scores.logprobs[cell] = logprob[m]!;
          scores.entropies[cell] = entropy[m]!;
        });
      }
      return scores;
    });
  }

  async advantages(rewards: Float32Array, groupSize: number, kind: AdvantageKind): Promise<Float32Array> {
    if (groupSize < 2) {
      throw new LabError('config', `A group of ${groupSize} rollout has nothing to be compared with.`, 'Set the group size to 2 or more.');
    }
    return this.calls.inTurn(() => Promise.resolve(groupAdvantages(rewards, groupSize, kind)));
  }

  async step(batch: TrainBatch, objective: ObjectiveSpec, optim: OptimSpec, onProgress?: (fraction: number) => void): Promise<StepMetrics> {
    this.checkStep(batch, objective);
    return this.calls.inTurn(async () => {
      const sums = sumsOf(batch);
      const tokens = tokensThatCount(batch);
      let some = false;
      for (const [first, last] of shardsOf(batch)) {
        const shard = await this.shard(rowsOf(batch, first, last), objective, optim.microBatchRows, tokens);
        sums.set(shard.rows, first * rowColumns.length);
        if (shard.trained) this.learned.addShard(!some);
        some ||= shard.trained;
        onProgress?.(last / batch.rows);
      }
      return this.end(batch, sums, some, objective, optim);
    });
  }

  /**
   * A shard of a step that another engine ends (`parallel/engine.ts`).
   * @param batch rows of one shard (`shards.ts`)  @param stepTokens tokens that count, of the whole step
   */
  async gradient(batch: TrainBatch, objective: ObjectiveSpec, microBatchRows: number, stepTokens: number): Promise<ShardGradient> {
    this.checkStep(batch, objective);
    return this.calls.inTurn(async () => {
      const { rows, trained } = await this.shard(batch, objective, microBatchRows, stepTokens);
      return { rows, numbers: trained ? this.learned.shard() : null };
    });
  }

  /** Ends a step. @param shards of all its rows, in order, whoever computed them */
  async finish(batch: TrainBatch, shards: readonly ShardGradient[], objective: ObjectiveSpec, optim: OptimSpec): Promise<StepMetrics> {
    return this.calls.inTurn(async () => {
      const sums = sumsOf(batch);
      let some = false;
      let first = 0;
      for (const { rows, numbers } of shards) {
        sums.set(rows, first);
        first += rows.length;
        if (!numbers) continue;
        // The lead may have computed none of them itself.
        if (!some) await this.prepare();
        this.learned.addShard(!some, numbers);
        some = true;
      }
      return this.end(batch, sums, some, objective, optim);
    });
  }

  private checkStep(batch: TrainBatch, objective: ObjectiveSpec): void {
    checkBatch(batch, this.config);
    if (objective.kl !== 'none' && objective.beta !== 0 && !batch.refLogprobs) {
      throw new LabError('usage', `The KL term ${objective.kl} needs reference log-probs.`, 'Score the batch under the reference first.');
    }
  }

  /** The gradients of a shard, left where the next one's will be, and sums [R, K] of its rows. */
  private async shard(batch: TrainBatch, objective: ObjectiveSpec, microBatchRows: number, stepTokens: number) {
    const rows = sumsOf(batch);
    let gradients: Gradients | null = null;
    for (const pass of this.passes(batch, microBatchRows, true, batch.mask)) {
      gradients ??= await this.prepare();
      await this.backward(gradients, pass, batch, objective, stepTokens, rows);
    }
    return { rows, trained: gradients !== null };
  }

  /** @param trained whether any shard had cells */
  private end(batch: TrainBatch, rows: Float32Array, trained: boolean, objective: ObjectiveSpec, optim: OptimSpec): StepMetrics {
    const { learned } = this;
    const metrics = stepMetricsFromRows(rows, objective, { old: batch.oldLogprobs !== null, ref: batch.refLogprobs !== null });
    this.drop();
    const gradNorm = trained ? learned.norm() : 0;
    const skipped = !Number.isFinite(metrics.loss) || !Number.isFinite(gradNorm);
    if (skipped) learned.skippedSteps++;
    else if (trained) learned.update(gradNorm, optim);
    return { ...metrics, gradNorm, skipped };
  }

  /** Forward and backward of the rows of a pass, whose gradients are added, and whose sums go to `rowSums` [R, K]. */
  private async backward(
    gradients: Gradients,
    pass: KnownPass,
    batch: TrainBatch,
    objective: ObjectiveSpec,
    stepTokens: number,
    rowSums: Float32Array,
  ): Promise<void> {
    const { machine, learned, module, kept } = this;
    const { policy } = learned;
    const { temperature } = objective;
    const b = await this.forward(policy, pass, true, temperature);
    const backward = b.backward!;
    const gradient = lossGradient({ grid: pass.grid, ...this.cells(pass, b) }, batch, objective, stepTokens, rowSums);
    await headBackward(machine, module.heap, policy, gradients, b.head, b.linear, pass, gradient, temperature, backward.dx, breathe);
    const restore = (layer: number) => {
      if (kept && pass.sources) kept.restore(pass.places, b.sources, layer, b.layers[layer]!);
    };
    await decoderBackward(machine, policy, gradients, pass.segments, { ...b, backward }, pass.places, breathe, restore);
  }

  /** Log-probs and entropies of a pass's cells, in its buffers. What was kept of it is not computed again. */
  private async forward(policy: Policy, pass: KnownPass, backward: boolean, temperature: number): Promise<PassBuffers> {
    const { config, machine, module, learned, kept } = this;
    const { heap } = module;
    const { places, tokens, positions, segments, targets, sources } = pass;
    this.turnTo(positions.reduce((most, position) => Math.max(most, position + 1), 0));
    const shape = { places, segments, cells: targets.length };
    const b = this.frame.lay((take) => passBuffers(take, config, shape, leftBy(backward, sources), learned.rank));
    heap.integers(b.tokens, places).set(tokens);
    heap.integers(b.positions, places).set(positions);
    heap.integers(b.attention.segments, segments.table.length).set(segments.table);
    if (kept && sources) {
      heap.integers(b.sources, places).set(sources);
      kept.restoreLast(places, b.sources, b.last);
    } else {
      const attend = attendSegments(machine, segments, () => b.attention);
      await decoderForward(machine, policy, b, places, attend, breathe);
    }
    await headForward(machine, heap, policy, b.head, b.linear, pass, b.last, temperature, breathe);
    return b;
  }

  private cells({ targets }: Tabled<CellPass>, { head }: PassBuffers) {
    const { heap } = this.module;
    const read = (at: number) => heap.floats(at, targets.length).slice();
    return { logprob: read(head.logprob), entropy: read(head.entropy) };
  }

  /** The rows of a batch that have cells, some at a time: as many as there is room for. @throws LabError `memory` where there is none for one */
  private *passes(batch: TokenBatch, microBatchRows: number, backward: boolean, wanted?: Uint8Array): Generator<KnownPass> {
    const left = ranges(batch, microBatchRows, maxPlaces).reverse();
    for (let range = left.pop(); range; range = left.pop()) {
      const [first, last] = range;
      const pass = tabled(passOfRows(batch, first, last, wanted));
      if (pass.targets.length === 0) continue;
      const { hasReference, isPrepared, rank } = this.learned;
      const trained = backward || isPrepared;
      const shape = { ...pass, cells: pass.targets.length };
      const sources = backward && this.kept ? this.kept.sources(pass, batch) : null;
      const leaves = leftBy(backward, sources);
      const bytes = measure((take) => passBuffers(take, this.config, shape, leaves, rank));
      if (this.memory.hasRoom(bytes, trained, hasReference)) {
        yield { ...pass, sources };
      } else if (this.kept) {
        this.drop();
        left.push(range);
      } else {
        if (last - first === 1) this.memory.checkPass(bytes, pass.places, trained, hasReference);
        const middle = (first + last) >> 1;
        left.push([middle, last], [first, middle]);
      }
    }
  }

  /** @param threads engines that share the machine's memory from now on */
  sharedBy(threads: number): void {
    this.memory.sharedBy(threads);
  }

  planMemory(shape: TrainingShape): null {
    // One that was set takes its room whether it is asked or not.
    this.memory.checkTraining({ ...shape, withReference: shape.withReference || this.learned.hasReference });
    return null;
  }

  async logits(tokens: Int32Array): Promise<Float32Array> {
    const lengths = Int32Array.of(tokens.length);
    checkBatch({ rows: 1, width: tokens.length, completionWidth: 0, tokens, promptLengths: lengths, lengths }, this.config);
    return this.calls.inTurn(async () => {
      const { config, machine, module, learned } = this;
      const { heap } = module;
      const pass = tabled(passOfTexts([tokens]));
      const { places, segments } = pass;
      const lay = (take: Parameters<typeof passBuffers>[0]) => passBuffers(take, config, { ...pass, cells: 1 }, 'none', learned.rank);
      if (!this.memory.hasRoom(measure(lay), learned.isPrepared, learned.hasReference)) this.drop();
      this.memory.checkPass(measure(lay), places, learned.isPrepared, learned.hasReference);
      this.turnTo(places);
      const b = this.frame.lay(lay);
      heap.integers(b.tokens, places).set(pass.tokens);
      heap.integers(b.positions, places).set(pass.positions);
      heap.integers(b.attention.segments, segments.table.length).set(segments.table);
      await decoderForward(
        machine,
        learned.policy,
        b,
        places,
        attendSegments(machine, segments, () => b.attention),
        breathe,
      );
      heap.integers(b.head.places, 1).set([places - 1]);
      headInput(machine, learned.policy, b.head, 1, b.last);
      headLogits(machine, learned.policy, b.head, b.linear, 0, 1);
      return heap.floats(b.head.logits, config.vocabSize).slice();
    });
  }

  async setReference(): Promise<void> {
    return this.calls.inTurn(() => {
      this.drop();
      this.frame.dispose();
      return this.learned.setReference();
    });
  }

  async exportState(): Promise<PolicyState> {
    return this.calls.inTurn(() => Promise.resolve(this.learned.exportState()));
  }

  async importState(state: PolicyState): Promise<void> {
    return this.calls.inTurn(() => {
      this.drop();
      this.frame.dispose();
      return this.learned.importState(state);
    });
  }

  /** What is trained, for engines of the same policy that compute beside this one. */
  async trained(): Promise<Float32Array> {
    return this.calls.inTurn(() => Promise.resolve(this.learned.trained()));
  }

  async takeTrained(numbers: Float32Array): Promise<void> {
    return this.calls.inTurn(() => {
      this.drop();
      this.frame.dispose();
      return Promise.resolve(this.learned.takeTrained(numbers));
    });
  }

  /** The memory goes with the engine. */
  dispose(): void {}

  /** Gradients, all zeros. */
  private prepare(): Promise<Gradients> {
    if (!this.learned.isPrepared) this.frame.dispose();
    return this.learned.prepare();
  }

  /** Makes the rotary tables reach this many positions. */
  private turnTo(positions: number): void {
    const { config, module, tables } = this;
    for (let layer = 0; layer < config.layers; layer++) {
      const name = tableName(config, layer);
      const known = tables.get(name);
      if (known && known.positions >= positions) continue;
      this.frame.dispose();
      if (known) module.heap.give(known.at);
      const made = Math.min(config.maxPositions, 2 ** Math.ceil(Math.log2(Math.max(positions, 64))));
      const at = module.heap.take(4 * made * config.headDim);
      module.heap.floats(at, made * config.headDim).set(ropeTable(ropeOf(config, layer), made));
      tables.set(name, { at, positions: made });
    }
  }
}

/** A kernel that traps left memory in the middle of a change: a new engine has a new one. */
function told<T>(work: Promise<T>): Promise<T> {
  return work.catch((cause: unknown) => {
    if (!(cause instanceof WebAssembly.RuntimeError)) throw cause;
    throw new LabError(
      'wasm',
      `A kernel of the wasm engine failed (${cause.message}), so what it was computing is not to be trusted.`,
      'Continue from what was saved last; if it comes again, choose the portable engine (--engine portable, ?engine=portable).',
      { cause },
    );
  });
}
