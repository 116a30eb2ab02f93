/**
 * From the row sums that the loss kernels leave behind to the metrics of an optimiser step. What the sums are of is in
 * portable/kernels/clipped-loss.ts.
 */
import type { ObjectiveSpec, StepMetrics } from './engine.ts';

/** The columns of `rows`: sums over the tokens of a row that count, unless said otherwise. */
export const rowColumns = [
  'tokens',
  'loss', // of the whole, weights applied
  'policyLoss', // likewise, without KL and entropy
  'kl',
  'entropy',
  'clippedLow', // tokens with r < 1 - eL and A < 0
  'clippedHigh', // tokens with r > 1 + eH and A > 0; for cispo r > eH and A > 0
  'ratioMax', // the largest, 0 in an empty row
  'difference', // |logprob - old|
  'differenceMax', // the largest
] as const;

export type RowColumn = (typeof rowColumns)[number];

/** Metrics of a step without what only the optimiser knows. */
export type LossMetrics = Omit<StepMetrics, 'gradNorm' | 'skipped'>;

/**
 * @param rows [R, K] of the whole optimiser step: the rows of its micro-batches one after the other
 * @param has whether there were old and reference log-probs
 *
 * Means are over the tokens that count; the clip shares of a sequence ratio are over rows, as in TRL. `lowMin` and
 * `highMax` are the extremes of the shares of single rows. An empty batch has zeros.
 */
export function stepMetricsFromRows(
  rows: Float32Array,
  objective: ObjectiveSpec,
  has: { readonly old: boolean; readonly ref: boolean },
): LossMetrics {
  const width = rowColumns.length;
  const count = rows.length / width;
  const column = (name: RowColumn) => Array.from({ length: count }, (_, row) => rows[row * width + rowColumns.indexOf(name)]!);
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
  const largest = (values: readonly number[]) => values.reduce((most, value) => Math.max(most, value), 0);
  const perRow = column('tokens');
  const tokens = sum(perRow);
  const mean = (name: RowColumn) => sum(column(name)) / Math.max(tokens, 1);
  const shares = (name: 'clippedLow' | 'clippedHigh') => column(name).map((value, row) => value / Math.max(perRow[row]!, 1));
  const low = shares('clippedLow');
  const high = shares('clippedHigh');
  const bySequence = objective.ratio !== 'token';
  const lowMean = bySequence ? sum(low) / Math.max(count, 1) : mean('clippedLow');
  const highMean = bySequence ? sum(high) / Math.max(count, 1) : mean('clippedHigh');
  return {
    loss: sum(column('loss')),
    policyLoss: sum(column('policyLoss')),
    kl: has.ref ? mean('kl') : null,
    entropy: mean('entropy'),
    tokens,
    clip: {
      lowMean,
      lowMin: low.length ? Math.min(...low) : 0,
      highMean,
      highMax: largest(high),
      regionMean: lowMean + highMean,
    },
    ratioMax: largest(column('ratioMax')),
    logprobDifference: has.old ? { mean: mean('difference'), max: largest(column('differenceMax')) } : null,
  };
}
