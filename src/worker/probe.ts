/**
 * The probe: one question × personas × checkpoints. Each checkpoint is one generation, all personas side by side as its rows, in a turn
 * of its own between two training steps; the same seed gives the same draws for every checkpoint.
 */
import type { PolicyEngine } from '../engine/engine.ts';
import { renderPrompt } from '../persona/prompt.ts';
import type { Tokenizer } from '../policy/tokenizer.ts';
import type { Weights } from '../policy/weights.ts';
import type { ProbeChunk, ProbeRequest } from './api.ts';
import { deliveryInterval } from './event-stream.ts';

export interface ProbeSubject {
  readonly checkpoint: string | null;
  readonly policyId: string;
  /** Null: those of the open run. */
  readonly weights: Weights | null;
}

/** One checkpoint's column of the grid. Resolves early, with what there is, when the signal is aborted. */
export async function probeCheckpoint(
  engine: PolicyEngine,
  tokenizer: Tokenizer,
  eosIds: readonly number[],
  checkpoint: string | null,
  request: ProbeRequest,
  signal: AbortSignal,
  onChunk: (chunks: readonly ProbeChunk[]) => void,
): Promise<void> {
  const limit = (tokenizer.maxLength ?? Infinity) - request.maxNewTokens;
  const prompts = request.personas.map(({ text }) => renderPrompt(tokenizer, text, request.question, limit));
  const rows: number[][] = prompts.map(() => []);
  const chunk = (row: number, logprobs: readonly number[], done: boolean): ProbeChunk => {
    const ids = rows[row]!;
    const text = tokenizer.decode(ids);
    return {
      checkpoint,
      persona: request.personas[row]!.key,
      text,
      thinking: prompts[row]!.thinking,
      pieces: tokenizer.pieces(ids),
      logprobs,
      done,
    };
  };

  let delivered = performance.now();
  const rollouts = await engine.generate(
    {
      prompts: prompts.map(({ tokens }) => tokens),
      repeats: 1,
      sampling: {
        temperature: request.temperature,
        topK: 0,
        topP: 1,
        minP: 0,
        maxNewTokens: request.maxNewTokens,
        eosIds,
        seed: request.seed,
        step: 0,
        firstRow: 0,
      },
      signal,
    },
    ({ tokens }) => {
      tokens.forEach((token, row) => {
        if (token >= 0) rows[row]!.push(token);
      });
      if (signal.aborted || performance.now() - delivered < deliveryInterval) return;
      delivered = performance.now();
      onChunk(rows.map((_, row) => chunk(row, [], false)));
    },
  );
  if (signal.aborted) return;
  onChunk(
    rows.map((_, row) => {
      const first = rollouts.promptLengths[row]!;
      const length = rollouts.lengths[row]! - first;
      const start = row * rollouts.width + first;
      rows[row] = Array.from(rollouts.tokens.subarray(start, start + length));
      const at = row * rollouts.completionWidth;
      return chunk(row, Array.from(rollouts.logprobs.subarray(at, at + length)), true);
    }),
  );
}
