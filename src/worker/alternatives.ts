/**
 * What else a policy would have said in a place of a stored rollout: its likeliest tokens there, and where the one that was said stands among
 * them. Of the policy that sampled the rollout, while that is kept; else of a later one, which the answer says.
 */
import type { PolicyEngine } from '../engine/engine.ts';
import { LabError } from '../errors.ts';
import type { Tokenizer } from '../policy/tokenizer.ts';
import type { LabStorage } from '../storage/storage.ts';
import type { Alternatives, AlternativesRequest } from './api.ts';

const shown = 5;

export interface Asked {
  /** Null is the base, `current` the open run. */
  readonly checkpoint: string | null;
  readonly policy: Alternatives['policy'];
}

/**
 * Who is asked about a rollout: rollouts of step n are drawn after n - 1 updates.
 * @param open the run is the open one  @throws LabError 'usage' where nothing of the run is left
 */
export async function whomToAsk(storage: LabStorage, { runId, step }: AlternativesRequest, open: boolean): Promise<Asked> {
  const checkpoints = await storage.checkpoints(runId);
  if (step === 1) return { checkpoint: null, policy: { kind: 'sampler', step: 0 } };
  const exact = checkpoints.find((one) => one.step === step - 1);
  if (exact) return { checkpoint: exact.id, policy: { kind: 'sampler', step: exact.step } };
  if (open) return { checkpoint: 'current', policy: { kind: 'current' } };
  const newest = checkpoints[0];
  if (newest) return { checkpoint: newest.id, policy: { kind: 'checkpoint', step: newest.step } };
  throw new LabError('usage', 'No checkpoint of this run is kept.', 'Its tokens can be read, but no policy can be asked for others.');
}

export async function likelyTokens(
  engine: PolicyEngine,
  tokenizer: Tokenizer,
  { prompt, before, said }: AlternativesRequest,
  temperature: number,
): Promise<Omit<Alternatives, 'policy'>> {
  const logits = await engine.logits(Int32Array.from([...tokenizer.encode(prompt), ...before]));
  const max = logits.reduce((most, value) => Math.max(most, value), -Infinity);
  const weights = Float64Array.from(logits, (value) => Math.exp((value - max) / temperature));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const probability = (id: number): number => weights[id]! / total;
  const likeliest = Array.from(weights.keys()).sort((a, b) => weights[b]! - weights[a]! || a - b);
  return {
    tokens: likeliest.slice(0, shown).map((id) => ({ id, piece: tokenizer.pieces([id])[0] ?? '', probability: probability(id) })),
    said: { probability: probability(said), rank: likeliest.indexOf(said) + 1 },
  };
}
