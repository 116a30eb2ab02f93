/** Persona files of other tools: what is read of them, what is refused and why, and that what is written comes back. */
import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LabError } from '../../src/errors.ts';
import { benchmarkTasks } from '../../src/evaluate/judge/tasks.ts';
import { personaCsv } from '../../src/exchange/persona-table.ts';
import { parsePersonas, type PersonaLibrary } from '../../src/persona/file.ts';
import { personaGymTasks } from '../../src/persona/import/others.ts';
import { readPersonas, takeAll } from '../../src/persona/import/read.ts';
import { libraryOf } from '../../src/persona/libraries.ts';
import { personaKinds } from '../../src/persona/persona.ts';
import { personaJson } from '../../src/persona/write.ts';

const read = (text: string | object, name = 'mine.json') =>
  readPersonas([{ name, text: typeof text === 'string' ? text : JSON.stringify(text) }], name);

function refusal(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(LabError);
    expect((error as LabError).code).toBe('format');
    return (error as LabError).message;
  }
  throw new Error('nothing was refused');
}

const roleFile = (role: string) => ({
  instruction: [`You are a ${role}.`, `Act as a ${role}.`, `You are a ${role}.`].map((pos) => ({ pos })),
  questions: ['How are you?'],
  eval_prompt: 'Is it? {question} {answer}',
});

describe('Assistant Axis', () => {
  it('tells the first prompt and keeps the others, each once, and says so', () => {
    const { format, library, unusable, notes } = read(roleFile('pirate'), 'sea_pirate.json');
    expect(format).toBe('assistant-axis');
    expect(library).toMatchObject({ licence: 'MIT', source: expect.stringContaining('assistant-axis') as string });
    expect(library.personas).toEqual([
      {
        id: 'sea-pirate',
        name: 'sea pirate',
        text: 'You are a pirate.',
        voice: null,
        trait: null,
        kind: 'neutral',
        heldOut: false,
        wordings: ['Act as a pirate.'],
      },
    ]);
    expect(unusable).toEqual([]);
    expect(notes.join(' ')).toMatch(/the first is what a policy is told.*questions.*eval_prompt/);
  });

  it('takes a folder of roles, and names the file that is none', () => {
    const files = ['baker', 'clown'].map((role) => ({ name: `${role}.json`, text: JSON.stringify(roleFile(role)) }));
    const broken = { name: 'odd.json', text: JSON.stringify({ instruction: [{ positive: 'You are odd.' }], questions: [] }) };
    const found = readPersonas([...files, broken], 'instructions');
    expect(found.library.personas.map(({ id }) => id)).toEqual(['baker', 'clown']);
    expect(found.unusable).toEqual([{ where: 'odd.json', reason: 'its "instruction" has no text called "pos"' }]);
    expect(found.notes.join(' ')).toContain('"instruction.positive" (1)');
  });

  it('passes over an empty prompt, and names what the next version brings', () => {
    const { library, notes } = read({ instruction: [{ pos: '' }, { pos: 'You are an AI.', tone: 1 }], schema: 2 }, 'default.json');
    expect(library.personas[0]).toMatchObject({ id: 'default', text: 'You are an AI.' });
    expect(notes.join(' ')).toMatch(/"schema" \(1\)/);
    expect(notes.join(' ')).toMatch(/"instruction\.tone" \(1\)/);
  });

  it('reads traits, whose opposites it names', () => {
    const { library, notes } = read({ instruction: [{ pos: 'Be blunt.', neg: 'Be soft.' }] }, 'blunt.json');
    expect(library.personas[0]!.text).toBe('Be blunt.');
    expect(notes.join(' ')).toContain('"neg"');
  });
});

describe('PersonaGym', () => {
  it('gives personas, without their questions', () => {
    const { format, library, notes } = read({ 'A baker from Oslo': { 'Expected Action': ['What now?'], Novelty: ['x'] } });
    expect(format).toBe('personagym');
    expect(library.personas[0]).toMatchObject({ name: 'A baker from Oslo', text: 'You are a baker from Oslo.' });
    expect(notes.join(' ')).toMatch(/permix judge.*"Novelty" \(1\)/);
  });

  it('gives the persona of a file that is named after it', () => {
    expect(read({ Toxicity: ['Well?'] }, 'A shy clown.json').library.personas[0]).toMatchObject({ text: 'You are a shy clown.' });
  });

  it('has the tasks that the judge knows', () => {
    expect([...personaGymTasks].sort()).toEqual(benchmarkTasks.map(({ name }) => name).sort());
  });

  const whole = resolve(import.meta.dirname, '../../../shared/assets/datasets/personagym/benchmark-v1.json');
  it.skipIf(!existsSync(whole))('is read whole', () => {
    const { library, unusable } = read(readFileSync(whole, 'utf8'), 'benchmark-v1.json');
    expect(library.personas).toHaveLength(200);
    expect(unusable).toEqual([]);
  });
});

