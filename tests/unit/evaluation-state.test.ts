/** What the page makes of evaluations: how much there is to do, one table of several reports, files, the picture. */
import { weightsOf } from '../../src/policy/weights.ts';
import type { Candidate } from '../../src/evaluate/request.ts';
import 'fake-indexeddb/auto';
import { beforeAll, describe, expect, it } from 'vitest';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { createEngine } from '../helpers/engine.ts';
import { evaluate } from '../../src/evaluate/evaluate.ts';
import { generatedQuestions } from '../../src/evaluate/questions.ts';
import { reportCsv, type EvaluationReport } from '../../src/evaluate/report.ts';
import { reportTable } from '../../src/evaluate/table.ts';
import { personaGroup } from '../../src/persona/groups.ts';
import { personas as world, voices } from '../../src/persona/world.ts';
import { changedSettings, parseRunConfig } from '../../src/rl/check.ts';
import { defaultSettings, defaultsOfSize } from '../../src/rl/policy-defaults.ts';
import { recipes } from '../../src/rl/recipes.ts';
import { loadPolicy } from '../../src/policy/policy.ts';
import { Evaluation, rowsToDo } from '../../src/state/evaluation.svelte.ts';
import { fileName, scoresOf, shownPolicies, wholeJson, wholeTable } from '../../src/state/evaluation-report.ts';
import type { EvaluatedPolicy, EvaluationRecord, EvaluationSettings } from '../../src/storage/records.ts';
import { taskById } from '../../src/tasks/index.ts';
import { evaluationPicture } from '../../src/ui/evaluate/evaluation-picture.ts';
import { estimateOf, footOf } from '../../src/evaluate/picture.ts';
import type { TrainerApi } from '../../src/worker/api.ts';
import { secondsFor } from '../../src/worker/evaluation-progress.ts';
import { database, SessionProbe } from '../helpers/lab-session.ts';

let databases = 0;

const settings: EvaluationSettings = {
  checkpoints: ['a', 'b'],
  task: 'addition',
  personas: 'voices',
  problems: 5,
  samples: 2,
  temperature: 1,
  maxNewTokens: 12,
  seed: 1,
  fidelityReplies: 2,
};
const policies: readonly EvaluatedPolicy[] = [
  { checkpoint: null, name: 'Base policy', recipe: 'base' },
  { checkpoint: 'a', name: 'A', recipe: 'permix' },
  { checkpoint: 'b', name: 'B', recipe: 'permix' },
];
const engine = { engine: 'portable', backend: 'wasm', adapter: null, software: false, features: [], limits: {}, precision: 'f32' } as const;
const work = { asked: { rows: 100, seconds: 10 }, scored: { rows: 0, seconds: 0 } };
const personas = personaGroup(world, 'voices');

/** Two reports against the same base, by the bundled policy: A is the base by another name, B draws other replies. */
async function record(): Promise<EvaluationRecord> {
  const folder = resolve(import.meta.dirname, '../../public/models/permix-tiny');
  const policy = await loadPolicy({
    id: 'permix-tiny',
    read: (file) =>
      readFile(resolve(folder, file)).then(
        (bytes) => new Uint8Array(bytes),
        () => null,
      ),
  });
  const wasmPath = `${resolve(import.meta.dirname, '../../node_modules/@tensorflow/tfjs-backend-wasm/dist')}/`;
  const { config, weights } = policy;
  const own = await createEngine({ config, weights, engine: 'portable', backend: 'wasm', wasmPath });
  const damped = Object.fromEntries(Object.entries(await weightsOf(weights)).map(([name, values]) => [name, values.map((x) => 0.9 * x)]));
  const other = await createEngine({ config, weights: damped, engine: 'portable', backend: 'wasm', wasmPath });
  const candidate = (name: string, asked = own): Candidate => ({
    name,
    tokenizer: policy.tokenizer!,
    eosIds: config.eosIds,
    maxPositions: config.maxPositions,
    open: async () => asked,
    close: () => {},
  });
  const report = (one: Candidate) =>
    evaluate({
      ...settings,
      policy: one,
      base: candidate('Base policy'),
      personas,
      voices,
      questions: generatedQuestions(taskById('addition'), 5, { seed: 1 }),
    });
  const reports = [await report(candidate('A')), await report(candidate('B', other))];
  own.dispose();
  other.dispose();
  return { id: 'e', created: 0, updated: 0, settings, policies, engine, material: '', fraction: 1, work, reports };
}

