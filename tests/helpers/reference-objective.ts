/**
 * The objectives in float64 plain loops: slow, obvious, and the truth that kernels and `rl/` are compared with.
 * Shapes as in `src/engine/engine.ts`; `gradient` is d loss / d logprob [R][C], by hand.
 */
import type { KlEstimator, ObjectiveSpec, RatioLevel } from '../../src/engine/engine.ts';
import { noSuch } from '../../src/errors.ts';

type Grid = readonly (readonly number[])[];

export interface ObjectiveInputs {
  readonly logprob: Grid;
  readonly entropy?: Grid;
  /** null: on-policy, the ratio is 1 */
  readonly old: Grid | null;
  readonly ref: Grid | null;
  readonly mask: Grid;
  readonly advantage: ArrayLike<number>;
  readonly rowWeight: ArrayLike<number>;
}

export interface ObjectiveOutputs {
  readonly loss: number;
  readonly gradient: number[][];
  /** Masked means over tokens. */
  readonly kl: number | null;
  readonly lowMean: number;
  readonly highMean: number;
}

export function referenceObjective(inputs: ObjectiveInputs, spec: Omit<ObjectiveSpec, 'temperature'>): ObjectiveOutputs {
  const gradient = inputs.logprob.map((row) => row.map(() => 0));
  let loss = 0;
  let tokens = 0;
  let klSum = 0;
  let entropySum = 0;
  let low = 0;
  let high = 0;
  inputs.logprob.forEach((row, i) => {
    const A = inputs.advantage[i]!;
    const weight = inputs.rowWeight[i]!;
    const positions = row.map((_, t) => t).filter((t) => inputs.mask[i]![t]);
    const difference = (t: number) => (inputs.old ? row[t]! - inputs.old[i]![t]! : 0);
    const sum = positions.reduce((total, t) => total + difference(t), 0);
    for (const t of positions) {
      tokens++;
      const r = Math.exp(referenceLogRatio(spec.ratio, difference(t), sum, positions.length));
      const clipped = Math.min(Math.max(r, 1 - spec.epsilonLow), 1 + spec.epsilonHigh);
      let term: number;
      switch (spec.term) {
        case 'sft':
          [term, gradient[i]![t]] = [-row[t]!, gradient[i]![t]! - weight];
          break;
        case 'reinforce':
          [term, gradient[i]![t]] = [-A * row[t]!, gradient[i]![t]! - weight * A];
          break;
        case 'cispo': {
          const cap = Math.min(r, spec.epsilonHigh);
          [term, gradient[i]![t]] = [-cap * A * row[t]!, gradient[i]![t]! - weight * cap * A];
          break;
        }
        case 'clip':
          term = -Math.min(r * A, clipped * A);
          if (r * A <= clipped * A) {
            // d logRatio / d logprob of every position the ratio is made of
            for (const s of spec.ratio === 'token' ? [t] : positions) {
              gradient[i]![s]! -= (weight * A * r) / (spec.ratio === 'sequence-mean' ? positions.length : 1);
            }
          }
          if (r < 1 - spec.epsilonLow && A < 0) low++;
          if (r > 1 + spec.epsilonHigh && A > 0) high++;
          break;
        default:
          noSuch('loss term', spec.term);
      }
      if (inputs.ref) {
        const d = inputs.ref[i]![t]! - row[t]!;
        const [kl, slope] = referenceDivergence(spec.kl, d);
        klSum += kl;
        if (spec.kl !== 'none') {
          term += spec.beta * kl;
          gradient[i]![t]! += weight * spec.beta * slope;
        }
      }
      loss += weight * term;
      entropySum += inputs.entropy?.[i]![t] ?? 0;
    }
  });
  if (tokens > 0) loss -= (spec.entropyCoef * entropySum) / tokens;
  return { loss, gradient, kl: inputs.ref ? klSum / tokens : null, lowMean: low / tokens, highMean: high / tokens };
}

function referenceLogRatio(level: RatioLevel, difference: number, sum: number, count: number): number {
  switch (level) {
    case 'token':
      return difference;
    case 'sequence-mean':
      return sum / count;
    case 'sequence-sum':
      return sum;
    default:
      return noSuch('ratio', level);
  }
}

/** Value and derivative in logprob, d = ref - logprob. */
function referenceDivergence(kl: KlEstimator, d: number): [value: number, slope: number] {
  switch (kl) {
    case 'k1':
      return [-d, 1];
    case 'k2':
      return [d ** 2 / 2, -d];
    case 'k3':
    case 'none':
      return [Math.expm1(d) - d, -Math.expm1(d)];
    default:
      return noSuch('KL estimator', kl);
  }
}
