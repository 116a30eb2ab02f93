/** A run as a file: whole or refused, and the way out of a page whose storage is gone. */
import 'fake-indexeddb/auto';
import { forceCloseDatabase } from 'fake-indexeddb';
import { unwrap } from 'idb';
import { expect, it, vi } from 'vitest';
import { labErrorCode } from '../../src/errors.ts';
import { openDatabase } from '../../src/storage/database.ts';
import { fingerprint } from '../../src/storage/hash.ts';
import { IndexedStorage } from '../../src/storage/indexed.ts';
import { MemoryStorage } from '../../src/storage/memory.ts';
import { packCheckpoint } from '../../src/storage/pack.ts';
import { packRun, readRunFile, type SavedRun } from '../../src/exchange/run-file.ts';
import { database, SessionProbe, smallRun } from '../helpers/lab-session.ts';
import { draft, heldOutRecord, rolloutRecord, runRecord, stepRecords } from '../helpers/run-records.ts';

const fileOf = (bytes: BlobPart) => new File([bytes], 'my.permix-run');
const failure = (promise: Promise<unknown>): Promise<Error> =>
  promise.then(
    () => expect.fail('it did not fail'),
    (error: Error) => error,
  );

function stored(): SavedRun {
  const { runId: _, kept: __, ...checkpoint } = draft('a', 2);
  return {
    run: { ...runRecord('a'), step: 2 },
    checkpoint,
    metrics: [1, 2].map((step) => stepRecords('a', step)[0]),
    heldOut: [heldOutRecord('a', 0), heldOutRecord('a', 2)],
    rollouts: [{ runId: 'a', step: 2, rollouts: [rolloutRecord(2, 0), rolloutRecord(2, 1)] }],
  };
}

it('comes back as it was', async () => {
  const run = stored();
  expect(await readRunFile(fileOf(await packRun(run)))).toEqual(run);
});

it('is refused in a sentence, whatever bit of it is another, and however much is missing', async () => {
  const bytes = new Uint8Array(await packRun(stored()));
  const broken: Uint8Array[] = [new Uint8Array(), bytes.slice(0, 20), bytes.slice(0, -1), new TextEncoder().encode('{"a": 1}\n')];
  for (let at = 0; at < bytes.length; at += 97) broken.push(bytes.map((byte, i) => (i === at ? byte ^ 1 : byte)));
  for (const one of broken) {
    const error = await failure(readRunFile(fileOf(Uint8Array.from(one))));
    expect([labErrorCode(error), error.message]).toEqual(['format', expect.stringMatching(/^my\.permix-run .*another file\.$/)]);
  }
});

it('of version 1, without rollouts, is still read, and one of a version to come says so', async () => {
  const { run, checkpoint, metrics, heldOut } = stored();
  const file = async (version: number) => {
    const header = new TextEncoder().encode(JSON.stringify({ version, run, name: checkpoint.name, reward: null, metrics, heldOut }));
    const state = new Uint8Array(packCheckpoint(checkpoint));
    const body = new Uint8Array(4 + header.length + state.length);
    new DataView(body.buffer).setUint32(0, header.length, true);
    body.set(header, 4);
    body.set(state, 4 + header.length);
    return fileOf(new Blob([`${await fingerprint(body.buffer)}\n`, body]));
  };
  expect(await readRunFile(await file(1))).toEqual({ ...stored(), rollouts: [] });
  const error = await failure(readRunFile(await file(3)));
  expect([labErrorCode(error), error.message]).toEqual(['format', expect.stringMatching(/newer version.*format 3.*newest version/)]);
  expect((await failure(readRunFile(await file(0)))).message).toMatch(/cannot read \(version\)/);
});

it('rollouts that are none are left out, with the whole step, and nothing else', async () => {
  const [record] = stored().rollouts;
  const wrong = { ...record!.rollouts[0]!, pieces: [{ toString: 1 }] } as never;
  const rollouts = [{ runId: 'a', step: 1, rollouts: [wrong] }, record!];
  expect((await readRunFile(fileOf(await packRun({ ...stored(), rollouts })))).rollouts).toEqual([record]);
});

it('has no two rows of a step', async () => {
  const [metrics] = stepRecords('a', 1);
  const error = await failure(readRunFile(fileOf(await packRun({ ...stored(), metrics: [metrics, metrics] }))));
  expect(error.message).toMatch(/steps out of order/);
});

it('carries a run out of a page whose database is gone, and it ends as if nothing had happened', async () => {
  const config = { ...smallRun, checkpointEvery: 2 };
  const whole = new SessionProbe(new MemoryStorage());
  await whole.boot('cpu');
  const [expected] = (await whole.session.history(await whole.train(config))).checkpoints;

  const real = await openDatabase('run-file');
  const gone = new IndexedStorage(real, () => Promise.reject(new DOMException('denied', 'SecurityError')));
  const probe = new SessionProbe(gone);
  await probe.boot('cpu');
  const save = gone.saveStep.bind(gone);
  vi.spyOn(gone, 'saveStep').mockImplementation(async (metrics, rollouts) => {
    await save(metrics, rollouts);
    if (metrics.step === 3) forceCloseDatabase(unwrap(real) as never);
  });
  const paused = probe.phase('paused');
  const id = await probe.session.start(config);
  expect(await paused).toMatchObject({ message: expect.stringMatching(/^Paused at step [345], saved up to step [24]\.$/) as string });
  expect(probe.notices.join()).toMatch(/not saved yet is in this page: continue to try again, or save the run as a file/);
  expect(labErrorCode(await failure(probe.session.resume(id)))).toBe('storage');
  // What the sentence says can be done.
  const file = await probe.session.saveRun(id);

  const next = new SessionProbe(await database('run-file-next'));
  await next.boot('cpu');
  const { id: copy } = await next.session.openRun(fileOf(file));
  const { run, checkpoints } = await next.session.history(copy);
  expect(run).toMatchObject({ status: 'paused', name: expect.stringMatching(/seed/) as string });
  expect(run.step).toBeGreaterThan(2);
  expect(checkpoints[0]!.step).toBe(run.step);
  expect(await next.session.changes('run', copy)).toBeNull();
  const finished = next.phase('finished', 'failed');
  await next.session.resume(copy);
  expect(await finished).toMatchObject({ phase: 'finished' });
  expect((await next.session.history(copy)).checkpoints[0]!.hash).toBe(expected!.hash);
});

it('a stored run that is not open is saved from its newest checkpoint, with its curve', async () => {
  const probe = new SessionProbe(new MemoryStorage());
  await probe.boot('cpu');
  const first = await probe.train({ ...smallRun, steps: 2 });
  await probe.train({ ...smallRun, steps: 2, seed: 2 });
  const file = fileOf(await probe.session.saveRun(first));
  const { run, metrics, checkpoint, rollouts } = await readRunFile(file);
  expect([run.id, run.step, checkpoint.trainer.step, metrics.map(({ step }) => step)]).toEqual([first, 2, 2, [1, 2]]);
  expect(rollouts).toHaveLength(2);
  const other = new SessionProbe(new MemoryStorage());
  const { id: copy } = await other.session.openRun(file);
  expect(await other.session.rolloutSteps(copy)).toEqual([1, 2]);
  expect(await other.session.rollouts(copy, 2)).toEqual(await probe.session.rollouts(first, 2));
  // It was at its end.
  expect((await other.session.history(copy)).run.status).toBe('finished');
});
