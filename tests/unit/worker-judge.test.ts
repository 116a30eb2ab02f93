/** Judgings in a session with a real engine and a real judge: stored verdict by verdict, cancelled, continued elsewhere, never with a key. */
import 'fake-indexeddb/auto';
import { afterEach, expect, it } from 'vitest';
import { labErrorCode } from '../../src/errors.ts';
import { parseBenchmark } from '../../src/evaluate/judge/benchmark.ts';
import { benchmarkTasks } from '../../src/evaluate/judge/tasks.ts';
import type { JudgingUpdate, NewJudging } from '../../src/worker/judge-api.ts';
import { judgeServer, status, type Behaviour, type JudgeServer } from '../helpers/judge-server.ts';
import { database, SessionProbe, smallRun } from '../helpers/lab-session.ts';

const secret = 'sk-in-memory-only';
const questions = Object.fromEntries(benchmarkTasks.map(({ name }) => [name, ['Why?', 'How?']]));
const benchmark = parseBenchmark(JSON.stringify({ 'A poet': questions, 'A cook': questions, 'A king': questions }), 'b.json');

let databases = 0;
let server: JudgeServer;
afterEach(() => server.close());

async function open(behaviour: Behaviour, name = `judging-${databases++}`) {
  server = await judgeServer(behaviour);
  const storage = await database(name);
  const probe = new SessionProbe(storage);
  await probe.boot('cpu');
  return { storage, probe, session: probe.session, name };
}
const wish = (more: Partial<NewJudging['settings']> = {}): NewJudging => ({
  settings: { checkpoints: [], personas: 2, questions: 2, temperature: 0.9, maxNewTokens: 4, seed: 1, ...more },
  benchmark,
  access: { address: server.url, model: 'm', key: secret },
});
const failure = (promise: Promise<unknown>): Promise<Error> =>
  promise.then(
    () => expect.fail('it did not fail'),
    (error: Error) => error,
  );
const quiet = () => {};
/** By what is asked, not by when. */
const honest: Behaviour = ({ body }) => `Score: ${1 + (body.messages[1]!.content.length % 5)}`;

/** News comes twice a second at most; this judge is still at it then. */
const slow: Behaviour = (asked) => new Promise((resolve) => setTimeout(() => resolve(honest(asked) as string), 100));

it('compares a checkpoint with its base, and keeps what it found', async () => {
  const { session, storage, probe } = await open(honest);
  await probe.train(smallRun);
  const [run] = await session.runs();
  const [checkpoint] = (await session.history(run!.id)).checkpoints;
  const update: JudgingUpdate[] = [];
  const view = await session.examine('judgement', wish({ checkpoints: [checkpoint!.id] }), (one) => update.push(one));
  expect(view.info).toMatchObject({ done: 40, total: 40, benchmark: 'b.json', judge: { model: 'm' } });
  expect(view.report.policies.map(({ name }) => name)).toEqual(['Base policy', expect.stringMatching(/step \d+$/)]);
  expect(view.report.policies[1]!.difference!.personas).toBe(2);
  expect(view.answers).toHaveLength(20);
  expect(update.at(-1)).toMatchObject({ done: 40, total: 40 });
  expect(update.map(({ done }) => done)).toEqual(update.map(({ done }) => done).toSorted((a, b) => a - b));
  expect(await session.examination('judgement', view.info.id)).toEqual(view);
  expect(await session.examinations('judgement')).toEqual([view.info]);
  expect((await session.history(run!.id)).checkpoints.find(({ id }) => id === checkpoint!.id)!.kept).toBe(true);
  expect(server.asked[0]!.headers.authorization).toBe(`Bearer ${secret}`);
  expect(JSON.stringify([view, update, await storage.judgements(), await storage.judged(view.info.id)])).not.toContain(secret);

  await session.deleteExamination('judgement', view.info.id);
  expect(await session.examinations('judgement')).toEqual([]);
});

