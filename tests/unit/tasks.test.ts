import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Purpose, Stream } from '../../src/random/counter.ts';
import { readInteger } from '../../src/tasks/integer.ts';
import { taskById, tasks } from '../../src/tasks/index.ts';
import type { Question, Split, Task } from '../../src/tasks/question.ts';

const draw = (task: Task, count: number, split: Split, seed = 1, knobs = {}): Question[] =>
  Array.from({ length: count }, (_, row) => task.generate(new Stream(seed, Purpose.question, 0, row), split, knobs));

describe('readInteger', () => {
  it.each([
    ['42', 42n],
    [' 42 ', 42n],
    ['-7', -7n],
    ['\u22127', -7n],
    ['42.', 42n],
    ['42.00', 42n],
    ['1,042', 1042n],
    ['1{,}042', 1042n],
    ['\\$7', 7n],
  ])('reads %s', (text, value) => expect(readInteger(text)).toBe(value));
  it.each(['', '.', '-', '4 2', '17 + 25', '84/2', '\\frac{84}{2}', '42.5', '1,04', '42 or 43', '0x2a', '4e1', '42 apples'])(
    'refuses %s',
    (text) => expect(readInteger(text)).toBeNull(),
  );
});

describe.each(tasks.map((task) => [task.id, task] as const))('%s', (id, task) => {
  it('is found by its id', () => expect(taskById(id)).toBe(task));

  it('accepts its own solutions and refuses neighbours and empty answers', () => {
    for (const question of draw(task, 300, 'train')) {
      expect(task.accepts(question.answer, question)).toBe(true);
      expect(task.solution(question)).toBe(`\\boxed{${question.answer}}`);
      expect(task.accepts('', question)).toBe(false);
      expect(task.accepts(question.text, question)).toBe(false);
    }
  });

  it('draws the same questions from the same stream', () => {
    expect(draw(task, 20, 'train', 7)).toEqual(draw(task, 20, 'train', 7));
    expect(draw(task, 20, 'train', 7)).not.toEqual(draw(task, 20, 'train', 8));
  });

  it('has questions of both splits at the ends of every knob', () => {
    for (const knob of task.knobs)
      for (const value of [knob.low, knob.high])
        for (const split of ['train', 'evaluation'] as const) expect(draw(task, 5, split, 3, { [knob.name]: value })).toHaveLength(5);
  });

  it('refuses unknown knobs and values out of range', () => {
    expect(() => draw(task, 1, 'train', 1, { nonsense: 1 })).toThrow(/no knob "nonsense"/);
    for (const knob of task.knobs) {
      for (const value of [knob.low - 1, knob.high + 1, knob.low + 0.5, NaN]) {
        expect(() => draw(task, 1, 'train', 1, { [knob.name]: value })).toThrow(new RegExp(`"${knob.name}"`));
      }
    }
  });
});

describe('addition', () => {
  const numbers = (text: string) => text.match(/\d+/g)!.map(Number);
  const addition = taskById('addition');
  it('is right, stays within its knob and never goes below zero', () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 9, max: 999 }), (seed, max) => {
        const [question] = draw(addition, 1, 'train', seed, { max });
        const [a, b] = numbers(question!.text) as [number, number];
        const value = Number(question!.answer);
        expect(Math.max(a, b)).toBeLessThanOrEqual(max);
        expect([a + b, Math.abs(a - b)]).toContain(value);
        expect(value).toBeGreaterThanOrEqual(0);
        expect(addition.accepts(`${value + 1}`, question!)).toBe(false);
      }),
      { numRuns: 200, seed: 1 },
    );
  });

  it('never shares operands between training and evaluation, whatever the wording or the order', () => {
    const key = (question: Question) => {
      const [a, b] = numbers(question.text) as [number, number];
      const operands = [a, b].sort((x, y) => x - y).join(',');
      return `${/[+]|add|plus|sum/i.test(question.text) ? 'sum' : 'difference'} ${operands}`;
    };
    const train = new Set(draw(addition, 4000, 'train', 1, { max: 19 }).map(key));
    const evaluation = new Set(draw(addition, 4000, 'evaluation', 2, { max: 19 }).map(key));
    expect([...train].filter((content) => evaluation.has(content))).toEqual([]);
    const share = evaluation.size / (train.size + evaluation.size);
    expect(share).toBeGreaterThan(0.14);
    expect(share).toBeLessThan(0.26);
  });
});
