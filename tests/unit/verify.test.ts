import fc from 'fast-check';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { Purpose, Stream } from '../../src/random/counter.ts';
import { taskById, tasks } from '../../src/tasks/index.ts';
import { equivalent, readNumber } from '../../src/verify/equivalence.ts';
import { boxedAnswers, gsm8kAnswer, replyOf } from '../../src/verify/extract.ts';
import { verify, verifyGold } from '../../src/verify/verify.ts';

describe('boxedAnswers', () => {
  it.each<[string, string[]]>([
    ['It is \\boxed{42}.', ['42']],
    ['\\boxed{1} then \\boxed{2}', ['1', '2']],
    ['\\boxed{\\frac{1}{2}}', ['\\frac{1}{2}']],
    ['\\boxed{\\text{a {b} c}} end }', ['\\text{a {b} c}']],
    ['\\boxed{\\{1,2\\}}', ['\\{1,2\\}']],
    ['\\boxed{\\}}', ['\\}']],
    ['\\boxed { 7 }', ['7']],
    ['\\boxed{\\boxed{5}}', ['\\boxed{5}']],
    ['\\boxed{}', ['']],
    ['\\boxed{42', []],
    ['\\boxed{1} and \\boxed{2', ['1']],
    ['boxed{42}', []],
    ['', []],
  ])('of %s', (text, answers) => expect(boxedAnswers(text)).toEqual(answers));

  it('gives back whatever balanced text was boxed', () => {
    const balanced: fc.Arbitrary<string> = fc.letrec<{ text: string }>((tie) => ({
      text: fc
        .array(
          fc.oneof(
            { depthSize: 'small' },
            fc.stringMatching(/^[a-z0-9 +]{1,5}$/),
            tie('text').map((inner) => `{${inner}}`),
          ),
          { maxLength: 4 },
        )
        .map((parts) => parts.join('')),
    })).text;
    fc.assert(
      fc.property(balanced, fc.stringMatching(/^[a-z .]*$/), (content, around) => {
        expect(boxedAnswers(`${around}\\boxed{${content}}${around}`)).toEqual([content.trim()]);
      }),
      { seed: 1 },
    );
  });
});

describe('replyOf and gsm8kAnswer', () => {
  it('grade only what follows the thinking', () => {
    expect(replyOf('plain')).toBe('plain');
    expect(replyOf('<think>a</think>b</think>c')).toBe('c');
    expect(replyOf('<think>never ends')).toBeNull();
  });
  it.each<[string, string | null]>([
    ['Steps.\n#### 1,234', '1234'],
    ['#### -7', '-7'],
    ['#### $18.', '18'],
    ['#### 5\n#### 6', '6'],
    ['####: 55', '55'],
    ['no mark 42', null],
    ['####', null],
  ])('reads %j', (text, answer) => expect(gsm8kAnswer(text)).toBe(answer));
});

describe('equivalent', () => {
  it.each([
    ['1/2', '0.5'],
    ['1/2', '2/4'],
    ['\\frac{1}{2}', '\\dfrac12'],
    ['-\\frac{3}{4}', '\\frac{-3}{4}'],
    ['1\\frac{4}{5}', '9/5'],
    ['1,000', '1000'],
    ['1{,}000', '1000.0'],
    ['\\$5', '5'],
    ['$5$', '5'],
    ['5\\text{ cm}', '5'],
    ['18.', '18'],
    ['.5', '0.50'],
    ['90^\\circ', '90'],
    ['\u22127', '-7'],
    ['\\left(1, 2\\right)', '(1,2)'],
    ['x + 1', 'x+1'],
    ['0', '-0'],
  ])('%s is %s', (a, b) => {
    expect(equivalent(a, b)).toBe(true);
    expect(equivalent(b, a)).toBe(true);
  });
  it.each([
    ['\\frac13', '0.3333333'],
    ['1', '1.0000000000000000000000000001'],
    ['10', '10%'],
    ['(1,2)', '(2,1)'],
    ['1/0', '1'],
    ['', ''],
    ['1,00', '100'],
    ['1,2', '12'],
    ['4 or 5', '4'],
    ['1e3', '1000'],
    ['9007199254740993', '9007199254740992'],
  ])('%s is not %s', (a, b) => {
    expect(equivalent(a, b)).toBe(false);
    expect(equivalent(b, a)).toBe(false);
  });
  it('compares fractions exactly', () => {
    const fraction = fc.tuple(fc.bigInt({ min: -999n, max: 999n }), fc.bigInt({ min: 1n, max: 999n }));
    fc.assert(
      fc.property(fraction, fraction, fc.bigInt({ min: 1n, max: 99n }), ([a, b], [c, d], factor) => {
        expect(equivalent(`${a}/${b}`, `\\frac{${a * factor}}{${b * factor}}`)).toBe(true);
        expect(equivalent(`${a}/${b}`, `${c}/${d}`)).toBe(a * d === c * b);
      }),
      { seed: 1 },
    );
  });
  it('never takes long to refuse nonsense', () => {
    fc.assert(
      fc.property(fc.string(), (text) => void readNumber(text)),
      { seed: 1 },
    );
    for (const text of ['9'.repeat(100_000), '('.repeat(100_000), '$'.repeat(100_000), '\\text{'.repeat(20_000)]) {
      expect(equivalent(text, '1')).toBe(false);
    }
  });
});

