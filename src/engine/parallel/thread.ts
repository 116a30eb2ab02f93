/**
 * A thread that computes beside the one that leads (`engine.ts`): a wasm engine of its own behind messages. This is the thread's side; what starts one is
 * the page's or the command line's, and `remote-thread.ts` is how the lead sees it.
 */
import { expose, transfer, wrap, type Endpoint, type Remote } from 'comlink';
import type { LoraSetup } from '../../policy/adapters.ts';
import type { PolicyConfig } from '../../policy/config.ts';
import type { Tensor } from '../../policy/tensor.ts';
import type { GenerateProgress, GenerateRequest, ObjectiveSpec, PolicyState, Rollouts, Scores, TokenBatch, TrainBatch } from '../engine.ts';
import { WasmEngine, type ShardGradient } from '../wasm/engine.ts';

/** What a tensor is without the way to its bytes. */
export type TensorHeader = Omit<Tensor, 'read'>;

export interface ThreadSetup {
  readonly config: PolicyConfig;
  readonly tensors: readonly TensorHeader[];
  readonly lora: LoraSetup | null;
  /** That share the machine's memory. */
  readonly threads: number;
}

/** What a thread asks of the one that leads, and tells it. */
export interface Lead {
  /** Bytes of a tensor: what a policy is read from may be a file that only one thread has open. */
  read(name: string, from: number, to: number): Promise<Uint8Array>;
  /** Of the generation that it was asked for. */
  progress(progress: GenerateProgress): void;
}

/** Both sides serve over the same endpoint; a function that is handed over would bring a port of its own, which keeps Node from ending. */
export function serveThread(endpoint: Endpoint): void {
  expose(new EngineThread(wrap<Lead>(endpoint)), endpoint);
}

export class EngineThread {
  #engine: WasmEngine | null = null;
  #stop = new AbortController();
  readonly #lead: Remote<Lead>;

  constructor(lead: Remote<Lead>) {
    this.#lead = lead;
  }

  async create({ config, tensors, lora, threads }: ThreadSetup): Promise<void> {
    const own = tensors.map((header): [string, Tensor] => [
      header.name,
      { ...header, read: (from, to) => this.#lead.read(header.name, from, to) },
    ]);
    this.#engine = await WasmEngine.create(config, new Map(own), lora, threads);
  }

  get #own(): WasmEngine {
    if (!this.#engine) throw new Error('asked before it was made');
    return this.#engine;
  }

  /** @param told whether its progress is wanted */
  async generate(request: Omit<GenerateRequest, 'signal'>, told: boolean): Promise<Rollouts> {
    this.#stop = new AbortController();
    const tell = told ? (progress: GenerateProgress) => void this.#lead.progress(progress) : undefined;
    return this.#own.generate({ ...request, signal: this.#stop.signal }, tell);
  }

  /** What is being generated is not wanted any more. */
  async stop(): Promise<void> {
    this.#stop.abort();
  }

  async score(batch: TokenBatch, options: { readonly temperature: number; readonly policy: 'current' | 'reference' }): Promise<Scores> {
    return this.#own.score(batch, options);
  }

  async gradient(batch: TrainBatch, objective: ObjectiveSpec, microBatchRows: number, stepTokens: number): Promise<ShardGradient> {
    const shard = await this.#own.gradient(batch, objective, microBatchRows, stepTokens);
    return transfer(shard, shard.numbers ? [shard.numbers.buffer] : []);
  }

  async setReference(): Promise<void> {
    return this.#own.setReference();
  }

  async importState(state: PolicyState): Promise<void> {
    return this.#own.importState(state);
  }

  async takeTrained(numbers: Float32Array): Promise<void> {
    return this.#own.takeTrained(numbers);
  }

  async sharedBy(threads: number): Promise<void> {
    this.#own.sharedBy(threads);
  }
}
