/** Judgements in both storages: one by one, apart from each other, gone when deleted; and an older database that gets room for them. */
import 'fake-indexeddb/auto';
import { describe, expect, it } from 'vitest';
import { labErrorCode } from '../../src/errors.ts';
import { openDatabase, upgrades } from '../../src/storage/database.ts';
import { IndexedStorage } from '../../src/storage/indexed.ts';
import type { JudgedRecord, JudgementRecord } from '../../src/storage/judgements.ts';
import { MemoryStorage } from '../../src/storage/memory.ts';
import type { LabStorage } from '../../src/storage/storage.ts';
import { draft, putRun, runRecord } from '../helpers/run-records.ts';

const judgement = (id: string, created = 1): JudgementRecord => ({
  id,
  created,
  settings: { checkpoints: [], personas: 1, questions: 1, temperature: 0, maxNewTokens: 8, seed: 1 },
  policies: [{ checkpoint: null, name: 'Base policy', recipe: 'base' }],
  engine: runRecord('a').engine,
  judge: { address: 'http://j/v1/chat/completions', model: 'm' },
  plan: { benchmark: 'b.json', personas: [], leftOut: {} },
});
const verdict = (judgementId: string, key: string, score: number): JudgedRecord => ({
  judgementId,
  key,
  cell: { verdict: { score, outcome: 'scored', said: `Score: ${score}`, asked: 1 } },
});

let databases = 0;
const storages: readonly [string, () => Promise<LabStorage>][] = [
  ['IndexedDB', async () => new IndexedStorage(await openDatabase(`judgements-${databases++}`))],
  ['memory', async () => new MemoryStorage()],
];

describe.each(storages)('judgements in %s', (_name, open) => {
  it('are listed newest first, and keep what belongs to them', async () => {
    const storage = await open();
    for (const one of [judgement('a', 1), judgement('a2', 2)]) await storage.saveJudgement(one);
    expect((await storage.judgements()).map(({ id }) => id)).toEqual(['a2', 'a']);
    expect(await storage.judgement('a')).toEqual(judgement('a', 1));
    await expect(storage.judgement('none')).rejects.toThrow(/no stored judgement none/);

    await storage.saveJudged({ judgementId: 'a', key: '0/answers/7', cell: { answers: [{ text: 'Hm.', ended: true }] } });
    await storage.saveJudged(verdict('a', '0/habits/7/0', 2));
    await storage.saveJudged(verdict('a', '0/habits/7/0', 3));
    await storage.saveJudged(verdict('a2', '0/habits/7/0', 5));
    expect([...(await storage.judgedKeys('a'))].sort()).toEqual(['0/answers/7', '0/habits/7/0']);
    expect((await storage.judged('a')).find(({ key }) => key === '0/habits/7/0')).toEqual(verdict('a', '0/habits/7/0', 3));

    await storage.deleteJudgement('a');
    await storage.deleteJudgement('never');
    expect(await storage.judged('a')).toEqual([]);
    expect(await storage.judgedKeys('a2')).toHaveLength(1);
    // A verdict that was still under way brings nothing back.
    const late = await storage.saveJudged(verdict('a', '0/habits/7/0', 1)).catch((error: unknown) => error);
    expect(labErrorCode(late)).toBe('storage');
    expect(await storage.judgedKeys('a')).toEqual([]);
  });
});

it('a database of before there were judgements keeps everything and takes them', async () => {
  const name = `judgements-${databases++}`;
  const older = await openDatabase(name, upgrades.slice(0, 2));
  const first = await putRun(older, 'a');
  const before = new IndexedStorage(older);
  const run = await before.run('a');
  before.close();

  const storage = new IndexedStorage(await openDatabase(name));
  expect(await storage.run('a')).toEqual(run);
  expect((await storage.checkpoint(first.id)).state).toEqual(draft('a', 0).state);
  await storage.saveJudgement(judgement('j'));
  await storage.saveJudged(verdict('j', '0/habits/7/0', 4));
  expect(await storage.judged('j')).toHaveLength(1);
});
