/** Devices that fail: counted by loss, with waits between the tries to have a new one; a run that fails for it can be continued. */
import 'fake-indexeddb/auto';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { LabError } from '../../src/errors.ts';
import { personas } from '../../src/persona/world.ts';
import { checkConfig } from '../../src/rl/check.ts';
import type { RunConfig } from '../../src/rl/config.ts';
import { recipes } from '../../src/rl/recipes.ts';
import { smaller } from '../../src/rl/smaller.ts';
import { openDatabase } from '../../src/storage/database.ts';
import type { RunRecord } from '../../src/storage/records.ts';
import { waitingRun } from '../../src/state/waiting.ts';
import { Bench } from '../../src/worker/bench.ts';
import { Recovery } from '../../src/worker/recovery.ts';
import { database, SessionProbe, smallRun } from '../helpers/lab-session.ts';
import { runRecord } from '../helpers/run-records.ts';

const lost = () => new LabError('webgpu', 'The GPU device was lost (in a test).', 'Continue from the last checkpoint.');
const forever = () => new AbortController().signal;
const isLoss = (error: unknown) => error instanceof LabError;

afterEach(() => vi.restoreAllMocks());

describe('a recovery', () => {
  it('counts one loss however many tries it takes, and waits before each', async () => {
    const recovery = new Recovery([20, 40, 80]);
    const at: number[] = [performance.now()];
    let failures = 2;
    const again = async () => {
      at.push(performance.now());
      if (failures-- > 0) throw lost();
    };
    expect(await recovery.after(lost(), again, isLoss, forever())).toEqual({ kind: 'recovered' });
    const waits = at.slice(1).map((time, i) => time - at[i]!);
    expect(waits).toHaveLength(3);
    [20, 40, 80].forEach((wait, i) => expect(waits[i]).toBeGreaterThan(wait - 5));
    // Two more are borne, the fourth within the window is not; and none of it counts once the reader asks again.
    const fine = async () => {};
    for (const kind of ['recovered', 'recovered', 'lost again'] as const) {
      expect((await recovery.after(lost(), fine, isLoss, forever())).kind).toBe(kind);
    }
    recovery.forget();
    expect((await recovery.after(lost(), fine, isLoss, forever())).kind).toBe('recovered');
  });

  it('waits longer after a second loss, and gives up the waiting when it is told to', async () => {
    const recovery = new Recovery([0, 60_000]);
    expect((await recovery.after(lost(), async () => {}, isLoss, forever())).kind).toBe('recovered');
    const abort = new AbortController();
    const second = recovery.after(lost(), () => expect.fail('it did not wait'), isLoss, abort.signal);
    abort.abort();
    expect(await second).toEqual({ kind: 'given up' });
  });

  it('tells a failure of something else from one of the device', async () => {
    const full = new Error('the disk is full');
    const outcome = await new Recovery([0]).after(lost(), () => Promise.reject(full), isLoss, forever());
    expect(outcome).toEqual({ kind: 'failed', error: full });
  });
});

/** A session whose engine is not to be had `failures` times once step 3 is stored, that is from the checkpoint of step 4 on. */
let databases = 0;
async function fragile(retryWaits: readonly number[]) {
  const storage = await database(`recovery-${databases++}`);
  const probe = new SessionProbe(storage, { retryWaits });
  await probe.boot('cpu');
  const device = { failures: 0, next: 0, error: lost() };
  const save = storage.saveStep.bind(storage);
  vi.spyOn(storage, 'saveStep').mockImplementation(async (metrics, rollouts) => {
    await save(metrics, rollouts);
    if (metrics.step !== 3) return;
    device.failures = device.next;
    device.next = 0;
  });
  const real = Bench.prototype.engineFor;
  vi.spyOn(Bench.prototype, 'engineFor').mockImplementation(async function (this: Bench, ...args) {
    if (device.failures > 0) {
      device.failures--;
      throw device.error;
    }
    return real.apply(this, args);
  });
  return { probe, session: probe.session, device };
}

describe('a run', () => {
  const config = { ...smallRun, checkpointEvery: 2, steps: 6 };

  it('goes on where the device came back at the third try, and ends as if nothing had happened', async () => {
    const { probe, session, device } = await fragile([1, 2, 4]);
    const [expected] = (await session.history(await probe.train(config))).checkpoints;
    const rest = probe.phase('finished', 'failed');
    // At the checkpoint, and twice when a new one is asked for.
    device.next = 3;
    const id = await session.start(config, 'the same');
    expect(await rest).toMatchObject({ phase: 'finished', runId: id });
    const { steps, checkpoints } = await session.history(id);
    expect(steps.map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(checkpoints[0]!.hash).toBe(expected!.hash);
    expect(probe.notices.filter((text) => /The GPU failed. A new device was set up/.test(text))).toHaveLength(1);
  });

  it('fails with its last checkpoint where none is to be had, and is continued when there is one', async () => {
    const { probe, session, device } = await fragile([1, 2]);
    const rest = probe.phase('finished', 'failed');
    device.next = Infinity;
    const id = await session.start(config);
    expect(await rest).toMatchObject({ phase: 'failed' });
    const { run } = await session.history(id);
    expect(run).toMatchObject({ status: 'failed', step: 2 });
    expect(run.failure).toMatch(
      /^The GPU failed, and no new device could be had in 2 tries \(.*\); the run is saved up to step 2\. .*continue/,
    );
    // In this page and, because it is the newest, in the next one.
    for (const open of [id, null]) expect(waitingRun(await session.runs(), open)?.id).toBe(id);

    device.failures = 0;
    const finished = probe.phase('finished', 'failed');
    await session.resume(id);
    expect(await finished).toMatchObject({ phase: 'finished', runId: id });
  });

  it.each(['stop', 'pause'] as const)('hears %s while it waits for a device', async (command) => {
    const { probe, session, device } = await fragile([600_000]);
    const waits = probe.phase('recovering');
    device.next = 1;
    const id = await session.start(config);
    await waits;
    await session[command]();
    expect((await session.history(id)).run).toMatchObject({ status: command === 'stop' ? 'stopped' : 'paused', step: 2 });
    const finished = probe.phase('finished', 'failed');
    await session.resume(id);
    expect(await finished).toMatchObject({ phase: 'finished' });
    expect((await session.history(id)).steps.map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6]);
  });
});

