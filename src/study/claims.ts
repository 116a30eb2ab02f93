/**
 * What is claimed, and what a study says about it: each claim compares two recipes of one setting by the t interval over seeds of the paired
 * log-ratio (`../seeds.ts`). The list is declared here, before any run; the measures are this project's own definitions.
 */
import { tInterval } from '../statistics/intervals.ts';
import { equivalence, summariseLogRatios, type Equivalence } from '../statistics/equivalence.ts';
import { claimOverSeeds, type Claim } from '../evaluate/seeds.ts';
import type { RecipeName } from '../rl/config.ts';
import { analysis } from '../evaluate/analysis.ts';
import type { Arm, RunResult, StudyResults } from './results.ts';

export interface Measure {
  readonly name: string;
  /** Null where it was not measured. */
  readonly of: (run: RunResult) => number | null;
}

/** Every number that is compared or tabled, in [0, 1] but for the last. */
export const measures = {
  pss: { name: 'PSS', of: ({ stability }) => stability.all.pss },
  pssHeldOut: { name: 'PSS, held-out personas', of: ({ stability }) => stability.heldOut?.pss ?? null },
  none: { name: 'accuracy without a persona', of: ({ accuracy }) => accuracy.none },
  mean: { name: 'mean accuracy over personas', of: ({ stability }) => stability.all.mean },
  worst: { name: 'accuracy of the worst persona', of: ({ stability }) => stability.all.min },
  spread: { name: 'spread, best − worst persona', of: ({ stability }) => stability.all.spread },
  fidelity: { name: 'persona fidelity', of: ({ fidelity }) => fidelity?.headline ?? null },
  fidelityTask: { name: 'fidelity, task replies', of: ({ fidelity }) => fidelity?.task.mean ?? null },
  fidelityRoleplay: { name: 'fidelity, role-play replies', of: ({ fidelity }) => fidelity?.roleplay.mean ?? null },
  lottery: {
    name: 'gain of the best of 5 personas over one',
    of: ({ lottery }) => Math.max(0, lottery[Math.min(5, lottery.length) - 1]! - lottery[0]!),
  },
  shiftStd: { name: 'std over trained personas of the log-odds shift', of: ({ shift }) => shift?.trained?.std ?? null },
} as const satisfies Record<string, Measure>;

export type MeasureName = keyof typeof measures;

export interface Declared {
  readonly id: string;
  readonly statement: string;
  /** Who says so: the paper's abstract, its theory as reconstructed here, or this project for comparison. */
  readonly source: 'paper' | 'theory' | 'comparison';
  readonly measure: MeasureName;
  /** The ratio is that of `more` over `less`. */
  readonly more: RecipeName;
  readonly less: RecipeName;
  /** The claim is only that `more` keeps this share of `less`. */
  readonly keeps?: number;
}

export const declaredClaims: readonly Declared[] = [
  {
    id: 'permix-pss',
    statement: 'PerMix has a higher Persona Stability Score than RLVR',
    source: 'paper',
    measure: 'pss',
    more: 'permix',
    less: 'rlvr',
  },
  {
    id: 'permix-fidelity',
    statement: 'PerMix has a higher persona fidelity than RLVR',
    source: 'paper',
    measure: 'fidelity',
    more: 'permix',
    less: 'rlvr',
  },
  {
    id: 'rlvr-spread',
    statement: 'RLVR narrows the spread of the base over personas',
    source: 'paper',
    measure: 'spread',
    more: 'base',
    less: 'rlvr',
  },
  {
    id: 'rlvr-fidelity',
    statement: 'RLVR lowers the persona fidelity of the base',
    source: 'paper',
    measure: 'fidelity',
    more: 'base',
    less: 'rlvr',
  },
  {
    id: 'permix-accuracy',
    statement: `PerMix keeps RLVR’s accuracy without a persona (at least ${100 * analysis.keeps} % of it)`,
    source: 'paper',
    measure: 'none',
    more: 'permix',
    less: 'rlvr',
    keeps: analysis.keeps,
  },
  {
    id: 'permix-lottery',
    statement: 'PerMix takes the lottery away: the best of 5 personas gains less than with the base',
    source: 'paper',
    measure: 'lottery',
    more: 'base',
    less: 'permix',
  },
  {
    id: 'permix-shift',
    statement: 'The log-odds shift differs more between trained personas under RLVR than under PerMix',
    source: 'theory',
    measure: 'shiftStd',
    more: 'rlvr',
    less: 'permix',
  },
  {
    id: 'permix-held-out',
    statement: 'PerMix has a higher PSS than RLVR on personas it never met',
    source: 'theory',
    measure: 'pssHeldOut',
    more: 'permix',
    less: 'rlvr',
  },
  {
    id: 'permix-worst',
    statement: 'PerMix raises the worst persona above RLVR’s',
    source: 'comparison',
    measure: 'worst',
    more: 'permix',
    less: 'rlvr',
  },
  {
    id: 'permix-mean',
    statement: 'PerMix is right more often than RLVR over all personas',
    source: 'comparison',
    measure: 'mean',
    more: 'permix',
    less: 'rlvr',
  },
  {
    id: 'permix-sft-pss',
    statement: 'PerMix has a higher PSS than SFT',
    source: 'comparison',
    measure: 'pss',
    more: 'permix',
    less: 'sft',
  },
  {
    id: 'permix-sft-fidelity',
    statement: 'PerMix has a higher persona fidelity than SFT',
    source: 'comparison',
    measure: 'fidelity',
    more: 'permix',
    less: 'sft',
  },
  {
    id: 'permix-distill-pss',
    statement: 'PerMix has a higher PSS than sequence distillation from it',
    source: 'comparison',
    measure: 'pss',
    more: 'permix',
    less: 'distill',
  },
  {
    id: 'permix-distill-fidelity',
    statement: 'PerMix has a higher persona fidelity than sequence distillation from it',
    source: 'comparison',
    measure: 'fidelity',
    more: 'permix',
    less: 'distill',
  },
];

