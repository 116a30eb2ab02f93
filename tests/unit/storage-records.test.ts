/** Records that are not what they should be: whatever one field holds, the page starts, the other runs are there, and nothing is deleted. */
import 'fake-indexeddb/auto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { openDatabase, type LabDatabase } from '../../src/storage/database.ts';
import { IndexedStorage } from '../../src/storage/indexed.ts';
import type { EvaluationRecord } from '../../src/storage/records.ts';
import { SessionProbe } from '../helpers/lab-session.ts';
import { draft, runRecord, stepRecords } from '../helpers/run-records.ts';

let databases = 0;
const engine = runRecord('x').engine;
const policies = [{ checkpoint: null, name: 'Base policy', recipe: 'base' as const }];
const evaluation: EvaluationRecord = {
  id: 'e',
  created: 1,
  updated: 1,
  settings: {
    checkpoints: [],
    task: 'addition',
    personas: 'all',
    problems: 2,
    samples: 1,
    temperature: 0,
    maxNewTokens: 4,
    seed: 1,
    fidelityReplies: 0,
  },
  policies,
  engine,
  material: 'm',
  fraction: 0.5,
  work: { asked: { rows: 1, seconds: 1 }, scored: { rows: 0, seconds: 0 } },
  reports: [],
};
const judgement = {
  id: 'j',
  created: 1,
  settings: { checkpoints: [], personas: 1, questions: 1, temperature: 0, maxNewTokens: 4, seed: 1 },
  policies,
  engine,
  judge: { address: 'http://localhost/v1', model: 'm' },
  plan: {
    benchmark: 'b',
    personas: [{ place: 0, description: 'A sailor', questions: [{ task: 'Toxicity', place: 0, text: 'Why?' }] }],
    leftOut: { Toxicity: 1 },
  },
  material: 'm',
};

async function filled(): Promise<{ name: string; raw: LabDatabase; storage: IndexedStorage }> {
  const name = `records-${databases++}`;
  const raw = await openDatabase(name);
  const storage = new IndexedStorage(raw);
  for (const id of ['a', 'b']) {
    await storage.createRun(runRecord(id, id === 'a' ? 2 : 1), draft(id, 0));
    for (const step of [1, 2]) await storage.saveStep(...stepRecords(id, step));
    await storage.saveCheckpoint(draft(id, 2), 'paused');
  }
  await storage.saveEvaluation(evaluation);
  await raw.put('judgements', judgement as never);
  return { name, raw, storage };
}

/** Every way to one field of a record, nested ones too. */
function paths(value: unknown, above: readonly string[] = []): (readonly string[])[] {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return [];
  return Object.entries(value).flatMap(([key, inner]) => [[...above, key], ...paths(inner, [...above, key])]);
}

function replaced<T>(record: T, [key, ...rest]: readonly string[], value: unknown): T {
  const copy = (Array.isArray(record) ? [...record] : { ...record }) as Record<string, unknown>;
  copy[key!] = rest.length > 0 ? replaced(copy[key!], rest, value) : value;
  return copy as T;
}

const anything = fc.oneof(
  fc.anything({ withDate: true, withMap: true, withSet: true, withTypedArray: true, withNullPrototype: false, withSparseArray: true }),
  fc.constantFrom(undefined, null, NaN, -1, Infinity, '', 'x', '__proto__', [], {}, new ArrayBuffer(3), 2 ** 53),
);
const stores = ['runs', 'metrics', 'rollouts', 'checkpoints', 'payloads', 'evaluations', 'judgements'] as const;

/** Its key is how it is found; a record under another key is another record. */
const isKey = ([first, ...rest]: readonly string[], store: string) =>
  rest.length === 0 && (first === 'id' || (['metrics', 'rollouts'].includes(store) && (first === 'runId' || first === 'step')));

