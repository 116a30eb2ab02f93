/** What is read as a number, what is not, and what is the same. Every row is one member of a kind. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readAnswer, sameReading } from '../../src/verify/equivalence.ts';
import { readAmount } from '../../src/verify/number.ts';

const raw = String.raw;
const equivalent = (a: string, b: string) => sameReading(readAnswer(a), readAnswer(b));
/** `a` and `b`, one answer written twice, by kind. */
const same: Record<string, [string, string][]> = {
  'thousands, parted': [
    ['1,234', '1234'],
    ['1,234,567.50', '1234567.5'],
    ['1{,}000', '1000'],
    [raw`10,\!080`, '10080'],
    [raw`11,\! 111,\! 100`, '11111100'],
    ['12 345', '12345'],
    ['1 234 567', '1234567'],
    ['12\u00a0345', '12345'],
    ['12\u202f345', '12345'],
    ['12\u2009345', '12345'],
    [raw`12\,345`, '12345'],
    [raw`12\;345`, '12345'],
    [raw`12\ 345`, '12345'],
    ['12~345', '12345'],
    ["1'234'567", '1234567'],
    ['1’234', '1234'],
    ['1,00,000', '100000'],
    ['12,34,567', '1234567'],
    ['１，２３４', '1234'],
    ['١٬٢٣٤', '1234'],
  ],
  decimals: [
    ['.5', '0.50'],
    ['5.', '5'],
    ['004', '4'],
    ['0', '-0'],
    ['1{.}5', '1.5'],
    ['1e-7', '0.0000001'],
    ['1E3', '1000'],
    ['1e400', '10^400'],
    [raw`1.5 \times 10^3`, '1500'],
    [raw`2\cdot10^{6}`, '2000000'],
    ['2*10^6', '2000000'],
    ['2 × 10⁶', '2000000'],
    ['2 x 10^-3', '0.002'],
    ['10^6', '1000000'],
    ['9007199254740993', '9,007,199,254,740,993'],
  ],
  fractions: [
    ['1/2', '2/4'],
    ['1 / 2', '0.5'],
    ['1/-2', '-1/2'],
    ['(1)/(2)', '1/2'],
    ['1⁄2', '1/2'],
    ['½', '1/2'],
    [raw`\frac{1}{2}`, raw`\dfrac12`],
    [raw`\tfrac 1 2`, raw`\cfrac{1}{2}`],
    [raw`\frac1{72}`, '1/72'],
    [raw`\frac{270}7`, '270/7'],
    [raw` \frac { 1 } { 2 } `, '1/2'],
    [raw`\frac{1}{-2}`, raw`-\frac{1}{2}`],
    [raw`\frac{1,000}{3}`, '1000/3'],
    [raw`\frac{\frac12}{3}`, '1/6'],
    [raw`{1 \over 2}`, '0.5'],
    ['1,234/2', '617'],
  ],
  'mixed numbers': [
    ['3 1/2', '3.5'],
    ['-1 1/2', '-1.5'],
    [raw`2\frac{1}{3}`, '7/3'],
    [raw`3\,\frac{1}{2}`, '3.5'],
    [raw`137 \frac{1}{2}`, '275/2'],
    ['3½', '7/2'],
    ['-3 ½', '-3.5'],
    ['12 345 1/2', '12345.5'],
    ['2 1/2 cups', '2.5'],
  ],
  signs: [
    ['\u22125', '-5'],
    ['－5', '-5'],
    ['‐5', '-5'],
    ['–5', '-5'],
    ['﹣5', '-5'],
    ['- 5', '-5'],
    ['+5', '5'],
    ['-(-5)', '5'],
    ['(-42)', '-42'],
    [raw`\left(-42\right)`, '-42'],
  ],
  'currency and degrees': [
    ['$5', '5'],
    [raw`\$5`, '5'],
    [raw`-\$5`, '-5'],
    [raw`\$-5`, '-5'],
    ['€5', '5 €'],
    ['£1,250.50', '1250.5'],
    ['₹1,00,000', '100000'],
    [raw`\text{\$}5`, '5'],
    ['US$5', '5 USD'],
    ['5元', '5'],
    ['90°', '90'],
    [raw`90^\circ`, '90'],
    [raw`90^{\circ}`, '90'],
    [raw`10^\circ`, '10'],
    [raw`90\degree`, '90 degrees'],
    ['90°C', '90'],
  ],
  decorations: [
    ['$42$', '42'],
    ['$$42$$', '42'],
    [raw`\(42\)`, '42'],
    ['{42}', '42'],
    ['**42**', '42'],
    ['*42*', '42'],
    ['`42`', '42'],
    ['"42"', '42'],
    [raw`\text{42}`, '42'],
    [raw`\mathbf{42}`, '42'],
    [raw`\textcolor{red}{42}`, '42'],
    [raw`\boxed{\boxed{42}}`, '42'],
    [raw`\displaystyle\frac{1}{2}`, '1/2'],
    ['42,', '42'],
    ['**42.**', '42'],
    ['4２', '42'],
    ['𝟒𝟐', '42'],
    ['٤٢', '42'],
    ['४२', '42'],
    ['4\u200b2', '42'],
  ],
  'names and phrases': [
    ['x = 5', '5'],
    [raw`x_1=-\frac12`, '-0.5'],
    ['f(2) = 5', '5'],
    [raw`\angle ABC = 30^\circ`, '30'],
    ['x = 84/2 = 42', '42'],
    ['17 + 25 = 42', '42'],
    ['Answer: 42', '42'],
    [raw`\text{Answer: } 42`, '42'],
    ['**Answer:** 42', '42'],
    ['The final answer is $42$.', '42'],
  ],
  units: [
    [raw`5\text{ cm}`, '5'],
    [raw`5\text{ cm}^2`, '5'],
    [raw`5\text{ cm}^{2}`, '5 cm²'],
    ['5cm', '5 centimetres'],
    [raw`5 \ \text{cm}`, '5'],
    [raw`5 \operatorname{cm}`, '5'],
    [raw`5\,\mathrm{m}`, '5 m'],
    [raw`5\text{ m/s}^2`, '5'],
    ['60km/h', '60 km per hour'],
    [raw`5\mbox{ inches}^2`, '5'],
    ['5 sq. ft.', '5'],
    ['5 apples', '5'],
    [raw`5\text{ hours }\text{exactly}`, '5'],
    ['3 man-hours', '3'],
    ['5 (cm)', '5'],
  ],
  percent: [
    ['50%', raw`50\%`],
    ['50 %', '50 percent'],
    [raw`50\text{ per cent}`, '50％'],
    ['12 1/2 %', '12.5%'],
  ],
};

