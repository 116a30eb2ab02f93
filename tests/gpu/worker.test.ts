/**
 * The real thing: the module worker, its comlink api, the bundled policy and the browser's own IndexedDB and Web Locks.
 * Two connections are two tabs.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { LabError } from '../../src/errors.ts';
import type { RunConfig } from '../../src/rl/config.ts';
import { recipes } from '../../src/rl/recipes.ts';
import type { SessionPhase, TrainerApi, TrainerEvent } from '../../src/worker/api.ts';
import { connect } from '../../src/worker/client.ts';

const config: RunConfig = {
  ...recipes.permix,
  steps: 2,
  promptsPerStep: 1,
  groupSize: 2,
  sampling: { ...recipes.permix.sampling, maxNewTokens: 4 },
  checkpointEvery: 1,
};

const tabs: (() => void)[] = [];
afterEach(() => tabs.splice(0).forEach((close) => close()));

async function openTab(backend: 'webgpu' | 'wasm') {
  const { api, close } = await connectTab();
  const events: TrainerEvent[] = [];
  let changed = () => {};
  await api.listen((batch) => {
    events.push(...batch);
    changed();
  });
  const boot = await api.boot({ backend });
  const phase = async (...phases: SessionPhase[]) => {
    const seen = () => events.some((event) => event.type === 'session' && phases.includes(event.phase));
    while (!seen()) await new Promise<void>((resolve) => (changed = resolve));
  };
  return { api, boot, events, phase, close };
}

async function connectTab(): Promise<{ api: TrainerApi; close: () => void }> {
  // The client keeps its worker to itself; closing a tab is terminating it.
  const workers: Worker[] = [];
  const Real = globalThis.Worker;
  globalThis.Worker = class extends Real {
    constructor(url: string | URL, options?: WorkerOptions) {
      super(url, options);
      workers.push(this);
    }
  };
  const { api, arrived } = connect({ silent: () => {}, failed: (why) => expect.fail(why) });
  await arrived;
  globalThis.Worker = Real;
  const close = () => workers.forEach((worker) => worker.terminate());
  tabs.push(close);
  return { api, close };
}

describe('the worker', () => {
  it('boots, trains two steps on WebGPU and answers the probe', async () => {
    const { api, boot, events, phase } = await openTab('webgpu');
    expect(boot.engine).toMatchObject({ engine: 'fused', backend: 'webgpu' });
    expect(boot.policy.parameters).toBeGreaterThan(200_000);
    const id = await api.start(config, 'two steps');
    await phase('finished', 'failed');
    const { run, steps, checkpoints } = await api.history(id);
    expect(run).toMatchObject({ name: 'two steps', status: 'finished', step: 2 });
    expect(steps.map(({ step }) => step)).toEqual([1, 2]);
    expect(checkpoints.map(({ step }) => step)).toEqual([2, 1, 0]);
    const metrics = events.find((event) => event.type === 'metrics');
    expect(metrics?.columns['reward']).toBeInstanceOf(Float64Array);
    expect((await api.rollouts(id, 2)).length).toBe(2);

    const texts: string[] = [];
    await api.probe(
      {
        policy: 'permix-tiny',
        question: 'What is 1 + 2?',
        personas: [{ key: 'none', text: null }],
        checkpoints: [null, id && checkpoints[0]!.id],
        temperature: 0,
        maxNewTokens: 3,
        seed: 1,
      },
      (chunks) => chunks.forEach(({ done, text }) => done && texts.push(text)),
    );
    expect(texts).toHaveLength(2);
    await api.deleteRun(id);
  });

  it('throws LabErrors across the boundary', async () => {
    const { api } = await openTab('wasm');
    const error = await api.resume('run-unknown').catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(LabError);
    expect(error).toMatchObject({ code: 'storage', next: 'It may have been deleted in another tab; reload the page.' });
    expect((error as Error).message).toBe('There is no stored run run-unknown. It may have been deleted in another tab; reload the page.');
  });

  it('a closed tab’s run is resumed in the next one; two tabs do not train the same run', async () => {
    const first = await openTab('wasm');
    const id = await first.api.start({ ...config, steps: 400 });
    await first.phase('running');
    const second = await openTab('wasm');
    expect(second.boot.runs.find((run) => run.id === id)?.status).toBe('running');
    await expect(second.api.resume(id)).rejects.toThrow(/being trained in another tab/);
    await expect(second.api.deleteRun(id)).rejects.toThrow(/another tab/);

    first.close();
    const third = await openTab('wasm');
    expect(third.boot.runs.find((run) => run.id === id)?.status).toBe('paused');
    expect(await third.api.resume(id)).toBe(id);
    await third.api.stop();
    const { run, steps } = await third.api.history(id);
    expect(run.status).toBe('stopped');
    expect(steps.map(({ step }) => step)).toEqual(Array.from({ length: run.step }, (_, i) => i + 1));
    await third.api.deleteRun(id);
  });
});