describe('any one field of any one record', () => {
  it.each(stores)('of %s, replaced by anything', async (store) => {
    const { raw } = await filled();
    const probe = new SessionProbe(new IndexedStorage(raw));
    await probe.boot('cpu');
    const { session } = probe;
    const [whole] = (await raw.getAll(store)) as object[];
    const count = await raw.count(store);
    const ways = paths(whole).filter((path) => !isKey(path, store));
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...ways), anything, async (path, value) => {
        const spoilt = replaced(whole, path, value);
        try {
          await raw.put(store, spoilt as never);
        } catch {
          return; // What no database takes (a function, say) cannot be in one.
        }
        const boot = await new SessionProbe(new IndexedStorage(raw)).boot('cpu');
        structuredClone(boot);
        expect(boot.runs.map(({ id }) => id)).toContain('b');
        expect(
          [...boot.runs.map(({ id }) => id), ...boot.unreadable.filter(({ kind }) => kind === 'run').map(({ key }) => key)].sort(),
        ).toEqual(['a', 'b']);
        expect((await session.history('b')).steps).toHaveLength(2);
        if (boot.runs.some(({ id }) => id === 'a')) await session.history('a');
        await session.rollouts('a', 1);
        await session.examinations('evaluation');
        await session.examinations('judgement');
        await new IndexedStorage(raw).metrics('a');
        expect(await raw.count(store)).toBe(count);
        await raw.put(store, whole as never);
      }),
      { numRuns: 60 },
    );
  });

  it('whole records too', async () => {
    const { raw } = await filled();
    await raw.put('runs', { id: 'c' } as never);
    await raw.put('checkpoints', { id: 'checkpoint-c', runId: 'a' } as never);
    await raw.put('evaluations', { id: 'd', created: 'yesterday' } as never);
    const { session } = new SessionProbe(new IndexedStorage(raw));
    const boot = await session.boot({ backend: 'cpu' });
    expect(boot.runs).toHaveLength(2);
    expect(boot.unreadable.map(({ kind, key }) => `${kind} ${key}`)).toEqual(['run c', 'checkpoint checkpoint-c', 'evaluation d']);
    expect(boot.notices.join()).toMatch(/stored run c cannot be read and is left out: its name is not valid.*until you delete it/);

    // Only what cannot be read goes, and only when asked.
    expect(await session.deleteUnreadable({ ...boot.unreadable[0]!, key: 'a' })).toHaveLength(3);
    expect(await session.deleteUnreadable(boot.unreadable[0]!)).toHaveLength(2);
    for (const record of boot.unreadable) await session.deleteUnreadable(record);
    expect([await raw.count('runs'), await raw.count('checkpoints'), await raw.count('evaluations')]).toEqual([2, 4, 1]);
  });
});

it('a checkpoint whose bytes are none, or whose configuration makes no sense, falls back as a wrong hash does', async () => {
  const { raw, storage } = await filled();
  const [newest, first] = await storage.checkpoints('a');
  await raw.put('payloads', { id: newest!.id, bytes: 'text' as never });
  await expect(storage.checkpoint(newest!.id)).rejects.toThrow(/step 2 is damaged.*“step 0” of step 0/);
  const odd = await storage.saveCheckpoint(draft('a', 3, { config: { ...draft('a', 3).config, groupSize: -4 } }), 'paused');
  await expect(storage.checkpoint(odd.id)).rejects.toThrow(/step 3 is damaged/);
  expect((await storage.checkpoint(first!.id)).step).toBe(0);
});

it('a stored configuration is checked again when it is read', async () => {
  const { raw, storage } = await filled();
  const run = (await raw.get('runs', 'a'))!;
  await raw.put('runs', { ...run, config: { ...run.config, steps: 'many' as never } });
  await expect(storage.run('a')).rejects.toThrow(/run “run a” cannot be read: its configuration cannot be used.*steps must be a number/);
  const { lora: _none, ...before } = run.config;
  await raw.put('runs', { ...run, config: before as never });
  expect((await storage.run('a')).config.lora).toBeNull();
});
