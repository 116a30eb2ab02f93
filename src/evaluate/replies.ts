/** Asks a policy and reads what it says. Which questions under which personas is `accuracy.ts` and `evaluate.ts`. */
import type { PolicyEngine } from '../engine/engine.ts';
import { shareWritten } from '../engine/written.ts';
import { LabError } from '../errors.ts';
import type { RenderedPrompt } from '../persona/prompt.ts';
import type { Tokenizer } from '../policy/tokenizer.ts';
import { Purpose } from '../random/counter.ts';

export interface Reply {
  /** The completion, its EOS included. */
  readonly tokens: readonly number[];
  /** Without the EOS. */
  readonly text: string;
  /** By an EOS, not cut at the limit. */
  readonly ended: boolean;
  /** The closing mark of a thinking that the prompt opened; absent where it opened none. */
  readonly thinking?: string;
}

export interface ReplyRequest {
  readonly engine: Pick<PolicyEngine, 'generate'>;
  readonly tokenizer: Tokenizer;
  /** The policy's `config.eosIds`. */
  readonly eosIds: readonly number[];
  readonly prompts: readonly Pick<RenderedPrompt, 'tokens' | 'thinking'>[];
  /** Replies to each prompt. */
  readonly samples: number;
  readonly seed: number;
  /** Counters of the draws: which piece of the evaluation, and the number of its first reply. */
  readonly step: number;
  readonly firstRow: number;
  /** 0: greedy. */
  readonly temperature: number;
  /** 1, which is the default, is off. */
  readonly topP?: number;
  readonly maxNewTokens: number;
  /** Rows of one generation; the result does not depend on it, the memory does. */
  readonly batchRows: number;
  /** Called with how many replies have come since, and with parts of those that are being written. */
  readonly onReplies?: (count: number) => void;
  readonly signal?: AbortSignal;
}

/** @returns [prompts * samples], the samples of a prompt consecutive @throws LabError 'cancelled' when the signal is aborted */
export async function generateReplies(request: ReplyRequest): Promise<Reply[]> {
  const { engine, tokenizer, eosIds, prompts, samples, signal } = request;
  const promptsPerBatch = Math.max(1, Math.floor(request.batchRows / samples));
  const replies: Reply[] = [];
  for (let first = 0; first < prompts.length; first += promptsPerBatch) {
    if (signal?.aborted) throw stopped();
    const batch = prompts.slice(first, first + promptsPerBatch);
    const sampling = {
      temperature: request.temperature,
      topK: 0,
      topP: request.topP ?? 1,
      minP: 0,
      maxNewTokens: request.maxNewTokens,
      eosIds,
      // Draws of their own, numbered over the whole evaluation.
      seed: (request.seed ^ Purpose.evaluation) >>> 0,
      step: request.step,
      firstRow: request.firstRow + first * samples,
    };
    const of = { prompts: batch.map(({ tokens }) => tokens), repeats: samples, sampling, ...(signal ? { signal } : {}) };
    const told = new Told(batch.length * samples, request.onReplies);
    const written = shareWritten(sampling.maxNewTokens);
    const rollouts = await engine.generate(of, request.onReplies && ((token) => told.at(written(token))));
    for (let row = 0; row < rollouts.rows; row++) {
      const start = row * rollouts.width + rollouts.promptLengths[row]!;
      const end = row * rollouts.width + rollouts.lengths[row]!;
      const ended = rollouts.ended[row] === 1;
      const { thinking } = batch[Math.floor(row / samples)]!;
      replies.push({
        tokens: Array.from(rollouts.tokens.subarray(start, end)),
        text: tokenizer.decode(rollouts.tokens.subarray(start, ended ? end - 1 : end)),
        ended,
        ...(thinking === null ? {} : { thinking }),
      });
    }
    told.at(1);
  }
  return replies;
}

/** Tells of a batch what came of it since it last told. */
class Told {
  #share = 0;

  constructor(
    private readonly rows: number,
    private readonly tell: ((count: number) => void) | undefined,
  ) {}

  at(share: number): void {
    this.tell?.((share - this.#share) * this.rows);
    this.#share = share;
  }
}

/** What a stopped evaluation rejects with. */
export function stopped(): LabError {
  return new LabError('cancelled', 'The evaluation was stopped.', 'Start it again when you like.');
}
