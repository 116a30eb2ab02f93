/** The files an evaluation reads: personas and questions, good ones and bad ones. */
import { readFileSync, readdirSync, existsSync } from 'node:fs';
import { resolve } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LabError } from '../../src/errors.ts';
import { readQuestions, textFile } from '../../src/evaluate/question-file.ts';
import { generatedQuestions, importedQuestions, leftOutNotes, type ImportOptions } from '../../src/evaluate/questions.ts';
import { parsePersonas } from '../../src/persona/file.ts';
import { personas as world } from '../../src/persona/world.ts';
import { taskById } from '../../src/tasks/index.ts';

const root = resolve(import.meta.dirname, '../..');

/** The sentence of the error, which must be one for a reader. */
function complaint(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(LabError);
    expect((error as LabError).code).toBe('format');
    return (error as LabError).message;
  }
  throw new Error('nothing was refused');
}

/** The same of what is read in steps. */
async function refusal(run: () => Promise<unknown>): Promise<string> {
  let outcome = (): unknown => undefined;
  try {
    await run();
  } catch (error) {
    outcome = () => {
      throw error;
    };
  }
  return complaint(outcome);
}

const fileOf = async (text: string, options: ImportOptions) => importedQuestions(await readQuestions(textFile(text, 'q.jsonl')), options);

