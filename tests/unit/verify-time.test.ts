/**
 * A verdict, a thinking and a question file take linear time on any text: adversarial texts of twenty thousand characters, each judged within a
 * second of processor time that would be many in quadratic time and hours in cubic. (One token of a real policy is 64 blanks, so such replies do come.)
 */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { parseVerdict } from '../../src/evaluate/judge/rubric.ts';
import { readQuestions, textFile } from '../../src/evaluate/question-file.ts';
import { numberAsWritten } from '../../src/tasks/sets/json-digits.ts';
import { openedThinking } from '../../src/policy/thinking.ts';
import { taskById, tasks } from '../../src/tasks/index.ts';
import { answerForms } from '../../src/verify/answer-forms.ts';
import { isCheckable, verify, verifyGold } from '../../src/verify/verify.ts';

const size = 20_000;
const raw = String.raw;

/** What is repeated, after a head and before a tail that stays unfinished. */
const units = [
  ...[' ', '\n', '\t', '\u00a0', '\r\n', raw`\ `, raw`\,`, '~', raw`\quad `],
  ...['$', '$ ', '$$', '*', '**', '_', '`', '"', "'", '#', '####', '#### ', '####\n', '#### 1. x\n', '#### 5 x\n', '#### 5\n', '####: '],
  ...['\\', '\\\\', '{', '}', '{}', '{,}', '(', ')', '[', '-', '+', '.', ',', '/', '%', '^', '=', ':', ';', '|'],
  ...[
    '1',
    '0',
    '1 ',
    '1,',
    '1,234',
    ',234',
    ' 234',
    '.5',
    '1/',
    '1/2 ',
    '2*',
    '1e',
    '10^',
    '½',
    '²',
    '٤',
    '４',
    'x',
    'x ',
    'x=',
    'cm ',
    'percent ',
    'the answer is ',
  ],
  ...[
    raw`\boxed`,
    raw`\boxed `,
    raw`\boxed{`,
    raw`\boxed{}`,
    raw`\boxed{5}`,
    raw`\boxed{x}`,
    raw`\boxed\a{`,
    raw`\boxed\a`,
    raw`\boxed 1, `,
    raw`\frac`,
    raw`\frac1`,
    raw`\frac{`,
    raw`\text{`,
  ],
  ...[raw`\text{a}`, raw`\left(`, raw`\color{`, raw`\over `, raw`\times 10^`, raw`\!`, raw`,\! `],
  ...[
    '<think>',
    '</think>',
    '<think></think>',
    '<think>\n',
    'a<think>',
    'a\n<think> b',
    '<thinking></think>',
    '"<think>"',
    '<',
    '</',
    '[think]',
    '◁',
    '\u200b',
    '\u0301',
    '\ud800',
  ],
];
const heads = [
  '',
  'answer ',
  'The answer is ',
  'answer to ',
  '1,',
  '#### ',
  raw`\boxed{`,
  raw`\boxed `,
  raw`\boxed{5} \boxed{`,
  '<think>',
  '#### 5',
];
const tails = ['', 'x', '5', '}', '5}', '</think>'];

/** Milliseconds of processor time, which a busy machine does not stretch. */
async function timed(work: () => unknown): Promise<number> {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

/** All that reads a reply or a gold answer. */
async function readEverything(text: string): Promise<void> {
  for (const opened of [null, '</think>']) await verifyGold(text, '5', opened);
  for (const form of answerForms) await verifyGold(text, '5', null, [form]);
  await isCheckable(text);
  await verifyGold(`\\boxed{${text}}`, raw`\sqrt{2}`);
  await verifyGold(`\\boxed{${text}} \\boxed{${text}x}`, '5');
  openedThinking(text, text.slice(0, 10));
}

it('of one kind of repeats', async () => {
  for (const [i, unit] of units.entries()) {
    for (const [j, head] of heads.entries()) {
      const text = head + unit.repeat(size / unit.length) + tails[(i + j) % tails.length]!;
      expect(await timed(() => readEverything(text)), JSON.stringify([head, unit])).toBeLessThan(1000);
    }
  }
}, 180_000);

it('of three kinds', async () => {
  const unit = fc.constantFrom(...units);
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...heads), unit, unit, unit, fc.constantFrom(...tails), async (head, a, b, c, tail) => {
      const half = (text: string) => text.repeat(size / 4 / text.length);
      const text = head + half(a) + half(b + c) + half(a) + tail;
      expect(await timed(() => readEverything(text))).toBeLessThan(1000);
    }),
    { seed: 1, numRuns: 60 },
  );
}, 60_000);

it('in every task', async () => {
  for (const task of tasks) {
    const question = { id: 'x', task: task.id, text: '', answer: task.id === 'countdown' ? '1 + 2' : '12' };
    for (const unit of units) {
      const text = unit.repeat(size / unit.length);
      expect(await timed(() => task.accepts(text, question)), `${task.id} ${unit}`).toBeLessThan(1000);
      expect(await timed(() => task.accepts(`1${text}1`, question)), `${task.id} ${unit}`).toBeLessThan(1000);
    }
  }
  expect(
    await timed(() => verify(`\\boxed{${'9'.repeat(size)}}`, { id: 'x', task: 'addition', text: '', answer: '42' }, taskById('addition'))),
  ).toBeLessThan(1000);
}, 60_000);

it('of a judge', async () => {
  for (const unit of [...units, 'score', 'score: ', 'score is ', '5 ', '5 out of ', '5 /', '<think>', '<reasoning>']) {
    for (const head of ['', '5', 'Score: ', 'Score: 5']) {
      const text = head + unit.repeat(size / unit.length);
      expect(await timed(() => parseVerdict(`${text}x`)), JSON.stringify([head, unit])).toBeLessThan(1000);
    }
  }
}, 60_000);

it('as a question file', async () => {
  const fields = ['answer', 'solution', 'question'];
  for (const unit of units) {
    const text = unit.repeat(size / unit.length);
    for (const field of fields) {
      const row = JSON.stringify({ question: 'a', answer: null, solution: null, [field]: `#### ${text}5` });
      expect(
        await timed(() => readQuestions(textFile(`{"question": "b", "answer": 1}\n${row}`, 'q.jsonl'))),
        `${field} ${unit}`,
      ).toBeLessThan(1000);
    }
  }
  const lines = Array.from({ length: 20_000 }, (_, i) => `{"question": "${i}", "answer": 9007199254740993}`).join('\n');
  expect(await timed(() => readQuestions(textFile(lines, 'q.jsonl')))).toBeLessThan(5000);
  for (const filler of ['"', '\\', '[', ']', '{', 'é', ' ', ',"a":1']) {
    const json = JSON.stringify({ [filler.repeat(1e6)]: filler.repeat(1e6), answer: 5 });
    expect(await timed(() => expect(numberAsWritten(json, 'answer')).toBe('5')), filler).toBeLessThan(2000);
  }
  const nested = `{"x": ${'['.repeat(size)}${']'.repeat(size)}, "answer": 5}`;
  expect(await timed(() => expect(numberAsWritten(nested, 'answer')).toBe('5'))).toBeLessThan(1000);
}, 60_000);
