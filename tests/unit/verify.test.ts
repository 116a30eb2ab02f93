import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Purpose, Stream } from '../../src/random/counter.ts';
import { taskById, tasks } from '../../src/tasks/index.ts';
import { answerForms, type AnswerForm } from '../../src/verify/answer-forms.ts';
import { boxedAnswers, extractAnswers, lastNumber, markedAnswer, statedAnswer } from '../../src/verify/extract.ts';
import { goldAnswer, isCheckable, verify, verifyGold } from '../../src/verify/verify.ts';
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

describe('statedAnswer', () => {
  it.each<[string, string | null]>([
    ['The answer is 8.', '8'],
    ['So the final answer is: **8**.', '8'],
    ['**Answer:** 8', '8'],
    ['Answer: $8$', '8'],
    ['The answer to 3 + 5 is 8!', '8'],
    ['The answer is 3 + 5 = 8. I like it.', '3 + 5 = 8'],
    ['The answer is 3.5 apples.', '3.5 apples'],
    ['The answer is 7. No, the answer is 8.', '8'],
    ['The answer is 8\nThat is all.', '8'],
    ['The answer is \n', null],
    ['The answers are many: 8', null],
    ['I have no answer, but 8', null],
    ['The answer is 7. What an answer is', '7'],
  ])('reads %j', (text, answer) => expect(statedAnswer(text)).toBe(answer));
});

describe('lastNumber', () => {
  it.each<[string, string | null]>([
    ['3 + 5 = 8.', '8'],
    ['It is 8, because 3 + 5 is that.', '5'],
    ['It costs $1,234.50 in all', '1,234.50'],
    ['1,2,3', '3'],
    ['12345,678', '678'],
    ['x = -7', '-7'],
    ['x = \u22127', '\u22127'],
    ['9-5', '5'],
    ['9 - 5', '5'],
    ['(9)-5', '5'],
    ['about 50 %', '50 %'],
    ['half is 1/2', '1/2'],
    ['.5', '.5'],
    ['no. 8)', '8'],
    ['eight', null],
    ['', null],
  ])('of %j', (text, answer) => expect(lastNumber(text)).toBe(answer));
});

