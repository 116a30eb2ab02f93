/** How a token is shaded: a number in [0, 1] and the words for it. */
import type { RolloutRecord } from '../../rl/events.ts';
import { fixed, percent } from '../format.ts';

export type Shade = 'logprob' | 'entropy' | 'none';

/** Both scales end at 3 nats: a token of 5 % probability, or doubt between twenty. */
const most = 3;

export function shadeOf(rollout: Pick<RolloutRecord, 'logprobs' | 'entropies'>, index: number, shade: Shade): number {
  if (shade === 'none') return 0;
  const value = shade === 'logprob' ? -(rollout.logprobs[index] ?? 0) : (rollout.entropies[index] ?? 0);
  return Math.min(1, Math.max(0, value / most));
}

export function tokenWords(rollout: Pick<RolloutRecord, 'logprobs' | 'entropies' | 'pieces'>, index: number): string {
  const logprob = rollout.logprobs[index];
  const entropy = rollout.entropies[index];
  const words = [`“${visible(rollout.pieces[index] ?? '')}”`];
  if (logprob !== undefined) words.push(`probability ${percent(Math.exp(logprob))}`, `log-prob ${fixed(logprob, 2)} nats`);
  if (entropy !== undefined) words.push(`entropy ${fixed(entropy, 2)} nats`);
  return words.join(' · ');
}

/** White space made visible. */
export function visible(piece: string): string {
  return piece.replaceAll(' ', '␣').replaceAll('\n', '↵').replaceAll('\t', '⇥');
}
