/** A run's metrics beside those of another trainer's log (`trainer-log.ts`), step by step where both have them. It judges nothing: seeds and data differ. */
import { csvTable } from '../evaluate/csv.ts';
import type { StepRow } from '../rl/events.ts';
import { isTiming, metricNames, type MetricName } from '../rl/metric-names.ts';
import { mean } from '../statistics/moments.ts';

interface Logged {
  readonly step: number;
  readonly metrics: StepRow;
}

export interface ComparedMetric {
  readonly metric: MetricName;
  /** That both have. */
  readonly steps: readonly number[];
  readonly run: readonly number[];
  readonly log: readonly number[];
  /** Over those steps. */
  readonly means: { readonly run: number; readonly log: number };
  /** Where they are furthest apart. */
  readonly furthest: { readonly step: number; readonly difference: number };
}

/** Metrics that both have at one step or more; those of a machine's speed are left out. */
export function compareLog(run: readonly Logged[], log: readonly Logged[]): readonly ComparedMetric[] {
  const theirs = new Map(log.map(({ step, metrics }) => [step, metrics]));
  return metricNames.flatMap((metric): ComparedMetric[] => {
    if (isTiming(metric)) return [];
    const pairs = run.flatMap(({ step, metrics }) => {
      const [own, other] = [metrics[metric], theirs.get(step)?.[metric]];
      return own === undefined || other === undefined ? [] : [{ step, own, other }];
    });
    if (pairs.length === 0) return [];
    const far = pairs.reduce((worst, one) => (Math.abs(one.own - one.other) > Math.abs(worst.own - worst.other) ? one : worst));
    const [own, other] = [pairs.map((pair) => pair.own), pairs.map((pair) => pair.other)];
    return [
      {
        metric,
        steps: pairs.map(({ step }) => step),
        run: own,
        log: other,
        means: { run: mean(own), log: mean(other) },
        furthest: { step: far.step, difference: far.own - far.other },
      },
    ];
  });
}

/** A row for each metric and step. */
export const comparedCsv = (compared: readonly ComparedMetric[]): string =>
  csvTable(
    ['metric', 'step', 'run', 'log'],
    compared.flatMap(({ metric, steps, run, log }) => steps.map((step, i) => [metric, step, run[i]!, log[i]!])),
  );
