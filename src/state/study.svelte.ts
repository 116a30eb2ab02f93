/**
 * The committed study as the page shows it: fetched, and cut into one setting's arms, claims and averages over seeds. What the
 * numbers mean and what is claimed is `study/`; nothing is measured here, and no engine is needed.
 */
import { errorSentence } from '../errors.ts';
import { mean } from '../statistics/moments.ts';
import { analysis } from '../evaluate/analysis.ts';
import { judgeClaims, type ClaimResult } from '../study/claims.ts';
import type { Arm, Curve, RunResult, StudyResults } from '../study/results.ts';
import { smooth } from './series.ts';
import { fetchStudy } from './fetched.ts';

export class StudyState {
  results = $state.raw<StudyResults | null>(null);
  /** The page was built without one. */
  absent = $state(false);
  problem = $state<string | null>(null);

  async load(): Promise<void> {
    this.problem = null;
    try {
      this.results = await fetchStudy();
      this.absent = this.results === null;
    } catch (error) {
      this.problem =
        error instanceof TypeError ? 'The study could not be fetched. Check the connection and try again.' : errorSentence(error);
    }
  }
}

/** The headline's first. */
export function settingsOf({ arms }: StudyResults): string[] {
  const settings = new Set(arms.map(({ setting }) => setting).filter((setting) => setting !== null));
  const headline = `β ${analysis.headlineBeta}`;
  return [...settings].sort((a, b) => Number(b === headline) - Number(a === headline));
}

export interface ShownArm extends Arm {
  /** CSS custom property of its recipe's colour. */
  readonly token: string;
  readonly colour: string;
  /** One per seed. */
  readonly runs: readonly RunResult[];
}

/** The arms that are compared in a setting, by their short names. */
export function armsOf({ arms, seeds }: StudyResults, setting: string | null): ShownArm[] {
  return arms
    .filter((arm) => arm.setting === null || arm.setting === setting)
    .map((arm) => ({
      ...arm,
      label: arm.label.replace(`, ${setting}`, ''),
      token: `--recipe-${arm.recipe}`,
      colour: `var(--recipe-${arm.recipe})`,
      runs: seeds.flatMap(({ runs }) => runs.filter((run) => run.arm === arm.id)),
    }));
}

export function claimsOf(results: StudyResults, setting: string | null): ClaimResult[] {
  return judgeClaims(results).filter((claim) => claim.setting === setting);
}

/** Of an arm's runs, over seeds: the expected best of k, and the PSS if personas did not matter. */
export function averages({ runs }: ShownArm): {
  readonly lottery: readonly number[];
  readonly shuffledPss: number;
} {
  return {
    lottery: runs[0]!.lottery.map((_, i) => mean(runs.map(({ lottery }) => lottery[i]!))),
    shuffledPss: mean(runs.map(({ shuffled }) => shuffled.mean)),
  };
}

export interface SeedCurve {
  readonly steps: readonly number[];
  /** Moving averages: over seeds their mean, lowest and highest; null where a seed has no number. */
  readonly line: readonly (number | null)[];
  readonly low: readonly (number | null)[];
  readonly high: readonly (number | null)[];
}

/** Null for an arm that was not trained. @param smoothing factor of the moving average */
export function seedCurve({ runs }: ShownArm, of: (curve: Curve) => readonly (number | null)[], smoothing: number): SeedCurve | null {
  const curves = runs.flatMap(({ curve }) => (curve ? [curve] : []));
  if (curves.length === 0) return null;
  const lines = curves.map((curve) =>
    smooth(
      Array.from(of(curve), (value) => value ?? NaN),
      smoothing,
    ),
  );
  const { step } = curves[0]!;
  const combine = (how: (values: readonly number[]) => number) =>
    step.map((_, i) => {
      const values = lines.map((line) => line[i] ?? null).filter((value) => value !== null);
      return values.length === lines.length ? how(values) : null;
    });
  return {
    steps: step,
    line: combine(mean),
    low: combine((values) => Math.min(...values)),
    high: combine((values) => Math.max(...values)),
  };
}

/** "+87.3 %" */
export function gain(ratio: number): string {
  const value = 100 * (ratio - 1);
  const size = Math.abs(value);
  return `${value < 0 ? '−' : '+'}${size >= 100 ? Math.round(size) : size.toFixed(1)} %`;
}

/** "×1.87" */
export function times(ratio: number | null): string {
  return ratio === null ? '–' : `×${ratio >= 100 ? Math.round(ratio) : ratio >= 10 ? ratio.toFixed(1) : ratio.toFixed(2)}`;
}
