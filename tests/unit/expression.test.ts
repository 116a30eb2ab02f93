import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Purpose, Stream } from '../../src/random/counter.ts';
import { parseExpression, wholeValue } from '../../src/tasks/expression.ts';
import { taskById } from '../../src/tasks/index.ts';

const value = (text: string) => {
  const expression = parseExpression(text);
  return expression && wholeValue(expression);
};

describe('parseExpression', () => {
  it.each([
    ['7', 7n],
    ['2 + 3 * 4', 14n],
    ['(2 + 3) * 4', 20n],
    ['20 - 3 - 4', 13n],
    ['24 / 4 / 2', 3n],
    ['((((1 + 2))))', 3n],
    ['8 / (3 - 8 / 3)', 24n],
    ['2 - 5', -3n],
    ['6 / (2 - 5)', -2n],
    ['2 \\times 3', 6n],
    ['6 \\div 2 \\cdot 4', 12n],
    ['6 ÷ 2 × 4', 12n],
    ['\\left(1+2\\right)*3', 9n],
    ['007', 7n],
  ])('%s is %s', (text, expected) => expect(value(text)).toBe(expected));

  it.each([
    ['', 'nothing'],
    ['2 ** 3', 'a power'],
    ['2 ^ 3', 'a power'],
    ['7 // 2', 'integer division'],
    ['2 +', 'a missing operand'],
    ['+ 2', 'a sign'],
    ['-2', 'a sign'],
    ['2 - -3', 'a sign'],
    ['2 3', 'juxtaposition'],
    ['2 (3)', 'juxtaposition'],
    ['(2)(3)', 'juxtaposition'],
    ['(2', 'an open parenthesis'],
    ['2)', 'a stray parenthesis'],
    ['()', 'empty parentheses'],
    ['1.5 + 1', 'a decimal'],
    ['1e3', 'an exponent'],
    ['0x10', 'hexadecimal'],
    ['2 + 3 = 5', 'an equation'],
    ['2, 3', 'a list'],
    ['2 + x', 'a letter'],
    ['process.exit()', 'code'],
    ['\\frac{1}{2}', 'other LaTeX'],
    ['5!', 'a factorial'],
    ['\u0663', 'other digits'],
  ])('refuses "%s" (%s)', (text) => expect(parseExpression(text)).toBeNull());

  it('has no value where something is divided by zero, and no whole value for a fraction', () => {
    expect(parseExpression('5 / (3 - 3)')).toMatchObject({ value: null, numbers: [5n, 3n, 3n] });
    expect(parseExpression('0 * (1 / 0)')!.value).toBeNull();
    expect(value('1 / 0')).toBeNull();
    expect(value('1 / 2')).toBeNull();
  });

  it('survives long and deep input', () => {
    expect(value(`${'('.repeat(90)}1${')'.repeat(90)}`)).toBe(1n);
    expect(parseExpression('('.repeat(1_000_000))).toBeNull();
    expect(parseExpression('9'.repeat(201))).toBeNull();
    fc.assert(
      fc.property(fc.string(), (text) => void parseExpression(text)),
      { seed: 1 },
    );
  });

  it('agrees with floating point on random expressions, and lists their numbers', () => {
    const tree: fc.Arbitrary<{ text: string; value: number; numbers: number[] }> = fc.letrec<{
      node: { text: string; value: number; numbers: number[] };
    }>((tie) => ({
      node: fc.oneof(
        { depthSize: 'small', withCrossShrink: true },
        fc.nat({ max: 20 }).map((n) => ({ text: `${n}`, value: n, numbers: [n] })),
        fc.tuple(tie('node'), fc.constantFrom('+', '-', '*', '/'), tie('node')).map(([a, operator, b]) => ({
          text: `(${a.text}) ${operator} (${b.text})`,
          value: { '+': a.value + b.value, '-': a.value - b.value, '*': a.value * b.value, '/': a.value / b.value }[operator],
          numbers: [...a.numbers, ...b.numbers],
        })),
      ),
    })).node;
    fc.assert(
      fc.property(
        tree.filter(({ text }) => text.length <= 200),
        ({ text, value: float, numbers }) => {
          const expression = parseExpression(text)!;
          expect(expression.numbers).toEqual(numbers.map(BigInt));
          // Floating point may miss an exact zero and so not notice a division by it.
          if (expression.value === null) return;
          const exact = Number(expression.value.numerator) / Number(expression.value.denominator);
          if (Number.isFinite(exact) && Math.abs(float) < 1e12) expect(exact).toBeCloseTo(float, 6);
        },
      ),
      { seed: 1, numRuns: 300 },
    );
  });
});

describe('countdown', () => {
  const task = taskById('countdown');
  const question = { id: 'x', task: 'countdown', text: 'Use 3, 5 and 2 once each to make 16.', answer: '(3 + 5) * 2' };
  it.each(['(3 + 5) * 2', '2 * (5 + 3)', '(3+5)\\times2', '2*((5)+(3))'])('accepts %s', (answer) =>
    expect(task.accepts(answer, question)).toBe(true),
  );
  it.each([
    ['16', 'the target itself'],
    ['3 * 5 + 2', 'another value'],
    ['2 * 3 + 2 * 5', 'a number twice'],
    ['(3 + 5) * 2 * 1', 'a number that was not given'],
    ['32 / 2', 'digits joined'],
    ['3 + 5 + 2 + 6', 'one too many'],
    ['2 ** (5 - 3) * 4', 'a power'],
    ['2 * 8', 'numbers not given'],
    ['(3 + 5) * 2 = 16', 'an equation'],
    ['(3 + 5) * 2 or 16', 'words'],
    ['(3 + 5) * 2 / (3 - 3)', 'a division by zero'],
    ['', 'nothing'],
  ])('refuses %s (%s)', (answer) => expect(task.accepts(answer, question)).toBe(false));

  it('asks for what its gold answer makes from the numbers it gives', () => {
    for (let row = 0; row < 300; row++) {
      const drawn = task.generate(new Stream(2, Purpose.question, 0, row), 'train', { numbers: 2 + (row % 2), max: 30 });
      const shown = drawn.text.match(/\d+/g)!.map(BigInt).sort().join();
      const gold = parseExpression(drawn.answer)!;
      expect([...gold.numbers, wholeValue(gold)!].sort().join()).toBe(shown);
      expect(gold.numbers).toHaveLength(2 + (row % 2));
      expect(task.accepts(`${wholeValue(gold)}`, drawn)).toBe(false);
      expect(task.accepts(`${drawn.answer} + 1`, drawn)).toBe(false);
      expect(task.accepts(`${drawn.answer} + 0`, drawn)).toBe(false);
    }
  });
});
