/**
 * A run that is killed and resumed in a new session equals the run that never stopped, bit for bit: weights, moments, counters and
 * metrics. The kill is a tab that goes away: its storage never answers again and nobody tells the session.
 */
import 'fake-indexeddb/auto';
import { describe, expect, it } from 'vitest';
import type { RunConfig } from '../../src/rl/config.ts';
import { isTiming } from '../../src/rl/metric-names.ts';
import type { StepRow } from '../../src/rl/events.ts';
import { openDatabase } from '../../src/storage/database.ts';
import { IndexedStorage } from '../../src/storage/indexed.ts';
import type { MetricsRecord, RolloutsRecord } from '../../src/storage/records.ts';
import { database, SessionProbe, smallRun } from '../helpers/lab-session.ts';

const config: RunConfig = { ...smallRun, steps: 9, checkpointEvery: 3 };

/** The tab goes away while the given step is being stored. */
class CutOff extends IndexedStorage {
  constructor(
    database: Awaited<ReturnType<typeof openDatabase>>,
    readonly lastStep: number,
    readonly onCut: () => void,
  ) {
    super(database);
  }

  override saveStep(metrics: MetricsRecord, rollouts: RolloutsRecord): Promise<void> {
    if (metrics.step <= this.lastStep) return super.saveStep(metrics, rollouts);
    this.onCut();
    return new Promise(() => {});
  }
}

/** Everything but what a clock measured. */
function withoutTimes(metrics: StepRow): StepRow {
  return Object.fromEntries(Object.entries(metrics).filter(([name]) => !isTiming(name)));
}

async function outcome(storage: IndexedStorage, id: string) {
  const run = await storage.run(id);
  const [newest] = await storage.checkpoints(id);
  const { state, trainer } = await storage.checkpoint(newest!.id);
  const steps = (await storage.metrics(id)).map(({ step, metrics, personas }) => ({ step, metrics: withoutTimes(metrics), personas }));
  return { status: run.status, hash: newest!.hash, state, trainer, steps, rollouts: await storage.rollouts(id, 7) };
}

async function uninterrupted(name: string) {
  const storage = await database(name);
  const probe = new SessionProbe(storage);
  await probe.boot('wasm');
  const id = await probe.train(config);
  const { runId: _, ...rest } = { runId: id, ...(await outcome(storage, id)) };
  return rest;
}

async function killedAndResumed(name: string, lastStep: number) {
  let cut: () => void;
  const gone = new Promise<void>((resolve) => (cut = resolve));
  const first = new SessionProbe(new CutOff(await openDatabase(name), lastStep, () => cut()));
  await first.boot('wasm');
  const id = await first.session.start(config);
  await gone;

  const storage = await database(name);
  const second = new SessionProbe(storage);
  const { runs } = await second.boot('wasm');
  expect(runs).toHaveLength(1);
  expect(runs[0]).toMatchObject({ id, status: 'paused', step: Math.floor(lastStep / 3) * 3 });
  const finished = second.phase('finished', 'failed', 'paused');
  await second.session.resume(id);
  await finished;
  return outcome(storage, id);
}

describe('kill and resume', () => {
  it('equals the uninterrupted run bit for bit, wherever it was killed', async () => {
    const expected = await uninterrupted('uninterrupted');
    expect(expected.status).toBe('finished');
    expect(expected.steps).toHaveLength(9);
    expect(expected.state.optimSteps).toBe(9);

    const other = await uninterrupted('again');
    expect(other.hash).toBe(expected.hash);

    for (const lastStep of [1, 5, 6]) {
      const resumed = await killedAndResumed(`killed-after-${lastStep}`, lastStep);
      expect(resumed.trainer).toEqual(expected.trainer);
      expect(resumed.steps).toEqual(expected.steps);
      for (const part of ['weights', 'first', 'second'] as const) {
        const of = ({ state }: typeof expected) => (part === 'weights' ? state.weights! : state.moments![part]);
        for (const [tensor, values] of Object.entries(of(expected))) {
          expect(new Uint32Array(of(resumed)[tensor]!.buffer), `${part} of ${tensor}`).toEqual(new Uint32Array(values.buffer));
        }
      }
      expect(resumed.hash).toBe(expected.hash);
      expect(resumed.rollouts!.rollouts).toEqual(expected.rollouts!.rollouts);
    }
  });

  it('would notice: another seed ends elsewhere', async () => {
    const storage = await database('other-seed');
    const probe = new SessionProbe(storage);
    await probe.boot('wasm');
    const ends = [];
    for (const seed of [1, 2]) {
      const { state } = await outcome(storage, await probe.train({ ...config, seed, steps: 2 }));
      ends.push(state.weights!['model.embed_tokens.weight']);
    }
    expect(ends[0]).not.toEqual(ends[1]);
  });
});
