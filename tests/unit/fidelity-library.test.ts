/** Fidelity under personas that somebody wrote into a file, of a policy against its base: defined by those personas alone, with chance and n, and what cannot be measured said. */
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { PolicyEngine } from '../../src/engine/engine.ts';
import { evaluate } from '../../src/evaluate/evaluate.ts';
import { fidelityNotes } from '../../src/evaluate/fidelity-notes.ts';
import type { FidelityMeasures } from '../../src/evaluate/fidelity.ts';
import { generatedQuestions } from '../../src/evaluate/questions.ts';
import { reportCsv, type EvaluationReport } from '../../src/evaluate/report.ts';
import type { Candidate, Cell } from '../../src/evaluate/request.ts';
import { reportTable } from '../../src/evaluate/table.ts';
import { parsePersonas } from '../../src/persona/file.ts';
import { renderPrompt } from '../../src/persona/prompt.ts';
import { loadPolicy, type Policy } from '../../src/policy/policy.ts';
import { weightsOf } from '../../src/policy/weights.ts';
import { taskById } from '../../src/tasks/index.ts';
import { createEngine } from '../helpers/engine.ts';

const folder = resolve(import.meta.dirname, '../../public/models/permix-tiny');
const wasmPath = `${resolve(import.meta.dirname, '../../node_modules/@tensorflow/tfjs-backend-wasm/dist')}/`;
const { personas, voices } = parsePersonas(
  JSON.stringify([
    { id: 'baker', text: 'You are a baker.' },
    { id: 'judge', text: 'You are a careful judge.' },
    { id: 'sailor', text: 'You are a careless pirate.' },
  ]),
  'mine.json',
);
const questions = generatedQuestions(taskById('one-digit-sums'), 5, { seed: 1 });
const replies = 4;

let base: Policy;
let [own, trained]: (PolicyEngine | null)[] = [null, null];
let report: EvaluationReport;
const cells = new Map<string, Cell>();

function candidate(name: string, engine: PolicyEngine): Candidate {
  const { eosIds, maxPositions } = base.config;
  return { name, tokenizer: base.tokenizer!, eosIds, maxPositions, open: async () => engine, close: () => {} };
}
const ask = (policy: PolicyEngine, against: PolicyEngine | null, more: object = {}) =>
  evaluate({
    ...{ personas, voices, questions, problems: 5, samples: 1, temperature: 1, seed: 1, maxNewTokens: 16, fidelityReplies: replies },
    policy: candidate('policy', policy),
    base: against && candidate('base', against),
    ...more,
  });

beforeAll(async () => {
  base = await loadPolicy({
    id: 'permix-tiny',
    read: (file) =>
      readFile(resolve(folder, file)).then(
        (bytes) => new Uint8Array(bytes),
        () => null,
      ),
  });
  const { config, weights } = base;
  own = await createEngine({ config, weights, engine: 'portable', backend: 'wasm', wasmPath });
  const other = Object.fromEntries(Object.entries(await weightsOf(weights)).map(([name, values]) => [name, values.map((x) => 0.9 * x)]));
  trained = await createEngine({ config, weights: other, engine: 'portable', backend: 'wasm', wasmPath });
  report = await ask(trained, own, {
    cells: { read: (key: string) => cells.get(key), write: (key: string, cell: Cell) => void cells.set(key, cell) },
  });
}, 60_000);
afterAll(() => {
  own?.dispose();
  trained?.dispose();
});

it('is measured of every persona as a voice of its own, on replies to the task and to open questions of the lab’s', () => {
  for (const { fidelity } of [report.policy, report.base!]) {
    for (const kind of ['task', 'roleplay'] as const) {
      const measures = fidelity![kind];
      expect(measures.replies).toBe(3 * replies);
      expect(measures.style).toBeNull();
      expect([measures.identification!.chance, measures.likelihood!.chance]).toEqual([1 / 3, 1 / 3]);
      const ofPersonas = measures.personas.map(({ likelihood }) => likelihood!);
      expect(measures.likelihood!.accuracy).toBeCloseTo(ofPersonas.reduce((a, b) => a + b) / 3, 12);
      expect(measures.mean).toBeCloseTo((measures.identification!.accuracy + measures.likelihood!.accuracy) / 2, 12);
      expect(measures.pmi).toBeLessThanOrEqual(Math.log(3));
    }
    expect(fidelity!.headline).toBeCloseTo((fidelity!.task.mean! + fidelity!.roleplay.mean!) / 2, 12);
  }
  expect(report.policy.fidelity!.task.identification!.ceiling).toBe(report.base!.fidelity!.task.identification!.accuracy);
  expect(report.notes).toContain('No persona has a voice with markers, so there is no style adherence.');
});

