/**
 * A thread as the one that leads sees it (`engine.ts`): started, kept up with what was trained, given work, ended. Whatever fails in it fails as
 * `lost`: the lead computes the same, to the same bits, and what is really wrong fails there too, with its sentence.
 */
import { expose, transfer, wrap, type Endpoint, type Remote } from 'comlink';
import type { PolicyTensors } from '../../policy/weights.ts';
import type { GenerateProgress, GenerateRequest, PolicyState, Rollouts } from '../engine.ts';
import type { EngineThread, Lead, ThreadSetup } from './thread.ts';

/** A thread that was started, and is silent yet. */
export interface Started {
  readonly endpoint: Endpoint;
  /** Resolves with why when it is gone; never before `end`, if nothing happens to it. */
  readonly gone: Promise<string>;
  /** Whether something of it is waited for: Node ends where nothing is. */
  hold?(held: boolean): void;
  end(): void;
}

/** Starts a thread that serves an `EngineThread`. */
export type StartThread = () => Started;

export class RemoteThread {
  /** What it has of the lead's: `trained` at this count. */
  trainedAt = 0;
  readonly #started: Started;
  readonly #remote: Remote<EngineThread>;
  /** Why it is gone; null while it is there. */
  #lost: Error | null = null;
  /** Those that wait for it, told when it is gone. A race with a promise of its end would keep every result for as long as it lives. */
  readonly #waiting = new Set<(why: Error) => void>();
  #progress: (progress: GenerateProgress) => void = () => {};

  private constructor(started: Started, tensors: PolicyTensors) {
    this.#started = started;
    const lead: Lead = {
      read: async (name, from, to) => {
        // A copy of its own: a view would take all that it is a view of with it.
        const bytes = (await tensors.get(name)!.read(from, to)).slice();
        return transfer(bytes, [bytes.buffer]);
      },
      progress: (progress) => this.#progress(progress),
    };
    void started.gone.then((why) => this.#lose(why));
    expose(lead, started.endpoint);
    this.#remote = wrap<EngineThread>(started.endpoint);
  }

  /** @throws whatever keeps it from starting */
  static async start(start: StartThread, setup: Omit<ThreadSetup, 'tensors'>, tensors: PolicyTensors): Promise<RemoteThread> {
    const thread = new RemoteThread(start(), tensors);
    const headers = [...tensors.values()].map(({ read: _, ...header }) => header);
    try {
      await thread.run((remote) => remote.create({ ...setup, tensors: headers }));
      return thread;
    } catch (error) {
      thread.end();
      throw error;
    }
  }

  /** @throws what the thread throws, or that it is gone */
  async run<T>(work: (thread: Remote<EngineThread>) => Promise<T>): Promise<T> {
    if (this.#lost) throw this.#lost;
    return new Promise<T>((resolve, reject) => {
      if (this.#waiting.size === 0) this.#started.hold?.(true);
      this.#waiting.add(reject);
      const done = () => {
        if (this.#waiting.delete(reject) && this.#waiting.size === 0) this.#started.hold?.(false);
      };
      work(this.#remote).then(resolve, reject).finally(done);
    });
  }

  #lose(why: string): void {
    this.#lost ??= new Error(why);
    for (const tell of this.#waiting) tell(this.#lost);
    if (this.#waiting.size > 0) this.#started.hold?.(false);
    this.#waiting.clear();
  }

  async generate(
    request: Omit<GenerateRequest, 'signal'>,
    onProgress: ((progress: GenerateProgress) => void) | undefined,
    signal?: AbortSignal,
  ): Promise<Rollouts> {
    this.#progress = onProgress ?? (() => {});
    const stop = () => void this.#remote.stop().catch(() => {});
    signal?.addEventListener('abort', stop, { once: true });
    try {
      return await this.run((thread) => thread.generate(request, onProgress !== undefined));
    } finally {
      signal?.removeEventListener('abort', stop);
    }
  }

  /** What answers, as the lead was told to. */
  async importState(state: PolicyState, trainedAt: number): Promise<void> {
    await this.run((thread) => thread.importState({ ...state, moments: null }));
    this.trainedAt = trainedAt;
  }

  end(): void {
    this.#started.end();
    this.#lose('it was ended');
  }
}