const different: [string, string][] = [
  ['12', '1 2'],
  ['12', raw`1\,2`],
  ['12', raw`1\!2`],
  ['12', raw`1\text{2}`],
  ['12', '$1$$2$'],
  ['50%', '50'],
  ['50%', '0.5'],
  ['5 cm', '5 km'],
  ['5 hours', '5 minutes'],
  ['5 am', '5 pm'],
  ['9007199254740993', '9007199254740992'],
  ['0.3333333', '1/3'],
  ['1', '1.0000000000000000000000000001'],
];

/** Two things at once, expressions, words: no number, so that a gold answer of this kind is left out. */
const none: Record<string, string[]> = {
  'two numbers': [
    '1 2',
    '1  2',
    '1 2 3',
    '1, 2',
    '3, 5',
    '3,5',
    '3;5',
    '1\n234',
    raw`12\quad345`,
    '5 5',
    '7 and 8',
    '7 or 8',
    '(1,2)',
    '(1,234)',
    '[5]',
    raw`\{5\}`,
  ],
  'decimal commas and odd groups': [
    '2,5',
    '0,5',
    '0,123',
    '1,00',
    '12,34',
    '1.234,56',
    '1.234.567',
    '1 234,5',
    '1,234 567',
    '1234 567',
    '123 4567',
    '01 234',
    '1,23,45',
    '1,2,3',
  ],
  'neither mixed nor a quotient': [
    '3 100/200',
    '1 234/5',
    '3 5/2',
    raw`2\frac{7}{3}`,
    raw`1\frac{-3}{4}`,
    '1/2/3',
    '1/0',
    raw`\frac{1}{0}`,
    raw`\frac919`,
  ],
  'ratios, times, ranges, dates': ['3:4', '10:30', '10:30 am', '3-5', '3–5', '3 - 5', '5 to 6', '1.2.3', '2024-11-28'],
  expressions: [
    '3+4',
    '2*3',
    raw`2 \times 3`,
    '2^{10}',
    '5^2',
    '5²',
    '5!',
    '--5',
    '+-5',
    raw`\pm 5`,
    raw`\sqrt{4}`,
    raw`3\pi`,
    '2k',
    '5x',
    '5m',
    '5 x',
    '5i',
    '5 pi',
    '52_8',
    raw`4210_{5}`,
    '0x1F',
    '1_000',
  ],
  'more than a unit': [
    ...[
      'million',
      'thousand',
      'hundred',
      'billion',
      'dozen',
      'lakh',
      'Millionen',
      'mille',
      'thirds',
      'tenths',
      'k',
      'or more',
      'or 6',
      'and a half',
      'to 6',
    ],
    ...['squared', 'modulo 7', 'remainder 2', 'or so', 'at most', 'is wrong', 'not', 'approx', 'below zero'],
  ].flatMap((words) => [raw`5\text{ ${words}}`, `5 ${words}`]),
  'more than a unit, written otherwise': [
    raw`5\text{ or }6`,
    raw`5\text{ (not 6)}`,
    raw`5\text{ hours }30\text{ minutes}`,
    '5 ft 6 in',
    '5k',
    '5M',
    '5K',
    '5万',
    '5th',
    '$5M',
  ],
  equations: [
    'x = 3, y = 5',
    raw`x = 3 \text{ or } x = 5`,
    '2x = 10',
    '5x - 7y + 4 = 0',
    'y = 2x + 3',
    'x != 5',
    'x <= 5',
    raw`x \neq 5`,
    raw`x \approx 5`,
    '1/3 = 0.33',
  ],
  rest: [
    '',
    ' ',
    '.',
    ',',
    '-',
    '+',
    '$',
    '%',
    '5..',
    '5...',
    '0.333…',
    '5?',
    'e5',
    '1e',
    '1e1001',
    'inf',
    'nan',
    raw`\infty`,
    'five',
    'Ⅳ',
    '①',
    '—5',
    '5‰',
    '{5',
    '5}',
    '(5',
    raw`\frac{1}{2`,
    raw`\frac1`,
  ],
};

