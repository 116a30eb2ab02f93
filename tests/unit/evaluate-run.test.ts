/** Whole evaluations on the real portable engine with the bundled policy: what is reported, resumed, stopped and refused. */
import type { Candidate, Cell, CellStore, EvaluationRequest } from '../../src/evaluate/request.ts';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createEngine } from '../helpers/engine.ts';
import type { PolicyEngine } from '../../src/engine/engine.ts';
import { labErrorCode } from '../../src/errors.ts';
import { accuracyByPersona } from '../../src/evaluate/accuracy.ts';
import { evaluate } from '../../src/evaluate/evaluate.ts';
import { readQuestions, textFile } from '../../src/evaluate/question-file.ts';
import { generatedQuestions, importedQuestions } from '../../src/evaluate/questions.ts';
import { reportCsv, reportJson, type EvaluationReport } from '../../src/evaluate/report.ts';
import { formatValue, reportTable } from '../../src/evaluate/table.ts';
import { personas as world, voices } from '../../src/persona/world.ts';
import { renderPrompt } from '../../src/persona/prompt.ts';
import { loadPolicy, type Policy } from '../../src/policy/policy.ts';
import { loadTokenizer } from '../../src/policy/tokenizer.ts';
import type { Reply } from '../../src/evaluate/replies.ts';
import { taskById } from '../../src/tasks/index.ts';
import { verify } from '../../src/verify/verify.ts';
import { tinyTokenizer } from '../helpers/tiny-policy.ts';

const folder = resolve(import.meta.dirname, '../../public/models/permix-tiny');
const wasmPath = `${resolve(import.meta.dirname, '../../node_modules/@tensorflow/tfjs-backend-wasm/dist')}/`;
/** Two of a voice, one held out, three voices. */
const personas = world.filter(({ id }) => ['careful-robot', 'clueless-robot', 'usual-pirate', 'brilliant-child'].includes(id));
const task = taskById('addition');

let policy: Policy;
let engine: PolicyEngine;
/** What was asked of the engine since the last look. */
let opened: string[] = [];

beforeAll(async () => {
  policy = await loadPolicy({
    id: 'permix-tiny',
    read: (file) =>
      readFile(resolve(folder, file)).then(
        (bytes) => new Uint8Array(bytes),
        () => null,
      ),
  });
  engine = await createEngine({ config: policy.config, weights: policy.weights, engine: 'portable', backend: 'wasm', wasmPath });
});
afterAll(() => engine.dispose());

function candidate(name = 'permix-tiny'): Candidate {
  return {
    name,
    tokenizer: policy.tokenizer!,
    eosIds: policy.config.eosIds,
    maxPositions: policy.config.maxPositions,
    open: () => Promise.resolve((opened.push(`open ${name}`), engine)),
    close: () => void opened.push(`close ${name}`),
  };
}

const request = (more: Partial<EvaluationRequest> = {}): EvaluationRequest => ({
  policy: candidate(),
  base: null,
  personas,
  voices,
  questions: generatedQuestions(task, 6, { seed: 3 }),
  problems: 6,
  samples: 2,
  temperature: 1,
  seed: 3,
  maxNewTokens: 32,
  fidelityReplies: 3,
  ...more,
});

class Memory implements CellStore {
  readonly cells = new Map<string, Cell>();
  read = (key: string) => this.cells.get(key);
  write = (key: string, cell: Cell) => void this.cells.set(key, JSON.parse(JSON.stringify(cell)) as Cell);
}

/** Every number of the report, with its place. */
function numbers(value: unknown, path = ''): [string, number][] {
  if (typeof value === 'number') return [[path, value]];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, one]) => numbers(one, `${path}.${key}`));
}

/** One whole evaluation against a base, and its cells. */
let report: EvaluationReport;
const store = new Memory();
beforeAll(async () => {
  report = await evaluate(request({ base: candidate('base'), cells: store }));
}, 60_000);

