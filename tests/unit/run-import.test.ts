/** Run files that come into a page: twice, of another policy, onto a full disk, and mutated. Stored is a whole run, or nothing. */
import 'fake-indexeddb/auto';
import { beforeAll, expect, it } from 'vitest';
import { labErrorCode } from '../../src/errors.ts';
import { heldOutMetrics } from '../../src/evaluate/held-out.ts';
import { packRun, readRunFile, type SavedRun } from '../../src/exchange/run-file.ts';
import { pictureCsv, pictureSvg } from '../../src/exchange/picture-file.ts';
import { stepPage } from '../../src/exchange/step-page.ts';
import { completionsTable, metricsTable, trackioTraces, unipoReplay } from '../../src/exchange/traces.ts';
import { personas } from '../../src/persona/world.ts';
import { Purpose, Stream } from '../../src/random/counter.ts';
import { classOf } from '../../src/run/class.ts';
import { Metrics } from '../../src/state/metrics.svelte.ts';
import { openDatabase, type LabDatabase } from '../../src/storage/database.ts';
import { fingerprint } from '../../src/storage/hash.ts';
import { IndexedStorage } from '../../src/storage/indexed.ts';
import { MemoryStorage } from '../../src/storage/memory.ts';
import { SessionProbe, smallRun } from '../helpers/lab-session.ts';
import { mutated } from '../helpers/mutate.ts';

const fileOf = (bytes: BlobPart, name = 'ana.permix-run') => new File([bytes], name);
const failure = (promise: Promise<unknown>): Promise<Error> =>
  promise.then(
    () => expect.fail('it did not fail'),
    (error: Error) => error,
  );

let file: ArrayBuffer;
let saved: SavedRun;
beforeAll(async () => {
  const probe = new SessionProbe(new MemoryStorage());
  await probe.boot('cpu');
  file = await probe.session.saveRun(await probe.train({ ...smallRun, steps: 2, heldOut: { questions: 2, every: 1 } }));
  saved = await readRunFile(fileOf(file));
});

async function page(name: string) {
  const database = await openDatabase(name);
  const { session } = new SessionProbe(new IndexedStorage(database));
  return { database, session };
}

/** How much lies in every store. */
async function counts(database: LabDatabase): Promise<number> {
  const all = await Promise.all([...database.objectStoreNames].map((store) => database.count(store)));
  return all.reduce((sum, count) => sum + count, 0);
}

it('a file that is dropped again is the run that is here, and nothing is stored twice', async () => {
  const { session, database } = await page('import-twice');
  const first = await session.openRun(fileOf(file));
  const stored = await counts(database);
  expect(await session.openRun(fileOf(file, 'copy.permix-run'))).toEqual({ ...first, known: true });
  // What was saved from it here is it too.
  expect((await session.openRun(fileOf(await session.saveRun(first.id)))).id).toBe(first.id);
  expect(await counts(database)).toBe(stored);
  expect((await session.runs()).map(({ from }) => from)).toEqual([{ file: 'ana.permix-run', run: saved.run.id }]);
  // The same run with another state is another.
  const trainer = { ...saved.checkpoint.trainer, tokens: 7 };
  const other = await packRun({ ...saved, checkpoint: { ...saved.checkpoint, trainer } });
  expect((await session.openRun(fileOf(other))).known).toBe(false);
  await session.deleteRun(first.id);
  expect((await session.openRun(fileOf(file))).known).toBe(false);
});

it('the page that saved a run knows it again', async () => {
  const probe = new SessionProbe(new MemoryStorage());
  await probe.boot('cpu');
  const id = await probe.train({ ...smallRun, steps: 1 });
  expect(await probe.session.openRun(fileOf(await probe.session.saveRun(id)))).toMatchObject({ id, known: true });
});

it('a run of a policy that the page does not have says so, and is not stored', async () => {
  const { session, database } = await page('import-policy');
  const config = { ...saved.run.config, policy: 'smollm2' };
  const foreign = await failure(session.openRun(fileOf(await packRun({ ...saved, run: { ...saved.run, config } }))));
  expect([labErrorCode(foreign), foreign.message]).toEqual([
    'config',
    'ana.permix-run is a run of the policy “smollm2”, which is not in this browser. Add that policy first, then open the file again. On the command line it goes on too: permix train --from FILE --out DIR.',
  ]);
  const { state } = saved.checkpoint;
  const [name] = Object.keys(state.weights!);
  const weights = { ...state.weights, [name!]: new Float32Array(3) };
  const shapes = await failure(
    session.openRun(fileOf(await packRun({ ...saved, checkpoint: { ...saved.checkpoint, state: { ...state, weights, moments: null } } }))),
  );
  expect(shapes.message).toMatch(/^ana\.permix-run is a run of another policy called “permix-tiny”: its weights have other shapes\./);
  expect(await counts(database)).toBe(0);
});

