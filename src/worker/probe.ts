/**
 * The probe: one question × personas × checkpoints. Each checkpoint is one generation, all personas side by side as its rows, in a turn
 * of its own between two training steps; the same seed gives the same draws for every checkpoint.
 */
import { renderPrompt } from '../persona/prompt.ts';
import type { AskedState } from './bench.ts';
import type { ProbeChunk, ProbeRequest } from './api.ts';
import { promptLimit, streamReplies, type AskedPolicy } from './stream-replies.ts';

export interface ProbeSubject {
  readonly checkpoint: string | null;
  readonly policyId: string;
  /** Null: what the open run holds. */
  readonly state: AskedState | null;
}

/** One checkpoint's column of the grid. Resolves early, with what there is, when the signal is aborted. */
export async function probeCheckpoint(
  asked: AskedPolicy,
  checkpoint: string | null,
  { personas, question, temperature, maxNewTokens, seed }: ProbeRequest,
  signal: AbortSignal,
  onChunk: (chunks: readonly ProbeChunk[]) => void,
): Promise<void> {
  const limit = promptLimit(asked.tokenizer, maxNewTokens);
  const prompts = personas.map(({ text }) => renderPrompt(asked.tokenizer, text, question, limit));
  await streamReplies(asked, prompts, { temperature, maxNewTokens, seed, step: 0 }, signal, (replies) =>
    onChunk(replies.map((reply, row) => ({ checkpoint, persona: personas[row]!.key, ...reply }))),
  );
}
