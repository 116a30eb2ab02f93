/** Runs, evaluations and judgings of the page, continued in a session where one thing is not as it was: named, and only allowed by the reader. */
import 'fake-indexeddb/auto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { labErrorCode } from '../../src/errors.ts';
import { parseBenchmark } from '../../src/evaluate/judge/benchmark.ts';
import { benchmarkTasks } from '../../src/evaluate/judge/tasks.ts';
import { noFiles } from '../../src/policy/fingerprint.ts';
import type { Policy } from '../../src/policy/policy.ts';
import { initialWeights, tensorsOf } from '../../src/policy/weights.ts';
import { allowed, type ChangedRun } from '../../src/state/go-on.ts';
import type { IndexedStorage } from '../../src/storage/indexed.ts';
import type { EvaluationSettings } from '../../src/storage/records.ts';
import { judgeServer, type JudgeServer } from '../helpers/judge-server.ts';
import { database, SessionProbe, smallRun } from '../helpers/lab-session.ts';
import { tinyConfig, tinyTokenizer } from '../helpers/tiny-policy.ts';

const policy: Policy = {
  id: 'permix-tiny',
  config: tinyConfig,
  weights: tensorsOf(tinyConfig, initialWeights(tinyConfig, 3)),
  tokenizer: tinyTokenizer(),
  files: noFiles,
  texts: new Map(),
  notices: [],
};
const otherFiles = (part: keyof typeof noFiles): Partial<Policy> => ({ files: { ...noFiles, [part]: 'other' } });
const otherWeights: Partial<Policy> = { weights: tensorsOf(tinyConfig, initialWeights(tinyConfig, 4)) };
/** What may lie beside the page tomorrow, and how it is called. */
const changes: readonly [string, Partial<Policy>][] = [
  ['the weights were', otherWeights],
  ['config.json was', otherFiles('config')],
  ['generation_config.json was', otherFiles('generation-config')],
  ['tokenizer.json was', otherFiles('tokenizer')],
  ['tokenizer_config.json was', otherFiles('tokenizer-config')],
  ['special_tokens_map.json was', otherFiles('special-tokens')],
  ['the chat template was', otherFiles('template')],
];

/** Enough where the comparison is the same as that of a run. */
const few = [changes[0]!, changes[6]!];

let databases = 0;
let judge: JudgeServer;
beforeAll(async () => void (judge = await judgeServer(() => 'Score: 3')));
afterAll(() => judge.close());

/** A session of its own on the same storage: the next visit to the page. */
async function visit(storage: IndexedStorage, change: Partial<Policy> = {}): Promise<SessionProbe> {
  const probe = new SessionProbe(storage, { loadPolicy: async () => ({ ...policy, ...change }) });
  await probe.boot('cpu');
  return probe;
}
const fresh = () => database(`changed-${databases++}`);

async function failure(promise: Promise<unknown>): Promise<string> {
  const error: unknown = await promise.then(
    () => expect.fail('it went on'),
    (caught: unknown) => caught,
  );
  expect(labErrorCode(error)).toBe('usage');
  return (error as Error).message;
}