describe('a persona file', () => {
  const file = (json: unknown) => JSON.stringify(json, null, 1);

  it('needs ids and texts, and has a default for the rest', () => {
    const { personas, voices } = parsePersonas(
      file([
        { id: 'a', text: ' You are a. ' },
        { id: 'b', text: 'B', kind: 'harmful', heldOut: true },
      ]),
      'p',
    );
    expect(voices).toEqual([]);
    expect(personas).toEqual([
      { id: 'a', name: 'a', text: 'You are a.', voice: null, trait: null, kind: 'neutral', heldOut: false },
      { id: 'b', name: 'b', text: 'B', voice: null, trait: null, kind: 'harmful', heldOut: true },
    ]);
  });

  it('is written alike whatever it left out, because a run is known by what its personas are written as', () => {
    const { personas } = parsePersonas(file([{ text: 'A', heldOut: true, id: 'a' }]), 'p');
    expect(JSON.stringify(parsePersonas(JSON.stringify(personas), 'p').personas)).toBe(JSON.stringify(personas));
  });

  it('can bring voices', () => {
    const library = parsePersonas(
      file({ voices: [{ id: 'v', name: 'V', openers: ['Oh'] }], personas: [{ id: 'a', name: 'A', text: 'A', voice: 'v' }] }),
      'p',
    );
    expect(library.voices).toEqual([{ id: 'v', name: 'V', openers: ['Oh'], closers: [] }]);
    expect(library.personas[0]!.voice).toBe('v');
  });

  it('is refused with file, entry and line', () => {
    const broken = [
      ['{\n "personas": [\n  {"id": }\n ]\n}', 3],
      ['{\n "personas": [\n  {"id": "a"}\n', 4],
      ['{\n "personas": []\n}\n]', 4],
      ['[\n {"id": "a" "text": "b"}]', 2],
      ['[\n {"id": "a,\n "text": "b"}]', 2],
      ['[\n {"id": "a"},\n]', 3],
      ['[\n {"a\\"": [1, true, {}, -2.5e3]},\n {id: 1}]', 3],
      ['', 1],
    ] as const;
    for (const [text, line] of broken) {
      expect(complaint(() => parsePersonas(text, 'mine.json'))).toContain(`mine.json, line ${line}: this is not valid JSON`);
    }
    expect(complaint(() => parsePersonas(file([{ id: 'a', text: 'A' }, { id: 'b' }]), 'mine.json'))).toMatch(
      /mine\.json: personas\[2\]\.text \("b", line 7\)/,
    );
    expect(complaint(() => parsePersonas(file({ personas: [{ id: 'a', text: 'A', kind: 'evil' }] }), 'mine.json'))).toMatch(
      /personas\[1\]\.kind \("a", line 4\).*"expert"/,
    );
    expect(complaint(() => parsePersonas(file({ personas: [{ id: 'a', text: 'A', tone: 'x' }] }), 'm'))).toMatch(/personas\[1\].*tone/);
    expect(
      complaint(() =>
        parsePersonas(
          file([
            { id: 'a', text: 'A' },
            { id: 'a', text: 'B' },
          ]),
          'm',
        ),
      ),
    ).toMatch(/"a" is there twice, in lines 3 and 7/);
    // A voice or a text of the same name is another thing, and what is on one line is said to be.
    const spoken = { voices: [{ id: 'b', name: 'b' }], personas: ['b', 'c', 'b'].map((id) => ({ id, text: 'b', voice: 'b' })) };
    expect(complaint(() => parsePersonas(file(spoken), 'm'))).toMatch(/"b" is there twice, in lines 10 and 20/);
    expect(complaint(() => parsePersonas(JSON.stringify(spoken), 'm'))).toMatch(/"b" is there twice, both in line 1/);
    const second = {
      personas: [
        { id: 'a', text: 'A' },
        { id: 'a', text: 'A', tone: 'x' },
      ],
    };
    expect(complaint(() => parsePersonas(file(second), 'm'))).toMatch(/personas\[2\] \("a", line 8\)/);
    expect(complaint(() => parsePersonas(file([{ id: 'a', text: 'A', voice: 'v' }]), 'm'))).toMatch(/voice "v", which is not among/);
    expect(complaint(() => parsePersonas(file([{ id: 'none', text: 'A' }]), 'm'))).toMatch(/"none" is no persona/);
    expect(complaint(() => parsePersonas(file([{ id: 'a', text: 'x'.repeat(5000) }]), 'm'))).toMatch(
      /"a", line 3: The persona text has 5,000/,
    );
    expect(complaint(() => parsePersonas('[]', 'm'))).toMatch(/there is no persona in it/);
    for (const other of ['7', 'null', '"x"', '{}']) expect(complaint(() => parsePersonas(other, 'm.json'))).toContain('m.json');
  });

  it('is never read wrongly without a word', () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        try {
          expect(parsePersonas(text, 'm').personas.length).toBeGreaterThan(0);
        } catch (error) {
          expect(error).toBeInstanceOf(LabError);
        }
      }),
    );
  });

  it('ships with the page, for policies that do not know the bundled world', () => {
    const names = readdirSync(resolve(root, 'public/personas'));
    expect(names).toContain('general.json');
    const { personas, voices } = parsePersonas(readFileSync(resolve(root, 'public/personas/general.json'), 'utf8'), 'general.json');
    expect(personas.length).toBeGreaterThanOrEqual(40);
    for (const kind of ['expert', 'neutral', 'harmful'] as const)
      expect(personas.filter((one) => one.kind === kind).length).toBeGreaterThanOrEqual(10);
    expect(new Set(personas.map(({ text }) => text)).size).toBe(personas.length);
    expect(new Set(personas.map(({ name }) => name)).size).toBe(personas.length);
    const heldOut = personas.filter((one) => one.heldOut).length;
    expect(heldOut).toBeGreaterThanOrEqual(5);
    expect(heldOut).toBeLessThan(personas.length / 4);
    for (const { id, openers, closers } of voices) {
      expect(openers.length + closers.length).toBeGreaterThan(0);
      expect(personas.some(({ voice }) => voice === id)).toBe(true);
    }
    expect(personas.some(({ text }) => world.some((other) => other.text === text))).toBe(false);
  });
});

