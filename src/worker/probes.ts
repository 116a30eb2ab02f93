/**
 * Whose weights are asked, and when: the base's, a checkpoint's or the open run's, each in a turn of its own between two training steps.
 * What is asked of them is `probe.ts`.
 */
import type { PolicyEngine } from '../engine/engine.ts';
import { LabError, labErrorCode } from '../errors.ts';
import type { LabStorage } from '../storage/storage.ts';
import type { ProbeChunk, ProbeRequest } from './api.ts';
import type { Bench } from './bench.ts';
import { probeCheckpoint, type ProbeSubject } from './probe.ts';
import type { Training } from './training.ts';
import type { Turns } from './turns.ts';

interface ProbeTools {
  readonly bench: Bench;
  readonly turns: Turns;
  /** Id of the policy that is the base. */
  readonly base: string;
  readonly open: () => Training | null;
  readonly storage: () => Promise<LabStorage>;
}

export class Probes {
  #abort: AbortController | null = null;

  constructor(private readonly tools: ProbeTools) {}

  async run(request: ProbeRequest, onChunk: (chunks: readonly ProbeChunk[]) => void): Promise<void> {
    this.#abort?.abort();
    const { bench, turns, open } = this.tools;
    const abort = new AbortController();
    this.#abort = abort;
    for (const checkpoint of request.checkpoints) {
      if (abort.signal.aborted) return;
      const subject = await this.subject(checkpoint);
      const ask = () => turns.take(() => this.#ask(subject, request, abort.signal, onChunk));
      try {
        await ask().catch(async (error: unknown) => {
          // A run that is training recovers by itself; here nobody else would.
          if (!bench.deviceFailed(error) || open()?.active) throw error;
          await turns.take(() => bench.rebuild(subject.policyId));
          await ask();
        });
      } catch (error) {
        if (!(abort.signal.aborted && labErrorCode(error) === 'cancelled')) throw error;
      }
    }
  }

  cancel(): void {
    this.#abort?.abort();
  }

  /** @param checkpoint null: the base; `current`: the open run  @throws LabError 'usage' where there is none */
  async subject(checkpoint: string | null): Promise<ProbeSubject> {
    const { bench, base, open, storage } = this.tools;
    if (checkpoint === null) return { checkpoint, policyId: base, weights: (await bench.policy(base)).weights };
    if (checkpoint === 'current') {
      const run = open();
      if (!run) throw new LabError('usage', 'No run is open, so there are no current weights.', 'Choose a checkpoint, or resume a run.');
      return { checkpoint, policyId: run.record.config.policy, weights: null };
    }
    const { config, state } = await (await storage()).checkpoint(checkpoint);
    return { checkpoint, policyId: config.policy, weights: state.weights };
  }

  /** The engine with somebody's weights. Only within a turn. */
  async lend<T>({ policyId, weights }: ProbeSubject, work: (engine: PolicyEngine) => Promise<T>): Promise<T> {
    if (!weights) await this.tools.open()?.hold();
    return this.tools.bench.borrow(policyId, weights, work);
  }

  async #ask(
    subject: ProbeSubject,
    request: ProbeRequest,
    signal: AbortSignal,
    onChunk: (chunks: readonly ProbeChunk[]) => void,
  ): Promise<void> {
    if (signal.aborted) return;
    const { checkpoint, policyId } = subject;
    const tokenizer = await this.tools.bench.tokenizer(policyId);
    const { eosIds } = (await this.tools.bench.policy(policyId)).config;
    await this.lend(subject, (engine) => probeCheckpoint(engine, tokenizer, eosIds, checkpoint, request, signal, onChunk));
  }
}
