/**
 * What the study found, in plain words: its two headline claims as sentences, a verdict as a word, numbers with their interval. What is claimed
 * and how it is decided is `study/claims.ts`.
 */
import { analysis } from '../../../evaluate/analysis.ts';
import { mean } from '../../../statistics/moments.ts';
import { armValue, type ClaimResult, type MeasureName } from '../../../study/claims.ts';
import type { SeedGroup, StudyResults, Together } from '../../../study/results.ts';
import { taskWords } from '../../../tasks/names.ts';
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
  /** What the study's own seeds and the later ones say alone; null where there are no later ones. */
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
    const one = { id, question, answer: answer[ruling], numbers: values, ruling, verdict: claim.verdict, together: null, scale };
    const all = results.together?.find((other) => other.id === id && other.setting === claim.setting);
    // What all seeds say is what is known; the study's own suggested the claim, and stand below it.
    return [
      all
        ? {
            ...one,
            ...overAll(all, answer, name),
            // The seeds are counted at its beginning.
            together:
              `These ${seedsOf(all.sources[0]!)} alone: ${values.replace(/, \d+ seeds?\b/, '')}. The later ones alone: ${part(all.fresh)}.`.replaceAll(
                ' %',
                '\u00a0%',
              ),
          }
        : one,
    ];
  });
}

/** By claim: what more seeds say of it, where that is not what these say. */
export function overruledOf(results: StudyResults, claims: readonly ClaimResult[]): Readonly<Record<string, string>> {
  return Object.fromEntries(
    headlinesOf(results, claims).flatMap(({ id, ruling, verdict, numbers, together }) => {
      const claim = claims.find((one) => one.id === id)!;
      return together === null || ruling === rulingOf(claim) ? [] : [[id, `With more seeds ${verdict}: ${numbers}.`]];
    }),
  );
}

const seedsOf = ({ seeds }: SeedGroup) => `${seeds} seed${seeds === 1 ? '' : 's'}`;

/** "+1.5 % (95 % interval −0.2 to +3.2 %)" */
function part({ ratio, low, high }: SeedGroup): string {
  return low === null || high === null ? gain(ratio) : `${gain(ratio)} (95 % interval ${gain(low).replace(' %', '')} to ${gain(high)})`;
}

/** The headline over all seeds: by their interval, or as too small to matter where that is shown. */
function overAll({ all }: Together, answer: Wording['answer'], name: string): Pick<Headline, 'answer' | 'numbers' | 'ruling' | 'verdict'> {
  const { low, high, equivalence } = all;
  const numbers = `${name} ${part(all)}, all ${seedsOf(all)}`.replaceAll(' %', '\u00a0%');
  if (equivalence?.reading === 'equivalent') {
    const margin = `${100 * equivalence.margin}\u00a0%`;
    const what = `With personas mixed in, ${name} is within ${margin} of RLVR’s`;
    return { answer: what, numbers, ruling: 'not reproduced', verdict: `not reproduced: shown to be smaller than ${margin}` };
  }
  const ruling: Ruling = low !== null && low > 1 ? 'reproduced' : high !== null && high <= 1 ? 'not reproduced' : 'undecided';
  return { answer: answer[ruling], numbers, ruling, verdict: ruling };
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

/** What every policy was asked, and how it replied. */
export const askedOf = ({ study }: StudyResults): string =>
  `${study.examination.problems} held-out problems (${taskWords([{ id: analysis.task }])}) a persona and seed, replies drawn at temperature ${analysis.temperature}`;

/** What persona fidelity is measured on. */
export const fidelityAskedOf = ({ study }: StudyResults): string =>
  `${study.examination.fidelityReplies} replies a persona and kind, to those problems and to held-out open questions`;
