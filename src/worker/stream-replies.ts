/** Replies to prompts, all side by side as rows of one generation, told as they are written. What the prompts are is `probe.ts` and `chat.ts`. */
import type { PolicyEngine, Sampling } from '../engine/engine.ts';
import type { RenderedPrompt } from '../persona/prompt.ts';
import type { Tokenizer } from '../policy/tokenizer.ts';
import type { ReplyChunk } from './api.ts';
import { deliveryInterval } from './event-stream.ts';

/** Somebody's weights, ready to reply. */
export interface AskedPolicy {
  readonly engine: PolicyEngine;
  readonly tokenizer: Tokenizer;
  readonly eosIds: readonly number[];
}

export type ReplySettings = Pick<Sampling, 'temperature' | 'maxNewTokens' | 'seed' | 'step'>;

/** Most tokens of a prompt, so that a whole reply fits behind it. */
export const promptLimit = ({ maxLength }: Tokenizer, maxNewTokens: number): number => (maxLength ?? Infinity) - maxNewTokens;

/** @param onReplies one a prompt, in their order. Resolves early, without the last telling, when the signal is aborted. */
export async function streamReplies(
  { engine, tokenizer, eosIds }: AskedPolicy,
  prompts: readonly RenderedPrompt[],
  settings: ReplySettings,
  signal: AbortSignal,
  onReplies: (replies: readonly ReplyChunk[]) => void,
): Promise<void> {
  const rows: number[][] = prompts.map(() => []);
  const chunk = (row: number, logprobs: readonly number[], end: { done: boolean; cut: boolean }): ReplyChunk => {
    const ids = rows[row]!;
    return { text: tokenizer.decode(ids), thinking: prompts[row]!.thinking, pieces: tokenizer.pieces(ids), logprobs, ...end };
  };

  let delivered = performance.now();
  const rollouts = await engine.generate(
    {
      prompts: prompts.map(({ tokens }) => tokens),
      repeats: 1,
      sampling: { ...settings, topK: 0, topP: 1, minP: 0, eosIds, firstRow: 0 },
      signal,
    },
    ({ tokens }) => {
      tokens.forEach((token, row) => {
        if (token >= 0) rows[row]!.push(token);
      });
      if (signal.aborted || performance.now() - delivered < deliveryInterval) return;
      delivered = performance.now();
      onReplies(rows.map((_, row) => chunk(row, [], { done: false, cut: false })));
    },
  );
  if (signal.aborted) return;
  onReplies(
    rows.map((_, row) => {
      const first = rollouts.promptLengths[row]!;
      const length = rollouts.lengths[row]! - first;
      const start = row * rollouts.width + first;
      rows[row] = Array.from(rollouts.tokens.subarray(start, start + length));
      const at = row * rollouts.completionWidth;
      return chunk(row, Array.from(rollouts.logprobs.subarray(at, at + length)), { done: true, cut: rollouts.ended[row] === 0 });
    }),
  );
}