describe('evaluate', () => {
  it('reports what the counts say', () => {
    expect(report.data.problemIds).toHaveLength(6);
    expect(report.personas.map(({ id }) => id)).toEqual(personas.map(({ id }) => id));
    for (const one of [report.policy.none, ...report.policy.personas]) {
      expect(one.correct).toHaveLength(6);
      expect(one.accuracy).toBeCloseTo(one.correct.reduce((a, b) => a + b, 0) / 12, 12);
      expect(one.passAtK.map(({ k }) => k)).toEqual([1, 2]);
      expect(one.passAtK[0]!.value).toBeCloseTo(one.accuracy, 12);
      expect(one.low).toBeLessThanOrEqual(one.accuracy);
      expect(one.high).toBeGreaterThanOrEqual(one.accuracy);
    }
    const { all, trained, heldOut } = report.policy.stability;
    const values = report.policy.personas.map(({ accuracy }) => accuracy);
    expect(all.pss).toBeCloseTo(Math.min(...values) / Math.max(...values), 12);
    expect(all.worstCaseUtility).toBeCloseTo(Math.min(...values) - report.policy.none.accuracy, 12);
    expect(trained).not.toBeNull();
    expect(heldOut).not.toBeNull();
    expect(report.policy.lottery.at(-1)).toBeCloseTo(Math.max(...values), 12);
    for (const [path, value] of numbers(report)) expect(Number.isFinite(value), path).toBe(true);
  });

  it('finds the bundled policy speaking in its voices, and the base no different from itself', () => {
    const { task: onTask, roleplay } = report.policy.fidelity!;
    expect(onTask.replies).toBe(12);
    expect(roleplay.replies).toBe(12);
    for (const measures of [onTask, roleplay]) {
      // Chance is 1/3; the model card says .72 and .78 for style.
      expect(measures.style!.strict).toBeGreaterThan(0.4);
      expect(measures.likelihood!.accuracy).toBeGreaterThan(0.4);
      expect(measures.pmi).toBeGreaterThan(0.2);
    }
    // Same weights, same draws.
    expect({ ...report.base!, name: '' }).toEqual({ ...report.policy, name: '' });
    expect(report.shift!.personas).toEqual([0, 0, 0, 0]);
  });

  it('says what search and votes would bring, from the first reply to each problem, with their tokens', async () => {
    const { single, search, ensemble, validation } = report.policy.inference!;
    const byId = new Map(generatedQuestions(task, 6, { seed: 3 }).questions.map((question) => [question.id, question]));
    const asked = report.data.problemIds.map((id) => byId.get(id)!);
    const verdictsOf = personas.map(async ({ id, text }) => {
      const cell = store.cells.get(`policy/task/${id}`)!;
      if (!('replies' in cell)) throw new Error(`no replies under ${id}`);
      const each = asked.map(async (question, i) => {
        const reply = cell.replies[2 * i]!;
        const read = renderPrompt(policy.tokenizer!, text, question.text).tokens.length;
        return { right: Number((await verify(reply.text, question, task)).correct), tokens: read + reply.tokens.length };
      });
      return Promise.all(each);
    });
    const verdicts = await Promise.all(verdictsOf);
    const all = verdicts.flat();
    expect(single.accuracy).toBeCloseTo(all.reduce((sum, { right }) => sum + right, 0) / all.length, 12);
    expect(single.cost.once).toBe(0);
    expect(single.cost.each).toBeCloseTo(all.reduce((sum, { tokens }) => sum + tokens, 0) / all.length, 12);
    expect([search, ensemble].map((points) => points.map(({ personas: k }) => k))).toEqual([
      [2, 4],
      [2, 4],
    ]);
    expect(validation).toEqual({ sets: 5, problems: 3 });
    expect(search[1]!.cost).toEqual({ once: 4 * 3 * single.cost.each, each: single.cost.each });
    expect(ensemble[1]!.cost).toEqual({ once: 0, each: 4 * single.cost.each });
  });

  it('agrees with the accuracy that training reports', async () => {
    const one = await evaluate(request({ samples: 1, fidelityReplies: 0 }));
    const scores = await accuracyByPersona({
      engine,
      tokenizer: policy.tokenizer!,
      eosIds: policy.config.eosIds,
      personas: [null, ...personas],
      task,
      problems: 6,
      seed: 3,
      temperature: 1,
      maxNewTokens: 32,
    });
    expect([one.policy.none, ...one.policy.personas].map(({ correct }) => correct.reduce((a, b) => a + b, 0))).toEqual(
      scores.map(({ correct }) => correct),
    );
  });

  it('grades no reply that stays inside a thinking which the template opened', async () => {
    const read = async (file: string) => JSON.parse(await readFile(resolve(folder, file), 'utf8')) as { chat_template: string };
    const config = await read('tokenizer_config.json');
    const thinks = config.chat_template.replace(/\{% endif %\}$/, '<think>{% endif %}');
    const tokenizer = loadTokenizer(await read('tokenizer.json'), config, { chatTemplate: thinks });
    const cells = new Memory();
    const one = await evaluate(request({ policy: { ...candidate(), tokenizer }, cells, samples: 1, fidelityReplies: 0 }));
    const { replies } = cells.cells.get('policy/task/none') as { replies: Reply[] };
    expect(replies.some(({ text }) => text.includes('\\boxed{'))).toBe(true);
    expect(replies.every(({ thinking }) => thinking === '</think>')).toBe(true);
    for (const { accuracy, unanswered } of [one.policy.none, ...one.policy.personas]) {
      expect(accuracy).toBe(0);
      expect(unanswered).toBe(6);
    }
    const scores = await accuracyByPersona({
      engine,
      tokenizer,
      eosIds: policy.config.eosIds,
      personas: [null],
      task,
      problems: 6,
      seed: 3,
      temperature: 0,
    });
    expect(scores[0]!.correct).toBe(0);
  });

  it('does not depend on how the work is split, and has one engine open at a time', async () => {
    opened = [];
    const split = await evaluate(request({ base: candidate('base'), batchRows: 7 }));
    expect(opened).toEqual(['open permix-tiny', 'close permix-tiny', 'open base', 'close base']);
    for (const [name, a] of numbers(report)) {
      const b = numbers(split).find(([other]) => other === name)?.[1];
      expect(b, name).toBeCloseTo(a, 4);
    }
  });

  it('survives JSON', () => {
    expect(JSON.parse(reportJson(report))).toEqual(report);
  });

  it('goes on from finished cells without an engine where all are there, and to the same report', async () => {
    opened = [];
    const seen: number[] = [];
    const again = await evaluate(
      request({ base: candidate('base'), cells: store, onProgress: ({ cells, total }) => seen.push(cells / total) }),
    );
    expect(again).toEqual(report);
    expect(opened).toEqual([]);
    expect(seen.at(-1)).toBe(1);
  });

  it('can be stopped, and resumed to the same report', async () => {
    const kept = new Memory();
    const controller = new AbortController();
    const cells: number[] = [];
    const stopped = evaluate(
      request({
        base: candidate('base'),
        cells: kept,
        batchRows: 12,
        signal: controller.signal,
        onProgress: (progress) => {
          cells.push(progress.cells);
          if (progress.cells >= 7) controller.abort();
        },
      }),
    );
    opened = [];
    await expect(stopped).rejects.toSatisfy((error: unknown) => labErrorCode(error) === 'cancelled');
    // Five personas' replies of twelve rows one by one, then role-play cells that go through the engine together.
    expect(kept.cells.size).toBe(9);
    const fractions: number[] = [];
    const resumed = await evaluate(
      request({ base: candidate('base'), cells: kept, onProgress: ({ fraction }) => fractions.push(fraction) }),
    );
    for (const [name, value] of numbers(resumed)) expect(value, name).toBeCloseTo(new Map(numbers(report)).get(name)!, 4);
    expect(kept.cells.size).toBe(store.cells.size);
    expect(fractions.at(-1)).toBe(1);
    expect(fractions.every((fraction, i) => i === 0 || fraction >= fractions[i - 1]!)).toBe(true);
  });

  it('closes the engine when something fails', async () => {
    opened = [];
    const full: CellStore = {
      read: () => undefined,
      write: () => {
        throw new Error('disk full');
      },
    };
    await expect(evaluate(request({ cells: full }))).rejects.toThrow('disk full');
    expect(opened).toEqual(['open permix-tiny', 'close permix-tiny']);
  });
});

