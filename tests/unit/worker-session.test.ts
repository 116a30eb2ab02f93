/** The session's states with a real engine: commands are idempotent, failures are sentences, nothing stored is lost. */
import 'fake-indexeddb/auto';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { labErrorCode } from '../../src/errors.ts';
import type { RunRecord } from '../../src/storage/records.ts';
import type { ProbeChunk, ProbeRequest, TrainerEvent } from '../../src/worker/api.ts';
import { database, SessionProbe, smallRun } from '../helpers/lab-session.ts';

let databases = 0;
async function open(name = `session-${databases++}`) {
  const storage = await database(name);
  const probe = new SessionProbe(storage);
  const boot = await probe.boot('cpu');
  return { storage, probe, session: probe.session, boot, name };
}
const failure = (promise: Promise<unknown>): Promise<Error> =>
  promise.then(
    () => {
      throw new Error('it did not fail');
    },
    (error: Error) => error,
  );
const long = { ...smallRun, steps: 500 };
const step = (n: number) => (event: TrainerEvent) => event.type === 'session' && event.step >= n;

afterEach(() => vi.restoreAllMocks());

describe('boot', () => {
  it('says what is here, once', async () => {
    const { boot, session, probe } = await open();
    expect(boot.engine).toMatchObject({ engine: 'portable', backend: 'cpu' });
    expect(boot.reason).toMatch(/\w+/);
    expect(boot.policy.parameters).toBeGreaterThan(1000);
    expect(boot.recipes['permix']).toBeDefined();
    expect([boot.runs, boot.voices.length > 0, boot.personas.length > 0, boot.tasks.length > 0]).toEqual([[], true, true, true]);
    expect(await probe.boot('cpu')).toBe(boot);
    structuredClone(boot);
    expect(await session.check(smallRun)).toEqual([]);
    expect(await session.renderPrompt('permix-tiny', null, 'What is 2+2?')).toMatch(/^<user>What is 2\+2\?<reply>/);
  });

  it('names a policy that cannot be fetched, and can be tried again', async () => {
    const storage = await database(`session-${databases++}`);
    const probe = new SessionProbe(storage, {
      loadPolicy: async () => {
        throw new (await import('../../src/errors.ts')).LabError('network', 'permix-tiny could not be fetched.', 'Check the connection.');
      },
    });
    expect(labErrorCode(await failure(probe.boot('cpu')))).toBe('network');
    expect(labErrorCode(await failure(probe.boot('cpu')))).toBe('network');
  });
});