it('that is cancelled goes on in another session to the same end, without the file and without asking twice', async () => {
  const { session, storage, name } = await open(honest);
  const whole = await session.examine('judgement', wish(), quiet);
  server.behave(slow);
  const half = await session.examine('judgement', wish(), ({ done }) => {
    if (done > 0) void session.cancelExamination('judgement');
  });
  expect(half.info.done).toBeGreaterThan(0);
  expect(half.info.done).toBeLessThan(20);
  expect(half.report.notes.join()).toMatch(/not judged yet/);
  const { address } = half.info.judge;
  storage.close();
  const port = Number(new URL(address).port);
  await server.close();

  server = await judgeServer(honest, { port });
  const asked = server.asked.length;
  const later = new SessionProbe(await database(name));
  await later.boot('cpu');
  expect((await later.session.examinations('judgement'))[0]).toEqual(half.info);
  const update: JudgingUpdate[] = [];
  const rest = await later.session.examine('judgement', { id: half.info.id, key: null }, (one) => update.push(one));
  expect(update[0]!.done).toBe(half.info.done);
  expect(server.asked.length - asked).toBe(20 - half.info.done);
  expect(server.asked.at(-1)!.headers.authorization).toBeUndefined();
  expect(rest.report).toEqual({ ...whole.report, judge: rest.report.judge });
  expect(rest.answers).toEqual(whole.answers);
});

it('keeps what was judged when the judge fails, and nothing when it never worked', async () => {
  const { session } = await open(({ n }) => (n >= 6 ? status(401, `${secret} is no key`) : 'Score: 3'));
  const error = await failure(session.examine('judgement', wish(), quiet));
  expect(error.message).toMatch(/does not accept the key.*[456] of 20 verdicts are kept; Continue goes on/);
  expect(error.message).not.toContain(secret);
  expect((await session.examinations('judgement')).map(({ done }) => done > 3)).toEqual([true]);

  const refused = await failure(session.examine('judgement', wish(), quiet));
  expect(refused.message).toMatch(/401/);
  expect(await session.examinations('judgement')).toHaveLength(1);
  expect(
    labErrorCode(await failure(session.examine('judgement', { ...wish(), access: { address: 'nowhere', model: 'm', key: null } }, quiet))),
  ).toBe('config');
  expect(labErrorCode(await failure(session.examine('judgement', wish({ checkpoints: ['gone'] }), quiet)))).toBe('storage');
  expect(labErrorCode(await failure(session.examine('judgement', { id: 'gone', key: null }, quiet)))).toBe('storage');
  expect(await session.examinations('judgement')).toHaveLength(1);
});

it('runs one at a time, and does not delete the one under way', async () => {
  const { session } = await open(honest);
  const refusals: Promise<Error>[] = [];
  await session.examine('judgement', wish(), ({ id }) => {
    if (refusals.length === 0)
      refusals.push(failure(session.examine('judgement', wish(), quiet)), failure(session.deleteExamination('judgement', id)));
  });
  const [second, deletion] = await Promise.all(refusals);
  expect(second!.message).toMatch(/already under way/);
  expect(deletion!.message).toMatch(/Cancel it first/);
});

it('takes turns with training and leaves the run what it was', async () => {
  const alone = await open(honest);
  const id = await alone.probe.train({ ...smallRun, steps: 8 });
  const undisturbed = (await alone.session.history(id)).steps.map(({ metrics }) => metrics['entropy']);
  await server.close();

  const { session, probe } = await open(honest);
  const rest = probe.phase('finished', 'failed');
  const begun = probe.next((event) => event.type === 'session' && event.step >= 1);
  const run = await session.start({ ...smallRun, steps: 8 });
  await begun;
  const view = await session.examine('judgement', wish({ checkpoints: ['current'], personas: 1 }), quiet);
  expect(view.info.settings.checkpoints[0]).toMatch(/^checkpoint-/);
  await rest;
  expect((await session.history(run)).steps.map(({ metrics }) => metrics['entropy'])).toEqual(undisturbed);
});