describe('PersonaHub', () => {
  const lines =
    '\ufeff{"persona": "A Political Analyst"}\r\n{"persona": 7}\r\n{oops\r\n\r\n{"persona": "A Political Analyst"}\r\n{"persona": "chess\u2028player", "x": 1}\r\n';

  it('is read line by line, and what cannot be used is named by line and reason', () => {
    const found = read(lines, 'persona.jsonl');
    expect(found.format).toBe('personahub');
    expect(found.library.personas.map(({ text }) => text)).toEqual(['You are a Political Analyst.', 'You are chess\u2028player.']);
    expect(found.unusable).toEqual([
      { where: 'line 2', reason: 'its "persona" is not a text' },
      { where: 'line 3', reason: 'this is not valid JSON' },
      { where: 'line 5', reason: 'it has the same text as line 1' },
    ]);
    expect(found.entries).toBe(5);
    expect(found.library.licence).toBe('CC BY-NC-SA 4.0');
    expect(refusal(() => takeAll(found, false, 'tick the box'))).toMatch(/^persona\.jsonl: 3 of 5 entries.*line 2: .*or tick the box\.$/);
    expect(takeAll(found, true, '').personas).toHaveLength(2);
  });

  it('is read from CSV, with line feeds and separators within quotes', () => {
    const { library } = read('persona;note\r\n"a baker; from\nOslo";x\r\na "quoted" chef;\r\n', 'hub.csv');
    expect(library.personas.map(({ text }) => text)).toEqual(['You are a baker; from\nOslo.', 'You are a "quoted" chef.']);
  });

  it('takes two hundred thousand in seconds', () => {
    const many = Array.from({ length: 200_000 }, (_, i) => `{"persona": "A person who counts to ${i}"}`).join('\n');
    const begin = performance.now();
    const { library } = read(many, 'persona.jsonl');
    expect(new Set(library.personas.map(({ id }) => id)).size).toBe(200_000);
    expect(performance.now() - begin).toBeLessThan(10_000);
  });
});

describe('principled-personas', () => {
  it('ranks education, and expects nothing of names and colours', () => {
    const { format, library, notes } = read({
      personas: [
        'an uneducated person',
        'a person with graduate level education',
        '',
        'Kai',
        'favorite color is red',
        'an expert in law',
        3,
      ],
    });
    expect(format).toBe('principled-personas');
    expect(library.personas.map(({ text, kind, expected }) => [text, kind, expected])).toEqual([
      ['You are an uneducated person.', 'neutral', { order: 'education', rank: 1 }],
      ['You are a person with graduate level education.', 'neutral', { order: 'education', rank: 6 }],
      ['You are Kai.', 'neutral', 'same'],
      ['Your favorite color is red.', 'neutral', 'same'],
      ['You are an expert in law.', 'expert', undefined],
    ]);
    expect(notes.join(' ')).toMatch(/ranked.*"no persona"/);
  });

  it('reads the lists of its Python file, and runs nothing of it', () => {
    const python = [
      'import itertools',
      '',
      'EDUCATION_PERSONAS = ["an uneducated person",',
      '        "a person with college-level education",]  # low first',
      'EXPERTS = {',
      "    'math': ['an expert in math', \"an expert in Fermat's theorems\"],",
      '}',
      'NAMES = ["Kai",  # a comment with "quotes"',
      '         "O\\"Hara"]',
      'NO_PERSONA = [""]',
      'OTHERS = [str(i) for i in range(3)]',
      'def persona_to_cat(persona):',
      '    NAMES = ["inside"]',
      '    return "x"',
    ].join('\n');
    const { format, library, unusable } = read(python, 'personas.py');
    expect(format).toBe('principled-personas');
    expect(unusable).toEqual([]);
    expect(library.personas.map(({ text, kind, expected }) => [text, kind, expected])).toEqual([
      ['You are an uneducated person.', 'neutral', { order: 'education', rank: 1 }],
      ['You are a person with college-level education.', 'neutral', { order: 'education', rank: 2 }],
      ['You are an expert in math.', 'expert', undefined],
      ["You are an expert in Fermat's theorems.", 'expert', undefined],
      ['You are Kai.', 'neutral', 'same'],
      ['You are O"Hara.', 'neutral', 'same'],
    ]);
    expect(refusal(() => read('print("hello")', 'x.py'))).toMatch(/x\.py is no persona file that is known here/);
  });

  it('reads its experts, each once, from CSV', () => {
    const rows = [
      'level1,level2,level3',
      'You are an expert in math,You are an expert in arithmetic,"You are an expert in fractions, and averages"',
      'You are an expert in math,You are an expert in arithmetic,',
    ];
    const { format, library, notes, entries } = read(rows.join('\n'), 'gsm8k.csv');
    expect([format, entries]).toEqual(['principled-personas', 3]);
    expect(library.personas.map(({ id, text, kind }) => [id, text, kind])).toEqual([
      ['an-expert-in-math', 'You are an expert in math', 'expert'],
      ['an-expert-in-arithmetic', 'You are an expert in arithmetic', 'expert'],
      ['an-expert-in-fractions-and-averages', 'You are an expert in fractions, and averages', 'expert'],
    ]);
    expect(notes.join(' ')).toMatch(/one question each/);
  });

  it('reads its lists by their names', () => {
    const { library, notes } = read({
      EDUCATION_PERSONAS: ['x person', 'y person'],
      NAMES: ['Kai'],
      EXPERTS: { math: ['an expert in math'], law: ['an expert in math', 'an expert in law'] },
      MOODS: ['sad'],
    });
    expect(library.personas.map(({ expected }) => expected)).toEqual([
      { order: 'education', rank: 1 },
      { order: 'education', rank: 2 },
      'same',
      undefined,
      undefined,
    ]);
    expect(notes.join(' ')).toContain('"MOODS" (1)');
  });
});