it('finds a reply likeliest under the persona under which the base gives it the largest log-probability', async () => {
  const scored = cells.get('policy/likelihood task/judge')!;
  const said = cells.get('policy/task/judge')!;
  if (!('logprobs' in scored && 'replies' in said)) throw new Error('no such cells');
  const question = questions.questions.find(({ id }) => id === report.data.problemIds[0])!;
  const { tokens } = said.replies[0]!;
  for (const [p, persona] of personas.entries()) {
    const prompt = renderPrompt(base.tokenizer!, persona.text, question.text).tokens;
    const row = Int32Array.of(...prompt, ...tokens);
    const { logprobs } = await own!.score(
      {
        rows: 1,
        width: row.length,
        completionWidth: tokens.length,
        tokens: row,
        promptLengths: Int32Array.of(prompt.length),
        lengths: Int32Array.of(row.length),
      },
      { temperature: 1, policy: 'current' },
    );
    expect(scored.logprobs[0]![p]).toBeCloseTo(
      logprobs.subarray(0, tokens.length).reduce((a, b) => a + b, 0),
      3,
    );
  }
  const judge = report.policy.fidelity!.task.personas.find(({ personaId }) => personaId === 'judge')!;
  const right = scored.logprobs.filter((row) => row.indexOf(Math.max(...row)) === 1).length;
  expect(judge.likelihood).toBeCloseTo(right / replies, 12);
});

it('shows chance and n beside every measure, in the table and in the file', () => {
  const section = reportTable(report).sections.find(({ title }) => title === 'Fidelity on task replies')!;
  const labels = section.rows.map(({ label }) => label);
  expect(labels).toEqual([
    'mean of identification and likelihood',
    'style, strict (n 0)',
    'style, loose (n 0)',
    'voice identification (n 12)',
    '  its ceiling, on the base',
    '  chance',
    'likelihood identification (n 12)',
    '  chance',
    'PMI',
  ]);
  expect(section.rows[5]!.values).toEqual([1 / 3, 1 / 3]);
  const csv = reportCsv(report);
  expect(csv).toMatch(/^policy,policy,,roleplay: replies,12/m);
  expect(csv).toMatch(/^base,base,,task: likelihood chance,0\.333/m);
  expect(csv).toMatch(/^policy,policy,,task: identification chance,0\.333/m);
});

it('says where all have one voice, and then measures its phrases alone', async () => {
  const one = { id: 'sea', name: 'Sea', openers: ['Ahoy!'], closers: [] };
  const same = personas.slice(0, 2).map((persona) => ({ ...persona, voice: 'sea' }));
  const { policy, notes } = await ask(own!, null, { personas: same, voices: [one] });
  expect(policy.fidelity!.task).toMatchObject({ identification: null, likelihood: null, style: { replies: 2 * replies } });
  expect(notes).toContain('All personas have one voice, so there is none to be identified.');
});

const measures = (more: Partial<FidelityMeasures>): FidelityMeasures => ({
  ...{ replies: 30, style: null, pmi: 0, mean: 0, personas: [] },
  identification: { accuracy: 0.1, ceiling: 0.9, chance: 0.5 },
  likelihood: { accuracy: 0.9, chance: 1 / 3 },
  ...more,
});

it('warns where the base itself is told apart no better than by chance, and nowhere else', () => {
  const clear = { headline: 0, task: measures({}), roleplay: measures({}) };
  const silent = 'No persona has a voice with markers, so there is no style adherence.';
  expect(fidelityNotes(personas, clear)).toEqual([silent]);
  const blurred = measures({
    identification: { accuracy: 0.1, ceiling: 0.55, chance: 0.5 },
    likelihood: { accuracy: 0.4, chance: 1 / 3 },
  });
  expect(fidelityNotes(personas, { ...clear, roleplay: blurred })).toEqual([
    silent,
    "On the base's own role-play replies the voice classifier is right in 55 % of 30, where chance is 50 %: it cannot tell these personas apart there, and says nothing of what a policy lost.",
    "On the base's own role-play replies the likelihood is right in 40 % of 30, where chance is 33 %: it cannot tell these personas apart there, and says nothing of what a policy lost.",
  ]);
  const partly = measures({ style: { strict: 1, loose: 1, replies: 10 } });
  expect(fidelityNotes(personas, { ...clear, task: partly, roleplay: measures({ identification: null }) })).toEqual([
    'Style adherence is of the 1 of 3 personas whose voice has markers; the other measures are of all.',
    'There were no other questions to train the voice classifier on, so there is no identification on role-play replies.',
  ]);
});
