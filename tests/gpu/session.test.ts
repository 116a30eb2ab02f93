/** A session on WebGPU, that is on the fused engine: a device that is destroyed in the middle of a run costs the steps since the last checkpoint and nothing else. */
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { RunConfig } from '../../src/rl/config.ts';
import { recipes } from '../../src/rl/recipes.ts';
import { database, SessionProbe, smallRun } from '../helpers/lab-session.ts';

/** Two passes a batch, so that the ratios of the second are scored between the passes. */
const config: RunConfig = { ...smallRun, steps: 4, checkpointEvery: 2, objective: { ...smallRun.objective, innerEpochs: 2 } };
const devices: GPUDevice[] = [];

beforeEach(() => {
  devices.length = 0;
  const request = GPUAdapter.prototype.requestDevice;
  vi.spyOn(GPUAdapter.prototype, 'requestDevice').mockImplementation(async function (this: GPUAdapter, descriptor) {
    const device = await request.call(this, descriptor);
    devices.push(device);
    return device;
  });
});
afterEach(() => vi.restoreAllMocks());

/** A wait that hangs says what it was waiting behind. */
function soon<T>(event: Promise<T>, { events }: SessionProbe): Promise<T> {
  const late = new Promise<never>((_, reject) =>
    setTimeout(() => reject(new Error(`nothing more came after ${JSON.stringify(events.slice(-6))}`)), 100_000),
  );
  return Promise.race([event, late]);
}

// One test, because every new device compiles all its shaders again.
it('replaces a lost device, ends the run as if nothing had happened, and gives up when it is lost again and again', async () => {
  const storage = await database(`gpu-session-${Date.now()}`); // IndexedDB outlives a test run in this browser
  const probe = new SessionProbe(storage);
  const { session } = probe;
  expect((await probe.boot('webgpu')).engine).toMatchObject({ engine: 'fused', backend: 'webgpu', software: true });
  const expected = (await session.history(await probe.train(config))).checkpoints[0]!;
  expect(expected.step).toBe(4);
  expect(devices).toHaveLength(1);
  const portable = new SessionProbe(await database(`gpu-session-portable-${Date.now()}`));
  await portable.boot('cpu');
  const [own, other] = [
    await session.rollouts(expected.runId, 1),
    await portable.session.rollouts(await portable.train({ ...config, steps: 1 }), 1),
  ];
  expect(own.map(({ tokens }) => tokens)).toEqual(other.map(({ tokens }) => tokens));
  own.forEach(({ lastPass, logprobs }, row) => {
    lastPass!.logprobs.forEach((logprob, t) => expect(logprob).toBeCloseTo(other[row]!.lastPass!.logprobs[t]!, 3));
    expect(lastPass!.logRatio).toBeCloseTo(other[row]!.lastPass!.logRatio, 3);
    expect(lastPass!.logprobs).not.toEqual(logprobs);
  });

  const finished = soon(probe.phase('finished', 'failed', 'paused'), probe);
  const reached = probe.next((event) => event.type === 'session' && event.step === 3);
  const id = await session.start({ ...config }, 'the same run');
  await reached;
  devices[0]!.destroy();
  expect(await finished).toMatchObject({ phase: 'finished', runId: id });
  expect(devices).toHaveLength(2);
  expect(probe.notices.join()).toMatch(/GPU failed. A new device was set up, and the run goes on from step 2/);
  const { run, steps, checkpoints } = await session.history(id);
  expect(run).toMatchObject({ status: 'finished', step: 4 });
  expect(steps.map(({ step }) => step)).toEqual([1, 2, 3, 4]);
  expect(checkpoints[0]!.hash).toBe(expected.hash);

  // A distillation is two engines on one device; both come back when it is lost.
  const distillation: RunConfig = { ...config, recipe: 'distill', objective: recipes.distill.objective };
  const distilled = soon(probe.phase('finished', 'failed', 'paused'), probe);
  const taught = await session.start({ ...distillation, steps: 2 }, undefined, expected.id);
  expect(await distilled).toMatchObject({ phase: 'finished', runId: taught });
  expect(devices).toHaveLength(2);

  const failed = soon(probe.phase('finished', 'failed', 'paused'), probe);
  const doomed = await session.start({ ...distillation, seed: 2, steps: 50 }, undefined, expected.id);
  let ended = false;
  void failed.then(() => (ended = true));
  // Each device as soon as the run goes on with it.
  const destroyed = (async () => {
    while (!ended) {
      devices.at(-1)!.destroy();
      await Promise.race([probe.phase('running'), failed]);
    }
  })();
  await failed;
  await destroyed;
  expect(devices).toHaveLength(5);
  const end = (await session.history(doomed)).run;
  expect(end.status).toBe('failed');
  expect(end.failure).toMatch(/GPU failed 4 times within ten minutes .*; the run is saved up to step/);
  const [newest] = await storage.checkpoints(doomed);
  expect((await storage.checkpoint(newest!.id)).step).toBe(end.step);
}, 240_000);