describe('the order in which an answer is looked for', () => {
  const reply = 'The answer is 3. \\boxed{1}\n#### 2\nand 4 more';
  it.each<[AnswerForm[], string]>([
    [['boxed', 'last-number'], '1'],
    [['hashes', 'boxed'], '2'],
    [['answer-is', 'boxed'], '3'],
    [['last-number', 'boxed', 'hashes', 'answer-is'], '4'],
  ])('%j', (order, answer) => {
    expect(extractAnswers(reply, order)).toEqual({ form: order[0], answers: [answer], joined: false });
  });
  it('goes on where a form is not used, and finds nothing where none is', () => {
    expect(extractAnswers('It is 8', answerForms)).toEqual({ form: 'last-number', answers: ['8'], joined: false });
    expect(extractAnswers('It is eight', answerForms)).toBe(null);
  });

  const task = taskById('one-digit-sums');
  const question = { id: 'x', task: task.id, text: 'What is 3 + 5?', answer: '8' };
  it.each<[string, AnswerForm[], boolean, string | null, string]>([
    ['3 + 5 is 8!', ['last-number'], true, '8', '8'],
    ['8, as 3 + 5', ['last-number'], false, '5', '5, expected 8'],
    ['eight', ['last-number'], false, null, 'no number'],
    ['The answer is 8 apples.', ['answer-is'], true, '8 apples', '8 apples'],
    ['The answer is 3 + 5 = 8.', ['answer-is'], true, '3 + 5 = 8', '3 + 5 = 8'],
    ['The answer is 3 + 5.', ['answer-is'], false, '3 + 5', '3 + 5, expected 8'],
    ['8', ['answer-is'], false, null, 'no answer'],
    ['<think>8</think> It is 9', ['last-number'], false, '9', '9, expected 8'],
    ['\\boxed{8} or 9', ['boxed', 'last-number'], true, '8', '8'],
    ['\\boxed{8}', ['last-number'], true, '8', '8'],
  ])('%s, %j', async (completion, order, correct, parsed, reason) => {
    expect(await verify(completion, question, task, null, order)).toEqual({ reward: correct ? 1 : 0, correct, parsed, reason });
  });
  it('reads imported questions too', async () => {
    expect((await verifyGold('That makes 1,200 in all.', '#### 1200', null, ['last-number']))?.correct).toBe(true);
    expect((await verifyGold('That makes 1,200 in all.', '#### 1200'))?.reason).toBe('no \\boxed answer');
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
  ])('%s', async (completion, correct, parsed, reason) => {
    expect(await verify(completion, question, task)).toEqual({ reward: correct ? 1 : 0, correct, parsed, reason });
  });

  it('keeps reasons short', async () => {
    expect((await verify(`\\boxed{${'9'.repeat(500)}}`, question, task)).reason.length).toBeLessThan(60);
  });

  it('accepts the solution of every task, inside any words', async () => {
    for (const each of tasks) {
      for (let row = 0; row < 50; row++) {
        const drawn = each.generate(new Stream(5, Purpose.question, 0, row), 'evaluation');
        expect(await verify(`Well, I reckon ${each.solution(drawn)}. Giddy up!`, drawn, each)).toMatchObject({ reward: 1, correct: true });
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
    it.each(cases)(`${kind}: %j, %j`, async (gold, completion, right) => expect((await verifyGold(completion, gold))?.reward).toBe(right));
  }
  it.each(['1 2', '#### 1.2.3', 'x+', raw`\left(3, \frac{\pi}{2}`, 'forty two', 'Answer is forty two.', '', '{}'])(
    'cannot check %j',
    async (gold) => {
      expect(await isCheckable(gold)).toBe(false);
      expect(await verifyGold(raw`\boxed{3}`, gold)).toBeNull();
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
    it.skipIf(!binding.includes(kind))(`${kind}: ${rows.length} rows`, async () => {
      for (const row of rows) {
        const verdict = await verifyGold(row.pred, row.gold);
        const expected = row.expected === null ? null : Number(row.expected);
        expect([row.id, verdict === null ? null : verdict.reward]).toEqual([row.id, expected]);
      }
    });
  }
});

const pairs = sharedLines<{ gold: string; pred: string; expected: boolean; note: string }>('vectors/math500_pairs.jsonl');

it.skipIf(!pairs)('agrees with Math-Verify (../shared/vectors/math500_pairs.jsonl)', async () => {
  // A note says why the reference is in error.
  const binding = pairs!.filter(({ note }) => note === '');
  const differing: string[] = [];
  for (const { gold, pred, expected } of binding)
    if ((await verifyGold(pred, gold))?.correct !== expected) differing.push(`${gold} ${pred}`);
  expect(binding.length).toBeGreaterThan(470);
  // In TeX that is 9/1 with a 9 behind it.
  expect(differing).toEqual([raw`\frac9{19} \boxed{\frac919}`]);
});

const faults = sharedLines<{ kind: string; gold: string; completion: string; right: 0 | 1 | null }>('cases/verifier.jsonl');

it.skipIf(!faults)('what went wrong once (../shared/cases/verifier.jsonl)', async () => {
  const verdicts = await Promise.all(faults!.map(({ gold, completion }) => verifyGold(completion, gold)));
  const binding = faults!.flatMap((fault, i) => (fault.right === null ? [] : [{ ...fault, reward: verdicts[i]?.reward ?? null }]));
  // A gold answer that is three numbers is none.
  expect(binding.filter(({ right, reward }) => reward !== right).map(({ gold }) => gold)).toEqual(['x #### 1.2.3']);
});

for (const [name, count] of [
  ['gsm8k', 1319],
  ['math500', 500],
] as const) {
  const rows = sharedLines<{ answer: string }>(`assets/datasets/${name}/test.jsonl`);
  it.skipIf(!rows)(`can check every gold answer of ${name} (../shared/assets/datasets)`, async () => {
    expect(rows!.length).toBe(count);
    for (const { answer } of rows!) {
      const own = goldAnswer(answer);
      expect([answer, (await verifyGold(raw`\boxed{${own}}`, answer))?.correct]).toEqual([answer, true]);
    }
  });
}
