/** Pairs of gold and answer for `verdicts.ts`: every kind of answer, written otherwise, worked wrongly, or nearly right; drawn from a seed. */
import { Purpose, Stream } from '../../src/random/counter.ts';

export interface Pair {
  readonly gold: string;
  readonly answer: string;
  /** What was done to the gold. */
  readonly how: string;
}

/** An answer, and what was done to get it. */
type Variant = readonly [how: string, answer: string];
type Kind = (draw: Stream) => readonly [gold: string, ...variants: Variant[]];

const raw = String.raw;

const kinds: readonly Kind[] = [
  (draw) => {
    const [n, a] = [draw.integer(100, 99999), draw.integer(2, 99)];
    return [
      `${n}`,
      ['the same', `${n}`],
      ['a decimal', `${n}.0`],
      ['thousands', n.toLocaleString('en-US')],
      ['a name', `x = ${n}`],
      ['a unit', raw`${n}\text{ cm}`],
      ['dollars', raw`\$${n}`],
      ['a quotient', raw`\frac{${n * a}}{${a}}`],
      ['left standing', `${n - a}+${a}`],
      ['left standing', raw`${n + a}-${a}`],
      ['another', `${n + a}`],
      ['another', `-${n}`],
      ['another', `${n}0`],
      ['a percentage', raw`${n}\%`],
      ['two at once', raw`${n}\text{ or }${n + 1}`],
    ];
  },
  (draw) => {
    const [a, b, k] = [draw.integer(1, 30), draw.integer(2, 30), draw.integer(2, 5)];
    return [
      raw`\frac{${a}}{${b}}`,
      ['a slash', `${a}/${b}`],
      ['unreduced', raw`\frac{${a * k}}{${b * k}}`],
      ['dfrac', raw`\dfrac{${a}}{${b}}`],
      ['rounded to eight', (a / b).toFixed(8)],
      ['rounded to three', (a / b).toFixed(3)],
      ['turned over', raw`\frac{${b}}{${a}}`],
      ['another', raw`\frac{${a + 1}}{${b}}`],
      ['left standing', raw`\frac{${a}}{${b * 2}}+\frac{${a}}{${b * 2}}`],
    ];
  },
  (draw) => {
    const n = draw.integer(1, 99);
    return [
      raw`${n}\%`,
      ['the same', raw`${n}\%`],
      ['a hundredth', `${n / 100}`],
      ['a hundredth', raw`\frac{${n}}{100}`],
      ['without its sign', `${n}`],
      ['another', raw`${n + 1}\%`],
    ];
  },
  (draw) => {
    const [a, b] = [draw.integer(2, 12), draw.pick([2, 3, 5, 6, 7, 10, 11, 13])];
    return [
      raw`${a}\sqrt{${b}}`,
      ['under the root', raw`\sqrt{${a * a * b}}`],
      ['plain', `${a}*sqrt(${b})`],
      ['a power', raw`${a}\cdot ${b}^{1/2}`],
      ['rounded to eight', (a * Math.sqrt(b)).toFixed(8)],
      ['rounded to three', (a * Math.sqrt(b)).toFixed(3)],
      ['another', raw`${b}\sqrt{${a + 1}}`],
      ['another', raw`-${a}\sqrt{${b}}`],
    ];
  },
  (draw) => {
    const [a, b] = [draw.integer(1, 9), draw.integer(2, 9)];
    return [
      raw`\frac{${a}\pi}{${b}}`,
      ['in front', raw`\frac{${a}}{${b}}\pi`],
      ['bare pi', `${a}pi/${b}`],
      ['a sign', `${a}π/${b}`],
      ['rounded to eight', ((a * Math.PI) / b).toFixed(8)],
      ['another', raw`\frac{${a + 1}\pi}{${b}}`],
      ['another', raw`\frac{${a}}{${b}}`],
    ];
  },
  (draw) => {
    const [a, b] = [draw.integer(1, 9), draw.integer(1, 9)];
    return [
      `x^2+${a + b}x+${a * b}`,
      ['factors', `(x+${a})(x+${b})`],
      ['another order', `${a * b}+${a + b}x+x^2`],
      ['plain', `x*x+${a + b}*x+${a * b}`],
      ['another', `x^2+${a + b}x-${a * b}`],
      ['another', `x^2+${a + b + 1}x+${a * b}`],
      ['another letter', `y^2+${a + b}y+${a * b}`],
    ];
  },
  (draw) => {
    const [a, b] = [draw.integer(-9, 9), draw.integer(10, 20)];
    return [
      raw`\left(${a}, ${b}\right)`,
      ['the same', `(${a},${b})`],
      ['without brackets', `${a},${b}`],
      ['turned round', `(${b},${a})`],
      ['square brackets', `[${a},${b}]`],
      ['one closed end', `(${a},${b}]`],
      ['left standing', `(${a},${b - 1}+1)`],
      ['one more', `(${a},${b},0)`],
    ];
  },
  (draw) => {
    const [a, b, c] = [draw.integer(-9, -1), draw.integer(0, 9), draw.integer(10, 19)];
    return [
      `${a},${b},${c}`,
      ['any order', `${c},${a},${b}`],
      ['braces', raw`\{${b},${c},${a}\}`],
      ['and', raw`${a}, ${b}\text{ and }${c}`],
      ['one missing', `${a},${b}`],
      ['one more', `${a},${b},${c},20`],
      ['another', `${a},${b},${c + 1}`],
    ];
  },
  (draw) => {
    const [a, b] = [draw.integer(-9, 0), draw.integer(1, 9)];
    return [
      raw`(-\infty,${a})\cup(${b},\infty)`,
      ['another order', raw`(${b},\infty)\cup(-\infty,${a})`],
      ['one closed end', raw`(-\infty,${a}]\cup(${b},\infty)`],
      ['another', raw`(-\infty,${a})\cup(${b + 1},\infty)`],
      ['one missing', raw`(-\infty,${a})`],
    ];
  },
  (draw) => {
    const [a, b] = [draw.integer(-9, 0), draw.integer(1, 9)];
    return [
      raw`${a}<x\le ${b}`,
      ['turned round', raw`${b}\ge x>${a}`],
      ['its interval', `(${a},${b}]`],
      ['the other interval', `[${a},${b})`],
      ['strict', `${a}<x<${b}`],
    ];
  },
  (draw) => {
    const a = draw.integer(1, 9);
    return [
      `x>${a}`,
      ['turned round', `${a}<x`],
      ['a factor', `2x>${2 * a}`],
      ['its interval', raw`(${a},\infty)`],
      ['another', `x<${a}`],
      ['not strict', raw`x\ge ${a}`],
    ];
  },
  (draw) => {
    const [a, b] = [draw.integer(-9, 0), draw.integer(1, 9)];
    return [`[${a},${b}]`, ['membership', raw`x\in[${a},${b}]`], ['an inequality', raw`${a}\le x\le ${b}`], ['open', `(${a},${b})`]];
  },
  (draw) => {
    const [a, b] = [draw.integer(2, 9), draw.integer(1, 9)];
    return [
      `y=${a}x+${b}`,
      ['its value', `${a}x+${b}`],
      ['a factor', `2y=${2 * a}x+${2 * b}`],
      ['another order', `y=${b}+${a}x`],
      ['to one side', `y-${a}x-${b}=0`],
      ['another', `y=${a}x-${b}`],
    ];
  },
  (draw) => {
    const [a, b, c, d] = Array.from({ length: 4 }, () => draw.integer(-9, 9));
    return [
      raw`\begin{pmatrix}${a}&${b}\\${c}&${d}\end{pmatrix}`,
      ['other brackets', raw`\begin{bmatrix}${a}&${b}\\${c}&${d}\end{bmatrix}`],
      ['another', raw`\begin{pmatrix}${a}&${b}\\${c}&${d! + 1}\end{pmatrix}`],
      ['a row', raw`\begin{pmatrix}${a}&${b}&${c}&${d}\end{pmatrix}`],
    ];
  },
  (draw) => {
    const [a, b] = [draw.integer(1, 9), draw.integer(2, 9)];
    return [`${a}+${b}i`, ['another order', `${b}i+${a}`], ['another', `${a}-${b}i`], ['another', `${b}+${a + b}i`]];
  },
  (draw) => {
    const [a, b] = [draw.integer(1, 9), draw.pick([2, 3, 5, 7])];
    return [
      raw`${a}\pm\sqrt{${b}}`,
      ['both', raw`${a}+\sqrt{${b}},${a}-\sqrt{${b}}`],
      ['both', raw`\{${a}-\sqrt{${b}},${a}+\sqrt{${b}}\}`],
      ['one', raw`${a}+\sqrt{${b}}`],
    ];
  },
  (draw) => {
    const word = draw.pick(['even', 'odd', 'east', 'ellipse', 'Evelyn', 'Monday', 'yes', 'parabola']);
    return [raw`\text{${word}}`, ['the same', raw`\text{${word}}`], ['bare', word], ['another', raw`\text{other}`]];
  },
  (draw) => {
    const letter = draw.pick([...'ABCDE']);
    return [
      raw`\text{(${letter})}`,
      ['bare', letter],
      ['brackets', `(${letter})`],
      ['text', raw`\text{${letter}}`],
      ['another', letter === 'A' ? 'B' : 'A'],
    ];
  },
  (draw) => {
    const digits = `${draw.integer(1, 6)}${draw.integer(0, 6)}${draw.integer(0, 6)}`;
    return [
      `${digits}_7`,
      ['braces', `${digits}_{7}`],
      ['without its base', digits],
      ['another base', `${digits}_8`],
      ['its value', `${parseInt(digits, 7)}`],
    ];
  },
  (draw) => {
    const n = draw.integer(11, 99);
    return [
      `0.00000${n}`,
      ['scientific', raw`${n / 10}\times 10^{-6}`],
      ['tiny and another', `0.00000${n + 1}`],
      ['rounded to eight', (n / 1e7 + 1e-12).toFixed(8)],
    ];
  },
  (draw) => {
    const [a, b] = [draw.integer(2, 5), draw.integer(2, 6)];
    return [
      `${a ** b}`,
      ['a power', `${a}^${b}`],
      ['a root', raw`\sqrt{${a ** (2 * b)}}`],
      ['left standing', raw`${a}\cdot ${a ** (b - 1)}`],
      ['another', `${b}^${a + 7}`],
    ];
  },
  (draw) => {
    const a = draw.integer(2, 9);
    return [
      raw`\ln ${a}`,
      ['logarithms to ten', raw`\frac{\log_{10} ${a}}{\log_{10} e}`],
      ['of its square', raw`\frac{1}{2}\ln ${a * a}`],
      ['another', raw`\ln ${a + 1}`],
    ];
  },
  (draw) => {
    const a = draw.integer(2, 9);
    return [raw`\sin ${a}x`, ['the same', raw`\sin(${a}x)`], ['another', raw`${a}\sin x`], ['shifted', raw`\cos(${a}x-\frac{\pi}{2})`]];
  },
];

/** @param count of pairs, the kinds in turn */
export function verdictPairs(seed: number, count: number): readonly Pair[] {
  return Array.from({ length: count }, (_, i) => {
    const draw = new Stream(seed, Purpose.corpus, i, 7);
    const [gold, ...variants] = kinds[i % kinds.length]!(draw);
    const [how, answer] = draw.pick(variants);
    return { gold, answer, how };
  });
}