describe('a number', () => {
  for (const [kind, rows] of Object.entries(same)) {
    it.each(rows)(`${kind}: %j is %j`, (a, b) => {
      expect(readAmount(a)).not.toBeNull();
      expect(equivalent(a, b)).toBe(true);
      expect(equivalent(b, a)).toBe(true);
    });
  }
  it.each(different)('%j is not %j', (a, b) => {
    expect(equivalent(a, b)).toBe(false);
    expect(equivalent(b, a)).toBe(false);
  });
  for (const [kind, texts] of Object.entries(none)) it.each(texts)(`${kind}: %j is none`, (text) => expect(readAmount(text)).toBeNull());

  it('is exact', () => {
    const fraction = fc.tuple(fc.bigInt({ min: -999n, max: 999n }), fc.bigInt({ min: 1n, max: 999n }));
    fc.assert(
      fc.property(fraction, fraction, fc.bigInt({ min: 1n, max: 99n }), ([a, b], [c, d], factor) => {
        expect(equivalent(`${a}/${b}`, `\\frac{${a * factor}}{${b * factor}}`)).toBe(true);
        expect(equivalent(`${a}/${b}`, `${c}/${d}`)).toBe(a * d === c * b);
      }),
      { seed: 1 },
    );
  });

  it('is what its digits say, however it is set', () => {
    const digits = fc.bigInt({ min: 0n, max: 10n ** 30n });
    const grouped = (n: bigint, by: string) => String(n).replace(/\B(?=(\d{3})+$)/g, by);
    fc.assert(
      fc.property(digits, fc.constantFrom(',', ' ', raw`\,`, '{,}', "'", '\u202f'), fc.constantFrom('', '-', '\u2212'), (n, by, sign) => {
        const amount = readAmount(`$${sign}${grouped(n, by)}$`)!;
        expect(amount.numerator).toBe((sign ? -1n : 1n) * n * amount.denominator);
      }),
      { seed: 1 },
    );
  });

  it('never fuses two', () => {
    const number = fc.integer({ min: 0, max: 99 });
    const between = fc.constantFrom(
      ' ',
      raw`\;`,
      '~',
      '\u2009',
      ', ',
      ' and ',
      raw`\text{ or }`,
      ';',
      ':',
      '$ $',
      '\n',
      raw`\quad `,
      '#',
      '|',
      '.5.',
    );
    fc.assert(
      fc.property(number, between, number, (a, by, b) => void expect(readAmount(`${a}${by}${b}`)).toBeNull()),
      { seed: 1 },
    );
  });
});

describe('other answers', () => {
  it.each([
    [raw`\left(1, 2\right)`, '(1,2)'],
    ['x + 1', 'x+1'],
    [raw`\text{blue}`, 'blue'],
    ['$x$', 'x.'],
  ])('%s is %s, as text', (a, b) => {
    expect(equivalent(a, b)).toBe(true);
    expect(equivalent(b, a)).toBe(true);
  });
  it.each([
    ['(1,2)', '(2,1)'],
    ['', ''],
    ['1 2 3', '12 3'],
    ['4 or 5', '4'],
  ])('%j is not %j', (a, b) => expect(equivalent(a, b)).toBe(false));
});
