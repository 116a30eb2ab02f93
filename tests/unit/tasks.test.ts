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

const numbersOf = (text: string) => text.match(/\d+/g)!.map(Number);
const ascending = (numbers: readonly number[]) => numbers.toSorted((a, b) => a - b).join(',');

/** What each question asks, read back from its words: equal for questions that would give each other away. */
const contents: Record<string, (question: Question) => string> = {
  addition: ({ text }) => `${/[+]|add|plus|sum/i.test(text) ? '+' : '-'} ${ascending(numbersOf(text))}`,
  multiplication: ({ text }) => `* ${ascending(numbersOf(text))}`,
  comparing: ({ text }) => ascending(numbersOf(text)),
  chain: ({ text }) =>
    ascending(
      text
        .replace(/(\d+)/, '+ $1')
        .match(/[+-] \d+/g)!
        .map((term) => Number(term.replace(' ', ''))),
    ),
  'word-problem': ({ text }) => `${/left|remain/.test(text) ? '-' : /bags|boxes/.test(text) ? '*' : '+'} ${ascending(numbersOf(text))}`,
  reverse: ({ text, answer }) => [numbersOf(text).join(' '), answer].toSorted().join('|'),
  sort: ({ text }) => ascending(numbersOf(text)),
  countdown: ({ text, answer }) => `${ascending(numbersOf(answer))}=${/(?:make|reach) (\d+)/i.exec(text)![1]}`,
  'one-digit-sums': ({ text }) => `+ ${ascending(numbersOf(text))}`,
  'one-digit-differences': ({ text }) => `- ${ascending(numbersOf(text))}`,
  'one-digit-products': ({ text }) => `* ${ascending(numbersOf(text))}`,
  'one-digit-stories': ({ text }) =>
    `${/left|remain/.test(text) ? '-' : /bags|boxes|every day/.test(text) ? '*' : '+'} ${ascending(numbersOf(text))}`,
};

describe('the split', () => {
  const small: Record<string, Record<string, number>> = {
    addition: { max: 19 },
    multiplication: { max: 19 },
    comparing: { max: 19 },
    chain: { max: 5 },
    'word-problem': { max: 19, factor: 9 },
    reverse: { digits: 2 },
    countdown: { max: 9 },
  };
  const contentsOf = (task: Task, split: Split) =>
    new Set(draw(task, 1500, split, split === 'train' ? 1 : 2, small[task.id]).map(contents[task.id]!));

  it.each(tasks.map((task) => [task.id, task] as const))(
    'of %s keeps what is asked apart, whatever the words and the order',
    (_id, task) => {
      const train = contentsOf(task, 'train');
      const evaluation = contentsOf(task, 'evaluation');
      expect([...train].filter((content) => evaluation.has(content))).toEqual([]);
      const share = evaluation.size / (train.size + evaluation.size);
      expect(share).toBeGreaterThan(0.1);
      expect(share).toBeLessThan(0.35);
    },
  );

  it('is shared by sums, differences and products told as stories', () => {
    const stories = contentsOf(taskById('word-problem'), 'train');
    for (const id of ['addition', 'multiplication']) {
      expect([...contentsOf(taskById(id), 'evaluation')].filter((content) => stories.has(content))).toEqual([]);
    }
    expect([...contentsOf(taskById('addition'), 'train')].filter((content) => stories.has(content)).length).toBeGreaterThan(50);
  });
});

describe('one-digit tasks', () => {
  const ids = ['one-digit-sums', 'one-digit-differences', 'one-digit-products', 'one-digit-stories'];
  const asked = (id: string, split: Split) => draw(taskById(id), 2000, split, split === 'train' ? 1 : 2);
  const contentsOf = (id: string, split: Split) => new Set(asked(id, split).map(contents[id]!));

  it('ask for what their numbers say, two of them from 1 to 9', () => {
    for (const id of ids) {
      for (const question of [...asked(id, 'train'), ...asked(id, 'evaluation')]) {
        const [a, b, ...more] = numbersOf(question.text) as [number, number, ...number[]];
        expect(more).toEqual([]);
        expect(Math.min(a, b)).toBeGreaterThanOrEqual(1);
        expect(Math.max(a, b)).toBeLessThanOrEqual(9);
        const right = { '+': a + b, '-': Math.abs(a - b), '*': a * b }[contents[id]!(question)[0]!];
        expect(Number(question.answer)).toBe(right);
      }
    }
  });

  it('hold out enough to tell personas apart, and the same for stories', () => {
    for (const id of ids.slice(0, 3)) expect(contentsOf(id, 'evaluation').size).toBeGreaterThanOrEqual(8);
    const answers = new Set(asked('one-digit-sums', 'evaluation').map(({ answer }) => answer));
    expect(answers.size).toBeGreaterThanOrEqual(7);
    expect(new Set(asked('one-digit-sums', 'evaluation').map(({ id }) => id)).size).toBeGreaterThan(150);
    const told = contentsOf('one-digit-stories', 'train');
    for (const id of ids.slice(0, 3)) expect([...contentsOf(id, 'evaluation')].filter((content) => told.has(content))).toEqual([]);
  });
});

