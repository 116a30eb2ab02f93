/** Evaluations in both storages: cells one by one, nothing left after deletion, and an older database that gets room for them. */
import 'fake-indexeddb/auto';
import { describe, expect, it } from 'vitest';
import { labErrorCode } from '../../src/errors.ts';
import { openDatabase, upgrades } from '../../src/storage/database.ts';
import { IndexedStorage } from '../../src/storage/indexed.ts';
import { MemoryStorage } from '../../src/storage/memory.ts';
import type { CellRecord, EvaluationRecord } from '../../src/storage/records.ts';
import type { LabStorage } from '../../src/storage/storage.ts';
import { draft, putRun, runRecord, stepRecords } from '../helpers/run-records.ts';

const evaluation = (id: string, created = 1): EvaluationRecord => ({
  id,
  created,
  updated: created,
  settings: {
    checkpoints: [],
    task: 'addition',
    personas: 'all',
    problems: 10,
    samples: 1,
    temperature: 0,
    maxNewTokens: 24,
    seed: 1,
    fidelityReplies: 0,
  },
  policies: [{ checkpoint: null, name: 'Base policy', recipe: 'base' }],
  engine: runRecord('a').engine,
  material: 'sha256:0',
  fraction: 0,
  work: { asked: { rows: 0, seconds: 0 }, scored: { rows: 0, seconds: 0 } },
  reports: [],
});
const cell = (evaluationId: string, key: string): CellRecord => ({
  evaluationId,
  key,
  cell: { replies: [{ tokens: [1, 2], text: `said in ${key}`, ended: true }] },
});
const progress = { fraction: 0.5, work: { asked: { rows: 10, seconds: 2 }, scored: { rows: 0, seconds: 0 } } };

let databases = 0;
const storages: readonly [string, () => Promise<LabStorage>][] = [
  ['IndexedDB', async () => new IndexedStorage(await openDatabase(`evaluations-${databases++}`))],
  ['memory', async () => new MemoryStorage()],
];

describe.each(storages)('evaluations in %s', (_name, open) => {
  it('are listed newest first, and are replaced by what they became', async () => {
    const storage = await open();
    for (const one of [evaluation('old', 1), evaluation('new', 2)]) await storage.saveEvaluation(one);
    await storage.saveEvaluation({ ...evaluation('old', 1), fraction: 1 });
    expect((await storage.evaluations()).map(({ id, fraction }) => [id, fraction])).toEqual([
      ['new', 0],
      ['old', 1],
    ]);
    expect((await storage.evaluation('old')).fraction).toBe(1);
    await expect(storage.evaluation('none')).rejects.toThrow(/no stored evaluation none/);
  });

  it('keep their cells with the progress that goes with them, apart from each other', async () => {
    const storage = await open();
    // The one id begins with the other.
    for (const id of ['a', 'a2']) await storage.saveEvaluation(evaluation(id));
    await storage.saveCell(cell('a', '0/task/none'), progress);
    await storage.saveCell(cell('a', '0/likelihood task/usual-pirate'), progress);
    await storage.saveCell(cell('a', '0/task/none'), progress);
    await storage.saveCell(cell('a2', '0/task/none'), progress);
    expect(await storage.evaluation('a')).toMatchObject(progress);
    expect((await storage.cells('a')).map(({ key }) => key).sort()).toEqual(['0/likelihood task/usual-pirate', '0/task/none']);
    expect((await storage.cells('a')).find(({ key }) => key === '0/task/none')).toEqual(cell('a', '0/task/none'));

    await storage.deleteEvaluation('a');
    await storage.deleteEvaluation('never');
    expect(await storage.cells('a')).toEqual([]);
    expect(await storage.cells('a2')).toHaveLength(1);
    // Nothing of a deleted evaluation comes back with a cell that was still under way.
    const late = await storage.saveCell(cell('a', '0/task/none'), progress).catch((error: unknown) => error);
    expect(labErrorCode(late)).toBe('storage');
    expect(await storage.cells('a')).toEqual([]);
  });
});

it('a database of before there were evaluations keeps everything and takes them', async () => {
  const name = `evaluations-${databases++}`;
  const older = await openDatabase(name, upgrades.slice(0, 1));
  const first = await putRun(older, 'a');
  const before = new IndexedStorage(older);
  await before.saveStep(...stepRecords('a', 1));
  const run = await before.run('a');
  before.close();

  const storage = new IndexedStorage(await openDatabase(name));
  expect(await storage.run('a')).toEqual(run);
  expect((await storage.checkpoint(first.id)).state).toEqual(draft('a', 0).state);
  expect(await storage.metrics('a')).toHaveLength(1);
  expect((await storage.rollouts('a', 1))?.step).toBe(1);
  await storage.saveEvaluation(evaluation('e'));
  await storage.saveCell(cell('e', '0/task/none'), progress);
  expect(await storage.cells('e')).toHaveLength(1);
});
