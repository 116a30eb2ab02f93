/**
 * Token log-prob, advantages and filtered distributions in float64 plain loops: what the kernels of every backend are
 * compared with. The objectives are in reference-objective.ts. Held to the shared vectors by tests/unit/kernels-vectors.test.ts.
 */
import { noSuch } from '../../src/errors.ts';
import type { Sampling } from '../../src/engine/engine.ts';
import type { AdvantageKind } from '../../src/engine/engine.ts';

export interface ReferenceRow {
  readonly p: number[];
  readonly logprobs: number[];
  readonly entropy: number;
}

export function referenceRow(logits: ArrayLike<number>, temperature: number): ReferenceRow {
  const x = Array.from(logits);
  const max = x.reduce((most, value) => Math.max(most, value), -Infinity);
  const z = x.map((value) => (value - max) / temperature);
  const logSum = Math.log(z.reduce((sum, value) => sum + Math.exp(value), 0));
  const logprobs = z.map((value) => value - logSum);
  const p = logprobs.map(Math.exp);
  return { p, logprobs, entropy: -p.reduce((sum, value, i) => sum + (value > 0 ? value * logprobs[i]! : 0), 0) };
}

/** d(dLogprob logprob[target] + dEntropy H) / d logits */
export function referenceRowGradient(
  logits: ArrayLike<number>,
  target: number,
  temperature: number,
  dLogprob: number,
  dEntropy: number,
): number[] {
  const { p, logprobs, entropy } = referenceRow(logits, temperature);
  return p.map(
    (value, i) =>
      (dLogprob * ((i === target ? 1 : 0) - value) - (value > 0 ? dEntropy * value * (logprobs[i]! + entropy) : 0)) / temperature,
  );
}

/** NaN rewards could not be scored. */
export function referenceAdvantage(rewards: readonly number[], size: number, kind: AdvantageKind): number[] {
  const scored = (values: readonly number[]) => values.filter((value) => !Number.isNaN(value));
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const std = (values: readonly number[]) =>
    values.length < 2 ? 0 : Math.sqrt(values.reduce((sum, value) => sum + (value - mean(values)) ** 2, 0) / (values.length - 1));
  return rewards.map((reward, i) => {
    if (Number.isNaN(reward)) return 0;
    if (kind === 'none') return reward;
    const group = scored(rewards.slice(i - (i % size), i - (i % size) + size));
    if (group.every((value) => value === group[0])) return 0;
    const centred = reward - mean(group);
    switch (kind) {
      case 'group':
        return centred;
      case 'leave-one-out':
        return (centred * group.length) / (group.length - 1);
      case 'group-std':
        return centred / (std(group) + 1e-4);
      case 'batch-std':
        return centred / (std(scored(rewards)) + 1e-4);
      default:
        return noSuch('advantage', kind);
    }
  });
}

/** Probabilities after temperature, top-k, top-p and min-p; 0 where filtered away. */
export function referenceFiltered(
  logits: ArrayLike<number>,
  { temperature, topK, topP, minP }: Pick<Sampling, 'temperature' | 'topK' | 'topP' | 'minP'>,
): number[] {
  const normalised = (values: number[]) => {
    const total = values.reduce((sum, value) => sum + value, 0);
    return values.map((value) => value / total);
  };
  const order = Array.from(logits, (_, i) => i).sort((a, b) => logits[b]! - logits[a]!);
  let p = referenceRow(logits, temperature).p;
  if (topK > 0 && topK < p.length) {
    const kth = logits[order[topK - 1]!]!;
    p = normalised(p.map((value, i) => (logits[i]! >= kth ? value : 0)));
  }
  if (topP < 1) {
    // from the likeliest down: a token stays while the tokens likelier than it hold less than p
    p = normalised(
      p.map((value, i) => {
        const above = p.reduce((sum, other, j) => sum + (logits[j]! > logits[i]! ? other : 0), 0);
        return above < topP || i === order[0] ? value : 0;
      }),
    );
  }
  const most = Math.max(...p);
  return normalised(p.map((value) => (value < minP * most ? 0 : value)));
}
