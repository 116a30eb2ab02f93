/** The race of page and command line: a step of each in turn, an arm that fails alone, and what is said at the end. */
import { expect, it } from 'vitest';
import { heldOutSummary } from '../../src/cli/completions.ts';
import type { HeldOutEvaluation } from '../../src/evaluate/held-out.ts';
import type { RunEvent } from '../../src/run/loop.ts';
import { raceEvents, raceSentence } from '../../src/run/race.ts';
import { Race } from '../../src/state/race.svelte.ts';
import type { SessionPhase } from '../../src/worker/api.ts';

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
    'Worst voice: right in 0 % before training, 25 % with RLVR, 75 % with PerMix. Still in its voice: 100 % before training, 50 % with RLVR, 100 % with PerMix.',
  );
});

it('says of whom voice is known, and where it is of nobody', () => {
  const base = asked([0, 4], [4, 4]);
  const without = (rows: (typeof base)['rows']) =>
    rows.map((row) => ({ ...row, replies: row.replies.map(({ inVoice: _, ...reply }) => reply) }));
  const sentence = (rows: (typeof base)['rows']) =>
    raceSentence({ base: { ...base, rows }, rlvr: null, permix: null }).replaceAll('\u00a0', ' ');
  expect(sentence(without(base.rows))).toBe(
    'Worst voice: right in 0 % before training. Whether they still speak in their voice is not measured here: none has phrases of its own. An evaluation does.',
  );
  expect(sentence([base.rows[0]!, ...without(base.rows.slice(1))])).toBe(
    'Worst voice: right in 0 % before training. Still in its voice, of the 1 of 2 that have phrases of their own: 100 % before training.',
  );
  expect(heldOutSummary({ ...base, rows: without(base.rows) })).toMatch(/, voice not measured$/);
  expect(heldOutSummary({ ...base, rows: [base.rows[0]!, ...without(base.rows.slice(1))] })).toMatch(/, in its voice 100\.0 % \(1 of 2\)$/);
});

it('leaves out an arm that failed, and is never NaN', () => {
  const base = asked([0, 0], [0, 0]);
  expect(raceSentence({ base, rlvr: asked([0, 0], [0, 0]), permix: null }).replaceAll('\u00a0', ' ')).toBe(
    'Worst voice: right in 0 % before training, 0 % with RLVR. Still in its voice: 0 % before training, 0 % with RLVR.',
  );
  expect(raceSentence({ base: { step: 0, seconds: 0, rows: [] }, rlvr: null, permix: null })).not.toMatch(/NaN|undefined/);
});

it('on the page keeps the arm that did not fail, with what came of it and why the other is missing', () => {
  const race = new Race(() => expect.fail());
  const pair = { rlvr: 'r', permix: 'p' };
  const session = (runId: string, phase: SessionPhase, step: number, message: string | null = null) =>
    race.take({ type: 'session', runId, phase, step, steps: 30, message });
  race.take({ type: 'race', runId: 'p', pair });
  for (const runId of ['r', 'p']) race.take({ type: 'evaluation', runId, evaluation: asked([0, 4], [4, 4]) });
  race.take({ type: 'evaluation', runId: 'r', evaluation: { ...asked([2, 3], [4, 4]), step: 6 } });
  session('p', 'failed', 3, 'There is no room for it. Close other programs.');
  expect(race.arms.permix.message).toBe('There is no room for it. Close other programs.');
  expect(race.columns.map(({ arm, evaluation, filling }) => [arm, evaluation?.step ?? null, filling])).toEqual([
    ['base', 0, false],
    ['rlvr', 6, false],
    ['permix', null, false],
  ]);
  expect(race.sentence).toMatch(/^Worst voice: right in 0\s% before training, 50\s% with RLVR\. /);
  expect(race.sentence).not.toMatch(/PerMix/);
  // Both failed: nothing came of it.
  session('r', 'failed', 7, 'Nor here.');
  expect(race.sentence).toBeNull();
});
