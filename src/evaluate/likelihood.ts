/**
 * Who a frozen policy believes is speaking: log pi_base(y | q, p) of one reply under every persona's prompt, in the manner of
 * persona speaker probability (SIGDIAL 2021); the definitions are this project's (docs/evaluation.md).
 */
import type { PolicyEngine, TokenBatch } from '../engine/engine.ts';
import { LabError } from '../errors.ts';
import { stopped } from './replies.ts';

export interface Believed {
  /** 1 where the reply is likeliest under its own voice; 1/m where m voices are equally likely and its own is one of them. */
  readonly identified: number;
  /** Pointwise mutual information, log pi(y|q,p) - log mean_p' pi(y|q,p'), nats. At most log P. */
  readonly pmi: number;
}

/**
 * @param logprobs [P] of one reply under each persona
 * @param voices [P] the voice (or class) of each persona; a voice's likelihood is the mean over its personas
 * @param own index of the persona that spoke
 */
export function believedSpeaker(logprobs: readonly number[], voices: readonly string[], own: number): Believed {
  const byVoice = [...new Set(voices)].map((voice) => ({ voice, value: logMeanExp(logprobs.filter((_, p) => voices[p] === voice)) }));
  const best = Math.max(...byVoice.map(({ value }) => value));
  const likeliest = byVoice.filter(({ value }) => value === best);
  return {
    identified: likeliest.some(({ voice }) => voice === voices[own]) ? 1 / likeliest.length : 0,
    pmi: logprobs[own]! - logMeanExp(logprobs),
  };
}

/** ln of the mean of exp. */
export function logMeanExp(values: readonly number[]): number {
  const max = Math.max(...values);
  return max + Math.log(values.reduce((sum, value) => sum + Math.exp(value - max), 0) / values.length);
}

export interface ScoringRow {
  readonly prompt: Int32Array;
  /** Its EOS included, if it had one. */
  readonly completion: readonly number[];
}

/**
 * Sum of log-probs of each completion given its prompt, nats, at temperature 1.
 * @returns [rows] @throws LabError 'cancelled'
 */
export async function sequenceLogprobs(
  engine: Pick<PolicyEngine, 'score'>,
  rows: readonly ScoringRow[],
  options: { readonly batchRows: number; readonly signal?: AbortSignal; readonly onProgress?: (rows: number) => void },
): Promise<number[]> {
  const totals: number[] = [];
  for (let first = 0; first < rows.length; first += options.batchRows) {
    if (options.signal?.aborted) throw stopped();
    const batch = tokenBatch(rows.slice(first, first + options.batchRows));
    const { logprobs } = await engine.score(batch, { temperature: 1, policy: 'current' });
    for (let row = 0; row < batch.rows; row++) {
      const length = batch.lengths[row]! - batch.promptLengths[row]!;
      let total = 0;
      for (let t = 0; t < length; t++) total += logprobs[row * batch.completionWidth + t]!;
      if (!Number.isFinite(total)) {
        throw new LabError('numeric', `The log-probability of a reply is ${total}.`, 'Check the weights of the base policy.');
      }
      totals.push(total);
    }
    options.onProgress?.(batch.rows);
  }
  return totals;
}

/** Right-padded rows `[prompt | completion]`, as the engines read them. */
function tokenBatch(rows: readonly ScoringRow[]): TokenBatch {
  const width = Math.max(...rows.map(({ prompt, completion }) => prompt.length + completion.length));
  const tokens = new Int32Array(rows.length * width);
  rows.forEach(({ prompt, completion }, row) => {
    tokens.set(prompt, row * width);
    tokens.set(completion, row * width + prompt.length);
  });
  return {
    rows: rows.length,
    width,
    completionWidth: Math.max(1, ...rows.map(({ completion }) => completion.length)),
    tokens,
    promptLengths: Int32Array.from(rows, ({ prompt }) => prompt.length),
    lengths: Int32Array.from(rows, ({ prompt, completion }) => prompt.length + completion.length),
  };
}
