/**
 * What is equal and what is not, kind by kind, for answers that are more than a number; docs/verifier.md says why. Every row is one member of a
 * kind: gold, answer, and whether it is right.
 */
import { describe, expect, it } from 'vitest';
import { readGold } from '../../src/verify/grade.ts';

const raw = String.raw;

const kinds: Record<string, [gold: string, answer: string, right: 0 | 1][]> = {
  'lists, tuples, intervals and sets': [
    ['5', raw`\{5\}`, 1],
    ['(1,2)', '1,2', 1],
    ['(1,2)', '2,1', 0],
    ['1,2', '(2,1)', 1],
    ['1,2', '2,1', 1],
    ['(1,2)', '[1,2]', 0],
    ['(1,2)', '(2,1)', 0],
    ['(1,2,3)', '[1,2,3]', 1],
    ['[1,2]', '1,2', 0],
    ['1,2,3', '2,3,1', 1],
    [raw`1\pm\sqrt{19}`, raw`1-\sqrt{19},1+\sqrt{19}`, 1],
    [raw`1\pm\sqrt{19}`, raw`1+\sqrt{19}`, 0],
    [raw`\{1\pm\sqrt{5},-2\}`, raw`-2, 1+\sqrt5, 1-\sqrt5`, 1],
    [raw`(-\infty,2)\cup(3,\infty)`, raw`(3,\infty)\cup(-\infty,2)`, 1],
    [raw`(-\infty,2)\cup(3,\infty)`, raw`(-\infty,2) U (3,\infty)`, 1],
    [raw`\{1,2\}`, '1,2', 1],
    [raw`\{1,2\}`, raw`\{2,1\}`, 1],
    [raw`\{1,2\}`, raw`\{1,2,3\}`, 0],
    [raw`\emptyset`, raw`\{\}`, 1],
    [raw`\mathbb{R}`, raw`(-\infty,\infty)`, 1],
    ['-1,1', raw`\pm 1`, 1],
    [raw`\pm 1`, '1,-1', 1],
    ['5', raw`\pm 5`, 0],
    ['1/3,2/3', '2/3,1/3', 1],
  ],
  matrices: [
    [raw`\begin{pmatrix}1\\2\end{pmatrix}`, raw`\begin{bmatrix}1\\2\end{bmatrix}`, 1],
    [raw`\begin{pmatrix}1\\2\end{pmatrix}`, '(1,2)', 0],
    [raw`\begin{pmatrix}1&2\\3&4\end{pmatrix}`, raw`\begin{pmatrix}1&2\\3&5\end{pmatrix}`, 0],
    [raw`\left[\begin{array}{cc}1&2\\3&4\end{array}\right]`, raw`\begin{bmatrix}1&2\\3&4\end{bmatrix}`, 1],
  ],
  'numbers, and what is left to work out': [
    ['5', '5.0000001', 0],
    ['32', '2^5', 1],
    ['42', '17+25', 0],
    ['42', raw`6\times7`, 0],
    ['42', raw`6 \cdot 7`, 0],
    ['42', '84/2', 1],
    ['42', raw`\frac{84}{2}`, 1],
    ['42', raw`84 \div 2`, 0],
    ['42', '43-1', 0],
    ['42', '(42)', 1],
    ['42', 'x=42', 1],
    ['42', '40+2=42', 1],
    ['42', '40+2=43', 0],
    ['5', raw`\sqrt{25}`, 1],
    ['120', '5!', 0],
    ['9', '3**2', 1],
    ['2^{10}', '1024', 1],
    ['0', '-0', 1],
    ['6', '6.0', 1],
    ['6', 'VI', 0],
  ],
  'equations and names': [
    ['y=2x+3', '2y=4x+6', 1],
    ['y=2x+3', '2x+3', 1],
    ['2x+3', 'y=2x+3', 1],
    ['y=2x+3', 'y=3+2x', 1],
    ['y=2x+3', 'y-2x=3', 1],
    ['y=2x+3', 'y=2x+4', 0],
    ['x=5', '5=x', 1],
    ['x=5', 'y=5', 0],
    [raw`x=1\pm\sqrt2`, raw`1\pm\sqrt2`, 1],
    ['x=1,x=2', '1,2', 1],
    [raw`x=1 \text{ or } x=2`, '1,2', 1],
    ['1,2', raw`x=1 \text{ or } x=2`, 1],
    ['a^2-b^2=0', 'b^2-a^2=0', 1],
    ['x=2,y=3', 'y=3,x=2', 1],
    ['x=2,y=3', '2,3', 1],
    ['(2,3)', 'x=2,y=3', 1],
    ['f(x)=2x', '2x', 1],
    [raw`\text{Area}=3\pi`, raw`3\pi`, 1],
    [raw`3\pi`, raw`\text{Area}=3\pi`, 1],
    [raw`3\pi`, raw`A = 3\pi`, 1],
    ['x^2+y^2=1', 'y^2+x^2=1', 1],
    ['x^2+y^2=1', '2x^2+2y^2=2', 1],
    ['x^2+y^2=1', 'x^2+y^2=2', 0],
    ['(x,y)=(1,2)', '(1,2)', 1],
    ['(1,2)', '(x,y)=(1,2)', 1],
    [raw`x=\frac12`, '0.5', 1],
    [raw`\frac12`, 'x=0.5', 1],
    ['3x+2y=6', raw`y=3-\frac{3}{2}x`, 1],
    ['2,3', 'x=2,y=3', 1],
  ],
  'inequalities and memberships': [
    ['x<3', '3>x', 1],
    ['x<3', raw`x\le3`, 0],
    ['x<3', raw`(-\infty,3)`, 1],
    [raw`x\leq3`, raw`(-\infty,3]`, 1],
    [raw`x\geq3`, raw`[3,\infty)`, 1],
    ['1<x<3', '(1,3)', 1],
    ['1<x<3', '3>x>1', 1],
    [raw`1<x\le 3`, '(1,3]', 1],
    ['(1,3)', '1<x<3', 0],
    [raw`x\in[1,2]`, '[1,2]', 1],
    ['[1,2]', raw`x\in[1,2]`, 1],
    ['2<x', 'x>2', 1],
    ['2x<4', 'x<2', 1],
    ['-x>-2', 'x<2', 1],
    [raw`x \neq 2`, raw`x \ne 2`, 1],
    [raw`x\in\{1,2\}`, '1,2', 1],
    [raw`\left(\frac{3}{5},\frac{8}{3}\right]`, '(0.6,8/3]', 1],
    ['[-2,7]', raw`-2\le x\le 7`, 0],
    [raw`\{x|x>2\}`, 'x>2', 1],
    [raw`x<2\text{ or }x>3`, raw`(-\infty,2)\cup(3,\infty)`, 1],
    [raw`x<2\text{ or }x>3`, raw`x>3\text{ or }x<2`, 1],
  ],
  'base suffixes': [
    ['52_8', '52', 1],
    ['52_8', '42', 0],
    ['52_8', '52_9', 0],
    ['52_8', '52_{8}', 1],
  ],
  choices: [
    [raw`\text{(C)}`, 'C', 1],
    [raw`\text{(C)}`, 'c', 1],
    [raw`\text{(C)}`, '(C)', 1],
    [raw`\text{(C)}`, raw`\text{C}`, 1],
    [raw`\text{(C)}`, 'D', 0],
    ['C', raw`\text{(C)}`, 1],
    ['C', 'C.', 1],
    ['C', '(C) 42', 1],
    ['(B) 42', '42', 1],
    ['(B) 42', 'B', 1],
    ['(B) 42', '(B) 42', 1],
    ['(B) 42', 'A', 0],
    [raw`\text{A}`, raw`\text{(A)}`, 1],
  ],
  words: [
    [raw`\text{even}`, 'even', 1],
    [raw`\text{even}`, 'Even.', 1],
    [raw`\text{even}`, 'odd', 0],
    [raw`\text{even}`, raw`\text{odd}`, 0],
    [raw`\text{Evelyn}`, 'evelyn', 1],
    [raw`\text{June 20}`, 'June 20', 1],
    ['east', raw`\text{east}`, 1],
    ['Navin', raw`\text{Naveen}`, 0],
    [raw`\text{Yes}`, 'yes', 1],
    [raw`\text{no solution}`, 'no solution', 1],
  ],
  percent: [
    [raw`50\%`, '0.5', 1],
    [raw`50\%`, raw`\frac12`, 1],
    [raw`50\%`, '50', 0],
    ['0.5', raw`50\%`, 1],
  ],
  'decimals and their rounding': [
    [raw`\frac13`, '0.333333', 1],
    [raw`\frac13`, '0.33333', 0],
    [raw`\frac13`, '0.3333333', 1],
    [raw`\frac13`, '0.333334', 0],
    [raw`\sqrt2`, '1.414214', 1],
    [raw`\sqrt2`, '1.4142', 0],
    [raw`\sqrt2`, '665857/470832', 0],
    [raw`\pi`, '3.141593', 1],
    [raw`\pi`, 'pi', 1],
    [raw`\pi`, 'π', 1],
    [raw`\pi`, '22/7', 0],
    ['1e-7', '0.0000002', 0],
    ['0.0000001', '0.0000002', 0],
    [raw`9\pi`, '28.274334', 1],
  ],
  'free symbols and functions': [
    ['x^2', 'x*x', 1],
    ['x^2', 'x^3', 0],
    ['ab', 'ba', 1],
    [raw`\frac{x^2-1}{x-1}`, 'x+1', 1],
    [raw`\sqrt{x^2}`, 'x', 0],
    ['(a+5)(b+2)', 'ab+2a+5b+10', 1],
    ['(x+1)^2', 'x^2+2x+1', 1],
    [raw`\frac{11+9a}{20}`, raw`\frac{11}{20}+\frac{9a}{20}`, 1],
    [raw`\sin^2x+\cos^2x`, '1', 1],
    [raw`\sin 2x`, raw`2\sin x\cos x`, 1],
    [raw`e^{i\pi}`, '-1', 1],
    ['|x|', 'x', 0],
    [raw`\ln e`, '1', 1],
    ['n!', 'n!', 1],
    ['(n+1)!', '(n+1)!', 1],
    [raw`\cot x`, raw`\cotx`, 1],
    [raw`\cot x`, raw`\frac{1}{\tan x}`, 1],
    ['x^2-2x', 'x(x-2)', 1],
    [raw`2\pi r`, '2πr', 1],
    [raw`\frac{3}{4}\text{ or }0.75`, '0.75', 1],
    ['p - q', '-q+p', 1],
    ['2k', '2K', 0],
    ['4x^2', '(2x)^2', 1],
    [raw`\sqrt{x}`, 'x^{1/2}', 1],
    [raw`\sqrt{x}`, 'x^{0.5}', 1],
  ],
  'closed forms and numbers': [
    [raw`\log_2 8`, '3', 1],
    [raw`\frac{\ln 8}{\ln 2}`, '3', 1],
    [raw`3\sqrt{13}`, raw`\sqrt{117}`, 1],
    [raw`3\sqrt{13}`, '3*sqrt(13)', 1],
    [raw`3\sqrt{13}`, raw`13\sqrt3`, 0],
    ['6-5i', '-5i+6', 1],
    ['6-5i', '6+5i', 0],
    [raw`0.\overline{3}`, '1/3', 1],
    [raw`\frac{\pi}{2}`, raw`\pi/2`, 1],
    [raw`\sqrt[3]{-8}`, '-2', 1],
    [raw`\sqrt[3]{2}`, '2^{1/3}', 1],
    [raw`\binom{5}{2}`, '10', 1],
    [raw`\tan^{-1} 1`, raw`\frac{\pi}{4}`, 1],
    ['10^{-3}', '0.001', 1],
    [raw`1.5 \times 10^3`, '1500', 1],
    [raw`2\frac13`, '7/3', 1],
    ['1000', '1,000', 1],
    ['1000', '1 000', 1],
    [raw`\frac{1}{2}`, '.5', 1],
    [raw`-\frac{1}{2}`, raw`\frac{-1}{2}`, 1],
    [raw`\infty`, raw`\infty`, 1],
    [raw`\infty`, raw`-\infty`, 0],
    [raw`-\infty`, raw`-\infty`, 1],
    [raw`\lfloor 3.7\rfloor`, '3', 1],
    [raw`11\sqrt2`, raw`11\sqrt{2}`, 1],
    [raw`\dfrac{7}{2}`, '3.5', 1],
    ['3.5', raw`3\frac12`, 1],
    [raw`10\sqrt{3}+\sqrt4`, raw`10\sqrt3+2`, 1],
    ['12345678901234567890123', '12345678901234567890124', 0],
    ['12345678901234567890123', '12345678901234567890123', 1],
  ],
  'units, degrees and currency': [
    [raw`\frac{\pi}{2}`, raw`90^\circ`, 0],
    [raw`30^\circ`, '30', 1],
    [raw`864\mbox{ inches}^2`, '864', 1],
    [raw`3\sqrt2\text{ cm}`, raw`3\sqrt{2}`, 1],
    [raw`3\sqrt2`, raw`3\sqrt{2}\text{ cm}`, 1],
    [raw`3\sqrt2`, raw`3\sqrt{2} cm`, 1],
    [raw`3\sqrt2\text{ square units}`, raw`3\sqrt2`, 1],
    [raw`\$5`, '5', 1],
    [raw`\arctan 1`, raw`45^\circ`, 0],
    [raw`5\text{ cm}`, raw`5\text{ m}`, 0],
  ],
  'ratios and times': [
    ['3:4', '3:4', 1],
    ['3:4', '6:8', 1],
    ['3:4', '3/4', 1],
    ['10:30', '20:60', 0],
    ['10:30', '10:30', 1],
  ],
  'other ways to write it': [
    [raw`\theta`, 'θ', 1],
    [raw`\alpha+\beta`, 'β+α', 1],
    [raw`16\sqrt{3}`, raw`16\sqrt{3} \approx 27.7`, 1],
    [raw`16\sqrt{3}`, raw`A = 16\sqrt{3} \approx 27.7`, 1],
    [raw`16\sqrt{3}`, raw`27.7 \approx 16\sqrt{3}`, 0],
    [raw`\frac{\sqrt2}{2}`, raw`\frac{1}{\sqrt{2}}`, 1],
    [raw`\log_2 3`, raw`\frac{\ln 3}{\ln 2}`, 1],
    ['i', raw`\sqrt{-1}`, 1],
    ['1,2', 'x = 1 or 2', 1],
    ['(0,1),(2,3)', '(2,3),(0,1)', 1],
    ['(0,1),(2,3)', '(1,0),(2,3)', 0],
    [raw`(1,2]\cup\{3\}`, raw`\{3\}\cup(1,2]`, 1],
    ['a^2+b^2', '(a+b)^2', 0],
    ['n(n+1)/2', raw`\frac{n^2+n}{2}`, 1],
    [raw`25\pi\text{ cm}^2`, raw`25\pi`, 1],
    [raw`\text{6:00 PM}`, '6:00 pm', 1],
    [raw`\langle 1,2,3\rangle`, '(1,2,3)', 1],
    [raw`\sqrt{2}`, raw`**\sqrt{2}**`, 1],
  ],
};

