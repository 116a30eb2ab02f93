/**
 * Whose weights are asked, and when: the base's, a checkpoint's or the open run's, each in a turn of its own between two training steps.
 * What is asked of them is `probe.ts` and `chat.ts`.
 */
import { untrained, type PolicyEngine } from '../engine/engine.ts';
import { LabError, labErrorCode } from '../errors.ts';
import { personaPlace } from '../persona/place.ts';
import { renderPrompt } from '../persona/prompt.ts';
import type { TemplateAsking } from '../rl/asking.ts';
import type { LabStorage } from '../storage/storage.ts';
import type { ProbeChunk, ProbeRequest } from './api.ts';
import { askedOf, type Bench } from './bench.ts';
import { probeCheckpoint, type ProbeSubject } from './probe.ts';
import type { AskedPolicy } from './stream-replies.ts';
import type { Training } from './training.ts';
import type { Turns } from './turns.ts';

interface ProbeTools {
  readonly bench: Bench;
  readonly turns: Turns;
  readonly open: () => Training | null;
  readonly storage: () => Promise<LabStorage>;
}

export class Probes {
  #abort: AbortController | null = null;

  constructor(private readonly tools: ProbeTools) {}

  async run(request: ProbeRequest, onChunk: (chunks: readonly ProbeChunk[]) => void): Promise<void> {
    this.#abort?.abort();
    const abort = new AbortController();
    this.#abort = abort;
    const { signal } = abort;
    for (const checkpoint of request.checkpoints) {
      await this.ask(checkpoint, request, signal, (asked) => probeCheckpoint(asked, checkpoint, request, signal, onChunk));
    }
  }

  /** As `TrainerApi.renderPrompt`. */
  async prompt(policy: string, personaText: string | null, question: string, asking?: TemplateAsking): Promise<string> {
    return renderPrompt(await this.tools.bench.tokenizer(policy, asking), personaText, question).text;
  }

  /** As `TrainerApi.ownPrompt`. */
  async ownPrompt(policy: string, asking: TemplateAsking): Promise<string | null> {
    return personaPlace(await this.tools.bench.tokenizer(policy, asking)).ownPrompt;
  }

  cancel(): void {
    this.#abort?.abort();
  }

  /**
   * Lends somebody's weights for one reply or many, in a turn of its own. Resolves early where the signal is aborted.
   * @param base and what its chat template is told
   */
  async ask(
    checkpoint: string | null,
    base: Pick<ProbeRequest, 'policy' | keyof TemplateAsking>,
    signal: AbortSignal,
    work: (asked: AskedPolicy) => Promise<void>,
  ): Promise<void> {
    if (signal.aborted) return;
    const { bench, turns, open } = this.tools;
    const subject = await this.subject(checkpoint, base.policy);
    const { policyId } = subject;
    const turn = () =>
      turns.take(async () => {
        if (signal.aborted) return;
        const tokenizer = await bench.tokenizer(policyId, base);
        const { eosIds } = (await bench.policy(policyId)).config;
        await this.lend(subject, (engine) => work({ engine, tokenizer, eosIds }));
      });
    try {
      await turn().catch(async (error: unknown) => {
        // A run that is training recovers by itself; here nobody else would.
        if (!bench.deviceFailed(error) || open()?.active) throw error;
        await turns.take(() => bench.rebuild(policyId));
        await turn();
      });
    } catch (error) {
      if (!(signal.aborted && labErrorCode(error) === 'cancelled')) throw error;
    }
  }

  /**
   * @param checkpoint null: the base; `current`: the open run  @param base id of the policy that is the base
   * @throws LabError 'usage' where no run is open
   */
  async subject(checkpoint: string | null, base: string): Promise<ProbeSubject> {
    const { open, storage } = this.tools;
    if (checkpoint === null) return { checkpoint, policyId: base, state: askedOf(untrained) };
    if (checkpoint === 'current') {
      const run = open();
      if (!run) throw new LabError('usage', 'No run is open, so there are no current weights.', 'Choose a checkpoint, or resume a run.');
      return { checkpoint, policyId: run.record.config.policy, state: null };
    }
    const { config, state } = await (await storage()).checkpoint(checkpoint);
    return { checkpoint, policyId: config.policy, state: askedOf(state) };
  }

  /** The engine with somebody's weights. Only within a turn. */
  async lend<T>({ policyId, state }: ProbeSubject, work: (engine: PolicyEngine) => Promise<T>): Promise<T> {
    const run = this.tools.open();
    if (!state) await run?.hold();
    return this.tools.bench.borrow(policyId, state, work, run?.active ?? false);
  }
}