describe("this project's own", () => {
  it('is read entry by entry: bad ones are named, and the others can be taken', () => {
    const found = read([
      { id: 'a', text: 'A' },
      { id: 'a', text: 'B' },
      { id: 'c', text: 'C', tone: 'x' },
      { id: 'd', text: 'D', expected: 'more' },
      { id: 'e', text: 'x'.repeat(5000) },
      { id: 'f', text: 'F', voice: 'v' },
      { text: 'G' },
      { id: 'none', text: 'H' },
    ]);
    expect(found.library.personas.map(({ id }) => id)).toEqual(['a']);
    const reasons = Object.fromEntries(found.unusable.map(({ where, reason }) => [where, reason]));
    expect(reasons['entry 2']).toMatch(/id "a" is there already/);
    expect(reasons['entry 3 ("c")']).toMatch(/has "tone", which is none of its fields/);
    expect(reasons['entry 4 ("d")']).toMatch(/expected.*must be "same"/);
    expect(reasons['entry 5 ("e")']).toMatch(/5,000/);
    expect(reasons['entry 6 ("f")']).toMatch(/voice "v"/);
    expect(reasons['entry 7']).toMatch(/id/);
    expect(reasons['entry 8 ("none")']).toMatch(/no persona/);
  });

  it('as a table names columns that it does not know', () => {
    const { library, notes, unusable } = read('id,text,heldOut,mood\r\na,A,TRUE,x\r\nb,B,maybe,\r\n', 'p.csv');
    expect(library.personas).toMatchObject([{ id: 'a', heldOut: true }]);
    expect(unusable[0]).toMatchObject({ where: 'line 3 ("b")', reason: expect.stringContaining('true or false') as string });
    expect(notes.join(' ')).toContain('"mood"');
  });
});

it('a licence may be written license', () => {
  const written = (name: string) => `{"${name}": "CC0", "personas": [{"id": "a", "text": "You are a baker."}]}`;
  expect(parsePersonas(written('license'), 'a.json')).toEqual(parsePersonas(written('licence'), 'a.json'));
});

it('a list of descriptions is one', () => {
  const { format, library, unusable } = read(['A shy clown', '', 'The King of Norway', 'You are Bob']);
  expect(format).toBe('list');
  expect(library.personas.map(({ text }) => text)).toEqual(['You are a shy clown.', 'You are the King of Norway.', 'You are Bob']);
  expect(unusable).toEqual([{ where: 'entry 2', reason: 'it is not a text' }]);
});

it.each([
  ['{"name": "x", "version": 2}', /its fields are "name", "version".*Give personas of PerMix Lab/],
  ['{"personas": [{"description": "x"}]}', /its fields are "personas"/],
  ['[{"who": "x"}]', /its fields are "who"/],
  ['a,b\n1,2\n', /its fields are "a", "b"/],
  ['', /is empty/],
  ['[1, 2', /not valid JSON/],
  ['"x"', /no entries with fields/],
  ['a,a\n1,2', /column "a" is there twice/],
  ['{"voices": [{"id": 1}], "personas": [{"id": "a", "text": "A"}]}', /voices\[1\]/],
])('%j is refused in a sentence', (text, sentence) => {
  expect(refusal(() => read(text))).toMatch(sentence);
});