describe('an answer', () => {
  for (const [kind, rows] of Object.entries(kinds)) {
    it.each(rows)(`${kind}: %j, %j`, async (gold, answer, right) => {
      const grade = await (await readGold(gold))!.grade(answer);
      expect([grade.equal, grade.trace]).toEqual([right === 1, grade.trace]);
      // Gold, answer, and what was found.
      expect(grade.trace).toHaveLength(3);
    });
  }

  it('is equal to itself', async () => {
    for (const [gold] of Object.values(kinds).flat())
      expect([gold, (await (await readGold(gold))!.grade(gold)).equal]).toEqual([gold, true]);
  });

  it('says how it was read and what was found', async () => {
    const grade = async (gold: string, answer: string) => (await (await readGold(gold))!.grade(answer)).trace;
    expect(await grade(raw`3\sqrt{13}`, raw`\sqrt{117}`)).toEqual([
      'gold “3\\sqrt{13}”: 3·√13',
      'answer “\\sqrt{117}”: √117',
      'equal: both are 10.816654 within the rounding of doubles',
    ]);
    expect(await grade('42', raw`17+25`)).toEqual([
      'gold “42”: the number 42',
      'answer “17+25”: no number',
      'different: the gold is a number',
    ]);
    expect(await grade('42', '41')).toEqual(['gold “42”: the number 42', 'answer “41”: the number 41', 'different: another number']);
    expect((await grade('(1, 42)', '(1, 17 + 25)'))[2]).toBe(
      'different: at place 2, 17 + 25 is left to work out, where the gold is a number',
    );
    expect((await grade('x^2', 'x^3'))[2]).toMatch(/^different: their values differ where x is /);
  });
});

