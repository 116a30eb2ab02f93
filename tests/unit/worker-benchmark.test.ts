/** The benchmark of a session with real engines, without WebGPU: it has the machine to itself, can be cancelled, and leaves everything as it was. */
import 'fake-indexeddb/auto';
import { expect, it } from 'vitest';
import { rowSpecs } from '../../src/benchmark/report.ts';
import { folderSource } from '../../src/cli/folder.ts';
import { labErrorCode } from '../../src/errors.ts';
import { loadPolicy } from '../../src/policy/policy.ts';
import type { BenchmarkProgress } from '../../src/worker/benchmark-api.ts';
import { database, SessionProbe, smallRun } from '../helpers/lab-session.ts';

let databases = 0;
async function open() {
  const storage = await database(`benchmark-${databases++}`);
  const probe = new SessionProbe(storage, { loadPolicy: async () => loadPolicy(await folderSource('public/models/permix-tiny')) });
  await probe.boot('wasm');
  return { probe, session: probe.session, benchmarks: probe.session.benchmarks };
}
const request = { seconds: 5, profile: false, gpu: false };
const small = { ...smallRun, tasks: [{ id: 'addition', weight: 1, knobs: {} }], sampling: { ...smallRun.sampling, maxNewTokens: 8 } };
const refused = async (promise: Promise<unknown>) => {
  const error = await promise.catch((one: unknown) => one);
  return [labErrorCode(error), (error as Error).message];
};

it('measures the wasm engine beside the portable one, refuses what would disturb it, and the page goes on as before', async () => {
  const { probe, session, benchmarks } = await open();
  const machine = await benchmarks.benchmarkMachine(false);
  expect(machine).toMatchObject({ adapter: null, software: false, timestamps: false });
  const told: BenchmarkProgress[] = [];
  const measuring = benchmarks.benchmark(request, (progress) => told.push(progress));
  await expect.poll(() => told.length, { timeout: 20_000 }).toBeGreaterThan(0);
  expect(await refused(session.start(small))).toEqual(['usage', expect.stringMatching(/benchmark has this machine/)]);
  expect(await refused(benchmarks.benchmark(request, () => {}))).toEqual(['usage', expect.stringMatching(/under way already/)]);
  expect(await session.runs()).toEqual([]);
  const { report, cancelled, failed } = await measuring;
  expect([cancelled, failed]).toEqual([false, []]);
  const of = (name: string, engine: string) => report.rows.find((row) => row.name === name && row.engine === engine)!;
  expect(of('host.step', 'wasm').median).toBeGreaterThan(0);
  expect(of('host.step', 'wasm').repeats).toBe(of('host.step', 'portable').repeats);
  expect(report.ratios['host.step']!['wasm/portable']).toBeGreaterThan(1);
  expect(of('host.products', 'wasm')).toMatchObject({ unit: 'GFLOP/s', repeats: 3 });
  // Where the time was over before it there is the reason.
  const distinct = of('host.distinct', 'wasm');
  expect(distinct.median ?? distinct.reason).toEqual(distinct.median === null ? expect.stringMatching(/time/) : expect.closeTo(1, 2));
  expect(of('trainStep.d128.256', 'fused')).toMatchObject({ median: null, reason: expect.stringContaining('WebAssembly') as string });
  // As npm run bench writes it: every row of every engine, with a figure or a reason.
  expect(new Set(report.rows.map(({ name }) => name))).toEqual(new Set(rowSpecs.map(({ name }) => name)));
  for (const { median, reason } of report.rows) expect(median !== null || (reason ?? '').length > 0).toBe(true);
  expect(told.at(-1)!.share).toBeGreaterThan(told[0]!.share);
  const id = await probe.train({ ...small, steps: 1 });
  expect((await session.history(id)).steps).toHaveLength(1);
}, 120_000);

it('cancelled, what was measured counts and the rest says why it is not there; while something trains it does not begin', async () => {
  const { probe, session, benchmarks } = await open();
  const cancelling = benchmarks.benchmark({ ...request, seconds: 60 }, ({ report }) => {
    if (report.rows.some(({ name, median }) => name === 'host.products' && median !== null)) void benchmarks.cancelBenchmark();
  });
  const { report, cancelled } = await cancelling;
  expect(cancelled).toBe(true);
  expect(report.rows.find(({ name }) => name === 'host.products')!.median).toBeGreaterThan(0);
  expect(report.rows.find(({ name }) => name === 'host.threads')!.reason).toMatch(/Cancelled/);

  const rest = probe.phase('paused', 'finished');
  await session.start({ ...small, steps: 500 });
  expect(await refused(benchmarks.benchmark(request, () => {}))).toEqual([
    'usage',
    expect.stringMatching(/is being trained.*Pause or stop/),
  ]);
  await session.stop();
  void rest;
  await probe.boot('wasm');
}, 120_000);