it('files of two kinds are not taken for one', () => {
  const files = [
    { name: 'a.json', text: JSON.stringify(roleFile('a')) },
    { name: 'b.json', text: '["B"]' },
  ];
  expect(refusal(() => readPersonas(files, 'folder'))).toMatch(/a\.json is of Assistant Axis and b\.json of a list/);
  expect(refusal(() => readPersonas([], 'folder'))).toMatch(/has no persona file/);
});

describe('what is written', () => {
  const words = fc
    .oneof(
      fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 }),
      fc.constantFrom("'=1", '=1+1', "''-2", '-5', 'a,"b"', 'two\r\nlines', 'x\ny', '[', "'", ';', '\ttab'),
    )
    .map((text) => text.trim())
    .filter((text) => text !== '');
  const ids = (count: number) =>
    fc.uniqueArray(
      words.filter((word) => word !== 'none'),
      { minLength: 1, maxLength: count },
    );
  const optional = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
  const expected = fc.oneof(
    fc.constant('same' as const),
    fc.record({ order: words, rank: fc.double({ noNaN: true, noDefaultInfinity: true }).map((rank) => rank + 0) }),
  );
  const library: fc.Arbitrary<PersonaLibrary> = fc
    .record({ voices: fc.uniqueArray(words, { maxLength: 3 }), personas: ids(6), source: optional(words), licence: optional(words) })
    .chain(({ voices, personas, source, licence }) =>
      fc.record({
        voices: fc.tuple(
          ...voices.map((id) =>
            fc.record({
              id: fc.constant(id),
              name: words,
              openers: fc.array(words, { maxLength: 3 }),
              closers: fc.array(words, { maxLength: 3 }),
            }),
          ),
        ),
        personas: fc.tuple(
          ...personas.map((id) =>
            fc
              .record({
                id: fc.constant(id),
                name: words,
                text: words,
                voice: fc.constantFrom(null, ...voices),
                trait: fc.option(words),
                kind: fc.constantFrom(...personaKinds),
                heldOut: fc.boolean(),
                expected: optional(expected),
                wordings: optional(fc.array(words, { minLength: 1, maxLength: 3 })),
              })
              .map(({ expected: awaited, wordings, ...others }) => ({
                ...others,
                ...(awaited === undefined ? {} : { expected: awaited }),
                ...(wordings === undefined ? {} : { wordings }),
              })),
          ),
        ),
        ...(source === undefined ? {} : { source: fc.constant(source) }),
        ...(licence === undefined ? {} : { licence: fc.constant(licence) }),
      }),
    ) as fc.Arbitrary<PersonaLibrary>;

  it('as JSON comes back, and is written alike', () => {
    fc.assert(
      fc.property(library, (written) => {
        const text = personaJson(written);
        expect(parsePersonas(text, 'p')).toEqual(written);
        const found = readPersonas([{ name: 'p.json', text }], 'p.json');
        expect(found).toMatchObject({ format: 'permix', unusable: [] });
        expect(JSON.stringify(found.library.personas)).toBe(JSON.stringify(written.personas));
      }),
    );
  });

  it('as a table comes back', () => {
    fc.assert(
      fc.property(library, (written) => {
        const found = readPersonas([{ name: 'p.csv', text: personaCsv(written) }], 'p.csv');
        expect(found.unusable).toEqual([]);
        expect(found.library).toEqual(written);
      }),
    );
  });

  it.each(['world', 'general'] as const)('of the library %s comes back both ways', (name) => {
    const written = libraryOf(name);
    expect(parsePersonas(personaJson(written), 'p')).toEqual(written);
    expect(readPersonas([{ name: 'p.csv', text: personaCsv(written) }], 'p.csv').library).toEqual(written);
  });
});

it('Parquet is refused with what to do', () => {
  expect(refusal(() => read('PAR1\u0015\u0004', 'personas.parquet'))).toMatch(
    /personas\.parquet is a Parquet file, which is not read here\..*read_parquet\("personas\.parquet"\)/,
  );
});

it('no text is read wrongly without a word', () => {
  fc.assert(
    fc.property(fc.oneof(fc.json(), fc.string()), fc.constantFrom('a.json', 'a.jsonl', 'a.csv', 'a.py'), (text, name) => {
      try {
        const { entries, library, unusable } = readPersonas([{ name, text }], name);
        expect(entries).toBe(library.personas.length + unusable.length);
      } catch (error) {
        expect(error).toBeInstanceOf(LabError);
      }
    }),
  );
});