describe('what cannot be a gold', () => {
  it.each(['', ' ', '1 2', 'forty two', raw`\frac{1}`, '(1, 2', raw`\begin{cases}x\\y\end{cases}`, 'x +', '?', raw`\foo{1}`])(
    '%j',
    async (text) => {
      expect(await readGold(text)).toBeNull();
    },
  );
});

describe('a hostile answer', () => {
  const deep = (open: string, close: string, count = 60) => `${open.repeat(count)}1${close.repeat(count)}`;
  it.each<[string, string]>([
    ['nested brackets', deep('(', ')')],
    ['nested braces', deep('{', '}')],
    ['nested roots', deep(raw`\sqrt{`, '}')],
    ['nested fractions', deep(raw`\frac{1}{`, '}')],
    ['a tower of powers', '9^{'.repeat(60) + '9' + '}'.repeat(60)],
    ['nested bars', deep(raw`\lvert `, raw`\rvert `)],
    ['exclamation marks', `x${'!'.repeat(200)}`],
    ['a huge power', '9^{9^{9}}'],
    ['a huge power of a fraction', raw`\left(\frac{2}{3}\right)^{999999}`],
    ['a huge factorial', '(9999999!)!'],
    ['a huge product', `${'9^{9999}'.repeat(1)}${raw`\cdot 9^{9999}`.repeat(20)}`],
    ['a long sum', `x${'+1'.repeat(600)}`],
    ['a long list', Array.from({ length: 100 }, (_, i) => `x^${i}`).join(',')],
  ])('%s is too complex', async (_, answer) => {
    for (const gold of [raw`\sqrt{2}`, 'x^2 + 1', raw`1, \sqrt2`]) {
      const { equal, trace } = await (await readGold(gold))!.grade(answer);
      expect(equal).toBe(false);
      expect(trace.at(-1)).toMatch(/^not equal, too complex|^different: /);
    }
    const { equal } = await (await readGold('42'))!.grade(answer);
    expect(equal).toBe(false);
  });

  it.each([deep('(', ')'), '9^{9^{9}}', `x${'+1'.repeat(600)}`])('says that it is: %j', async (answer) => {
    expect((await (await readGold('x^2 + 1'))!.grade(answer)).trace.at(-1)).toMatch(/^not equal, too complex: /);
  });
});