describe('a question file', () => {
  const read = (text: string, instruction = '') => fileOf(text, { seed: 1, instruction });

  it('is read as GSM8K and MATH write theirs', async () => {
    const set = await read(
      [
        '{"question": "Eggs?", "answer": "16 - 7 = <<9>>9, times 2 is 18\\n#### 18"}',
        '{"problem": "Half?", "answer": "\\\\frac{1}{2}", "solution": "so it is \\\\boxed{\\\\frac{1}{2}}"}',
        '',
        '{"problem": "Boxed?", "solution": "so it is \\\\boxed{7}."}',
        '{"question": "Number?", "answer": 1200}',
        '{"question": "Open?", "answer": "1 2"}',
        '{"question": "Eggs?", "answer": "18"}',
      ].join('\r\n'),
    );
    expect(set.questions.map(({ text }) => text).sort()).toEqual(['Boxed?', 'Eggs?', 'Half?', 'Number?']);
    expect(set.leftOut).toEqual({ 'gold answer cannot be checked': 1, 'asked twice': 1 });
    const judge = async (asked: string, completion: string) =>
      (
        await set.judge(
          { text: completion },
          set.questions.find(({ text }) => text === asked)!,
        )
      ).correct;
    expect(await judge('Eggs?', 'It is \\boxed{18}.')).toBe(true);
    expect(await judge('Eggs?', 'thinking … #### 18')).toBe(true);
    expect(await judge('Eggs?', '18')).toBe(false);
    expect(await judge('Half?', '\\boxed{0.5}')).toBe(true);
    expect(await judge('Boxed?', '\\boxed{8}')).toBe(false);
    expect(await judge('Number?', '\\boxed{1,200}')).toBe(true);
  });

  it('asks for a boxed answer, unless told otherwise, and always in the same order', async () => {
    const lines = Array.from({ length: 30 }, (_, i) => JSON.stringify({ question: `Number ${i}?`, answer: String(i) })).join('\n');
    const set = await fileOf(lines, { seed: 1 });
    for (const { text } of set.questions) expect(text).toMatch(/^Number \d+\?\n.*\\boxed\{\}/);
    expect((await fileOf(lines, { seed: 1 })).questions).toEqual(set.questions);
    const other = (await fileOf(lines, { seed: 2 })).questions.map(({ id }) => id);
    expect(other).not.toEqual(set.questions.map(({ id }) => id));
    expect(other.toSorted()).toEqual(set.questions.map(({ id }) => id).toSorted());
  });

  it('is refused with file and line', async () => {
    const good = '{"question": "a", "answer": "1"}\n';
    expect(await refusal(() => read(`${good}{"question": "b"`))).toMatch(/q\.jsonl, line 2: this is not valid JSON/);
    expect(await refusal(() => read(`${good}\n[1]`))).toMatch(/line 3: this is not a JSON object/);
    expect(await refusal(() => read(`${good}{"input": "b", "answer": "1"}`))).toMatch(/line 2: there is neither "question" nor "problem"/);
    expect(await refusal(() => read('{"question": "", "answer": "1"}'))).toMatch(/line 1: "question" is not a text/);
    expect(await refusal(() => read('{"question": "b", "answer": null}'))).toMatch(/\(1: no answer, line 1\)/);
    expect(await refusal(() => read(''))).toMatch(/no question with an answer that can be checked/);
    expect(await refusal(() => read('{"question": "b", "answer": "x+"}'))).toMatch(/1: gold answer cannot be checked/);
  });

  it('leaves out what cannot be judged, and says which lines', async () => {
    const rows: [answer: unknown, solution?: unknown][] = [
      ['so it is\n#### 7'],
      ['Two of four.\n#### 2/4'],
      ['#### 1 2'],
      ['#### 1.2.3'],
      ['#### forty two'],
      [null, 'hence \\boxed{7}'],
      ['', 'hence \\boxed{7}'],
      [null],
      [['7']],
      [true, null],
      [null, 'hence seven'],
    ];
    const set = await read(rows.map(([answer, solution], i) => JSON.stringify({ question: `${i}?`, answer, solution })).join('\n'));
    expect(set.questions.map(({ text }) => text).sort()).toEqual(['0?', '1?', '5?', '6?']);
    expect(set.leftOut).toEqual({ 'gold answer cannot be checked': 4, 'no answer': 3 });
    expect(leftOutNotes(set, { ...set.leftOut, 'longer than the policy can read': 2 })).toEqual([
      '4 of the questions left out: gold answer cannot be checked (q.jsonl, lines 3, 4, 5 and 11).',
      '3 of the questions left out: no answer (q.jsonl, lines 8, 9 and 10).',
      '2 of the questions left out: longer than the policy can read.',
    ]);
    const many = await read(['{"question": "a", "answer": 1}', ...Array.from({ length: 30 }, (_, i) => `{"question": "${i}"}`)].join('\n'));
    expect(many.leftOutLines['no answer']).toMatch(/^lines 2, 3, .*, 21 and 10 more$/);
  });

  it('refuses a row with two answers, and one nested too deep', async () => {
    const good = '{"question": "a", "answer": 1}\n';
    expect(await refusal(() => read(`${good}{"question": "d", "answer": 5, "answer": 6}`))).toMatch(
      /q\.jsonl, line 2: the key "answer" is there twice/,
    );
    const deep = `${'['.repeat(200)}${']'.repeat(200)}`;
    expect(await refusal(() => read(`${good}{"question": "d", "answer": 5, "x": ${deep}}`))).toMatch(/q\.jsonl, line 2: .* nested/);
  });

  it('keeps every digit of a number', async () => {
    const set = await read(
      [
        '{"question": "a", "answer": 9007199254740993}',
        '{"question": "b", "meta": {"answer": 1, "x": ["]", 2]}, "note": "\\"answer\\": 3", "answer": -0.10000000000000000001 , "z": 4}',
        '{"question": "c", "\\u0061nswer": 1e400}',
        '{"question": "d", "answer": 123456789012345678901234567890}',
        '{"question": "e", "answer": -0}',
      ].join('\n'),
    );
    const answers = Object.fromEntries(set.questions.map(({ text, answer }) => [text, answer]));
    expect(answers).toEqual({
      a: '9007199254740993',
      b: '-0.10000000000000000001',
      c: '1e400',
      d: '123456789012345678901234567890',
      e: '-0',
    });
    const right = async (asked: string, reply: string) =>
      (
        await set.judge(
          { text: reply },
          set.questions.find(({ text }) => text === asked)!,
        )
      ).correct;
    expect(await right('a', '\\boxed{9007199254740993}')).toBe(true);
    expect(await right('a', '\\boxed{9007199254740992}')).toBe(false);
    expect(await right('c', `\\boxed{1${'0'.repeat(199)}}`)).toBe(false);
    expect(await right('c', '\\boxed{10^{400}}')).toBe(true);
    expect(await right('e', '\\boxed{0}')).toBe(true);
  });

  for (const [folder, total, left] of [
    ['gsm8k', 1319, 0],
    ['math500', 500, 0],
  ] as const) {
    const path = resolve(root, `../shared/assets/datasets/${folder}/test.jsonl`);
    it.skipIf(!existsSync(path))(`reads ${folder} (needs ../shared)`, async () => {
      const set = await read(readFileSync(path, 'utf8'));
      const leftOut = Object.values(set.leftOut).reduce((a, b) => a + b, 0);
      expect(set.questions.length + leftOut).toBe(total);
      expect(leftOut).toBeLessThanOrEqual(left);
      // Each gold answer is right by its own lights, and another is not.
      for (const question of set.questions) {
        expect((await set.judge({ text: `\\boxed{${question.answer.split('####').at(-1)!.trim()}}` }, question)).correct).toBe(true);
        expect((await set.judge({ text: '\\boxed{123456.5}' }, question)).correct).toBe(false);
      }
    });
  }
});

