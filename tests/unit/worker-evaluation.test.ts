/** Evaluations in a session with a real engine: kept cell by cell, cancelled, continued to the same report, between training steps. */
import 'fake-indexeddb/auto';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { labErrorCode } from '../../src/errors.ts';
import { reportJson } from '../../src/evaluate/report.ts';
import { personaGroup } from '../../src/persona/groups.ts';
import { personas } from '../../src/persona/world.ts';
import type { EvaluationSettings } from '../../src/storage/records.ts';
import type { EvaluationUpdate } from '../../src/worker/evaluation-api.ts';
import { database, SessionProbe, smallRun } from '../helpers/lab-session.ts';

let databases = 0;
async function open(name = `evaluation-${databases++}`) {
  const storage = await database(name);
  const probe = new SessionProbe(storage);
  await probe.boot('cpu');
  return { storage, probe, session: probe.session, name };
}
const failure = (promise: Promise<unknown>): Promise<Error> =>
  promise.then(
    () => {
      throw new Error('it did not fail');
    },
    (error: Error) => error,
  );
const small: EvaluationSettings = {
  checkpoints: [],
  task: 'comparing',
  personas: 'voices',
  problems: 3,
  samples: 1,
  temperature: 1,
  maxNewTokens: 3,
  seed: 1,
  fidelityReplies: 0,
};
const quiet = () => {};

afterEach(() => vi.restoreAllMocks());

describe('persona groups', () => {
  it('are what their names say', () => {
    expect(personaGroup(personas, 'voices')).toHaveLength(8);
    expect(new Set(personaGroup(personas, 'voices').map(({ voice }) => voice)).size).toBe(8);
    expect(personaGroup(personas, 'trained').length + personaGroup(personas, 'held-out').length).toBe(personaGroup(personas, 'all').length);
    expect(personaGroup(personas, 'held-out').every(({ heldOut }) => heldOut)).toBe(true);
  });
});

