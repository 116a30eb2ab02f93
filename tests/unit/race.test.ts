/** The race of page and command line: a step of each in turn, an arm that fails alone, and what is said at the end. */
import { expect, it } from 'vitest';
import type { HeldOutEvaluation } from '../../src/evaluate/held-out.ts';
import type { RunEvent } from '../../src/run/loop.ts';
import { raceEvents, raceSentence } from '../../src/run/race.ts';

/** The events of an arm by their kinds; an Error is thrown when its turn comes. */
function arm(...kinds: (RunEvent['kind'] | Error)[]): () => Promise<RunEvent | null> {
  const left = [...kinds];
  return async () => {
    const next = left.shift();
    if (next instanceof Error) throw next;
    return next === undefined ? null : ({ kind: next } as RunEvent);
  };
}

async function told(arms: Parameters<typeof raceEvents>[0]): Promise<string[]> {
  const said: string[] = [];
  for await (const event of raceEvents(arms)) {
    const what = 'event' in event ? event.event.kind : event.error === null ? 'end' : (event.error as Error).message;
    said.push(`${event.arm} ${what}`);
  }
  return said;
}

it('is a step of each in turn, with the evaluations that are due before it', async () => {
  const steps = ['evaluation', 'step', 'step'] as const;
  expect(await told({ rlvr: arm(...steps), permix: arm(...steps) })).toEqual([
    'rlvr evaluation',
    'rlvr step',
    'permix evaluation',
    'permix step',
    'rlvr step',
    'permix step',
    'rlvr end',
    'permix end',
  ]);
});

it.each(['rlvr', 'permix'] as const)('goes on with the other arm where %s fails', async (bad) => {
  const good = bad === 'rlvr' ? 'permix' : 'rlvr';
  const arms = { [good]: arm('step', 'step', 'step'), [bad]: arm('step', new Error('out of memory')) };
  const said = await told(arms as Parameters<typeof raceEvents>[0]);
  expect(said.filter((line) => line.startsWith(bad))).toEqual([`${bad} step`, `${bad} out of memory`]);
  expect(said.filter((line) => line.startsWith(good))).toEqual([...new Array<string>(3).fill(`${good} step`), `${good} end`]);
});

/** Two personas, four questions each, of which so many were answered rightly and in voice. */
function asked(...rows: [right: number, inVoice: number][]): HeldOutEvaluation {
  const replies = (right: number, inVoice: number) =>
    Array.from({ length: 4 }, (_, i) => ({
      question: `q${i}`,
      answer: '1',
      text: '1',
      correct: i < right,
      parsed: '1',
      reason: '',
      inVoice: i < inVoice,
    }));
  return {
    step: 0,
    seconds: 1,
    rows: rows.map(([right, inVoice], i) => ({ row: `voice${i}`, personaId: `persona${i}`, replies: replies(right, inVoice) })),
  };
}

it('says at the end what became of the worst voice, and what it cost', () => {
  const ends = { base: asked([0, 4], [4, 4]), rlvr: asked([1, 2], [4, 2]), permix: asked([3, 4], [4, 4]) };
  expect(raceSentence(ends).replaceAll('\u00a0', ' ')).toBe(
    'Worst voice: right in 0 % → 25 % with RLVR → 75 % with PerMix. Still in its voice: 100 % → 50 % with RLVR → 100 % with PerMix.',
  );
});

it('leaves out an arm that failed, and is never NaN', () => {
  const base = asked([0, 0], [0, 0]);
  expect(raceSentence({ base, rlvr: asked([0, 0], [0, 0]), permix: null }).replaceAll('\u00a0', ' ')).toBe(
    'Worst voice: right in 0 % → 0 % with RLVR. Still in its voice: 0 % → 0 % with RLVR.',
  );
  expect(raceSentence({ base: { step: 0, seconds: 0, rows: [] }, rlvr: null, permix: null })).not.toMatch(/NaN|undefined/);
});