describe('an evaluation of imported questions', () => {
  const lines = (count: number) =>
    Array.from({ length: count }, (_, i) => JSON.stringify({ question: `What is ${i} + ${i + 1}?`, answer: `#### ${2 * i + 1}` })).join(
      '\n',
    );
  const imported = (text: string) =>
    readQuestions(textFile(text, 'sums.jsonl')).then((file) => importedQuestions(file, { seed: 1, instruction: '' }));

  it('asks them, learns the voices from those that are left, and names what it left out', async () => {
    const long = JSON.stringify({ question: `What is 1 + 1? ${'and so on '.repeat(100)}`, answer: '2' });
    const report = await evaluate(
      request({ questions: await imported(`${lines(20)}\n${long}`), problems: 18, samples: 1, fidelityReplies: 2, temperature: 0 }),
    );
    expect(report.data.problemIds).toHaveLength(18);
    expect(report.policy.none.accuracy).toBeGreaterThan(0.5);
    expect(report.policy.fidelity!.task.identification).not.toBeNull();
    const all = await evaluate(
      request({ questions: await imported(`${lines(4)}\n${long}`), problems: 10, samples: 1, fidelityReplies: 2 }),
    );
    expect(all.data).toMatchObject({ leftOut: { 'longer than the policy can read': 1 } });
    expect(all.data.problemIds).toHaveLength(4);
    // No other question is left to learn from.
    expect(all.policy.fidelity!.task.identification).toBeNull();
    expect(all.policy.fidelity!.roleplay.identification).not.toBeNull();
    expect(all.policy.fidelity!.headline).not.toBeNull();
    expect(all.notes.join(' ')).toMatch(/4 problems per persona.*1 of the questions left out: longer.*no other questions/);
  });

  it('says so when nothing can be asked', async () => {
    const long = JSON.stringify({ question: 'and so on '.repeat(200), answer: '2' });
    await expect(evaluate(request({ questions: await imported(long) }))).rejects.toThrow(/prompt has .* tokens/);
    await expect(evaluate(request({ maxNewTokens: 128 }))).rejects.toThrow(/leaves no room for replies of 128/);
  });
});