it('a run for which memory is too short asks no new device, says so, and goes on from its checkpoint with less at once', async () => {
  const { probe, session, device } = await fragile([1]);
  const rest = probe.phase('finished', 'failed');
  device.error = new LabError('memory', 'The buffer "logits" needs 900 MiB, which the GPU no longer has.', 'Use fewer rows.');
  device.next = 1;
  const config = { ...smallRun, checkpointEvery: 2, steps: 6 };
  const id = await session.start(config);
  expect(await rest).toMatchObject({ phase: 'failed' });
  const { run, checkpoints } = await session.history(id);
  expect(run).toMatchObject({ status: 'failed', failureCode: 'memory', step: 2 });
  expect(run.failure).toMatch(/needs 900 MiB/);
  expect(probe.notices.filter((text) => /new device/.test(text))).toEqual([]);

  const less = smaller(config)!;
  const finished = probe.phase('finished', 'failed');
  const next = await session.resume(id, checkpoints[0]!.id, less.config);
  expect(await finished).toMatchObject({ phase: 'finished', runId: next });
  const { steps } = await session.history(next);
  expect(steps.map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6]);
  expect(await session.rollouts(next, 6)).toHaveLength(4);
});

it('what takes less: rows a pass and groups are halved, then replies, until nothing is left', () => {
  const chain: RunConfig[] = [];
  for (let less = smaller(recipes.permix!); less; less = smaller(less.config)) {
    expect(checkConfig(less.config, personas)).toEqual([]);
    expect(less.changed.length).toBeGreaterThan(0);
    chain.push(less.config);
  }
  const rows = recipes.permix!.promptsPerStep * recipes.permix!.groupSize;
  expect(chain[0]!.optim.microBatchRows).toBe(rows / 2);
  expect(chain[0]!.groupSize).toBe(recipes.permix!.groupSize / 2);
  expect(chain[0]!.sampling).toEqual(recipes.permix!.sampling);
  const { groupSize, optim, sampling } = chain.at(-1)!;
  expect([groupSize, optim.microBatchRows, sampling.maxNewTokens]).toEqual([2, 1, 8]);
});

it('goes back to the checkpoint before one that is damaged, says so, and keeps it', async () => {
  const storage = await database('damaged-newest');
  const probe = new SessionProbe(storage);
  await probe.boot('cpu');
  const id = await probe.train({ ...smallRun, checkpointEvery: 2, steps: 5 });
  await storage.updateRun(id, { status: 'paused' });
  const [newest] = await storage.checkpoints(id);
  const raw = await openDatabase('damaged-newest');
  const payload = (await raw.get('payloads', newest!.id))!;
  new Uint8Array(payload.bytes!)[payload.bytes!.byteLength - 3]! ^= 4;
  await raw.put('payloads', payload);

  const later = new SessionProbe(storage);
  await later.boot('cpu');
  const rest = later.phase('finished', 'failed');
  await later.session.resume(id);
  expect(await rest).toMatchObject({ phase: 'finished', step: 5 });
  expect(later.notices).toContainEqual(
    expect.stringMatching(/“Step 5” of step 5 is damaged and was left alone; going back to the one before/),
  );
  const { steps, checkpoints } = await later.session.history(id);
  expect(steps.map(({ step }) => step)).toEqual([1, 2, 3, 4, 5]);
  expect(checkpoints.map(({ step }) => step).slice(0, 3)).toEqual([5, 5, 4]);
});

it('which run is offered to be continued', () => {
  const run = (id: string, status: RunRecord['status'], step = 3): RunRecord => ({
    ...runRecord(id),
    config: smallRun,
    status,
    step,
  });
  const offered = (runs: readonly RunRecord[], open: string | null = null) => waitingRun(runs, open)?.id ?? null;
  expect(offered([run('b', 'finished', 6), run('a', 'paused')])).toBe('a');
  expect(offered([run('b', 'paused'), run('a', 'failed')], 'a')).toBe('a');
  expect(offered([run('b', 'finished', 6), run('a', 'failed')])).toBeNull();
  expect(offered([run('b', 'failed'), run('a', 'paused')])).toBe('b');
  expect(offered([run('b', 'stopped'), run('a', 'finished', 6)])).toBeNull();
  expect(offered([run('b', 'failed', 6)], 'b')).toBeNull();
  expect(offered([run('b', 'paused', 0), run('a', 'paused')])).toBe('a');
  expect(waitingRun([run('b', 'paused'), run('a', 'paused')], null, 'a')?.id).toBe('a');
  expect(waitingRun([run('b', 'paused'), run('a', 'finished', 6)], null, 'a')?.id).toBe('b');
});
