/** Distillation in a session with a real engine: its teacher is kept, survives a reload, and is missed with a sentence when it is deleted. */
import 'fake-indexeddb/auto';
import { beforeAll, describe, expect, it } from 'vitest';
import { labErrorCode } from '../../src/errors.ts';
import type { RunConfig } from '../../src/rl/config.ts';
import { recipes } from '../../src/rl/recipes.ts';
import { OwnPolicies } from '../../src/state/policies.svelte.ts';
import { bestTeacher, candidates } from '../../src/state/teachers.ts';
import type { CheckpointInfo, RunRecord } from '../../src/storage/records.ts';
import type { TrainerApi } from '../../src/worker/api.ts';
import { database, SessionProbe, smallRun } from '../helpers/lab-session.ts';
import { adapterFiles } from '../helpers/tiny-adapters.ts';

const failure = (promise: Promise<unknown>): Promise<Error> =>
  promise.then(
    () => {
      throw new Error('it did not fail');
    },
    (error: Error) => error,
  );

/** Right about half the time in the middle, by cross-entropy on solutions. */
const lessons: RunConfig = {
  ...smallRun,
  ...recipes.sft,
  steps: 40,
  tasks: smallRun.tasks,
  promptsPerStep: 16,
  groupSize: 2,
  sampling: { ...smallRun.sampling, maxNewTokens: 2 },
  optim: smallRun.optim,
  checkpointEvery: 2,
};
const distillation: RunConfig = { ...lessons, ...recipes.distill, ...pick(lessons), steps: 6, promptsPerStep: 4, groupSize: 4 };

function pick({ tasks, sampling, optim, checkpointEvery }: RunConfig): Pick<RunConfig, 'tasks' | 'sampling' | 'optim' | 'checkpointEvery'> {
  return { tasks, sampling, optim, checkpointEvery };
}

async function open(name: string) {
  const storage = await database(name);
  const probe = new SessionProbe(storage);
  await probe.boot('cpu');
  return { storage, probe, session: probe.session };
}

let lab: Awaited<ReturnType<typeof open>>;
let lessonsId: string;
/** The newest of the SFT run, which was paused halfway. */
let teacher: CheckpointInfo;

beforeAll(async () => {
  lab = await open('distill');
  const halfway = lab.probe.next((event) => event.type === 'session' && event.step >= 22);
  lessonsId = await lab.session.start(lessons);
  await halfway;
  await lab.session.pause();
  teacher = (await lab.session.history(lessonsId)).checkpoints[0]!;
}, 60_000);

async function distilled(config: RunConfig = distillation): Promise<string> {
  const rest = lab.probe.phase('finished', 'failed');
  const id = await lab.session.start(config, undefined, teacher.id);
  await rest;
  return id;
}