describe('requests that make no sense', () => {
  const cases: Record<string, [Partial<EvaluationRequest>, RegExp]> = {
    'one persona': [{ personas: personas.slice(0, 1) }, /compares personas, and there is 1/],
    'no persona': [{ personas: [] }, /there is none/],
    'a persona twice': [{ personas: [personas[0]!, personas[0]!] }, /there twice/],
    'a persona called none': [{ personas: [personas[0]!, { ...personas[1]!, id: 'none' }] }, /"none"/],
    'no problem': [{ problems: 0 }, /number of problems is 0/],
    'half a sample': [{ samples: 1.5 }, /number of samples is 1.5/],
    'no temperature': [{ temperature: NaN }, /temperature of NaN/],
    'greedy samples': [{ temperature: 0 }, /same reply 2 times/],
    'less than no reply': [{ fidelityReplies: -1 }, /replies for fidelity/],
  };
  it.each(Object.entries(cases))('%s', async (_, [more, about]) => {
    opened = [];
    const refused = evaluate(request(more));
    await expect(refused).rejects.toThrow(about);
    await expect(refused).rejects.toSatisfy((error: unknown) => labErrorCode(error) === 'config');
    expect(opened).toEqual([]);
  });

  it('a base that cannot score, because its tokens mean something else', async () => {
    const other: Candidate = { ...candidate('other'), tokenizer: tinyTokenizer() };
    await expect(evaluate(request({ base: other, problems: 2, samples: 1, fidelityReplies: 1 }))).rejects.toThrow(
      /other has another tokenizer/,
    );
  });
});

describe('the table and the CSV', () => {
  it('show every persona, and nothing but numbers where numbers belong', async () => {
    const report = await evaluate(request({ base: candidate('base, "old"'), cells: store }));
    const table = reportTable(report);
    expect(table.columns).toEqual(['base, "old"', 'permix-tiny']);
    const labels = table.sections.flatMap(({ rows }) => rows.map(({ label }) => label));
    for (const { name, heldOut } of report.personas) expect(labels).toContain(heldOut ? `${name} *` : name);
    expect(labels).toEqual(expect.arrayContaining(['pass@2', 'one persona at random', 'best of 4, searched', 'majority of 4']));
    for (const { rows } of table.sections) {
      for (const { values } of rows) {
        expect(values).toHaveLength(2);
        for (const value of values) expect(value === null || Number.isFinite(value)).toBe(true);
      }
    }
    const csv = reportCsv(report);
    const rows = csv.split('\r\n').slice(0, -1);
    expect(rows[0]).toBe('role,policy,persona,measure,value');
    expect(rows).toContain(`policy,permix-tiny,none,accuracy,${report.policy.none.accuracy}`);
    expect(rows).toContain(`base,"base, ""old""",,all: pss,${report.base!.stability.all.pss}`);
    expect(rows).toContain(`policy,permix-tiny,,search of 2: tokens once,${report.policy.inference!.search[0]!.cost.once}`);
    expect(rows).toContain(`policy,permix-tiny,,majority of 2: accuracy,${report.policy.inference!.ensemble[0]!.accuracy}`);
    expect(rows).toContain('policy,permix-tiny,none,setting: no persona,template');
    expect(rows).toContain('policy,permix-tiny,,setting: answers,boxed');
    const measured = rows.slice(1).filter((row) => !row.includes(',setting: '));
    for (const row of measured) expect(Number.isFinite(Number(row.slice(row.lastIndexOf(',') + 1))), row).toBe(true);
    expect(new Set(rows.map((row) => row.slice(0, row.lastIndexOf(',')))).size).toBe(rows.length);
  });

  it('format a value with its unit', () => {
    expect(formatValue(0.4567, 'share')).toBe('45.7 %');
    expect(formatValue(-0.00001, 'score')).toBe('0.000');
    expect(formatValue(-0.5, 'nats')).toBe('-0.500');
    expect(formatValue(4959.6, 'tokens')).toBe('4,960');
    expect(formatValue(null, 'share')).toBe('–');
  });
});
