/** Files of questions in every form they come in, read piece by piece; and how a run draws from them. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkQuestions, readQuestions, textFile, type QuestionFileOptions } from '../../src/evaluate/question-file.ts';
import { Purpose, Stream } from '../../src/random/counter.ts';
import { checkConfig } from '../../src/rl/check.ts';
import { GroupSource } from '../../src/rl/data.ts';
import { recipes } from '../../src/rl/recipes.ts';
import { measureRoom } from '../../src/rl/room.ts';
import type { SetFile } from '../../src/tasks/sets/bytes.ts';
import { importedSource, splitSet } from '../../src/tasks/sets/imported.ts';
import { usualSplit, type ImportedSet, type SourceChoice } from '../../src/tasks/source.ts';
import { verifyAs } from '../../src/verify/verify.ts';
import { sharedFile } from '../helpers/shared.ts';
import { tinyPersonas, tinyTokenizer } from '../helpers/tiny-policy.ts';

/** In pieces of so many bytes, which cut characters, quotes and numbers anywhere. */
function pieces(content: string | Uint8Array, size: number, name = 'q.jsonl'): SetFile {
  const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : content;
  return {
    name,
    size: bytes.length,
    async *bytes() {
      for (let at = 0; at < bytes.length; at += size) yield await Promise.resolve(bytes.slice(at, at + size));
    },
  };
}

const read = async (text: string, name = 'q.jsonl', options: QuestionFileOptions = {}) => {
  const { set, summary } = await readQuestions({ ...textFile(text, name) }, options);
  return { ...summary, questions: set.questions };
};
const asked = async (text: string, name?: string, options?: QuestionFileOptions) =>
  (await read(text, name, options)).questions.map((one) => [one.asked, one.gold]);
const refusal = async (run: Promise<unknown>): Promise<string> => {
  try {
    await run;
  } catch (error) {
    expect((error as Error).name).toBe('LabError/format');
    return (error as Error).message;
  }
  throw new Error('nothing was refused');
};