it('a split is the one that is said, and the two halves are all of it', async () => {
  const text = Array.from({ length: 60 }, (_, i) => JSON.stringify({ question: `${i} + 3?`, answer: i + 3 })).join('\n');
  const asked = async (options: Partial<ImportOptions>) =>
    new Set((await fileOf(text, { seed: 1, ...options })).questions.map((question) => question.text));
  const heldOut = { share: 0.5, seed: 7 };
  const [train, evaluation] = [await asked({ split: 'train', heldOut }), await asked({ split: 'evaluation', heldOut })];
  expect(new Set([...train, ...evaluation])).toEqual(await asked({}));
  expect(train.size + evaluation.size).toBe(60);
  expect(evaluation).not.toEqual(await asked({ split: 'evaluation' }));
});

describe('generated questions', () => {
  it('are held out, different, and others than those the classifier learns from', async () => {
    const set = generatedQuestions(taskById('addition'), 100, { seed: 3, others: 50 });
    expect(set.questions).toHaveLength(100);
    const ids = new Set([...set.questions, ...set.others].map(({ id }) => id));
    expect(ids.size).toBe(set.questions.length + set.others.length);
    expect(set.others.length).toBeGreaterThan(40);
    const first = set.questions[0]!;
    expect((await set.judge({ text: `\\boxed{${first.answer}}` }, first)).correct).toBe(true);
  });

  it('are fewer where a task has no more', async () => {
    const { questions } = generatedQuestions(taskById('comparing'), 2000, { seed: 1, others: 5, knobs: { max: 9 } });
    expect(questions.length).toBeLessThan(200);
    expect(new Set(questions.map(({ id }) => id)).size).toBe(questions.length);
  });
});