describe('verify', () => {
  const task = taskById('addition');
  const question = { id: 'x', task: 'addition', text: 'What is 17 + 25?', answer: '42' };
  it.each<[string, boolean, string | null, string]>([
    ['Arr, it is \\boxed{42}. Yo ho ho!', true, '42', '42'],
    ['\\boxed{42.0}', true, '42.0', '42.0'],
    ['\\boxed{41}', false, '41', '41, expected 42'],
    ['It is 42.', false, null, 'no \\boxed answer'],
    ['#### 42', false, null, 'no \\boxed answer'],
    ['\\boxed{}', false, '', 'the \\boxed answer is empty'],
    ['\\boxed{42', false, null, 'no \\boxed answer'],
    ['\\boxed{42} or \\boxed{43}', false, '43', '2 different \\boxed answers'],
    ['\\boxed{41}, no, \\boxed{42}', false, '42', '2 different \\boxed answers'],
    ['\\boxed{42}, again \\boxed{ 42 }', true, '42', '42'],
    ['\\boxed{41 or 42}', false, '41 or 42', '41 or 42, expected 42'],
    ['\\boxed{17 + 25}', false, '17 + 25', '17 + 25, expected 42'],
    ['\\boxed{4 2}', false, '4 2', '4 2, expected 42'],
    ['<think>\\boxed{42}</think> \\boxed{41}', false, '41', '41, expected 42'],
    ['<think>\\boxed{42}', false, null, 'the thinking never ended'],
    ['<think>\\boxed{41}</think> \\boxed{42}', true, '42', '42'],
  ])('%s', (completion, correct, parsed, reason) => {
    expect(verify(completion, question, task)).toEqual({ reward: correct ? 1 : 0, correct, parsed, reason });
  });

  it('keeps reasons short', () => {
    expect(verify(`\\boxed{${'9'.repeat(500)}}`, question, task).reason.length).toBeLessThan(60);
  });

  it('accepts the solution of every task, inside any words', () => {
    for (const each of tasks) {
      for (let row = 0; row < 50; row++) {
        const drawn = each.generate(new Stream(5, Purpose.question, 0, row), 'evaluation');
        expect(verify(`Well, I reckon ${each.solution(drawn)}. Giddy up!`, drawn, each)).toMatchObject({ reward: 1, correct: true });
      }
    }
  });
});

const vectors = fileURLToPath(new URL('../../../shared/vectors/verifier_cases.jsonl', import.meta.url));

interface Case {
  id: string;
  kind: string;
  pred: string;
  gold: string;
  expected: boolean | number | null;
}

describe.skipIf(!existsSync(vectors))('shared vectors (../shared/vectors/verifier_cases.jsonl)', () => {
  const cases: Case[] = existsSync(vectors)
    ? readFileSync(vectors, 'utf8')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as Case)
    : [];
  // Other kinds record other graders' rules, or rewards for a format, which this project does not give.
  const binding = ['gsm8k_verify', 'reward_accuracy', 'reward_reasoning_accuracy'];
  for (const kind of new Set(cases.map((row) => row.kind))) {
    const rows = cases.filter((row) => row.kind === kind);
    it.skipIf(!binding.includes(kind))(`${kind}: ${rows.length} rows`, () => {
      for (const row of rows) {
        const verdict = verifyGold(row.pred, row.gold);
        const expected = row.expected === null ? null : Number(row.expected);
        expect([row.id, verdict === null ? null : verdict.reward]).toEqual([row.id, expected]);
      }
    });
  }
});