describe('a file of questions is read', () => {
  it('as CSV: quotes, line feeds and separators in fields, CRLF, a byte order mark, and lines that are counted through them', async () => {
    const text =
      '\ufeffquestion,answer,note\r\n"What is ""two"", twice?\r\nSay it.",4,x\r\n\r\n"a, b?",9007199254740993,\r\nopen?,,\r\nshort,1\r\nlast?,0.50,z';
    const found = await read(text, 'q.csv', { skipBroken: true });
    expect(found.questions).toEqual([
      { asked: 'What is "two", twice?\r\nSay it.', gold: '4' },
      { asked: 'a, b?', gold: '9007199254740993' },
      { asked: 'last?', gold: '0.50' },
    ]);
    expect(found).toMatchObject({ format: 'csv', kind: 'questions', columns: ['question', 'answer', 'note'], rows: 5 });
    expect(found.leftOut).toEqual({
      'no answer': { count: 1, lines: [6] },
      'it has 2 fields, and the heading 3': { count: 1, lines: [7] },
    });
    expect(await refusal(read(text, 'q.csv'))).toMatch(/q\.csv, line 7: it has 2 fields, and the heading 3\..*leave such rows out/);
    expect(await asked('question;answer\na;1\nb, c;2', 'q.csv')).toEqual([
      ['a', '1'],
      ['b, c', '2'],
    ]);
    expect(await asked('question\tanswer\na\t1', 'q.tsv')).toEqual([['a', '1']]);
    expect(await asked('question,answer\ra,1\rb,2\r', 'q.csv')).toEqual([
      ['a', '1'],
      ['b', '2'],
    ]);
    expect(await refusal(read('question,answer\na,1\n"b,2\nc,3', 'q.csv'))).toMatch(/q\.csv, line 3: a quote is not closed/);
    expect(await refusal(read('answer,question,answer\n1,2,3', 'q.csv'))).toMatch(/line 1: the column "answer" is there twice/);
    expect(await refusal(read('PAR1\u0015', 'train.parquet'))).toMatch(/train\.parquet is a Parquet file/);
  });

  it('as a JSON list, or an object with one, over many lines or in one', async () => {
    const rows = [
      { question: 'a "]}" \\ b?', answer: 1 },
      { question: 'c\u2028d', answer: '2', more: [{ x: [1] }] },
    ];
    const right = [
      ['a "]}" \\ b?', '1'],
      ['c\u2028d', '2'],
    ];
    for (const name of ['q.json', 'q.jsonl', 'q.txt']) {
      expect(await asked(JSON.stringify(rows), name)).toEqual(right);
      expect(await asked(JSON.stringify(rows, null, 2), name)).toEqual(right);
      expect(await asked(JSON.stringify({ version: '1.1', data: rows }), name)).toEqual(right);
    }
    expect(await asked(JSON.stringify({ meta: { data: [1] }, n: 3, data: rows, end: [2] }, null, 1), 'q.json')).toEqual(right);
    expect(await asked(rows.map((row) => JSON.stringify(row)).join('\n'), 'q.json')).toEqual(right);
    expect(await refusal(read('[\n{"question": "a", "answer": 1},\n7\n]', 'q.json'))).toMatch(/q\.json, line 3: this is not a JSON object/);
    expect(await refusal(read('[\n{"question": "a", "answer": 1}\n{"question": "b"}]', 'q.json'))).toMatch(
      /line 3: this is not valid JSON/,
    );
    expect(await refusal(read('[{"question": "a", "answer": 1},\n]', 'q.json'))).toMatch(/line 2: this is not valid JSON/);
    expect(await refusal(read('[{"question": "a", "answer": 1},\n', 'q.json'))).toMatch(/line 2: the file ends within the list/);
    expect(await refusal(read('[{"question": "a", "answer": 1}]\nx', 'q.json'))).toMatch(/line 2: there is more after the end of the list/);
    expect(await refusal(read('{\n "rows": 1\n}', 'q.json'))).toMatch(/neither a JSON list nor an object with a list called "data"/);
  });

  it('alike however its bytes come in, with every number as it is written', async () => {
    const row = fc.record({
      question: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 }).filter((text) => text.trim() !== ''),
      answer: fc.bigInt(),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(row, { minLength: 1, maxLength: 6, selector: (one) => one.question.normalize('NFC').replace(/\s+/g, ' ').trim() }),
        fc.integer({ min: 1, max: 9 }),
        fc.constantFrom('\n', '\r\n'),
        async (rows, size, end) => {
          const lines = rows.map((one) => `{"question": ${JSON.stringify(one.question)}, "answer": ${one.answer}}`);
          const right = rows.map((one) => ({ asked: one.question, gold: String(one.answer) }));
          const quoted = (text: string) => `"${text.replaceAll('"', '""')}"`;
          const files = [
            pieces(lines.join(end), size),
            pieces(`[${lines.join(`,${end}`)}]`, size, 'q.json'),
            pieces(`{"data": [${lines.join(',')}]}`, size, 'q.json'),
            pieces(
              `\ufeffquestion,answer${end}${rows.map((one) => `${quoted(one.question)},${one.answer}`).join(end)}${end}`,
              size,
              'q.csv',
            ),
          ];
          for (const file of files) expect((await readQuestions(file)).set.questions).toEqual(right);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('never wrongly without a word, whatever the bytes are', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.uint8Array({ maxLength: 60 }),
          fc.json().map((text) => new TextEncoder().encode(text)),
        ),
        fc.constantFrom('q.jsonl', 'q.json', 'q.csv'),
        async (bytes, name) => {
          try {
            expect((await readQuestions(pieces(bytes, 7, name))).set.questions.length).toBeGreaterThan(0);
          } catch (error) {
            expect((error as Error).name).toBe('LabError/format');
          }
        },
      ),
    );
  });

  it('with bytes that are no UTF-8 named by their line, and UTF-16 by its name', async () => {
    const good = new TextEncoder().encode('{"question": "é", "answer": 1}\n');
    const bad = Uint8Array.from([...good, ...good, 0x7b, 0xc3, 0x28, 0x0a, ...good]);
    for (const size of [1, 7, 1000])
      expect(await refusal(readQuestions(pieces(bad, size)))).toMatch(/^q\.jsonl, line 3: this is not text in UTF-8\./);
    const cut = Uint8Array.from([...good, 0x7b, 0xc3]);
    expect(await refusal(readQuestions(pieces(cut, 5)))).toMatch(/line 2: this is not text in UTF-8/);
    expect(await refusal(readQuestions(pieces(Uint8Array.from([0xff, 0xfe, 0x7b, 0]), 9)))).toMatch(/UTF-8, but UTF-16/);
  });

  it('with a row of two megabytes, and not with one that never ends', async () => {
    const long = `${'x'.repeat(2_000_000)}?`;
    for (const name of ['q.jsonl', 'q.json', 'q.csv']) {
      const json = JSON.stringify({ question: long, answer: 7 });
      const text = name === 'q.csv' ? `question,answer\n"${long}",7\n` : name === 'q.json' ? `[${json}]` : json;
      expect((await readQuestions(pieces(text, 65_536, name))).set.questions).toEqual([{ asked: long, gold: '7' }]);
    }
    const endless: SetFile = {
      name: 'q.csv',
      size: 1e9,
      async *bytes() {
        yield new TextEncoder().encode('question,answer\n"');
        for (let i = 0; i < 1000; i++) yield await Promise.resolve(new Uint8Array(1_000_000).fill(97));
      },
    };
    expect(await refusal(readQuestions(endless))).toMatch(/q\.csv, line 2: the row that begins there does not end within/);
  });

  it('until it is stopped, and without its text in memory', async () => {
    const stop = new AbortController();
    const line = new TextEncoder().encode(`{"question": "a", "answer": 1, "x": "${'y'.repeat(100_000)}"}\n`);
    const file: SetFile = {
      name: 'big.jsonl',
      size: 2e9,
      async *bytes() {
        for (;;) yield await Promise.resolve(line);
      },
    };
    let bytes = 0;
    const reading = checkQuestions(file, {
      signal: stop.signal,
      onProgress: (so) => {
        bytes = so;
        if (so > 50e6) stop.abort();
      },
    });
    await expect(reading).rejects.toMatchObject({ name: 'LabError/cancelled' });
    expect(bytes).toBeLessThan(51e6);
  });

  it('with the hash that sha256sum prints', async () => {
    const text = '{"question": "a", "answer": 1}\n';
    expect((await read(text)).sha256).toBe(createHash('sha256').update(text).digest('hex'));
  });

  it('by columns of the reader’s choice where its names say nothing', async () => {
    const text = 'ask,right,why\n1 + 1,2,x\n2 + 2,4,y';
    expect(await refusal(read(text, 'q.csv'))).toMatch(/its columns are ask, right, why\. Say which/);
    expect((await checkQuestions(textFile(text, 'q.csv'))).preview[0]).toEqual({
      line: 2,
      fields: { ask: '1 + 1', right: '2', why: 'x' },
      asked: null,
      gold: null,
    });
    const columns = { question: 'ask', answer: 'right' };
    expect(await asked(text, 'q.csv', { columns })).toEqual([
      ['1 + 1', '2'],
      ['2 + 2', '4'],
    ]);
    expect(await refusal(read(text, 'q.csv', { columns: { question: 'asks', answer: 'right' } }))).toMatch(/line 2: there is no "asks"/);
  });

  it('as what its fields say', async () => {
    const kind = async (row: object) => {
      const { kind: found, questions } = await read(JSON.stringify(row));
      return [found, questions[0]!.asked, questions[0]!.gold];
    };
    expect(await kind({ question: 'Eggs?', answer: 'so <<2*9=18>>18\n#### 18' })).toEqual(['gsm8k', 'Eggs?', '18']);
    expect(await kind({ problem: 'x?', answer: null, solution: 'is \\boxed{\\frac12}' })).toEqual(['math', 'x?', '\\frac12']);
    expect(await kind({ source: 'amc', problem: 'x?', solution: '\\boxed{3}', messages: [] })).toEqual(['numinamath', 'x?', '3']);
    expect(await kind({ Body: 'Two and two', Question: 'How many?', Answer: 4.0 })).toEqual(['svamp', 'Two and two. How many?', '4']);
    expect(await kind({ input: '30,100,93', output: '23' })).toEqual([
      'countdown',
      'Use 30, 100 and 93 once each to make 23.',
      '23 from 30, 100, 93',
    ]);
    expect(await kind({ target: 98, nums: [44, 19, 35] })).toEqual([
      'countdown',
      'Use 44, 19 and 35 once each to make 98.',
      '98 from 44, 19, 35',
    ]);
    const proofs = ['proof', '4'].map((answer, i) => JSON.stringify({ problem: `${i}?`, solution: 's', answer, problem_type: 'x' }));
    expect((await read(proofs.join('\n'))).leftOut).toEqual({ 'no answer': { count: 1, lines: [1] } });
  });

  const sets = [
    ['gsm8k/train.jsonl', 'gsm8k', 7473],
    ['gsm8k/test.jsonl', 'gsm8k', 1319],
    ['math500/test.jsonl', 'math', 490],
    ['svamp/SVAMP.json', 'svamp', 990],
    ['countdown/countdown_cd3_test.jsonl', 'countdown', 250],
  ] as const;
  for (const [path, kind, least] of sets) {
    const file = sharedFile(`assets/datasets/${path}`);
    it.skipIf(!file)(
      `as ${path} is, where it lies beside the checkout`,
      async () => {
        const { summary, set } = await readQuestions({ name: path, size: 0, bytes: () => createReadStream(file!) });
        expect(summary.kind).toBe(kind);
        expect(set.questions.length).toBeGreaterThanOrEqual(least);
        expect(summary.questions + Object.values(summary.leftOut).reduce((sum, { count }) => sum + count, 0)).toBe(summary.rows);
      },
      60_000,
    );
  }
});

