/** The storage contract, held by both storages: what is written comes back, whole runs go, retention keeps what it promises. */
import 'fake-indexeddb/auto';
import { describe, expect, it } from 'vitest';
import { openDatabase } from '../../src/storage/database.ts';
import { IndexedStorage } from '../../src/storage/indexed.ts';
import { MemoryStorage } from '../../src/storage/memory.ts';
import { retiredCheckpoints, retiredRolloutStep } from '../../src/storage/retention.ts';
import type { LabStorage } from '../../src/storage/storage.ts';
import { draft, heldOutRecord, runRecord, stepRecords } from '../helpers/run-records.ts';

let databases = 0;
const storages: readonly [string, () => Promise<LabStorage>][] = [
  ['IndexedDB', async () => new IndexedStorage(await openDatabase(`runs-${databases++}`))],
  ['memory', async () => new MemoryStorage()],
];

describe.each(storages)('storage in %s', (_name, open) => {
  it('lists runs newest first and knows their step from their checkpoints', async () => {
    const storage = await open();
    await storage.createRun(runRecord('old', 1), draft('old', 0));
    await storage.createRun(runRecord('new', 2), draft('new', 0));
    await storage.saveCheckpoint(draft('old', 10, { reward: 0.5 }), 'paused');
    expect((await storage.runs()).map(({ id, step, status }) => [id, step, status])).toEqual([
      ['new', 0, 'running'],
      ['old', 10, 'paused'],
    ]);
    await storage.updateRun('new', { name: 'renamed', status: 'failed', failure: 'why' });
    expect(await storage.run('new')).toMatchObject({ name: 'renamed', status: 'failed', failure: 'why', step: 0 });
  });

  it('gives a checkpoint back exactly', async () => {
    const storage = await open();
    const content = draft('a', 3, { kept: true, reward: 0.25 });
    await storage.createRun(runRecord('a'), draft('a', 0));
    const info = await storage.saveCheckpoint(content, 'running');
    const { state, config, trainer, ...rest } = await storage.checkpoint(info.id);
    expect({ state, config, trainer }).toEqual({ state: content.state, config: content.config, trainer: content.trainer });
    expect(rest).toEqual(info);
    expect(Object.is(state.weights!['model.embed_tokens.weight']![1], -0)).toBe(true);
  });

  it('keeps metrics and rollouts by step, and rewinds', async () => {
    const storage = await open();
    await storage.createRun(runRecord('a'), draft('a', 0));
    await storage.createRun(runRecord('b'), draft('b', 0));
    for (const step of [2, 1, 10, 3]) await storage.saveStep(...stepRecords('a', step));
    for (const step of [10, 0, 2]) await storage.saveHeldOut(heldOutRecord('a', step));
    await storage.saveHeldOut(heldOutRecord('b', 10));
    expect(await storage.heldOut('a')).toEqual([0, 2, 10].map((step) => heldOutRecord('a', step)));
    await storage.saveStep(...stepRecords('b', 5));
    expect((await storage.metrics('a')).map(({ step }) => step)).toEqual([1, 2, 3, 10]);
    expect((await storage.metrics('a', 2)).map(({ step }) => step)).toEqual([3, 10]);
    await storage.rewind('a', 2);
    expect((await storage.metrics('a')).map(({ step }) => step)).toEqual([1, 2]);
    expect(await storage.rollouts('a', 3)).toBeNull();
    expect((await storage.heldOut('a')).map(({ step }) => step)).toEqual([0, 2]);
    expect(await storage.heldOut('b')).toHaveLength(1);
    expect(await storage.rollouts('a', 2)).toEqual(stepRecords('a', 2)[1]);
    expect(await storage.metrics('b')).toHaveLength(1);
  });

  it('keeps the newest rollouts and every tenth', async () => {
    const storage = await open();
    await storage.createRun(runRecord('a'), draft('a', 0));
    await storage.createRun(runRecord('b'), draft('b', 0));
    for (let step = 1; step <= 72; step++) await storage.saveStep(...stepRecords('a', step));
    const kept: number[] = [];
    for (let step = 1; step <= 72; step++) if (await storage.rollouts('a', step)) kept.push(step);
    expect(kept).toEqual([10, 20, ...Array.from({ length: 50 }, (_, i) => i + 23)]);
    await storage.saveStep(...stepRecords('b', 5));
    expect(await storage.rolloutSteps('a')).toEqual(kept);
    expect(await storage.rolloutSteps('b')).toEqual([5]);
    expect(await storage.rolloutSteps('unknown')).toEqual([]);
    expect(await storage.metrics('a')).toHaveLength(72);
  });

  it('keeps three autosaves, the best one, and all of the reader’s', async () => {
    const storage = await open();
    await storage.createRun(runRecord('a'), draft('a', 0));
    const rewards: Record<number, number> = { 10: 0.2, 20: 0.9, 30: 0.3, 40: 0.4, 50: 0.5, 60: 0.6 };
    for (const [step, reward] of Object.entries(rewards)) await storage.saveCheckpoint(draft('a', Number(step), { reward }), 'running');
    await storage.saveCheckpoint(draft('a', 35, { kept: true, reward: 0.1 }), 'running');
    const first = (await storage.checkpoints('a')).find(({ step }) => step === 40)!;
    await storage.renameCheckpoint(first.id, 'mine');
    for (const step of [70, 80, 90]) await storage.saveCheckpoint(draft('a', step, { reward: 0.1 }), 'running');
    expect((await storage.checkpoints('a')).map(({ step }) => step)).toEqual([90, 80, 70, 40, 35, 20]);
    expect((await storage.checkpoint(first.id)).name).toBe('mine');
  });

  it('copies history into a run that continues another', async () => {
    const storage = await open();
    await storage.createRun(runRecord('a'), draft('a', 0));
    await storage.saveStep(...stepRecords('a', 1));
    await storage.createRun(runRecord('b'), draft('b', 1), { metrics: await storage.metrics('a'), heldOut: [heldOutRecord('a', 0)] });
    expect(await storage.heldOut('b')).toEqual([heldOutRecord('b', 0)]);
    expect((await storage.metrics('b')).map(({ runId, step }) => [runId, step])).toEqual([['b', 1]]);
    expect((await storage.run('b')).step).toBe(1);
  });

  it('deletes a run with all that belongs to it, and nothing else', async () => {
    const storage = await open();
    for (const id of ['a', 'b']) {
      await storage.createRun(runRecord(id), draft(id, 0));
      await storage.saveStep(...stepRecords(id, 1));
      await storage.saveHeldOut(heldOutRecord(id, 0));
    }
    await storage.deleteRun('a');
    await storage.deleteRun('a');
    expect((await storage.runs()).map(({ id }) => id)).toEqual(['b']);
    expect([await storage.heldOut('a'), await storage.heldOut('b')]).toEqual([[], [heldOutRecord('b', 0)]]);
    expect([await storage.metrics('a'), await storage.rollouts('a', 1), await storage.checkpoints('a')]).toEqual([[], null, []]);
    const [left] = await storage.checkpoints('b');
    expect((await storage.checkpoint(left!.id)).step).toBe(0);
    await storage.deleteCheckpoint(left!.id);
    expect(await storage.checkpoints('b')).toEqual([]);
    await expect(storage.checkpoint(left!.id)).rejects.toThrow(/no stored checkpoint/);
    await expect(storage.run('a')).rejects.toThrow(/no stored run/);
  });
});

describe('retention', () => {
  it('never names a checkpoint of the reader', () => {
    const info = (step: number, kept: boolean) => ({
      id: `${step}`,
      runId: 'a',
      name: '',
      step,
      created: step,
      bytes: 1,
      reward: null,
      hash: '',
      kept,
    });
    const all = [0, 1, 2, 3, 4, 5].map((step) => info(step, step < 2));
    expect(retiredCheckpoints(all).map(({ step }) => step)).toEqual([2]);
    expect([49, 50, 51, 60, 61].map(retiredRolloutStep)).toEqual([null, null, 1, null, 11]);
  });
});