describe('a finished evaluation', () => {
  const stored = record();
  beforeAll(() => stored.then(() => {}), 120_000);

  it('shows every policy once, the base first, alike colours apart by dashes', async () => {
    const shown = shownPolicies(await stored);
    expect(shown.map(({ name }) => name)).toEqual(['Base policy', 'A', 'B']);
    expect(shown.map(({ colour }) => colour)).toEqual(['var(--recipe-base)', 'var(--recipe-permix)', 'var(--recipe-permix)']);
    expect(shown[1]!.dashes).not.toBe(shown[2]!.dashes);
    expect(shownPolicies({ policies, reports: [] })).toEqual([]);
    const alone = { ...(await stored).reports[0]!, base: null };
    expect(shownPolicies({ policies: policies.slice(0, 1), reports: [alone] }).map(({ name }) => name)).toEqual(['A']);
  });

  it('is the picture: intervals and what stands under a column are those of the report', async () => {
    const { reports } = await stored;
    const asked = [reports[0]!.base!, reports[0]!.policy, reports[1]!.policy];
    const chance = asked.map(({ shuffled }) => shuffled.mean);
    const { rows, columns } = evaluationPicture(personas, voices, policies, scoresOf(await stored), settings.samples, chance);
    expect(columns.map(({ label, recipe, filling }) => [label, recipe, filling])).toEqual(
      policies.map(({ name, recipe }) => [name, recipe, false]),
    );
    asked.forEach(({ none, personas: each, stability: { all }, shuffled }, c) => {
      const known = columns[c]!.cells.map((cell) => estimateOf(cell)!);
      expect(columns[c]!.cells).toEqual(Array(9).fill(expect.objectContaining({ total: 10, problems: 5 })));
      [none, ...each].forEach(({ accuracy, low, high }, r) => {
        const { value, low: from, high: to } = known[r]!;
        expect([value, from, to]).toEqual([accuracy, low, high].map((x) => expect.closeTo(x, 12)));
      });
      const { worst, mean, spread, pss } = footOf(rows, columns[c]!)!;
      expect([worst, mean, spread, pss].map(({ value }) => value)).toEqual(
        [all.min, all.mean, all.spread, all.pss].map((x) => expect.closeTo(x, 12)),
      );
      expect(columns[c]!.chance).toBe(shuffled.mean);
    });
  });

  it('fills in policy by policy: one that has begun says so, and has nothing under it', async () => {
    const some = [...scoresOf(await stored)].slice(0, 12);
    const { rows, columns } = evaluationPicture(personas, voices, policies, new Map(some), settings.samples);
    expect(columns.map(({ filling }) => filling)).toEqual([false, true, false]);
    expect(columns.map((column) => footOf(rows, column) !== null)).toEqual([true, false, false]);
    expect(columns.map(({ cells }) => cells.filter((cell) => cell !== null).length)).toEqual([9, 3, 0]);
  });

  it('is one table with a column for each policy', async () => {
    const { reports } = await stored;
    const table = wholeTable(reports)!;
    expect(table.columns).toEqual(['Base policy', 'A', 'B']);
    const [first, second] = reports.map(reportTable) as [ReturnType<typeof reportTable>, ReturnType<typeof reportTable>];
    table.sections.forEach((section, s) =>
      section.rows.forEach((row, r) => {
        expect(row.values).toEqual([...first.sections[s]!.rows[r]!.values, second.sections[s]!.rows[r]!.values[1]]);
      }),
    );
    expect(wholeTable([])).toBeNull();
    expect(new Set(table.notes).size).toBe(table.notes.length);
  });

  it('is handed out as files: reports that can be read again, every number once', async () => {
    const { reports } = await stored;
    expect(JSON.parse(wholeJson(reports))).toEqual(JSON.parse(JSON.stringify(reports)) as EvaluationReport[]);
    expect(JSON.parse(wholeJson(reports.slice(0, 1)))).toMatchObject({ format: 'permix-evaluation' });
    const lines = reportCsv(...reports)
      .trimEnd()
      .split('\r\n');
    expect(lines.filter((line) => line.startsWith('role,'))).toHaveLength(1);
    expect(new Set(lines).size).toBe(lines.length);
    for (const name of ['base,Base policy', 'policy,A', 'policy,B']) {
      expect(lines.filter((line) => line.startsWith(`${name},usual-poet,accuracy,`))).toHaveLength(1);
    }
    expect(fileName({ created: Date.UTC(2026, 0, 2, 3, 4) }, 'csv')).toBe('permix-evaluation-2026-01-02T0304.csv');
  });
});