describe('a run', () => {
  it('trains to its end, stores every step, and keeps checkpoints', async () => {
    const { probe, session, storage } = await open();
    const id = await probe.train(smallRun);
    const { run, steps, checkpoints } = await session.history(id);
    expect(run).toMatchObject({ status: 'finished', step: 6 });
    expect(steps.map((row) => row.step)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(checkpoints.map((checkpoint) => checkpoint.step)).toEqual([6, 4, 2]);
    expect((await session.rollouts(id, 3)).length).toBe(8);
    const [last] = checkpoints;
    expect((await storage.checkpoint(last!.id)).state.moments).not.toBeNull();
    const metrics = probe.events.flatMap((event) => (event.type === 'metrics' ? [...event.steps] : []));
    expect(metrics).toEqual([1, 2, 3, 4, 5, 6]);
    expect(await session.resume(id)).toBe(id);
  });

  it('pauses, steps once, goes on and stops; each command twice is the command once', async () => {
    const { probe, session } = await open();
    const reached = probe.next(step(2));
    const [id, again] = await Promise.all([session.start(long), session.start(long)]);
    expect(again).toBe(id);
    expect(labErrorCode(await failure(session.start({ ...long, seed: 9 })))).toBe('usage');
    expect(labErrorCode(await failure(session.deleteRun(id)))).toBe('usage');
    await reached;
    await Promise.all([session.pause(), session.pause()]);
    const paused = (await session.history(id)).run;
    expect(paused.status).toBe('paused');
    expect(paused.step).toBeGreaterThanOrEqual(2);
    expect((await session.history(id)).steps).toHaveLength(paused.step);

    expect(await session.step()).toBe(id);
    expect((await session.history(id)).run).toMatchObject({ status: 'paused', step: paused.step + 1 });
    await session.resume(id);
    await session.resume(id);
    await probe.next(step(paused.step + 3));
    const idle = probe.phase('idle');
    await Promise.all([session.stop(), session.stop()]);
    expect((await session.history(id)).run.status).toBe('stopped');
    expect(await idle).toMatchObject({ runId: id });
    expect(await session.runs()).toHaveLength(1);
    await session.deleteRun(id);
    expect(await session.runs()).toEqual([]);
  });

  it('takes a checkpoint at the next step when the tab is hidden', async () => {
    const { probe, session, storage } = await open();
    const id = await session.start({ ...long, checkpointEvery: 400 });
    await probe.next(step(1));
    const saved = probe.next((event) => event.type === 'checkpoints');
    session.saveSoon();
    await saved;
    expect((await storage.checkpoints(id)).map((checkpoint) => checkpoint.step > 0)).toEqual([true, false]);
    await session.stop();
  });

  it('asks its held-out questions, keeps what was answered, and asks none of them again', async () => {
    const { probe, session, storage, name } = await open();
    const asking = { ...smallRun, heldOut: { questions: 2, every: 2 } };
    const told = (from: SessionProbe) => from.events.flatMap((event) => (event.type === 'evaluation' ? [event.evaluation.step] : []));
    const paused = probe.phase('paused');
    const id = await session.start(asking);
    await probe.next((event) => event.type === 'evaluation' && event.evaluation.step === 2);
    await session.pause();
    await paused;
    const before = await storage.heldOut(id);
    expect(before.map(({ step }) => step).slice(0, 2)).toEqual([0, 2]);
    // Another tab, after this one was closed.
    const later = new SessionProbe(await database(name));
    await later.boot('cpu');
    const finished = later.phase('finished');
    await later.session.resume(id);
    await finished;
    expect([...told(probe), ...told(later)]).toEqual([0, 2, 4, 6]);
    const { heldOut } = await later.session.history(id);
    expect(heldOut.map(({ step }) => step)).toEqual([0, 2, 4, 6]);
    expect(heldOut.slice(0, before.length)).toEqual(before);
  });

  it('races another one: a step of each in turn, together paused, resumed and finished', async () => {
    const { probe, session, storage } = await open();
    const both = (phase: string) => (event: TrainerEvent) => event.type === 'session' && event.phase === phase;
    const { rlvr, permix } = await session.race({ ...smallRun, steps: 4, heldOut: { questions: 2, every: 4 } });
    expect([(await storage.run(rlvr)).config.mix.noneShare, (await storage.run(permix)).config.mix.noneShare]).toEqual([1, 0.5]);
    await probe.next((event) => event.type === 'metrics' && event.runId === permix);
    expect(labErrorCode(await failure(session.start(smallRun)))).toBe('usage');
    await session.pause();
    const reached = await Promise.all([rlvr, permix].map(async (id) => (await storage.run(id)).step));
    // An evaluation is a turn too.
    expect(Math.abs(reached[0]! - reached[1]!)).toBeLessThanOrEqual(2);
    const done = new Set<string>();
    const finished = probe.next((event) => both('finished')(event) && done.add((event as { runId: string }).runId).size === 2);
    await session.resume(permix);
    await finished;
    for (const id of [rlvr, permix]) {
      const { run, steps, heldOut } = await session.history(id);
      expect([run.status, run.step, steps.map(({ step }) => step), heldOut.map(({ step }) => step)]).toEqual([
        'finished',
        4,
        [1, 2, 3, 4],
        [0, 4],
      ]);
    }
    // Each is what it would have been alone.
    const alone = await probe.train({ ...(await storage.run(rlvr)).config, heldOut: smallRun.heldOut });
    const weights = async (id: string) => (await storage.checkpoint((await storage.checkpoints(id))[0]!.id)).state;
    expect(await weights(alone)).toEqual(await weights(rlvr));
  });

  it('races on with one arm where the other fails, and says which', async () => {
    const { probe, session, storage } = await open();
    const save = storage.saveStep.bind(storage);
    vi.spyOn(storage, 'saveStep').mockImplementation(async (metrics, rollouts) => {
      const { config } = await storage.run(metrics.runId);
      if (config.recipe === 'permix' && metrics.step === 2) throw new RangeError('Array buffer allocation failed');
      return save(metrics, rollouts);
    });
    const over = (phase: string) => probe.next((event) => event.type === 'session' && event.phase === phase);
    const [failed, finished] = [over('failed'), over('finished')];
    const { rlvr, permix } = await session.race({ ...smallRun, steps: 4, heldOut: { questions: 2, every: 4 } });
    expect(await failed).toMatchObject({ runId: permix });
    expect(await finished).toMatchObject({ runId: rlvr });
    const [whole, half] = [await session.history(rlvr), await session.history(permix)];
    expect([whole.run.status, whole.steps.length, half.run.status]).toEqual(['finished', 4, 'failed']);
    expect(half.run.failure).toMatch(/no room for what is to be computed .*close other programs/);
    // What it had is there, and it can be continued.
    expect(half.checkpoints.length).toBeGreaterThan(0);
  });

  it('is cleared with all else that is stored, and not while something trains', async () => {
    const { probe, session, storage } = await open();
    const id = await probe.train({ ...smallRun, steps: 2, heldOut: { questions: 1, every: 1 } });
    const running = probe.phase('running');
    const other = await session.start(long);
    await running;
    expect(labErrorCode(await failure(session.clear()))).toBe('usage');
    await session.stop();
    await session.clear();
    expect(await session.runs()).toEqual([]);
    for (const one of [id, other])
      expect([await storage.metrics(one), await storage.heldOut(one), await storage.checkpoints(one)]).toEqual([[], [], []]);
    await probe.train(smallRun);
  });

  it('refuses a configuration that makes no sense, with sentences', async () => {
    const { session } = await open();
    const error = await failure(session.start({ ...smallRun, tasks: [{ id: 'poetry', weight: 1 }] }));
    expect(labErrorCode(error)).toBe('config');
    expect(error.message).toMatch(/poetry/);
    expect(labErrorCode(await failure(session.step()))).toBe('usage');
    expect(labErrorCode(await failure(session.saveCheckpoint('x')))).toBe('usage');
    expect(labErrorCode(await failure(session.resume('run-unknown')))).toBe('storage');
    expect(await session.runs()).toEqual([]);
  });

  it('takes the reader’s own checkpoint while it trains, and forks from it', async () => {
    const { probe, session } = await open();
    const id = await session.start(long);
    await probe.next(step(1));
    const info = await session.saveCheckpoint('  mine ');
    await session.stop();
    expect(info).toMatchObject({ name: 'mine', kept: true, runId: id });
    await session.renameCheckpoint(info.id, 'ours');
    const fork = await session.resume(id, info.id);
    expect(fork).not.toBe(id);
    await session.stop();
    const { run, steps } = await session.history(fork);
    expect(run.name).toMatch(new RegExp(`from step ${info.step}$`));
    expect(steps.map((row) => row.step)).toEqual(Array.from({ length: run.step }, (_, i) => i + 1));
    await session.deleteCheckpoint(info.id);
    expect((await session.history(id)).checkpoints.some((checkpoint) => checkpoint.id === info.id)).toBe(false);
    await session.renameRun(fork, 'fork');
    expect((await session.runs()).map(({ name }) => name)).toContain('fork');
    expect(labErrorCode(await failure(session.renameRun(fork, ' ')))).toBe('usage');
  });
});

describe('storage trouble', () => {
  it('a full disk pauses the run, and it goes on without a loss once there is room', async () => {
    const { probe, session, storage } = await open();
    await session.start(long);
    await probe.next(step(1));
    const paused = probe.phase('paused');
    const full = vi.spyOn(IDBObjectStore.prototype, 'put').mockImplementation(() => {
      throw new DOMException('full', 'QuotaExceededError');
    });
    await paused;
    full.mockRestore();
    const id = (await session.runs())[0]!.id;
    expect(probe.notices.some((text) => /storage for this page is full/.test(text))).toBe(true);
    const before = (await session.history(id)).steps.length;
    const rest = probe.next(step(before + 4));
    await session.resume(id);
    await rest;
    await session.stop();
    const { run, steps } = await session.history(id);
    expect(steps.map((row) => row.step)).toEqual(Array.from({ length: run.step }, (_, i) => i + 1));
    expect((await storage.run(id)).status).toBe('stopped');
  });

  it('a damaged checkpoint is left alone and the one before it is used', async () => {
    const { probe, session, storage, name } = await open();
    const id = await probe.train(smallRun);
    const [newest] = await storage.checkpoints(id);
    const { openDatabase } = await import('../../src/storage/database.ts');
    const raw = await openDatabase(name);
    const payload = (await raw.get('payloads', newest!.id))!;
    new Uint8Array(payload.bytes!)[payload.bytes!.byteLength - 1]! ^= 1;
    await raw.put('payloads', payload);

    const again = new SessionProbe(storage);
    await again.boot('cpu');
    const finished = again.phase('finished');
    await again.session.resume(id);
    await finished;
    expect(again.notices.join()).toMatch(/“Step 6” of step 6 is damaged/);
    expect((await session.history(id)).run).toMatchObject({ status: 'finished', step: 6 });
    expect((await failure(session.resume(id, newest!.id))).message).toMatch(/step 6 is damaged.*whole/);
  });

  it('a run whose tab went away is listed as paused', async () => {
    const { storage, probe } = await open();
    const id = await probe.train(smallRun);
    await storage.updateRun(id, { status: 'running' });
    const other = new SessionProbe(storage);
    const { runs } = await other.boot('cpu');
    expect(runs.map(({ status }: RunRecord) => status)).toEqual(['paused']);
  });
});

describe('probe', () => {
  const request: ProbeRequest = {
    policy: 'permix-tiny',
    question: 'Which is larger, 3 or 7?',
    personas: [
      { key: 'none', text: null },
      { key: 'poet', text: 'You are a poet.' },
    ],
    checkpoints: [null],
    temperature: 1,
    maxNewTokens: 4,
    seed: 5,
  };
  async function ask(session: SessionProbe['session'], more: Partial<ProbeRequest>): Promise<Map<string, ProbeChunk>> {
    const cells = new Map<string, ProbeChunk>();
    await session.probe({ ...request, ...more }, (chunks) =>
      chunks.forEach((chunk) => cells.set(`${chunk.checkpoint}/${chunk.persona}`, chunk)),
    );
    return cells;
  }

  it('answers for every checkpoint and persona, and leaves the run as it was', async () => {
    const { probe, session } = await open();
    const plain = await ask(session, {});
    expect([...plain.keys()]).toEqual(['null/none', 'null/poet']);
    for (const { done, pieces, logprobs } of plain.values()) {
      expect(done).toBe(true);
      expect(logprobs).toHaveLength(pieces.length);
      expect(logprobs.length).toBeGreaterThan(0);
    }
    expect(labErrorCode(await failure(ask(session, { checkpoints: ['current'] })))).toBe('usage');

    const quiet = await probe.train(smallRun);
    const [expected] = (await session.history(quiet)).checkpoints;

    const second = await open();
    const finished = second.probe.phase('finished');
    const id = await second.session.start(smallRun);
    const grids = [];
    for (let i = 0; i < 4; i++) grids.push(await ask(second.session, { checkpoints: [null, 'current'] }));
    await finished;
    for (const grid of grids) {
      expect(grid.size).toBe(4);
      expect(grid.get('null/poet')).toEqual(plain.get('null/poet'));
    }
    const [probed] = (await second.session.history(id)).checkpoints;
    // The hash covers weights, moments, counters and config: the probes left no trace.
    expect(probed!.hash).toBe(expected!.hash);
    const stored = await ask(second.session, { checkpoints: [probed!.id] });
    const current = await ask(second.session, { checkpoints: ['current'] });
    expect(stored.get(`${probed!.id}/none`)!.logprobs).toEqual(current.get('current/none')!.logprobs);
  });

  it('stops when it is told to', async () => {
    const { session } = await open();
    let chunks = 0;
    const done = session.probe({ ...request, checkpoints: [null, null, null, null] }, () => {
      chunks++;
      void session.cancelProbe();
    });
    await done;
    expect(chunks).toBe(1);
  });

  it('refuses a persona text of 100 kB by name', async () => {
    const { session } = await open();
    const error = await failure(ask(session, { personas: [{ key: 'long', text: 'a'.repeat(100_000) }] }));
    expect(labErrorCode(error)).toBe('config');
  });
});

describe('alternatives', () => {
  /** What is asked of the last token of a step's first rollout. */
  async function lastOf(session: SessionProbe['session'], runId: string, step: number) {
    const [rollout] = await session.rollouts(runId, step);
    const tokens = rollout!.tokens!;
    const at = tokens.length - 1;
    return {
      request: { runId, step, prompt: rollout!.prompt, before: tokens.slice(0, at), said: tokens[at]! },
      logprob: rollout!.logprobs[at]!,
    };
  }

  it('are those of the policy that sampled, while it is kept: the token has the probability it was drawn with', async () => {
    const { probe, session } = await open();
    const id = await probe.train(smallRun);
    for (const [step, sampler] of [
      [1, 0],
      [3, 2],
      [5, 4],
    ] as const) {
      const { request, logprob } = await lastOf(session, id, step);
      const { policy, tokens, said } = await session.alternatives(request);
      expect(policy).toEqual({ kind: 'sampler', step: sampler });
      expect(said.probability).toBeCloseTo(Math.exp(logprob), 3);
      expect(tokens).toHaveLength(5);
      expect(tokens.map(({ probability }) => probability)).toEqual(tokens.map(({ probability }) => probability).toSorted((a, b) => b - a));
      if (said.rank <= 5) expect(tokens[said.rank - 1]).toMatchObject({ id: request.said, probability: said.probability });
    }
  });

  it('are else those of the run as it is, or of its newest checkpoint, and say so', async () => {
    const { probe, session, storage } = await open();
    const id = await probe.train(smallRun);
    const { request } = await lastOf(session, id, 4);
    const now = await session.alternatives(request);
    expect(now.policy).toEqual({ kind: 'current' });
    const later = new SessionProbe(storage);
    await later.boot('cpu');
    const stored = await later.session.alternatives(request);
    expect(stored.policy).toEqual({ kind: 'checkpoint', step: 6 });
    expect(stored.tokens).toEqual(now.tokens);
    for (const checkpoint of await storage.checkpoints(id)) await storage.deleteCheckpoint(checkpoint.id);
    expect(labErrorCode(await failure(later.session.alternatives(request)))).toBe('usage');
  });
});
