/**
 * Several threads as one engine: the wasm engine of this thread, which leads, and engines of the same policy in threads of their own
 * (`thread.ts`). Whole groups are dealt out for rollouts, scores and the shards of an update; the lead adds the shards' gradients in their order, takes
 * the step, and hands what was trained on. The bits do not depend on the number of threads (wasm/shards.ts), so that one that is lost costs time and
 * nothing else: the lead computes its part again.
 */
import type { LoraSetup } from '../../policy/adapters.ts';
import type { PolicyConfig } from '../../policy/config.ts';
import type { PolicyTensors } from '../../policy/weights.ts';
import { Calls } from '../calls.ts';
import { checkBatch, checkPrompts } from '../check.ts';
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
import { WasmEngine, type ShardGradient } from '../wasm/engine.ts';
import { evenly, groupRanges, rowsOf, shardsOf, tokenRows, tokensThatCount } from '../wasm/shards.ts';
import { RemoteThread, type StartThread } from './remote-thread.ts';
import { joinRollouts, joinScores, partsOf } from './join.ts';
import { joinedProgress } from './progress.ts';

export interface ParallelSetup {
  readonly config: PolicyConfig;
  readonly tensors: PolicyTensors;
  readonly lora: LoraSetup | null;
  /** This one among them. */
  readonly threads: number;
  readonly startThread: StartThread;
  /** Told, in a sentence, of a thread that computes no more. */
  readonly onLost?: (sentence: string) => void;
}

/** Part of a call: the same here and in another thread. */
interface Job<T> {
  lead(): Promise<T>;
  other(thread: RemoteThread): Promise<T>;
}

export class ParallelEngine implements PolicyEngine {
  private readonly calls = new Calls(() => {});
  /** Counts what the lead trained or was given; the others may be behind. */
  private trainedAt = 0;

  private constructor(
    private readonly setup: ParallelSetup,
    private readonly lead: WasmEngine,
    /** Beside the lead. */
    private others: RemoteThread[],
  ) {}

