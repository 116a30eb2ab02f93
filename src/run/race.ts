/**
 * RLVR and PerMix side by side from one seed: a step of one, a step of the other, the same held-out questions asked of both. It says how it
 * came out in one sentence, for page and command line alike. One seed is a demonstration; the comparison over seeds is `permix reproduce`.
 */
import { analysis } from '../evaluate/analysis.ts';
import { heldOutMetrics, voicedRows, type HeldOutEvaluation } from '../evaluate/held-out.ts';
import type { RecipeName } from '../rl/config.ts';
import type { RunEvent } from './loop.ts';

export const raceRecipes = ['rlvr', 'permix'] as const satisfies readonly RecipeName[];
export type RaceArm = (typeof raceRecipes)[number];

/** What both have beside their recipe: the KL term of the comparison's headline (docs/reproduction). */
export const raceSettings = { objective: { beta: analysis.headlineBeta, kl: 'k3' } } as const;

export type RaceEvent =
  | { readonly arm: RaceArm; readonly event: RunEvent }
  /** This arm has come to its end, or to an error; the other one goes on. */
  | { readonly arm: RaceArm; readonly ended: true; readonly error: unknown };

/** Pulls the arms in turn, each up to and with its next step. @param arms null: that arm is over */
export async function* raceEvents(arms: Readonly<Record<RaceArm, () => Promise<RunEvent | null>>>): AsyncGenerator<RaceEvent> {
  let running: readonly RaceArm[] = raceRecipes;
  while (running.length > 0) {
    for (const arm of running) {
      try {
        for (;;) {
          const event = await arms[arm]();
          if (event === null) running = running.filter((other) => other !== arm);
          if (event === null) yield { arm, ended: true, error: null };
          else yield { arm, event };
          if (event?.kind !== 'evaluation') break;
        }
      } catch (error) {
        running = running.filter((other) => other !== arm);
        yield { arm, ended: true, error };
      }
    }
  }
}

export interface RaceEnds {
  /** The policy that both began with. */
  readonly base: HeldOutEvaluation;
  /** Null: of that arm nothing is known. */
  readonly rlvr: HeldOutEvaluation | null;
  readonly permix: HeldOutEvaluation | null;
}

/** "Worst voice: right in 6 % before training, 31 % with RLVR, 94 % with PerMix. …" and what it cost in voice, where voices can be told. */
export function raceSentence({ base, rlvr, permix }: RaceEnds): string {
  const [before, without, mixed] = [base, rlvr, permix].map((evaluation) => evaluation && heldOutMetrics(evaluation));
  const told = (name: `eval/${string}`) => {
    const start = before?.[name];
    if (start === undefined) return null;
    const then = [
      [without?.[name], 'RLVR'],
      [mixed?.[name], 'PerMix'],
    ] as const;
    const trained = then.flatMap(([value, title]) => (value === undefined ? [] : [`${percent(value)} with ${title}`]));
    // Two trainings that begin with the same policy, not one after the other.
    return `${percent(start)} before training${trained.map((words) => `, ${words}`).join('')}`;
  };
  const [worst, voice] = [told('eval/worst'), told('eval/voice')];
  return [worst && `Worst voice: right in ${worst}.`, voiceSentence(base, voice)].filter(Boolean).join(' ');
}

/** Only a voice with markers can be told from a dozen replies; what is not measured is said. */
function voiceSentence(base: HeldOutEvaluation, voice: string | null): string | null {
  const { asked, told } = voicedRows(base);
  if (asked === 0) return null;
  if (voice === null)
    return 'Whether they still speak in their voice is not measured here: none has phrases of its own. An evaluation does.';
  return told === asked
    ? `Still in its voice: ${voice}.`
    : `Still in its voice, of the ${told} of ${asked} that have phrases of their own: ${voice}.`;
}

const percent = (share: number): string => `${Math.round(100 * share)}\u00a0%`;