describe('distillation in a session', () => {
  it('learns from the right replies of a checkpoint, which becomes the reader’s own', async () => {
    expect(teacher.kept).toBe(false);
    const { run, steps } = await lab.session.history(await distilled());
    expect(run).toMatchObject({ status: 'finished', step: 6, name: expect.stringMatching(/^Distillation, .* · seed 1$/) });
    expect(run.teacher).toEqual({
      checkpoint: teacher.id,
      name: expect.stringMatching(new RegExp(`^SFT, .* · seed 1, step ${teacher.step}$`)),
    });
    // Where the teacher was right there was something to learn.
    expect(steps.some(({ metrics }) => metrics['loss']! > 0)).toBe(true);
    expect((await lab.storage.checkpoint(teacher.id)).kept).toBe(true);
    // Its own run goes on; of its autosaves the newest and the best are left, and the teacher, which is neither.
    const goesOn = lab.probe.phase('finished', 'failed');
    await lab.session.resume(lessonsId);
    await goesOn;
    const left = (await lab.session.history(lessonsId)).checkpoints;
    expect(left[0]!.step).toBe(40);
    expect(left.find(({ id }) => id === teacher.id)).toMatchObject({ kept: true });
    expect(left.filter(({ kept }) => !kept).length).toBeLessThanOrEqual(4);
    expect(Math.max(...left.map(({ reward }) => reward ?? 0))).toBeGreaterThan(teacher.reward!);
  });

  it('is the same run whether or not its tab was closed, and when it is forked', async () => {
    const whole = await lab.session.history(await distilled({ ...distillation, seed: 2 }));
    const reached = lab.probe.next((event) => event.type === 'session' && event.step >= 3);
    const id = await lab.session.start({ ...distillation, seed: 2, steps: 6 }, 'again', teacher.id);
    await reached;
    await lab.session.pause();

    const later = await open('distill');
    const finished = later.probe.phase('finished', 'failed');
    await later.session.resume(id);
    await finished;
    const resumed = await later.session.history(id);
    expect(resumed.run.status).toBe('finished');
    expect(resumed.steps.map(({ metrics }) => metrics['loss'])).toEqual(whole.steps.map(({ metrics }) => metrics['loss']));
    expect(resumed.checkpoints[0]!.hash).toBe(whole.checkpoints[0]!.hash);

    const ended = later.probe.phase('finished', 'failed');
    const fork = await later.session.resume(id, resumed.checkpoints.at(-1)!.id);
    await ended;
    const forked = (await later.session.history(fork)).run;
    expect(forked.teacher).toEqual(resumed.run.teacher);
    expect((await later.session.history(fork)).checkpoints[0]!.hash).toBe(whole.checkpoints[0]!.hash);
    later.storage.close();
  });

  it('adapters that a run begins from learn from a checkpoint of their base, which the draft offers', async () => {
    const { session, storage } = lab;
    const files = Object.entries(await adapterFiles('permix-tiny')).map(([name, bytes]) => ({ path: name, file: new Blob([bytes]) }));
    const { policy } = await session.addPolicy(files, () => undefined);
    const policies = new OwnPolicies(
      () => session as unknown as TrainerApi,
      () => undefined,
    );
    await policies.refresh();
    expect([policies.trained(policy.id), policies.trained('permix-tiny')]).toEqual(['permix-tiny', 'permix-tiny']);
    const offered = candidates(await session.runs(), { [lessonsId]: await storage.checkpoints(lessonsId) }, policies.trained(policy.id));
    expect(offered.map(({ checkpoint }) => checkpoint.id)).toContain(teacher.id);

    const config = { ...distillation, policy: policy.id, lora: policy.adapters!.lora };
    expect(await session.check(config, teacher.id)).toEqual([]);
    const { run, steps, checkpoints } = await session.history(await distilled(config));
    expect(run).toMatchObject({ status: 'finished', config: { policy: 'permix-tiny' }, teacher: { checkpoint: teacher.id } });
    expect(steps.some(({ metrics }) => metrics['loss']! > 0)).toBe(true);
    const [last, start] = await Promise.all([checkpoints[0]!, checkpoints.at(-1)!].map(({ id }) => storage.checkpoint(id)));
    expect(last!.state.weights).toBeNull();
    expect(last!.state.adapters!.tensors).not.toEqual(start!.state.adapters!.tensors);
  });

  it('needs a teacher that fits, and says so', async () => {
    const { session, storage } = lab;
    expect(await session.check(distillation)).toEqual([
      { field: 'teacher', problem: 'Distillation learns from a trained policy, and none is chosen: train a PerMix run first.' },
    ]);
    expect(await session.check(distillation, teacher.id)).toEqual([]);
    expect(await session.check(smallRun, teacher.id)).toHaveLength(1);
    const before = (await session.runs()).length;
    expect((await failure(session.start(distillation))).message).toMatch(/train a PerMix run first/);
    expect(labErrorCode(await failure(session.start(distillation, undefined, 'gone')))).toBe('storage');
    const { config, trainer, state } = await storage.checkpoint(teacher.id);
    const run = await storage.run(lessonsId);
    const draft = { runId: 'other', name: 'Start', reward: null, kept: false, config: { ...config, policy: 'another' }, trainer, state };
    const other = await storage.createRun({ ...run, id: 'other', name: 'Other' }, draft);
    expect((await failure(session.start(distillation, undefined, other.id))).message).toMatch(/“Other” trained another policy/);
    await session.deleteRun('other');
    expect(await session.runs()).toHaveLength(before);
  });

  it('keeps its teacher while it learns; without it what was learned stays, and a sentence says why it cannot go on', async () => {
    const { session, probe, storage } = lab;
    const reached = probe.next((event) => event.type === 'session' && event.step >= 2);
    const id = await session.start({ ...distillation, steps: 500 }, 'orphan', teacher.id);
    await reached;
    expect((await failure(session.deleteCheckpoint(teacher.id))).message).toMatch(/“orphan” is learning from this checkpoint/);
    await session.stop();
    const { step } = await storage.run(id);
    await session.deleteRun(lessonsId);

    const later = await open('distill');
    const sentence = (await failure(later.session.resume(id))).message;
    expect(sentence).toContain(
      `the teacher of “orphan”, was deleted, so the run cannot go on. What it learned is kept, up to step ${step}.`,
    );
    const { run, steps, checkpoints } = await later.session.history(id);
    expect(run).toMatchObject({ status: 'stopped', step });
    expect(steps).toHaveLength(step);
    expect((await failure(later.session.resume(id, checkpoints[0]!.id))).message).toBe(sentence);
    expect((await later.session.runs()).some(({ name }) => name.startsWith('orphan, from'))).toBe(false);
    expect((await storage.checkpoint(checkpoints[0]!.id)).state.weights).toBeDefined();
    later.storage.close();
  });
});

describe('the best teacher', () => {
  const run = (id: string, recipe: RunConfig['recipe']): RunRecord =>
    ({ id, name: id, config: recipe === 'custom' ? smallRun : recipes[recipe] }) as RunRecord;
  const at = (runId: string, step: number, reward: number | null): CheckpointInfo =>
    ({ id: `${runId}-${step}`, runId, step, reward }) as CheckpointInfo;
  const best = (runs: RunRecord[], checkpoints: CheckpointInfo[]) =>
    bestTeacher(
      candidates(
        runs,
        Object.fromEntries(runs.map(({ id }) => [id, checkpoints.filter(({ runId }) => runId === id)])),
        recipes.permix.policy,
      ),
    )?.checkpoint.id;

  it('is of PerMix with the highest reward, else of other reinforcement learning, else of any run that learned', () => {
    const runs = [run('base', 'base'), run('sft', 'sft'), run('rlvr', 'rlvr'), run('permix', 'permix')];
    const all = [
      at('base', 5, 1),
      at('sft', 5, 0.95),
      at('rlvr', 5, 0.9),
      at('permix', 0, null),
      at('permix', 10, 0.7),
      at('permix', 20, 0.6),
    ];
    const without = (...gone: string[]) => all.filter(({ runId }) => !gone.includes(runId));
    expect(best(runs, all)).toBe('permix-10');
    expect(best(runs, [...all, at('permix', 30, 0.7)])).toBe('permix-30');
    expect(best(runs, without('permix'))).toBe('rlvr-5');
    expect(best(runs, without('permix', 'rlvr'))).toBe('sft-5');
    expect(best(runs, without('permix', 'rlvr', 'sft'))).toBeUndefined();
    expect(best(runs, [at('permix', 0, null)])).toBeUndefined();
  });
});