describe('how much there is to do', () => {
  it('is counted before it is asked', () => {
    expect(rowsToDo({ ...settings, fidelityReplies: 0 }, 8)).toEqual({ asked: 3 * 9 * 5 * 2, scored: 0 });
    expect(rowsToDo(settings, 8)).toEqual({ asked: 270 + 3 * 8 * 2 + 8 * 8, scored: 3 * 8 * 4 * 8 });
    // No more replies are looked at for fidelity than there are problems.
    expect(rowsToDo({ ...settings, fidelityReplies: 50 }, 8)).toEqual(rowsToDo({ ...settings, fidelityReplies: 5 }, 8));
  });

  it('takes as long as the last one did', () => {
    expect(secondsFor({ asked: 50, scored: 0 }, work)).toBe(5);
    expect(secondsFor({ asked: 50, scored: 10 }, work)).toBe(6);
    expect(secondsFor({ asked: 50, scored: 10 }, { ...work, scored: { rows: 10, seconds: 20 } })).toBe(25);
    expect(secondsFor({ asked: 50, scored: 0 }, { ...work, asked: { rows: 0, seconds: 0 } })).toBeNull();
  });
});

describe('what the reader asks for', () => {
  /** A real session with the tiny policy, and the page's state on it. */
  async function open() {
    const { session } = new SessionProbe(await database(`evaluation-state-${databases++}`));
    const boot = await session.boot({ backend: 'cpu' });
    const state = () =>
      new Evaluation(
        () => session as unknown as TrainerApi,
        () => ({}),
        () => boot,
      );
    return { session, state, engine: boot.engine };
  }
  const small = { task: 'comparing', problems: 2, maxNewTokens: 3 };

  it('is checked before it goes out', async () => {
    const { state } = await open();
    const evaluation = state();
    expect(evaluation.obstacle).toBeNull();
    for (const [field, value] of [
      ['problems', 0],
      ['problems', null],
      ['maxNewTokens', 5000],
      ['personaCount', 9],
      ['personaCount', 1],
      ['seed', 1.5],
    ] as const) {
      const before = evaluation[field];
      evaluation[field] = value;
      expect(evaluation.obstacle).toMatch(/whole number/);
      evaluation[field] = before;
    }
    evaluation.samples = 0;
    expect(evaluation.settings).toMatchObject({ samples: 1, temperature: 0 });
    for (const id of ['a', 'b', 'c', 'd', 'e', 'f']) evaluation.toggle(id);
    expect(evaluation.obstacle).toMatch(/at most five/);
    evaluation.toggle('a');
    expect(evaluation.settings.checkpoints).toEqual(['b', 'c', 'd', 'e', 'f']);
  });

  it('is of any library, and as the policy or the run brings it until the reader says otherwise', async () => {
    const { state } = await open();
    const evaluation = state();
    const ids = () => evaluation.chosen.map(({ id }) => id);
    expect(ids()).toEqual(personas.map(({ id }) => id));
    evaluation.suit({ config: null, own: false });
    expect(evaluation.settings).not.toHaveProperty('library');

    const defaults = defaultsOfSize({ family: 'llama', vocabSize: 49152, parameters: 135e6 })!;
    const small135 = parseRunConfig(changedSettings(recipes.permix, defaultSettings(defaults, 'permix')));
    evaluation.suit({ config: small135, own: true });
    expect(evaluation.settings).toMatchObject({
      ...{ library: 'general', answers: ['last-number'], task: 'one-digit-sums', maxNewTokens: 64, personaCount: 8 },
    });
    evaluation.personas = 'all';
    expect(new Set(ids()).size).toBe(8);
    expect(rowsToDo(evaluation.settings, evaluation.chosen.length).asked).toBe(9 * 50);

    // What the reader says stays while the same is brought; the bundled policy takes it away again.
    evaluation.ask({ instruction: 'Be brief.' });
    evaluation.suit({ config: { ...small135, steps: 7 }, own: true });
    expect(evaluation.asked.instruction).toBe('Be brief.');
    evaluation.task = 'sort';
    expect(evaluation.obstacle).toMatch(/^A reply to “.*” is more than its last number\./);
    evaluation.suit({ config: recipes.permix, own: false });
    expect(evaluation.settings).toEqual({ ...state().settings, personas: 'all' });

    // A library without voices has nobody to be one of each, and one persona is none to compare.
    evaluation.personas = 'voices';
    const [first] = personas;
    evaluation.ask({ library: { name: 'mine.json', voices: [], personas: [{ ...first!, voice: null }] } });
    expect(evaluation.personas).toBe('all');
    expect(evaluation.obstacle).toBe('mine.json has 1 persona, and an evaluation compares at least two.');
  });

  it('fills in as it is answered, is kept, and says how long the next one takes', async () => {
    const { state, engine: here } = await open();
    const evaluation = state();
    Object.assign(evaluation, small);
    await evaluation.begin(here, null);
    expect([evaluation.kept, evaluation.seconds({ asked: 20, scored: 0 }, here)]).toEqual([[], null]);
    await evaluation.run();
    expect(evaluation.problem).toBeNull();
    expect(evaluation.scores).toEqual(scoresOf(evaluation.open!));
    expect(evaluation.seconds({ asked: 20, scored: 0 }, here)).toBeGreaterThan(0);
    expect(evaluation.seconds({ asked: 20, scored: 0 }, { ...here, backend: 'wasm' })).toBeNull();
    evaluation.kept = evaluation.kept.map((one) => ({ ...one, settings: { ...one.settings, policy: 'another' } }));
    expect(evaluation.seconds({ asked: 20, scored: 0 }, here)).toBeNull();
    await evaluation.look('task', 'usual-poet');
    expect(evaluation.replies?.questions).toHaveLength(2);

    // Another visit begins with the last one on view.
    const later = state();
    await later.begin({ ...here, backend: 'wasm' }, 'newest');
    expect([later.personas, later.fidelity, later.checkpoints]).toEqual(['all', false, ['newest']]);
    expect(later.open).toEqual(evaluation.open);
    await later.remove(later.open!.id);
    expect([later.open, later.kept, later.problem]).toEqual([null, [], null]);
  });

  it('is left unfinished by a cancel and continued, and a failure is a sentence', async () => {
    const { state } = await open();
    const evaluation = state();
    Object.assign(evaluation, small, { problems: 60 });
    const running = evaluation.run();
    while (!evaluation.update) await new Promise((resolve) => setTimeout(resolve));
    expect([evaluation.running, evaluation.unfinished]).toEqual([true, []]);
    await evaluation.cancel();
    await running;
    expect([evaluation.running, evaluation.open, evaluation.problem]).toEqual([false, null, null]);
    expect(evaluation.unfinished).toHaveLength(1);
    await evaluation.resume(evaluation.unfinished[0]!.id);
    expect([evaluation.open?.fraction, evaluation.unfinished]).toEqual([1, []]);

    evaluation.toggle('gone');
    await evaluation.run();
    expect(evaluation.problem).toMatch(/no stored checkpoint gone/);
    expect([evaluation.running, evaluation.open]).toEqual([false, null]);
  });
});
