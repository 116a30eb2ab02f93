/**
 * RLVR and PerMix side by side from one seed: a step of one, a step of the other, the same held-out questions asked of both. It says how it
 * came out in one sentence, for page and command line alike. One seed is a demonstration; the comparison over seeds is `permix reproduce`.
 */
import { analysis } from '../evaluate/analysis.ts';
import { heldOutMetrics, type HeldOutEvaluation } from '../evaluate/held-out.ts';
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

/** "Worst voice: 6 % right → 31 % with RLVR → 94 % with PerMix. …" and what it cost in voice, where voices can be told. */
export function raceSentence({ base, rlvr, permix }: RaceEnds): string {
  const [before, without, mixed] = [base, rlvr, permix].map((evaluation) => evaluation && heldOutMetrics(evaluation));
  const told = (name: `eval/${string}`) => {
    const start = before?.[name];
    if (start === undefined) return null;
    const then = [
      [without?.[name], 'RLVR'],
      [mixed?.[name], 'PerMix'],
    ] as const;
    return [percent(start), ...then.flatMap(([value, title]) => (value === undefined ? [] : [`${percent(value)} with ${title}`]))].join(
      ' → ',
    );
  };
  const [worst, voice] = [told('eval/worst'), told('eval/voice')];
  return [worst && `Worst voice: right in ${worst}.`, voice && `Still in its voice: ${voice}.`].filter(Boolean).join(' ');
}

const percent = (share: number): string => `${Math.round(100 * share)}\u00a0%`;