describe('a run', () => {
  const run = { ...smallRun, steps: 3 };
  /** Stopped after one of three steps. */
  async function begun(): Promise<{ storage: IndexedStorage; id: string }> {
    const storage = await fresh();
    const { session } = await visit(storage);
    const id = await session.step(run);
    await session.stop();
    return { storage, id };
  }

  async function goOn(probe: SessionProbe, id: string, accept: readonly string[] = [], checkpoint?: string): Promise<string> {
    // Not 'failed', which a refusal was just before.
    const rest = probe.phase('finished');
    const resumed = await probe.session.resume(id, checkpoint, undefined, undefined, accept);
    await rest;
    return resumed;
  }

  it('goes on where nothing changed', async () => {
    const { storage, id } = await begun();
    const probe = await visit(storage);
    expect(await probe.session.changes('run', id)).toBeNull();
    await goOn(probe, id);
    expect(await storage.run(id)).toMatchObject({ status: 'finished', step: 3, origin: { takenOver: [] } });
  });

  it.each(changes)('does not go on where %s something else, until the reader says so', async (sentence, change) => {
    const { storage, id } = await begun();
    const before = await storage.run(id);
    const probe = await visit(storage, change);
    const found = (await probe.session.changes('run', id))!;
    expect(found.sentence).toMatch(new RegExp(`^began with something else: ${sentence.replace('.', '\\.')} [^;]+$`));
    expect(found.accept).toHaveLength(1);
    expect(await failure(probe.session.resume(id))).toContain(found.sentence);
    expect(await storage.run(id)).toEqual(before);
    expect((await storage.metrics(id)).length).toBe(1);

    await goOn(probe, id, found.accept);
    const after = await storage.run(id);
    expect(after).toMatchObject({ status: 'finished', step: 3 });
    expect(after.origin!.takenOver).toEqual([expect.objectContaining({ part: found.accept[0], at: 'step 1' })]);
    expect(probe.notices.join('\n')).toContain(`goes on from step 1 with something else: ${sentence}`);
    expect(await probe.session.changes('run', id)).toBeNull();
  });

  it('names another engine and backend', async () => {
    const { storage, id } = await begun();
    const { origin } = await storage.run(id);
    await storage.updateRun(id, { origin: { ...origin!, identity: { ...origin!.identity, engine: 'fused', backend: 'webgpu' } } });
    const probe = await visit(storage);
    expect(await failure(probe.session.resume(id))).toMatch(/the engine was fused, now portable; the backend was webgpu, now cpu\./);
    await failure(probe.session.resume(id, undefined, undefined, undefined, ['engine']));
    await goOn(probe, id, ['engine', 'backend']);
  });

  it('of a race names what its rival would go on with too, as both go on together', async () => {
    const storage = await fresh();
    const first = await visit(storage);
    const { rlvr, permix } = await first.session.race({ ...run, steps: 500 });
    await first.next((event) => event.type === 'session' && event.step >= 1);
    await first.session.stop();
    for (const id of [rlvr, permix]) await storage.updateRun(id, { status: 'paused' });
    const { origin } = await storage.run(rlvr);
    await storage.updateRun(rlvr, { origin: { ...origin!, identity: { ...origin!.identity, backend: 'wasm' } } });
    const { session } = await visit(storage, otherWeights);
    const { accept } = (await session.changes('run', permix))!;
    expect([...accept].sort()).toEqual(['backend', 'weights']);
    await session.resume(permix, undefined, undefined, undefined, accept);
    await session.stop();
  });

  it('that is refused in the page is asked about, where it can be allowed', async () => {
    const { storage, id } = await begun();
    const probe = await visit(storage, otherWeights);
    const said: string[] = [];
    const home = {
      api: probe.session,
      viewed: id,
      changed: null as ChangedRun | null,
      attempt: async <T>(_: string | null, command: () => Promise<T>) =>
        command().catch((error: unknown) => {
          said.push((error as Error).message);
          return null;
        }),
      view: async () => {},
    };
    const step = (accept: readonly string[]) => probe.session.step(undefined, id, undefined, accept);
    expect(await allowed(home, id, 'step', step)).toBeNull();
    expect([said, home.changed?.accept]).toEqual([[], ['weights']]);
    expect(await home.changed!.go(['weights'])).toBe(id);
    expect([said, home.changed]).toEqual([[], null]);
    expect(await allowed(home, id, 'step', () => probe.session.step(undefined, 'no such run'))).toBeNull();
    expect(said).toHaveLength(1);
  });

  it('is not begun again from a checkpoint with something else either', async () => {
    const { storage, id } = await begun();
    const [checkpoint] = await storage.checkpoints(id);
    const probe = await visit(storage, otherWeights);
    expect(await failure(probe.session.resume(id, checkpoint!.id))).toMatch(/the weights were/);
    expect(await storage.runs()).toHaveLength(1);
    const fork = await goOn(probe, id, ['weights'], checkpoint!.id);
    expect((await storage.run(fork)).origin!.takenOver.map(({ part }) => part)).toEqual(['weights']);
    expect((await storage.run(id)).origin!.takenOver).toEqual([]);
  });

  it('of an earlier version is asked about', async () => {
    const { storage, id } = await begun();
    await storage.updateRun(id, { origin: undefined });
    const probe = await visit(storage);
    const found = (await probe.session.changes('run', id))!;
    expect(found).toEqual({ sentence: 'was stored by a version that did not record what it depends on', accept: ['unrecorded'] });
    await failure(probe.session.resume(id));
    await goOn(probe, id, found.accept);
    expect((await storage.run(id)).origin!.identity).toMatchObject({ backend: 'cpu' });
  });
});

