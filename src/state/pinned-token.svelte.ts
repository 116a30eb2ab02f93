/** The token that is looked at, and what else the policy could have said there, for whoever asks. */
import { errorSentence } from '../errors.ts';
import type { ObjectiveName } from '../rl/config.ts';
import type { RolloutRecord } from '../rl/events.ts';
import type { Alternatives, AlternativesRequest } from '../worker/api.ts';

/** Arrow keys pass over many tokens; only where they rest is the policy asked. */
const restMs = 200;

type Ask = (request: Omit<AlternativesRequest, 'runId'>) => Promise<Alternatives>;

export class PinnedToken {
  rollout = $state.raw<RolloutRecord | null>(null);
  /** Place in its pieces. */
  at = $state(0);
  /** Whose formula stands beside the run's own. */
  beside = $state<ObjectiveName | null>(null);
  /** Alternatives are wanted, of this token and of those that are pinned after it. */
  asking = $state(false);
  alternatives = $state.raw<Alternatives | null>(null);
  problem = $state<string | null>(null);
  readonly #ask: Ask | null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #request = 0;

  /** @param ask null where there is no policy to ask */
  constructor(ask: Ask | null) {
    this.#ask = ask;
  }

  /** Ids are needed, which earlier versions did not store. */
  get canAsk(): boolean {
    return this.#ask !== null && this.rollout?.tokens !== undefined;
  }

  pin(rollout: RolloutRecord, at: number): void {
    this.#forget();
    this.rollout = rollout;
    this.at = Math.max(0, Math.min(rollout.pieces.length - 1, at));
    if (this.asking) this.#timer = setTimeout(() => void this.ask(), restMs);
  }

  clear(): void {
    this.#forget();
    this.rollout = null;
  }

  async ask(): Promise<void> {
    this.asking = true;
    const { rollout, at } = this;
    if (!rollout?.tokens || !this.#ask) return;
    const request = ++this.#request;
    const { step, prompt, tokens } = rollout;
    try {
      const alternatives = await this.#ask({ step, prompt, before: tokens.slice(0, at), said: tokens[at]! });
      if (request === this.#request) this.alternatives = alternatives;
    } catch (error) {
      if (request === this.#request) this.problem = errorSentence(error);
    }
  }

  #forget(): void {
    clearTimeout(this.#timer);
    this.#request++;
    this.alternatives = null;
    this.problem = null;
  }
}