  /** @throws LabError as `WasmEngine.create`; threads that do not start, or have no memory, are done without */
  static async create(setup: ParallelSetup): Promise<ParallelEngine> {
    const { config, tensors, lora, startThread } = setup;
    let { threads } = setup;
    while (threads > 1 && !WasmEngine.hasRoom(config, tensors, lora, threads)) threads--;
    const start = () => RemoteThread.start(startThread, { config, lora, threads }, tensors);
    const starting = Promise.allSettled(Array.from({ length: threads - 1 }, start));
    const [lead, others] = await Promise.all([WasmEngine.create(config, tensors, lora, threads), starting]).catch(
      async (error: unknown) => {
        for (const one of await starting) if (one.status === 'fulfilled') one.value.end();
        throw error;
      },
    );
    const engine = new ParallelEngine(
      setup,
      lead,
      others.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : [])),
    );
    const failed = others.find((one) => one.status === 'rejected');
    if (failed) {
      engine.tell(failed.reason);
      await engine.share();
    }
    return engine;
  }

  get info(): EngineInfo {
    return { ...this.lead.info, threads: this.others.length + 1 };
  }

  async generate(request: GenerateRequest, onProgress?: (progress: GenerateProgress) => void): Promise<Rollouts> {
    checkPrompts(request.prompts, this.setup.config);
    return this.calls.inTurn(async () => {
      const parts = partsOf(request, this.others.length + 1);
      if (parts.length <= 1) return this.lead.generate(request, onProgress);
      const tell = onProgress && joinedProgress(parts, onProgress);
      const { signal } = request;
      const rollouts = await this.deal(
        parts.map((part, index): Job<Rollouts> => {
          const told = tell && ((progress: GenerateProgress) => tell(index, progress));
          return {
            lead: () => this.lead.generate(signal ? { ...part, signal } : part, told),
            other: (thread) => thread.generate(part, told, signal),
          };
        }),
      );
      return joinRollouts(rollouts, this.setup.config.padId ?? 0);
    });
  }

  async score(batch: TokenBatch, options: { readonly temperature: number; readonly policy: 'current' | 'reference' }): Promise<Scores> {
    checkBatch(batch, this.setup.config);
    return this.calls.inTurn(async () => {
      const parts = groupRanges(batch, this.others.length + 1);
      if (parts.length <= 1) return this.lead.score(batch, options);
      const scores = await this.deal(
        parts.map((range) => {
          const rows = tokenRows(batch, range);
          return {
            lead: () => this.lead.score(rows, options),
            other: (thread) => thread.run((remote) => remote.score(rows, options)),
          };
        }),
      );
      return joinScores(scores);
    });
  }

  async step(batch: TrainBatch, objective: ObjectiveSpec, optim: OptimSpec, onProgress?: (fraction: number) => void): Promise<StepMetrics> {
    checkBatch(batch, this.setup.config);
    return this.calls.inTurn(async () => {
      const shards = shardsOf(batch);
      let metrics: StepMetrics;
      if (this.others.length === 0 || shards.length <= 1) {
        metrics = await this.lead.step(batch, objective, optim, onProgress);
      } else {
        const tokens = tokensThatCount(batch);
        let rows = 0;
        const done = (gradient: ShardGradient, [first, last]: readonly [number, number]) => {
          onProgress?.((rows += last - first) / batch.rows);
          return gradient;
        };
        const gradients = await this.deal(
          shards.map((range) => {
            const some = rowsOf(batch, ...range);
            const asked = [some, objective, optim.microBatchRows, tokens] as const;
            return {
              lead: async () => done(await this.lead.gradient(...asked), range),
              other: async (thread) => done(await thread.run((remote) => remote.gradient(...asked)), range),
            };
          }),
        );
        metrics = await this.lead.finish(batch, gradients, objective, optim);
      }
      this.changed();
      return metrics;
    });
  }

  async advantages(rewards: Float32Array, groupSize: number, kind: AdvantageKind): Promise<Float32Array> {
    return this.calls.inTurn(() => this.lead.advantages(rewards, groupSize, kind));
  }

  async logits(tokens: Int32Array): Promise<Float32Array> {
    return this.calls.inTurn(() => this.lead.logits(tokens));
  }

  /** Where it does not fit beside the others, the lead goes on alone. */
  planMemory(shape: TrainingShape): null {
    try {
      return this.lead.planMemory(shape);
    } catch (error) {
      if (this.others.length === 0) throw error;
      this.lead.sharedBy(1);
      this.lead.planMemory(shape);
      for (const other of this.others.splice(0)) other.end();
      this.tell('there is no memory for more than one');
      return null;
    }
  }

  async setReference(): Promise<void> {
    return this.calls.inTurn(async () => {
      await Promise.all([this.lead.setReference(), this.each((other) => other.run((remote) => remote.setReference()))]);
    });
  }

  async exportState(): Promise<PolicyState> {
    return this.calls.inTurn(() => this.lead.exportState());
  }

  async importState(state: PolicyState): Promise<void> {
    return this.calls.inTurn(async () => {
      await this.lead.importState(state);
      this.changed();
      await this.each((other) => other.importState(state, this.trainedAt));
    });
  }

  dispose(): void {
    for (const other of this.others.splice(0)) other.end();
    this.lead.dispose();
  }

  /**
   * Everybody has its part from the beginning: this thread computes, and would hear late of one that is free. What a thread that fails had, the lead
   * computes.
   */
  private async deal<T>(jobs: readonly Job<T>[]): Promise<T[]> {
    await this.bringUp();
    const results = new Array<T | undefined>(jobs.length).fill(undefined);
    const [own, ...ranges] = evenly(jobs.length, this.others.length + 1);
    const lead = async (first: number, last: number) => {
      for (let index = first; index < last; index++) results[index] ??= await jobs[index]!.lead();
    };
    const failures: (readonly [RemoteThread, unknown])[] = [];
    const asked = ranges.map(async ([first, last], i) => {
      const other = this.others[i]!;
      const take = async (job: Job<T>, at: number) => void (results[first + at] = await job.other(other));
      await Promise.all(jobs.slice(first, last).map(take)).catch((error: unknown) => failures.push([other, error]));
    });
    // All have ended, whatever becomes of any: nobody computes on when the next call begins.
    const [leading] = await Promise.allSettled([lead(...own!), ...asked]);
    if (leading.status === 'rejected') throw leading.reason;
    // What fails here as well is the call's own fault, and what was stopped nobody's.
    if (results.includes(undefined)) await lead(0, jobs.length);
    for (const [other, error] of failures) this.lose(other, error);
    if (failures.length > 0) await this.share();
    return results as T[];
  }

  /** The lead has trained, or has another state. */
  private changed(): void {
    this.trainedAt++;
  }

  /** What the others are asked after this they compute with what the lead has; it is waited for with that. */
  private async bringUp(): Promise<void> {
    const behind = this.others.filter((other) => other.trainedAt !== this.trainedAt);
    if (behind.length === 0) return;
    const numbers = await this.lead.trained();
    for (const other of behind) {
      other.trainedAt = this.trainedAt;
      other.run((remote) => remote.takeTrained(numbers)).catch((error: unknown) => this.lose(other, error));
    }
  }

  private async each(work: (other: RemoteThread) => Promise<void>): Promise<void> {
    await Promise.all([...this.others].map((other) => work(other).catch((error: unknown) => this.lose(other, error))));
  }

  private lose(other: RemoteThread, error: unknown): void {
    if (!this.others.includes(other)) return;
    this.others = this.others.filter((one) => one !== other);
    other.end();
    this.tell(error);
  }

  /** Those that are left have more memory each. */
  private async share(): Promise<void> {
    const threads = this.others.length + 1;
    this.lead.sharedBy(threads);
    await this.each((other) => other.run((remote) => remote.sharedBy(threads)));
  }

  private tell(error: unknown): void {
    const why = error instanceof Error ? error.message : String(error);
    const threads = this.others.length + 1;
    this.setup.onLost?.(`A thread of the wasm engine ended (${why}); it goes on with ${threads}, to the same numbers.`);
  }
}
