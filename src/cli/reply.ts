/** One row of generated tokens as a command prints it. */
import type { Rollouts } from '../engine/engine.ts';
import type { Tokenizer } from '../policy/tokenizer.ts';

export interface GeneratedRow {
  /** The completion, its EOS included. */
  readonly tokens: number[];
  readonly logprobs: number[];
  /** Without the EOS; null where there is no tokenizer. */
  readonly text: string | null;
  readonly finish: 'eos' | 'length';
}

export function generatedRow(rollouts: Rollouts, row: number, tokenizer: Tokenizer | null): GeneratedRow {
  const start = row * rollouts.width + rollouts.promptLengths[row]!;
  const end = row * rollouts.width + rollouts.lengths[row]!;
  const ended = rollouts.ended[row] === 1;
  const first = row * rollouts.completionWidth;
  return {
    tokens: Array.from(rollouts.tokens.subarray(start, end)),
    logprobs: Array.from(rollouts.logprobs.subarray(first, first + end - start)),
    text: tokenizer ? tokenizer.decode(rollouts.tokens.subarray(start, ended ? end - 1 : end)) : null,
    finish: ended ? 'eos' : 'length',
  };
}
