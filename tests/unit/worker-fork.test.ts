/** The advice of a run that diverged, followed in the page: back to a checkpoint, with a smaller learning rate. */
import 'fake-indexeddb/auto';
import { describe, expect, it } from 'vitest';
import type { RunConfig } from '../../src/rl/config.ts';
import { recipes } from '../../src/rl/recipes.ts';
import { database, SessionProbe, smallRun } from '../helpers/lab-session.ts';

/** Cross-entropy has a gradient from the first step on, and nothing here holds it back. */
const diverges: RunConfig = {
  ...smallRun,
  recipe: 'sft',
  mix: recipes.sft.mix,
  objective: recipes.sft.objective,
  optim: { ...smallRun.optim, learningRate: 1e30, maxGradNorm: 0, schedule: 'constant', warmupSteps: 0 },
  checkpointEvery: 0,
};
const tamed: RunConfig = { ...diverges, optim: { ...diverges.optim, learningRate: 1e-3 } };

describe('a run that diverged', () => {
  it('goes on from its first checkpoint with the settings of the reader', async () => {
    const storage = await database('fork');
    const probe = new SessionProbe(storage);
    await probe.boot('cpu');
    const failed = await probe.train(diverges);
    expect((await storage.run(failed)).status).toBe('failed');
    expect(probe.notices.join()).toMatch(/not finite.*Go on from an earlier checkpoint with a smaller learning rate/);

    const [first] = (await storage.checkpoints(failed)).slice(-1);
    expect(first!.step).toBe(0);
    const rest = probe.phase('finished', 'failed', 'paused');
    const id = await probe.session.resume(failed, first!.id, tamed);
    await rest;
    expect(await storage.run(id)).toMatchObject({ status: 'finished', step: tamed.steps, config: tamed });
    expect((await storage.metrics(id)).map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6]);
    expect((await storage.run(failed)).status).toBe('failed');
  });

  it('is not taken to where it has been already, nor to another kind of training', async () => {
    const storage = await database('fork-refused');
    const probe = new SessionProbe(storage);
    await probe.boot('cpu');
    const id = await probe.train({ ...tamed, steps: 2 });
    const [newest] = await storage.checkpoints(id);
    await expect(probe.session.resume(id, newest!.id, { ...tamed, steps: 2 })).rejects.toThrow(/of step 2.*more than 2 steps/);
    await expect(probe.session.resume(id, newest!.id, { ...tamed, lora: { rank: 2, alpha: 4 } })).rejects.toThrow(/decided at step 0/);
    expect(await storage.runs()).toHaveLength(1);
  });
});
