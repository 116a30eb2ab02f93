/** What verdicts cost: rates of the numeric and the symbolic path on one core, and the slowest of many hostile replies (`npm run bench -- --verifier`). */
import { answerForms } from '../../src/verify/answer-forms.ts';
import { verifyGold } from '../../src/verify/verify.ts';

export interface VerifierRow {
  readonly what: string;
  readonly value: number;
  readonly unit: '1/s' | 'ms';
  readonly target: string;
}

const raw = String.raw;
const numeric: [gold: string, answer: string][] = [
  ['42', '42'],
  ['#### 1,234', '1234'],
  [raw`\frac{1}{2}`, '0.5'],
  ['72', '27'],
  ['9007199254740993', '9007199254740992'],
  ['0.25', raw`\frac14`],
];
const symbolic: [gold: string, answer: string][] = [
  [raw`3\sqrt{13}`, raw`\sqrt{117}`],
  [raw`\left( 3, \frac{\pi}{2} \right)`, raw`(3, \pi/2)`],
  ['x^2 + 2x + 1', '(x+1)^2'],
  [raw`\begin{pmatrix} -1/3 \\ 2/3 \\ 5/3 \end{pmatrix}`, raw`\begin{pmatrix} -\frac13 \\ \frac23 \\ \frac53 \end{pmatrix}`],
  [raw`(-\infty, 2) \cup (3, \infty)`, raw`(3, \infty) \cup (-\infty, 2)`],
  ['y = 2x + 3', '2y = 4x + 6'],
  [raw`\text{Evelyn}`, 'Evelyn'],
  [raw`1 \pm \sqrt{19}`, raw`1 - \sqrt{19}, 1 + \sqrt{19}`],
];

/** Milliseconds of processor time, which a busy machine does not stretch. */
function spent(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

async function rate(pairs: readonly (readonly [string, string])[], milliseconds: number): Promise<number> {
  const once = async () => {
    for (const [gold, answer] of pairs) await verifyGold(`It is so. Hence \\boxed{${answer}}.`, gold);
  };
  const until = async (end: number) => {
    let count = 0;
    for (; spent() < end; count += pairs.length) await once();
    return count;
  };
  await until(spent() + milliseconds / 4);
  const start = spent();
  const count = await until(start + milliseconds);
  return count / ((spent() - start) / 1000);
}

/** What is repeated, in a box and out of it. */
const units = [
  ...[
    ' ',
    '\n',
    '\t',
    '\u00a0',
    raw`\ `,
    raw`\,`,
    raw`\quad `,
    '$',
    '**',
    '`',
    '#',
    '#### ',
    '####\n',
    '#### 1. x\n',
    '#### 5 x\n',
    '\\',
    '{',
    '}',
    '{}',
    '(',
  ],
  ...[
    ')',
    '[',
    '-',
    '+',
    '.',
    ',',
    '/',
    '%',
    '^',
    '=',
    ':',
    '|',
    '1',
    '1 ',
    '1,',
    '1,234',
    '.5',
    '1/',
    '1/2 ',
    '2*',
    '10^',
    '½',
    '²',
    'x',
    'x ',
    'cm ',
    '!',
    'percent ',
  ],
  ...[
    'the answer is ',
    'answer to ',
    raw`\boxed{`,
    raw`\boxed{5}`,
    raw`\boxed\a{`,
    raw`\frac`,
    raw`\frac{`,
    raw`\text{`,
    raw`\left(`,
    raw`\sqrt{`,
    raw`\sin`,
    'x^',
    '9^{',
  ],
  ...[
    '<think>',
    '</think>',
    'a\n<think> b',
    '<answer>',
    '</answer>',
    '(A',
    '(A)',
    '\nA',
    '1+',
    '(1,2),',
    raw`\cup(1,2)`,
    'x<',
    ' or ',
    raw`\begin{pmatrix}`,
  ],
];
const heads = ['', 'The answer is ', 'answer to ', '#### ', raw`\boxed{`, '<think>'];
const golds = ['5', raw`\sqrt{2}`, 'x^2+1'];

/** The slowest verdict of all, each the best of five; a reply is as long as told. */
async function slowest(characters: number): Promise<number> {
  let worst = 0;
  for (const unit of units) {
    for (const head of heads) {
      const text = head + unit.repeat(characters / unit.length);
      for (const gold of golds) {
        for (const [reply, forms] of [
          [text, answerForms],
          [`\\boxed{${text}}`, undefined],
        ] as const) {
          let best = Infinity;
          for (let again = 0; again < 5 && best > 1; again++) {
            const start = spent();
            await verifyGold(reply, gold, null, forms);
            best = Math.min(best, spent() - start);
          }
          worst = Math.max(worst, best);
        }
      }
    }
  }
  return worst;
}

export async function verifierRows(): Promise<readonly VerifierRow[]> {
  const replies = units.length * heads.length * golds.length * 2;
  return [
    { what: 'verdicts on numbers', value: await rate(numeric, 2000), unit: '1/s', target: '≥ 20,000' },
    { what: 'verdicts on formulas, sets, matrices, words', value: await rate(symbolic, 2000), unit: '1/s', target: '≥ 500' },
    { what: `slowest of ${replies} hostile replies of 10,000 characters`, value: await slowest(10_000), unit: 'ms', target: '≤ 5' },
    {
      what: `slowest of ${replies} hostile replies of 950 characters, short enough to be parsed`,
      value: await slowest(950),
      unit: 'ms',
      target: '≤ 5',
    },
  ];
}

export function verifierLines(rows: readonly VerifierRow[]): readonly string[] {
  return rows.map(({ what, value, unit, target }) => {
    const said = unit === '1/s' ? Math.round(value).toLocaleString('en-US') : value.toFixed(2);
    return `${said.padStart(9)} ${unit.padEnd(3)}  ${target.padEnd(9)}  ${what}`;
  });
}