describe('an evaluation', () => {
  it('of the base alone tells every score once and is kept', async () => {
    const { session } = await open();
    const update: EvaluationUpdate[] = [];
    const record = await session.examine('evaluation', { ...small, fidelityReplies: 2 }, (one) => update.push(one));
    expect(record.reports).toHaveLength(1);
    const [report] = record.reports;
    expect(report!.base).toBeNull();
    expect(report!.policy.fidelity).not.toBeNull();
    const scores = update.flatMap((one) => one.scores);
    expect(scores).toHaveLength(9);
    const right = (personaId: string | null) => scores.find((score) => score.personaId === personaId)!;
    for (const one of [report!.policy.none, ...report!.policy.personas]) {
      expect(right(one.personaId)).toMatchObject({ policy: 0, correct: one.accuracy * 3, total: 3 });
    }
    expect(update.map(({ fraction }) => fraction)).toEqual(update.map(({ fraction }) => fraction).toSorted((a, b) => a - b));
    expect(update.at(-1)!.fraction).toBeGreaterThan(0.5);
    expect(await session.examinations('evaluation')).toMatchObject([
      { id: record.id, finished: true, fraction: 1, policies: [{ name: 'Base policy' }] },
    ]);
    expect(await session.examination('evaluation', record.id)).toEqual(record);
    // 9 x 3 task replies, 8 x 2 role-play ones and 8 x 4 of each kind to learn voices from; each of 8 x 4 under 8 personas.
    expect(record.work).toMatchObject({ asked: { rows: 27 + 16 + 64 }, scored: { rows: 256 } });
    expect(record.work.asked.seconds).toBeGreaterThan(0);
    expect(record.work.scored.seconds).toBeGreaterThan(0);

    const asked = await session.evaluationReplies(record.id, 'task', 'usual-pirate');
    const pirate = report!.policy.personas.find(({ personaId }) => personaId === 'usual-pirate')!;
    expect(asked.map(({ policies }) => Number(policies[0]![0]!.correct))).toEqual(pirate.correct);
    expect(asked.every(({ question, answer }) => question.length > 0 && answer !== null)).toBe(true);
    const roleplay = await session.evaluationReplies(record.id, 'roleplay', 'usual-pirate');
    expect(roleplay).toHaveLength(2);
    expect(roleplay[0]).toMatchObject({ answer: null, policies: [[{ correct: null }]] });

    await session.deleteExamination('evaluation', record.id);
    expect(await session.examinations('evaluation')).toEqual([]);
    expect(labErrorCode(await failure(session.examination('evaluation', record.id)))).toBe('storage');
  });

  it('that is cancelled goes on in another session, to the report of one that was not', async () => {
    const { session, storage, probe, name } = await open();
    await probe.train(smallRun);
    const [run] = await session.runs();
    const [checkpoint] = (await session.history(run!.id)).checkpoints;
    const settings = { ...small, problems: 40, checkpoints: [checkpoint!.id], temperature: 0.5 };
    const whole = await session.examine('evaluation', settings, quiet);
    expect(whole.policies.map((policy) => policy.recipe)).toEqual(['base', 'permix']);
    expect(whole.reports[0]!.base!.name).toBe('Base policy');
    expect((await session.history(run!.id)).checkpoints.find(({ id }) => id === checkpoint!.id)!.kept).toBe(true);

    const half = await session.examine('evaluation', settings, (update) => {
      if (update.scores.length > 0) void session.cancelExamination('evaluation');
    });
    expect(half.reports).toEqual([]);
    expect(half.fraction).toBeGreaterThan(0);
    expect(half.fraction).toBeLessThan(1);
    const kept = (await storage.cells(half.id)).length;
    storage.close();

    const later = await open(name);
    expect((await later.session.examinations('evaluation')).find(({ id }) => id === half.id)).toMatchObject({ finished: false });
    const update: EvaluationUpdate[] = [];
    const rest = await later.session.examine('evaluation', { id: half.id }, (one) => update.push(one));
    expect(update[0]!.scores).toHaveLength(kept);
    expect(update[0]!.fraction).toBeCloseTo(half.fraction, 12);
    expect(rest.reports.map(reportJson)).toEqual(whole.reports.map(reportJson));
    // Finished already: nothing is asked again.
    expect(await later.session.examine('evaluation', { id: half.id }, () => expect.fail('asked again'))).toEqual(rest);
  });

  it('takes turns with training and leaves the run what it was', async () => {
    const alone = await open();
    const id = await alone.probe.train({ ...smallRun, steps: 8 });
    const undisturbed = (await alone.session.history(id)).steps.map(({ metrics }) => metrics['entropy']);

    const { session, probe } = await open();
    const rest = probe.phase('finished', 'failed');
    const begun = probe.next((event) => event.type === 'session' && event.step >= 1);
    const run = await session.start({ ...smallRun, steps: 8 });
    await begun;
    const record = await session.examine('evaluation', { ...small, checkpoints: ['current'] }, quiet);
    expect(record.settings.checkpoints[0]).toMatch(/^checkpoint-/);
    await rest;
    const { steps, checkpoints } = await session.history(run);
    expect(steps.map(({ metrics }) => metrics['entropy'])).toEqual(undisturbed);
    expect(checkpoints.some(({ name }) => name === 'Evaluated')).toBe(true);
  });

  it('refuses a second one, the deletion of the running one, and weights that are not there', async () => {
    const { session } = await open();
    let refused: Promise<Error> | null = null;
    let deleted: Promise<Error> | null = null;
    await session.examine('evaluation', small, ({ id }) => {
      refused ??= failure(session.examine('evaluation', small, quiet));
      deleted ??= failure(session.deleteExamination('evaluation', id));
    });
    expect((await refused!).message).toMatch(/already under way/);
    expect((await deleted!).message).toMatch(/Cancel it first/);
    expect(labErrorCode(await failure(session.examine('evaluation', { ...small, checkpoints: ['current'] }, quiet)))).toBe('usage');
    expect(labErrorCode(await failure(session.examine('evaluation', { ...small, checkpoints: ['gone'] }, quiet)))).toBe('storage');
    expect(labErrorCode(await failure(session.examine('evaluation', { id: 'gone' }, quiet)))).toBe('storage');
    expect(await session.examinations('evaluation')).toHaveLength(1);
  });
});