describe('right answers', () => {
  const each = (id: string, check: (question: Question, task: Task) => void, knobs = {}) => {
    const task = taskById(id);
    for (const question of draw(task, 300, 'train', 4, knobs)) check(question, task);
  };

  it('addition: within its knob, never below zero', () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 9, max: 999 }), (seed, max) => {
        const [question] = draw(taskById('addition'), 1, 'train', seed, { max });
        const [a, b] = numbersOf(question!.text) as [number, number];
        const sum = contents['addition']!(question!).startsWith('+');
        expect(Math.max(a, b)).toBeLessThanOrEqual(max);
        expect(Number(question!.answer)).toBe(sum ? a + b : Math.abs(a - b));
      }),
      { numRuns: 200, seed: 1 },
    );
  });

  it('whole numbers: a neighbour, a list and the operands are refused', () => {
    for (const id of ['addition', 'multiplication', 'comparing', 'chain', 'word-problem']) {
      each(id, (question, task) => {
        for (const slip of [1, -1, 10]) expect(task.accepts(`${Number(question.answer) + slip}`, question)).toBe(false);
        expect(task.accepts(`${question.answer} ${question.answer}`, question)).toBe(false);
        expect(task.accepts(numbersOf(question.text).join(', '), question)).toBe(false);
        expect(task.accepts(` ${question.answer}.0`, question)).toBe(true);
      });
    }
  });

  it('multiplication', () =>
    each('multiplication', ({ text, answer }) => expect(Number(answer)).toBe(numbersOf(text).reduce((product, n) => product * n, 1))));

  it('comparing', () =>
    each('comparing', ({ text, answer }) => {
      const numbers = numbersOf(text);
      expect(Number(answer)).toBe(/larger|bigger/.test(text) ? Math.max(...numbers) : Math.min(...numbers));
      expect(numbers[0]).not.toBe(numbers[1]);
    }));

  it('chain: never below zero on the way', () =>
    each(
      'chain',
      (question) => {
        const terms = question.text
          .replace(/(\d+)/, '+ $1')
          .match(/[+-] \d+/g)!
          .map((term) => Number(term.replace(' ', '')));
        expect(terms).toHaveLength(5);
        let total = 0;
        for (const term of terms) expect((total += term)).toBeGreaterThanOrEqual(0);
        expect(Number(question.answer)).toBe(total);
      },
      { terms: 5 },
    ));

  it('word problems', () =>
    each('word-problem', (question) => {
      const [a, b] = numbersOf(question.text) as [number, number];
      const results: Record<string, number> = { '+': a + b, '-': a - b, '*': a * b };
      expect(Number(question.answer)).toBe(results[contents['word-problem']!(question)[0]!]);
      expect(Number(question.answer)).toBeGreaterThanOrEqual(0);
    }));

  it('word problems without products where the factor is 1', () =>
    each('word-problem', (question) => expect(contents['word-problem']!(question)).not.toMatch(/^\*/), { factor: 1 }));

  it('reverse: any separator, but the right order and number of digits', () =>
    each('reverse', (question, task) => {
      const digits = numbersOf(question.text);
      expect(question.answer).toBe(digits.toReversed().join(' '));
      expect(task.accepts(digits.toReversed().join(''), question)).toBe(true);
      expect(task.accepts(digits.toReversed().join(', '), question)).toBe(true);
      expect(task.accepts(digits.join(' '), question)).toBe(false);
      expect(task.accepts(`${question.answer} 0`, question)).toBe(false);
      expect(task.accepts(question.answer.slice(2), question)).toBe(false);
      expect(task.accepts(`digits ${question.answer}`, question)).toBe(false);
    }));

  it('sort: separated numbers in order, each as often as given', () =>
    each(
      'sort',
      (question, task) => {
        const numbers = numbersOf(question.text);
        const sorted = numbers.toSorted((a, b) => a - b);
        expect(numbers).toHaveLength(4);
        expect(question.answer).toBe(sorted.join(' '));
        expect(task.accepts(sorted.join(', '), question)).toBe(true);
        expect(task.accepts(numbers.join(' '), question)).toBe(false);
        expect(task.accepts(sorted.join(''), question)).toBe(false);
        expect(task.accepts(sorted.slice(1).join(' '), question)).toBe(false);
        expect(task.accepts([...sorted, sorted[3]!].join(' '), question)).toBe(false);
      },
      { count: 4, max: 50 },
    ));
});

it('an unknown task is named, with those there are', () => expect(() => taskById('chess')).toThrow(/"chess".*addition/));
