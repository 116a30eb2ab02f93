/** A worker that does not answer: when that is said, when it is taken back, and in which words. */
import { expect, it } from 'vitest';
import { noTrouble, troubleSentence } from '../../src/state/trouble.ts';
import type { RunRecord } from '../../src/storage/records.ts';
import { Pulse } from '../../src/worker/pulse.ts';

/** A worker that answers when the test says so. */
function asked() {
  const told: (number | null)[] = [];
  const questions: { answer: () => void; refuse: () => void }[] = [];
  const pulse = new Pulse(
    () => new Promise<void>((resolve, reject) => questions.push({ answer: resolve, refuse: () => reject(new Error('no such command')) })),
    (beats) => told.push(beats),
  );
  const beats = (count: number) => Array.from({ length: count }, () => pulse.beat());
  const settled = () => new Promise((resolve) => setTimeout(resolve, 0));
  return { told, questions, beats, settled };
}

it('says nothing of a worker that answers, late or with a refusal', async () => {
  const { told, questions, beats, settled } = asked();
  for (const how of ['answer', 'refuse', 'answer'] as const) {
    beats(9);
    questions.at(-1)![how]();
    await settled();
  }
  expect(told).toEqual([]);
  // One question at a time.
  expect(questions).toHaveLength(3);
});

it('says a silence with its length, and when it is over', async () => {
  const { told, questions, beats, settled } = asked();
  beats(13);
  expect(told).toEqual([10, 11, 12]);
  questions[0]!.answer();
  await settled();
  expect(told.at(-1)).toBeNull();
  // A wait that was work may come again, and twice as long.
  beats(24);
  expect(told).toHaveLength(4);
  beats(1);
  expect(told.at(-1)).toBe(24);
});

it('names what is at stake, and only that', () => {
  const run = { name: 'PerMix · seed 1', step: 40 } as RunRecord;
  const stake = { arrived: true, run: null, durable: true, stored: false };
  const silent = { silent: 12, why: null };
  expect(troubleSentence(noTrouble, stake)).toBeNull();
  expect(troubleSentence(silent, stake)).toBe('The trainer has not answered for 12 s. It may be in the middle of a long computation.');
  expect(troubleSentence(silent, { ...stake, run })).toMatch(
    /“PerMix · seed 1” is saved up to step 40; after a restart it can be continued/,
  );
  expect(troubleSentence(silent, { ...stake, run, durable: false })).toMatch(/A restart loses the runs, which are in memory only\.$/);
  expect(troubleSentence(silent, { ...stake, stored: true })).toMatch(/A restart loses nothing that was saved\.$/);
  expect(troubleSentence(silent, { ...stake, arrived: false })).toMatch(/has not arrived after 12 s/);
  expect(troubleSentence({ silent: null, why: 'boom' }, stake)).toMatch(/\(boom\)\. It still answers; restart it if it does not go on\.$/);
});