describe('a run draws from a set', () => {
  const sums: ImportedSet = {
    kind: 'questions',
    questions: Array.from({ length: 40 }, (_, i) => ({ asked: `What is ${i} + 1?`, gold: String(i + 1) })),
  };
  const choice: SourceChoice = { id: 'sums.jsonl', weight: 1, set: { sha256: 'a'.repeat(64), questions: 40, kind: 'questions' } };
  const config = { ...recipes.rlvr, tasks: [choice] };
  const sets = { 'sums.jsonl': sums };
  const take = (cursor: number, count: number, own = config) => new GroupSource(own, tinyPersonas, cursor, () => true, sets).take(count);

  it('every question once in a pass, in an order of the seed, and the same wherever it begins', () => {
    const train = splitSet(sums, usualSplit).train.length;
    const ids = (groups: ReturnType<typeof take>) => groups.map(({ question }) => question.id);
    const pass = ids(take(0, train));
    expect(new Set(pass).size).toBe(train);
    expect(ids(take(train, train)).toSorted()).toEqual(pass.toSorted());
    expect(ids(take(train, train))).not.toEqual(pass);
    expect(ids(take(17, 60))).toEqual(ids(take(0, 77)).slice(17));
    expect(ids(take(0, train, { ...config, seed: config.seed + 1 }))).not.toEqual(pass);
  });

  it('beside generated tasks by weight, which ask what they would ask alone', () => {
    const both = {
      ...config,
      tasks: [
        { ...choice, weight: 2 },
        { id: 'addition', weight: 1 },
      ],
    };
    const groups = new GroupSource(both, tinyPersonas, 0, () => true, sets).take(300);
    const own = groups.filter(({ source }) => source.id === 'sums.jsonl').length;
    expect(own).toBeGreaterThan(160);
    expect(own).toBeLessThan(240);
    expect(new GroupSource(both, tinyPersonas, 120, () => true, sets).take(30).map(({ question }) => question)).toEqual(
      groups.slice(120, 150).map(({ question }) => question),
    );
  });

  it('and never a held-out one, whose share and seed can be chosen', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 60 }),
        fc.double({ min: 0.01, max: 0.99, noNaN: true }),
        fc.nat(1000),
        (length, share, seed) => {
          const set: ImportedSet = { kind: 'questions', questions: Array.from({ length }, (_, i) => ({ asked: `${i}?`, gold: '1' })) };
          const split = { share, seed };
          const { train, evaluation } = splitSet(set, split);
          expect([...train, ...evaluation].toSorted((a, b) => a - b)).toEqual(set.questions.map((_, i) => i));
          expect(Math.min(train.length, evaluation.length)).toBeGreaterThan(0);
          const source = importedSource(set, 's', split);
          const held = new Set(evaluation.map((i) => set.questions[i]!.asked));
          for (let n = 0; n < 2 * length; n++) {
            expect(held.has(source.draw(new Stream(1, Purpose.question, n, n % 3), 'train').text)).toBe(false);
            expect(held.has(source.draw(new Stream(1, Purpose.evaluation, n), 'evaluation').text)).toBe(true);
          }
        },
      ),
      { numRuns: 30 },
    );
    expect(() => importedSource({ ...sums, questions: sums.questions.slice(0, 1) }, 's', usualSplit)).toThrow(
      /1 question that can be used/,
    );
  });

  it('judges as docs/verifier.md says, and countdown by its numbers and its target', async () => {
    const source = importedSource(sums, 's', usualSplit);
    const question = { id: 'x', task: 's', text: '', answer: '1/2' };
    expect((await verifyAs(source, 'so \\boxed{0.5}', question)).correct).toBe(true);
    expect((await verifyAs(source, '#### 0.6', question)).correct).toBe(false);
    const game = importedSource({ ...sums, kind: 'countdown' }, 'c', usualSplit);
    const goal = { id: 'x', task: 'c', text: '', answer: '23 from 30, 100, 93' };
    for (const [reply, right] of [
      ['\\boxed{93 + 30 - 100}', true],
      ['\\boxed{30 - (100 - 93)}', true],
      ['\\boxed{23}', false],
      ['\\boxed{93 + 30 - 100 + 0}', false],
      ['\\boxed{100 - 93 + 30}', false],
    ] as const)
      expect((await verifyAs(game, reply, goal)).correct, reply).toBe(right);
    expect(game.solution(goal)).toBeNull();
    expect(source.solution(question)).toBe('\\boxed{1/2}');
  });

  it('is refused before its first step where the questions do not fit, and where they are not here', () => {
    expect(checkConfig(config, tinyPersonas).map(({ problem }) => problem)).toEqual([]);
    expect(() => take(0, 1, { ...config, tasks: [{ ...choice, id: 'other.jsonl' }] })).toThrow(
      /questions of other\.jsonl are not here.*aaaaaaaaaaaa.*Give that file again/,
    );
    const long: ImportedSet = {
      kind: 'questions',
      questions: Array.from({ length: 9 }, (_, i) => ({ asked: `${i} ${'+ 1 '.repeat(200)}?`, gold: '1' })),
    };
    const room = { ...config, sampling: { ...config.sampling, maxNewTokens: 8 } };
    expect(() => measureRoom(room, tinyPersonas, tinyTokenizer().within(48, Infinity), { 'sums.jsonl': long })).toThrow(
      /questions of sums\.jsonl are too long.*a set with shorter questions/,
    );
    const twice = checkConfig({ ...config, tasks: [choice, choice] }, tinyPersonas);
    expect(twice[0]!.problem).toMatch(/more than one source called "sums.jsonl"/);
    const lessons = { ...recipes.sft, tasks: [{ ...choice, set: { ...choice.set!, kind: 'countdown' as const } }] };
    expect(checkConfig(lessons, tinyPersonas)[0]!.problem).toMatch(/no solutions to learn from/);
  });
});