it('a disk that is full in the middle of an import leaves nothing half stored, wherever the middle is', async () => {
  const { session, database } = await page('import-full');
  const real = { put: IDBObjectStore.prototype.put, add: IDBObjectStore.prototype.add };
  let room = 0;
  let late = false;
  const bounded = (write: typeof real.put) =>
    function (this: IDBObjectStore, value: unknown) {
      if (room-- !== 0) return write.call(this, value);
      if (!late) throw new DOMException('full', 'QuotaExceededError');
      // As a browser that finds out when it writes.
      queueMicrotask(() => this.transaction.abort());
      return write.call(this, value);
    };
  // The run, two steps, three evaluations, two steps' rollouts, the checkpoint and its bytes.
  const writes = 1 + saved.metrics.length + saved.heldOut.length + saved.rollouts.length + 2;
  expect(writes).toBe(10);
  for (late of [false, true]) {
    for (let whole = 0; whole < writes; whole++) {
      room = whole;
      Object.assign(IDBObjectStore.prototype, { put: bounded(real.put), add: bounded(real.add) });
      const error = await failure(session.openRun(fileOf(file))).finally(() => Object.assign(IDBObjectStore.prototype, real));
      expect(labErrorCode(error)).toBe('storage');
      if (!late) expect(error.message).toMatch(/full.*Delete old runs/);
      expect(await counts(database), `after ${whole} writes`).toBe(0);
    }
  }
  expect((await session.openRun(fileOf(file))).known).toBe(false);
  expect(await counts(database)).toBe(writes);
});

const times = Number(process.env['FUZZ'] ?? 1000);

/** The file with what it says changed, under a fingerprint that is right again: whoever made it meant it. */
async function hostile(draw: Stream): Promise<Uint8Array<ArrayBuffer>> {
  const all = new Uint8Array(file);
  const end = all.indexOf(0x0a) + 1;
  const view = new DataView(file, end);
  const length = view.getUint32(0, true);
  const header = all.slice(end + 4, end + 4 + length);
  const { rollouts } = JSON.parse(new TextDecoder().decode(header)) as { rollouts: number };
  const kept = all.slice(end + 4 + length, end + 4 + length + rollouts);
  const rest = all.slice(end + 4 + length + rollouts);
  const kind = draw.uniform();
  const parts =
    kind < 0.6
      ? [mutated(header, draw), kept, rest]
      : kind < 0.8
        ? [header, mutated(kept, draw), rest]
        : [header, kept, mutated(rest, draw)];
  const size = new Uint8Array(4);
  new DataView(size.buffer).setUint32(0, parts[0]!.length, true);
  const body = new Uint8Array(await new Blob([size, ...parts.map((part) => Uint8Array.from(part))]).arrayBuffer());
  const seal = new TextEncoder().encode(`${await fingerprint(body.buffer)}\n`);
  return new Uint8Array(await new Blob([seal, body]).arrayBuffer());
}

/** What page and command line compute of a run that was let in. */
function use({ run, metrics, heldOut, rollouts }: SavedRun): void {
  new Metrics().appendRows(metrics);
  heldOut.map(heldOutMetrics);
  const { experiments } = classOf([{ name: run.name, run, heldOut }]);
  for (const { picture } of experiments) {
    pictureCsv(picture);
    pictureSvg(picture, run.name, '');
  }
  metricsTable({ run, metrics, heldOut });
  const traced = { run, metrics, heldOut, rollouts };
  unipoReplay(traced);
  trackioTraces(traced, personas);
  completionsTable(traced);
  for (const record of rollouts) stepPage(traced, record, personas);
}

it(`${times} mutated run files are refused in a sentence and leave nothing, or are whole runs`, async () => {
  const { session, database } = await page('import-fuzz');
  let [refused, taken] = [0, 0];
  for (let i = 0; i < times; i++) {
    const draw = new Stream(13, Purpose.evaluation, i, 9);
    const bytes = i % 4 === 0 ? Uint8Array.from(mutated(new Uint8Array(file), draw)) : await hostile(draw);
    const before = await counts(database);
    try {
      const { id, known } = await session.openRun(fileOf(bytes));
      expect(known, `file ${i}`).toBe(false);
      taken++;
      const { run, heldOut, steps } = await session.history(id);
      expect([run.name.length, run.name.length > 120]).toEqual([expect.any(Number), false]);
      use({
        ...(await readRunFile(fileOf(bytes))),
        run,
        heldOut: heldOut.map((one) => ({ ...one, runId: id })),
        metrics: steps.map((one) => ({ ...one, runId: id })),
      });
      for (const step of await session.rolloutSteps(id)) await session.rollouts(id, step);
      expect(await session.runs()).toHaveLength(1);
      await session.deleteRun(id);
    } catch (error) {
      expect(labErrorCode(error), `file ${i}: ${String((error as Error).stack)}`).toMatch(/^(format|config|numeric)$/);
      expect((error as Error).message, `file ${i}`).toMatch(/\.$/);
      refused++;
    }
    expect(await counts(database), `file ${i}`).toBe(before);
  }
  // Some of both, or the test tries nothing.
  expect([refused > times / 4, taken > times / 20]).toEqual([true, true]);
}, 600_000);
