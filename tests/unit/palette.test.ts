/** The voices' colours stay apart for colour-blind readers and stand out from the page, in both themes. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

type Rgb = readonly [number, number, number];

const css = readFileSync('src/ui/app.css', 'utf8');
const [light, dark] = css.split("[data-theme='dark']") as [string, string];

function token(sheet: string, name: string): Rgb {
  const hex = new RegExp(`--${name}: #([0-9a-f]{6});`).exec(sheet)?.[1];
  if (!hex) throw new Error(`no colour --${name}`);
  return [0, 2, 4].map((at) => linear(parseInt(hex.slice(at, at + 2), 16) / 255)) as unknown as Rgb;
}

const linear = (value: number): number => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
const luminance = ([r, g, b]: Rgb): number => 0.2126 * r + 0.7152 * g + 0.0722 * b;

function contrast(a: Rgb, b: Rgb): number {
  const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y) as [number, number];
  return (high + 0.05) / (low + 0.05);
}

/** Machado, Oliveira and Fernandes 2009, severity 1, on linear RGB. */
const sight: Readonly<Record<string, readonly (readonly number[])[]>> = {
  normal: [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ],
  protanopia: [
    [0.152286, 1.052583, -0.204868],
    [0.114503, 0.786281, 0.099216],
    [-0.003882, -0.048116, 1.051998],
  ],
  deuteranopia: [
    [0.367322, 0.860646, -0.227968],
    [0.280085, 0.672501, 0.047413],
    [-0.01182, 0.04294, 0.968881],
  ],
  tritanopia: [
    [1.255528, -0.076749, -0.178779],
    [-0.078411, 0.930809, 0.147602],
    [0.004733, 0.691367, 0.3039],
  ],
};

/** Oklab (Ottosson 2020). */
function oklab([r, g, b]: Rgb): Rgb {
  const l = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
  const m = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
  const s = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
  return [
    0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s,
    1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s,
    0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s,
  ];
}

/** The way back, cut off at the ends of sRGB. */
function oklch(lightness: number, chroma: number, hue: number): Rgb {
  const [a, b] = [chroma * Math.cos((hue * Math.PI) / 180), chroma * Math.sin((hue * Math.PI) / 180)];
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  const within = (value: number) => Math.min(1, Math.max(0, value));
  return [
    within(4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s),
    within(-1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s),
    within(-0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s),
  ];
}

const seen = (colour: Rgb, matrix: readonly (readonly number[])[]): Rgb =>
  oklab(
    matrix.map((row) =>
      Math.max(
        0,
        row.reduce((sum, weight, i) => sum + weight * colour[i]!, 0),
      ),
    ) as unknown as Rgb,
  );

const names = Array.from({ length: 8 }, (_, i) => `voice-${i + 1}`);

describe.each([
  ['light', light],
  ['dark', dark],
])('%s', (_, sheet) => {
  const paper = token(sheet, 'paper');

  it.each([...names, 'voice-none', 'recipe-base', 'recipe-sft', 'recipe-distill', 'recipe-rlvr', 'recipe-permix'])(
    '%s stands out from the page',
    (name) => {
      expect(contrast(token(sheet, name), paper)).toBeGreaterThanOrEqual(3);
    },
  );

  it.each(['ink', 'ink-2', 'ink-3', 'accent', 'good', 'bad', 'warn'])('%s can be read', (name) => {
    expect(contrast(token(sheet, name), paper)).toBeGreaterThanOrEqual(4.5);
  });

  it.each(Object.keys(sight))('the voices stay apart: %s', (kind) => {
    const colours = [...names, 'voice-none'].map((name) => seen(token(sheet, name), sight[kind]!));
    for (const [i, a] of colours.entries()) {
      for (const b of colours.slice(i + 1)) {
        const difference = Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);
        // 0.02 is about the smallest difference the eye sees side by side.
        expect(difference, `${names[i] ?? 'voice-none'}`).toBeGreaterThan(0.055);
      }
    }
  });

  it('every share in the picture can be read, on black ink or white', () => {
    const number = (from: string, name: string) => Number(new RegExp(`--heat-${name}: ([\\d.]+);`).exec(from)![1]);
    const shared = (name: string) => number(light, name);
    const [none, all, turn] = [number(sheet, 'none'), number(sheet, 'all'), shared('turn')];
    expect(Math.abs(all - none)).toBeGreaterThan(0.6);
    for (let share = 0; share <= 100; share++) {
      const lightness = none + (share / 100) * (all - none);
      const ink: Rgb = lightness < turn ? [1, 1, 1] : [0, 0, 0];
      expect(
        contrast(oklch(lightness, shared('chroma') * lightness * (1 - lightness), shared('hue')), ink),
        `${share} %`,
      ).toBeGreaterThanOrEqual(4.5);
    }
  });
});
