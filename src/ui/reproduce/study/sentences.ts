/**
 * What the study found, in plain words: its two headline claims as sentences, a verdict as a word, numbers with their interval. What is claimed
 * and how it is decided is `evaluate/reproduction/claims.ts`.
 */
import { mean } from '../../../statistics/moments.ts';
import { armValue, type ClaimResult, type MeasureName } from '../../../evaluate/reproduction/claims.ts';
import type { SeedGroup, StudyResults, Together } from '../../../evaluate/reproduction/results.ts';
import { gain } from '../../../state/study.svelte.ts';
import { fixed } from '../../format.ts';

export type Ruling = 'reproduced' | 'not reproduced' | 'undecided';

/** Without where it holds. */
export function rulingOf({ verdict }: Pick<ClaimResult, 'verdict'>): Ruling {
  if (verdict.startsWith('reproduced')) return 'reproduced';
  return verdict === 'not reproduced' ? verdict : 'undecided';
}

interface Wording {
  readonly question: string;
  readonly measure: MeasureName;
  readonly name: string;
  readonly answer: Readonly<Record<Ruling, string>>;
}

const headlines: Readonly<Record<string, Wording>> = {
  'permix-pss': {
    question: 'Does the persona matter less?',
    measure: 'pss',
    name: 'PSS',
    answer: {
      reproduced: 'With personas mixed in, the persona changed accuracy less than under RLVR alone',
      'not reproduced': 'With personas mixed in, the persona changed accuracy no less than under RLVR alone',
      undecided: 'Whether the persona changes accuracy less with personas mixed in cannot be said',
    },
  },
  'permix-fidelity': {
    question: 'Does it still speak as its persona?',
    measure: 'fidelity',
    name: 'persona fidelity',
    answer: {
      reproduced: 'With personas mixed in, replies sounded more like the persona asked for than under RLVR alone',
      'not reproduced': 'With personas mixed in, replies sounded no more like the persona asked for than under RLVR alone',
      undecided: 'Whether replies sound more like the persona asked for with personas mixed in cannot be said',
    },
  },
};

export interface Headline {
  readonly id: string;
  readonly question: string;
  /** Up to the colon. */
  readonly answer: string;
  /** With the interval and the seeds. */
  readonly numbers: string;
  readonly ruling: Ruling;
  readonly verdict: string;
  /** What this study's seeds and all others together say; null where there are no others. */
  readonly together: string | null;
  /** What the number would be if there were nothing to find. */
  readonly scale: string | null;
}

/** @param claims of one setting */
export function headlinesOf(results: StudyResults, claims: readonly ClaimResult[]): Headline[] {
  return Object.entries(headlines).flatMap(([id, { question, measure, name, answer }]) => {
    const claim = claims.find((one) => one.id === id);
    if (!claim) return [];
    const [more, less] = [claim.more, claim.less].map((arm) => armValue(results, arm, measure));
    const values = more && less ? `${name} ${fixed(more.mean, 2)} against ${fixed(less.mean, 2)} (${change(claim)})` : change(claim);
    const ruling = rulingOf(claim);
    const scale = measure === 'pss' ? withoutEffect(results, claim.more) : null;
    const all = results.together?.find((one) => one.id === id && one.setting === claim.setting);
    return [
      {
        id,
        question,
        answer: answer[ruling],
        numbers: values,
        ruling,
        verdict: claim.verdict,
        together: all ? allSeeds(all) : null,
        scale,
      },
    ];
  });
}

/** "All 14 seeds, these 5 and 9 run later: +1.4 % (95 % interval −0.3 to +3.0 %). The 9 later ones alone: …" */
function allSeeds({ sources, fresh, all }: Together): string {
  const part = ({ ratio, low, high }: SeedGroup) =>
    low === null || high === null ? gain(ratio) : `${gain(ratio)} (95 % interval ${gain(low).replace(' %', '')} to ${gain(high)})`;
  const margin = `${100 * (all.equivalence?.margin ?? 0)} %`;
  const reading = {
    equivalent: `That is shown to be smaller than ${margin}.`,
    larger: `That is shown to be larger than ${margin}.`,
    open: '',
  }[all.equivalence?.reading ?? 'open'];
  const text = `All ${all.seeds} seeds of this setting, these ${sources[0]!.seeds} and ${fresh.seeds} run later: ${part(all)}; the later ones alone ${part(fresh)}. ${reading}`;
  return text.trim().replaceAll(' %', '\u00a0%');
}

function withoutEffect({ seeds, study }: StudyResults, arm: string): string {
  const shuffled = seeds.flatMap(({ runs }) => runs.filter((run) => run.arm === arm).map((run) => run.shuffled.mean));
  const average = mean(shuffled);
  return `PSS is the worst persona’s accuracy over the best one’s. With ${study.examination.problems} problems each, a policy as good as PerMix that ignored its persona would show ${fixed(average, 2)}, not 1.`;
}

/** "+92.0 %, 95 % interval +70.1 to +117 %, 5 seeds" */
export function change({ ratio, low, high, seeds, reason }: Pick<ClaimResult, 'ratio' | 'low' | 'high' | 'seeds' | 'reason'>): string {
  const over = `${seeds} seed${seeds === 1 ? '' : 's'}`;
  if (ratio === null) return reason.replace(/\.$/, '');
  const text =
    low === null || high === null
      ? `${gain(ratio)}, no interval: ${over}`
      : `${gain(ratio)}, 95 % interval ${gain(low).replace(' %', '')} to ${gain(high)}, ${over}`;
  // A number and its sign stay together.
  return text.replaceAll(' %', '\u00a0%');
}

/** "0.961 ± 0.012"; words where there is no number. */
export function meanAndHalf(value: { readonly mean: number; readonly half: number | null } | null): string {
  if (!value) return 'not measured';
  return value.half === null ? fixed(value.mean, 3) : `${fixed(value.mean, 3)} ± ${fixed(value.half, 3)}`;
}
