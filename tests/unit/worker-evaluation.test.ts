/** Evaluations in a session with a real engine: kept cell by cell, cancelled, continued to the same report, between training steps. */
import 'fake-indexeddb/auto';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { labErrorCode } from '../../src/errors.ts';
import { reportJson } from '../../src/evaluate/report.ts';
import { evaluate } from '../../src/evaluate/evaluate.ts';
import { generatedQuestions } from '../../src/evaluate/questions.ts';
import { askedPersonas, personaGroup, somePersonas } from '../../src/persona/groups.ts';
import { libraryOf } from '../../src/persona/libraries.ts';
import { personas } from '../../src/persona/world.ts';
import type { EvaluationSettings } from '../../src/storage/records.ts';
import type { EvaluationUpdate } from '../../src/worker/evaluation-api.ts';
import { initialWeights, tensorsOf } from '../../src/policy/weights.ts';
import { taskById } from '../../src/tasks/index.ts';
import { createEngine } from '../helpers/engine.ts';
import { database, SessionProbe, smallRun } from '../helpers/lab-session.ts';
import { tinyConfig, tinyEosIds, tinyPersonas, tinyTokenizer } from '../helpers/tiny-policy.ts';

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

describe('personas of any library', () => {
  const general = libraryOf('general');

  it('are one of every voice, where there are voices', () => {
    const one = personaGroup(general.personas, 'voices');
    expect(one.map(({ voice }) => voice).sort()).toEqual(general.voices.map(({ id }) => id).sort());
    expect(personaGroup(tinyPersonas, 'voices')).toEqual([]);
  });

  it('are drawn by the seed, and more of them are those and others', () => {
    const drawn = (count: number | undefined, seed = 1) => somePersonas(general.personas, count, seed).map(({ id }) => id);
    expect(drawn(undefined)).toHaveLength(46);
    expect(drawn(100)).toEqual(drawn(undefined));
    expect(drawn(5)).toHaveLength(5);
    expect(drawn(12)).toEqual(expect.arrayContaining(drawn(5)));
    expect(drawn(12, 2)).not.toEqual(drawn(12));
    const heldOut = general.personas.filter((one) => one.heldOut);
    expect(heldOut).toEqual(
      expect.arrayContaining([...askedPersonas(general.personas, { personas: 'held-out', personaCount: 3, seed: 1 })]),
    );
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

  it('asks a library of the reader’s own in the way that was asked for, and goes on with it elsewhere to the report of the command', async () => {
    const { session, storage, name } = await open();
    const settings: EvaluationSettings = {
      ...small,
      ...{ problems: 8, temperature: 0.5, personas: 'all', personaCount: 2, fidelityReplies: 2, task: 'one-digit-sums' },
      library: { name: 'mine.json', voices: [], personas: tinyPersonas },
      ...{ noPersona: 'empty', instruction: 'Say 7.', answers: ['last-number', 'boxed'], noSystemRole: 'refuse' },
    };
    const half = await session.examine('evaluation', settings, (update) => {
      if (update.scores.length > 0) void session.cancelExamination('evaluation');
    });
    expect(half.reports).toEqual([]);
    // What goes without saying is not said, so that what was begun before there were such settings goes on.
    expect(Object.keys(half.settings)).not.toContain('noSystemRole');
    storage.close();

    const later = await open(name);
    const { reports } = await later.session.examine('evaluation', { id: half.id }, quiet);
    const engine = await createEngine({
      config: tinyConfig,
      weights: tensorsOf(tinyConfig, initialWeights(tinyConfig, 3)),
      engine: 'portable',
      backend: 'cpu',
    });
    const report = await evaluate({
      ...settings,
      policy: {
        name: 'Base policy',
        tokenizer: tinyTokenizer().withTemplate({ noSystem: 'empty' }),
        eosIds: tinyEosIds,
        maxPositions: tinyConfig.maxPositions,
        open: async () => engine,
        close: () => engine.dispose(),
      },
      base: null,
      personas: somePersonas(tinyPersonas, 2, 1),
      voices: [],
      questions: generatedQuestions(taskById('one-digit-sums'), 8, {
        seed: 1,
        instruction: 'Say 7.',
        answers: ['last-number', 'boxed'],
      }),
    });
    expect(reports.map(reportJson)).toEqual([reportJson(report)]);
    expect(report.personas).toHaveLength(2);
    expect(report.asking).toMatchObject({ noSystem: 'empty', instruction: 'Say 7.', answers: ['last-number', 'boxed'] });
    const said = await later.session.evaluationReplies(half.id, 'task', report.personas[0]!.id);
    expect(said[0]!.question).toMatch(/Say 7\.$/);
  });

  it('refuses what could not be read, or not be kept, before anything is stored', async () => {
    const { session } = await open();
    const refused = (more: Partial<EvaluationSettings>) => failure(session.examine('evaluation', { ...small, ...more }, quiet));
    expect((await refused({ task: 'sort', answers: ['last-number'] })).message).toMatch(/is more than its last number/);
    const many = Array.from({ length: 1001 }, (_, i) => ({ ...tinyPersonas[0]!, id: String(i) }));
    expect((await refused({ library: { name: 'many.json', voices: [], personas: many } })).message).toMatch(/many\.json has 1001 personas/);
    expect((await refused({ personas: 'voices', library: { name: 'mine.json', voices: [], personas: tinyPersonas } })).message).toMatch(
      /compares personas, and there is none/,
    );
    expect(labErrorCode(await refused({ templateArguments: { enable_thinking: false } }))).toBe('config');
    expect(await session.examinations('evaluation')).toEqual([]);
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