describe('an evaluation', () => {
  const small: EvaluationSettings = {
    checkpoints: [],
    task: 'comparing',
    personas: 'voices',
    problems: 2,
    samples: 1,
    temperature: 0,
    maxNewTokens: 3,
    seed: 1,
    fidelityReplies: 0,
  };

  async function cancelled(checkpoints: boolean): Promise<{ storage: IndexedStorage; id: string; run: string | null }> {
    const storage = await fresh();
    const probe = await visit(storage);
    const run = checkpoints ? await probe.train({ ...smallRun, steps: 1 }) : null;
    const kept = run === null ? [] : [(await storage.checkpoints(run))[0]!.id];
    const record = await probe.session.examine('evaluation', { ...small, problems: 40, checkpoints: kept }, (update) => {
      if (update.scores.length > 0) void probe.session.cancelExamination('evaluation');
    });
    expect(record.reports).toEqual([]);
    return { storage, id: record.id, run };
  }

  it('goes on where nothing changed', async () => {
    const { storage, id } = await cancelled(false);
    const { session } = await visit(storage);
    expect(await session.changes('evaluation', id)).toBeNull();
    expect((await session.examine('evaluation', { id }, () => {})).reports).toHaveLength(1);
  });

  it.each(few)('does not go on where %s something else', async (sentence, change) => {
    const { storage, id } = await cancelled(false);
    const before = await storage.evaluation(id);
    const { session } = await visit(storage, change);
    const found = (await session.changes('evaluation', id))!;
    expect(found.sentence).toContain(sentence);
    expect(found.accept).toEqual([]);
    expect(await failure(session.examine('evaluation', { id, accept: ['weights', 'config', 'template', 'tokenizer'] }, () => {}))).toMatch(
      /Evaluate again/,
    );
    expect(await storage.evaluation(id)).toEqual(before);
  });

  it('goes on with another backend where that is allowed, and its reports say so', async () => {
    const { storage, id } = await cancelled(false);
    const record = await storage.evaluation(id);
    const { identity } = record.origin!;
    await storage.saveEvaluation({ ...record, origin: { identity: { ...identity, backend: 'wasm' }, takenOver: [] } });
    const { session } = await visit(storage);
    expect(await failure(session.examine('evaluation', { id }, () => {}))).toMatch(
      /the backend was wasm, now cpu\. “Continue” asks whether/,
    );
    const { reports } = await session.examine('evaluation', { id, accept: ['backend'] }, () => {});
    expect(reports[0]!.notes.join('\n')).toMatch(/the backend was wasm, now cpu/);
  });

  it('says which policy was deleted', async () => {
    const { storage, id, run } = await cancelled(true);
    await storage.deleteRun(run!);
    const { session } = await visit(storage);
    const error: unknown = await session.changes('evaluation', id).catch((caught: unknown) => caught);
    expect((error as Error).message).toMatch(/The checkpoint of “PerMix, .* · seed \d+, step 1” was deleted/);
    await expect(session.examine('evaluation', { id }, () => {})).rejects.toThrow(/was deleted, so that this evaluation cannot go on/);
    expect((await storage.cells(id)).length).toBeGreaterThan(0);
  });

  it('of an earlier version is asked about', async () => {
    const { storage, id } = await cancelled(false);
    const { origin: _, ...record } = await storage.evaluation(id);
    await storage.saveEvaluation({ ...record, material: 'sha256:0' });
    const { session } = await visit(storage);
    expect((await session.changes('evaluation', id))!.accept).toEqual(['unrecorded']);
    await expect(session.evaluationReplies(id, 'task', null)).rejects.toThrow(/have changed since/);
    expect((await session.examine('evaluation', { id, accept: ['unrecorded'] }, () => {})).reports).toHaveLength(1);
    expect((await session.evaluationReplies(id, 'task', null)).length).toBe(40);
  });
});

describe('a judging', () => {
  const tasks = Object.fromEntries(benchmarkTasks.map(({ name }) => [name, ['Why?', 'How?']]));
  const benchmark = parseBenchmark(JSON.stringify({ 'A poet': tasks, 'A cook': tasks }), 'b.json');

  async function cancelled(): Promise<{ storage: IndexedStorage; id: string }> {
    const storage = await fresh();
    const { session } = await visit(storage);
    const access = { address: judge.url, model: 'm', key: null };
    const settings = { checkpoints: [], personas: 2, questions: 2, temperature: 0.9, maxNewTokens: 4, seed: 1 };
    const { info } = await session.examine('judgement', { settings, benchmark, access }, () => {});
    return { storage, id: info.id };
  }

  it.each(few)('does not go on where %s something else', async (sentence, change) => {
    const { storage, id } = await cancelled();
    expect(await (await visit(storage)).session.changes('judgement', id)).toBeNull();
    const { session } = await visit(storage, change);
    expect((await session.changes('judgement', id))!.sentence).toContain(sentence);
    expect(await failure(session.examine('judgement', { id, key: null, accept: ['weights', 'template'] }, () => {}))).toMatch(
      /Judge again/,
    );
  });

  it('of an earlier version is asked about, and goes on with what it was', async () => {
    const { storage, id } = await cancelled();
    const { origin: _, ...record } = await storage.judgement(id);
    await storage.saveJudgement(record);
    const { session } = await visit(storage);
    expect((await session.changes('judgement', id))!.accept).toEqual(['unrecorded']);
    await failure(session.examine('judgement', { id, key: null }, () => {}));
    expect((await session.examine('judgement', { id, key: null, accept: ['unrecorded'] }, () => {})).info).toMatchObject({
      done: 20,
      total: 20,
    });
  });
});