export interface ClaimResult {
  readonly id: string;
  readonly statement: string;
  readonly source: Declared['source'];
  readonly measure: string;
  readonly setting: string | null;
  /** Arms. */
  readonly more: string;
  readonly less: string;
  /** What is reported: more / less, not less than itself. Where a share is kept, the interval has to be above that share. */
  readonly ratio: number | null;
  readonly low: number | null;
  readonly high: number | null;
  readonly threshold: number;
  readonly seeds: number;
  /** Whether the ratio is shown to be too small to matter; null where something is only to be kept, and with fewer than two seeds. */
  readonly equivalence: Equivalence | null;
  readonly verdict: string;
  readonly reason: string;
}

/** Every declared claim in every setting that has both arms; the headline's setting first. */
export function judgeClaims(results: StudyResults): ClaimResult[] {
  const settings = [...new Set(results.arms.map(({ setting }) => setting).filter((setting) => setting !== null))];
  return (settings.length > 0 ? settings : [null]).flatMap((setting) =>
    declaredClaims.flatMap((claim) => {
      const [more, less] = [armOf(results.arms, claim.more, setting), armOf(results.arms, claim.less, setting)];
      if (!more || !less || (setting !== null && more.setting === null && less.setting === null)) return [];
      return [judge(results, claim, setting, more, less)];
    }),
  );
}

function armOf(arms: readonly Arm[], recipe: RecipeName, setting: string | null): Arm | undefined {
  const own = arms.filter((arm) => arm.recipe === recipe);
  return own.find((arm) => arm.setting === setting) ?? own.find((arm) => arm.setting === null);
}

function judge(results: StudyResults, claim: Declared, setting: string | null, more: Arm, less: Arm): ClaimResult {
  const threshold = claim.keeps ?? 1;
  const { verdict, reason, ratio, low, high, seeds, equivalence: small } = compare(results, claim.measure, more.id, less.id, threshold);
  return {
    id: claim.id,
    statement: claim.statement,
    source: claim.source,
    measure: measures[claim.measure].name,
    setting,
    more: more.id,
    less: less.id,
    ratio,
    low,
    high,
    threshold,
    seeds,
    equivalence: threshold === 1 ? small : null,
    verdict: verdict === 'reproduced' ? `reproduced ${where(results)}` : verdict,
    reason,
  };
}

/** Where a verdict holds. */
export function where({ study }: Pick<StudyResults, 'study'>): string {
  return study.base.bundled ? 'in the model world' : `with the base ${study.base.id}`;
}

type Comparison = Pick<Claim, 'verdict' | 'reason' | 'ratio' | 'low' | 'high' | 'seeds'> & Pick<ClaimResult, 'equivalence'>;

/** Two arms over the seeds both were run with. @param threshold the ratio that has to be exceeded */
export function compare(results: StudyResults, name: MeasureName, more: string, less: string, threshold = 1): Comparison {
  const pairs = results.seeds.flatMap(({ seed, runs }) => {
    const [a, b] = [more, less].map((id) => runs.find(({ arm }) => arm === id));
    return a && b ? [{ seed, claimed: measures[name].of(a), against: measures[name].of(b) }] : [];
  });
  const known = pairs.flatMap(({ seed, claimed, against }) =>
    claimed === null || against === null ? [] : [{ seed, claimed, against: threshold * against }],
  );
  if (known.length < pairs.length) {
    const reason = `${measures[name].name} was not measured.`;
    return { verdict: 'undecided', reason, ratio: null, low: null, high: null, seeds: pairs.length, equivalence: null };
  }
  const { verdict, reason, ratio, low, high, seeds, logRatios } = claimOverSeeds(known, analysis.confidence);
  const logs = logRatios.filter((value) => value !== null);
  const small = logs.length === pairs.length ? equivalence(summariseLogRatios(logs), analysis.smallestEffect, analysis.confidence) : null;
  const scaled = (value: number | null) => value && value * threshold;
  return {
    verdict,
    reason: reason.replace(/1\.$/, `${threshold}.`),
    ratio: scaled(ratio),
    low: scaled(low),
    high: scaled(high),
    seeds,
    equivalence: small,
  };
}

/** One arm's value over seeds: mean and half the t interval; null half with one seed, null where nothing was measured. */
export function armValue(
  results: StudyResults,
  arm: string,
  name: MeasureName,
): { mean: number; half: number | null; values: number[] } | null {
  const runs = results.seeds.flatMap(({ runs }) => runs.filter((run) => run.arm === arm));
  const values = runs.map((run) => measures[name].of(run)).filter((value) => value !== null);
  if (values.length === 0) return null;
  if (values.length === 1) return { mean: values[0]!, half: null, values };
  const { mean, high } = tInterval(values, analysis.confidence);
  return { mean, half: high - mean, values };
}
