import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Purpose, Stream } from '../../src/random/counter.ts';
import { taskById, tasks } from '../../src/tasks/index.ts';
import { boxedAnswers, markedAnswer } from '../../src/verify/extract.ts';
import { isCheckable, verify, verifyGold } from '../../src/verify/verify.ts';
import { sharedLines } from '../helpers/shared.ts';

const raw = String.raw;

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
    ['\\boxedx{42}', []],
    ['\\fbox{42}', ['42']],
    ['Put it in \\boxed{ like so: \\boxed{42}', ['42']],
    ['\\boxed{\\frac{1}{2}', []],
    ['} { \\boxed{42}', ['42']],
    ['\\boxed 5 is it', ['5']],
    ['$\\boxed 42$', ['42']],
    ['\\boxed5.', ['5']],
    ['\\boxed -5, so', ['-5']],
    ['\\boxed 3 1/2', ['3 1/2']],
    ['\\boxed\\frac12', ['\\frac12']],
    ['\\boxed \\text{blue}', ['\\text{blue}']],
    ['\\boxed', []],
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

describe('markedAnswer', () => {
  it.each<[string, string | null]>([
    ['Steps.\n#### 1,234', '1,234'],
    ['#### -7', '-7'],
    ['#### $18.', '$18.'],
    ['#### 5\n#### 6', '6'],
    ['####: 55', '55'],
    ['####55', '55'],
    ['so it is half. #### 1/2', '1/2'],
    ['#### 10:30', '10:30'],
    ['#### 3, 5', '3, 5'],
    ['#### x = 5', 'x = 5'],
    ['#### The answer is 5', 'The answer is 5'],
    ['#### **5**', '**5**'],
    ['####\n\n5', '5'],
    ['#### 42\n\nI hope this helps!', '42'],
    ['#### 5 apples', '5 apples'],
    ['#### 5 apples\nThat is all.', '5 apples'],
    ['#### 42\n#### Notes\nNone.', '42'],
    ['#### 1. Setup\nLet x be it.\n#### 42', '42'],
    ['#### 42\n#### 3 to 4', '3 to 4'],
    ['no mark 42', null],
    ['####', null],
    ['#### \n  \n', null],
    ['### 5', null],
    ['##### 5', null],
    ['###### 5', null],
    ['#### Step 1: think\nIt is five.', null],
    ['#### 2. Solve\nThe answer is 9', null],
    ['#### 2. Solve', null],
    ['#### 2 Setup\nIt is five.', null],
    ['#### 2) **Solve**', null],
    ['#### \u2705 Done', null],
  ])('reads %j', (text, answer) => expect(markedAnswer(text)).toBe(answer));
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

describe('verifyGold', () => {
  const rows: Record<string, [gold: string, completion: string, right: 0 | 1][]> = {
    'a box goes before a mark': [
      [raw`#### 1. Setup\nLet x be it.\n#### 2. Solve\nHence $\boxed{7}$.`.replaceAll('\\n', '\n'), raw`\boxed{7}`, 1],
      [raw`It is \boxed{4}. #### 5`, raw`\boxed{4}`, 1],
      ['4', raw`\boxed{4}` + '\n#### 5', 1],
      ['5', raw`\boxed{4}` + '\n#### 5', 0],
      [raw`first \boxed{3}, hence \boxed{7}`, raw`\boxed{7}`, 1],
      [raw`first \boxed{3}, hence \boxed{7}`, raw`\boxed{3}`, 0],
    ],
    'a mark is read whole': [
      ['x #### 1/2', raw`\boxed{0.5}`, 1],
      ['x #### 1/2', raw`\boxed{1}`, 0],
      ['x #### 2 1/2', raw`\boxed{2}`, 0],
      ['x #### 20%', raw`\boxed{20}`, 0],
      ['x #### 2*10^6', raw`\boxed{2000000}`, 1],
      [raw`x #### \frac{3}{4}`, raw`\boxed{0.75}`, 1],
      ['x #### $1,250.50', raw`\boxed{1250.5}`, 1],
      ['x #### The answer is 5', raw`\boxed{5}`, 1],
      ['72', 'The sum is 72.\n#### 72,', 1],
      ['3', '#### 3, 5', 0],
      ['10', '#### 10:30', 0],
      ['1', '#### 1/2', 0],
      ['25', '#### 2,5', 0],
      ['3', '#### 3-5', 0],
    ],
    'a heading is no answer': [
      ['2', '#### 1. Setup\nblah\n#### 2. Solve\nThe answer is 9', 0],
      ['1', '#### Step 1\nIt is one.', 0],
      ['42', '#### 1. Setup\nblah\n#### 42', 1],
    ],
    'boxes that say the same': [
      ['5', raw`\boxed{5}, that is \boxed{x = 5.0}`, 1],
      ['5', raw`\boxed{5}, or \boxed{6}`, 0],
      ['5', raw`\boxed{5\text{ km}} or \boxed{5\text{ m}}`, 0],
      ['5', raw`\boxed{\boxed{5}}`, 1],
    ],
    units: [
      [raw`5\text{ cm}`, raw`\boxed{5}`, 1],
      [raw`5\text{ cm}`, raw`\boxed{5\text{ centimeters}}`, 1],
      [raw`5\text{ cm}`, raw`\boxed{5\text{ km}}`, 0],
      ['5', raw`\boxed{5\text{ million}}`, 0],
    ],
  };
  for (const [kind, cases] of Object.entries(rows)) {
    it.each(cases)(`${kind}: %j, %j`, (gold, completion, right) => expect(verifyGold(completion, gold)?.reward).toBe(right));
  }
  it.each(['#### 10:30', '#### 3, 5', 'x #### 3:4', '#### 2,5', '1 2', 'x+1', raw`\left(3, \frac{\pi}{2}\right)`, 'forty two', ''])(
    'cannot check %j',
    (gold) => {
      expect(isCheckable(gold)).toBe(false);
      expect(verifyGold(raw`\boxed{3}`, gold)).toBeNull();
    },
  );
});

interface Case {
  id: string;
  kind: string;
  pred: string;
  gold: string;
  expected: boolean | number | null;
}

const cases = sharedLines<Case>('vectors/verifier_cases.jsonl');

describe.skipIf(!cases)('shared vectors (../shared/vectors/verifier_cases.jsonl)', () => {
  // Other kinds record other graders' rules, or rewards for a format, which this project does not give.
  const binding = ['gsm8k_verify', 'reward_accuracy', 'reward_reasoning_accuracy'];
  for (const kind of new Set(cases?.map((row) => row.kind))) {
    const rows = cases!.filter((row) => row.kind === kind);
    it.skipIf(!binding.includes(kind))(`${kind}: ${rows.length} rows`, () => {
      for (const row of rows) {
        const verdict = verifyGold(row.pred, row.gold);
        const expected = row.expected === null ? null : Number(row.expected);
        expect([row.id, verdict === null ? null : verdict.reward]).toEqual([row.id, expected]);
      }
    });
  }
});

const pairs = sharedLines<{ gold: string; pred: string; expected: boolean; note: string }>('vectors/math500_pairs.jsonl');

it.skipIf(!pairs)('agrees with Math-Verify wherever it can check (../shared/vectors/math500_pairs.jsonl)', () => {
  const checked = pairs!.flatMap(({ gold, pred, expected, note }) => {
    const verdict = verifyGold(pred, gold);
    // A note says why the reference is in error; `\frac919` is 9/1 with a 9 behind it.
    return verdict === null || note !== '' || pred.includes(raw`\frac919`) ? [] : [{ gold, pred, expected, correct: verdict.correct }];
  });
  expect(checked.length).toBeGreaterThan(390);
  expect(checked.filter(({ expected, correct }) => expected !== correct)).toEqual([]);
});

const faults = sharedLines<{ kind: string; gold: string; completion: string; right: 0 | 1 | null }>('cases/verifier.jsonl');

it.skipIf(!faults)('what went wrong once (../shared/cases/verifier.jsonl)', () => {
  const wrong = faults!.filter(({ gold, completion, right }) => {
    const verdict = verifyGold(completion, gold);
    return verdict !== null && right !== null && verdict.reward !== right;
  });
  expect(wrong).toEqual([]);
  const leftOut = faults!.filter(({ gold, right }) => right !== null && !isCheckable(gold));
  expect(leftOut.length).toBeLessThan(7);
});
