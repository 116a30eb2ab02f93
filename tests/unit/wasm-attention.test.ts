/** src/engine/wasm/kernels/attention.ts: segments after prefixes they share, against attention of whole rows in float64, and its gradient against differences. */
import { beforeAll, describe, expect, it } from 'vitest';
import { differences, expectClose, normals } from '../helpers/numbers.ts';
import { Bench } from '../helpers/wasm-kernels.ts';

let bench: Bench;
beforeAll(async () => {
  bench = await Bench.start();
});

interface Segment {
  readonly start: number;
  readonly length: number;
  readonly prefix: number;
}

/** Segments one after the other, by lengths and prefixes. */
function laidOut(of: readonly (readonly [length: number, prefix: number])[]): Segment[] {
  let start = 0;
  return of.map(([length, prefix]) => {
    start += length;
    return { start: start - length, length, prefix };
  });
}

interface Shape {
  readonly heads: number;
  readonly kvHeads: number;
  readonly hd: number;
  readonly window: number;
  readonly scale: number;
}

/** [N, H hd] of q|k|v [N, (H + 2K) hd] */
function reference(x: ArrayLike<number>, segments: readonly Segment[], { heads, kvHeads, hd, window, scale }: Shape): number[] {
  const width = (heads + 2 * kvHeads) * hd;
  const out: number[] = [];
  for (const { start, length, prefix } of segments) {
    const before = prefix < 0 ? [] : Array.from({ length: segments[prefix]!.length }, (_, i) => segments[prefix]!.start + i);
    const row = [...before, ...Array.from({ length }, (_, i) => start + i)];
    for (let i = 0; i < length; i++) {
      const position = before.length + i;
      for (let h = 0; h < heads; h++) {
        const kv = Math.floor((h * kvHeads) / heads);
        const seen = row.slice(Math.max(0, position + 1 - window), position + 1);
        const number = (place: number, head: number, d: number) => x[place * width + head * hd + d]!;
        const dims = Array.from({ length: hd }, (_, d) => d);
        const scores = seen.map(
          (place) => scale * dims.reduce((sum, d) => sum + number(start + i, h, d) * number(place, heads + kv, d), 0),
        );
        const most = Math.max(...scores);
        const weights = scores.map((score) => Math.exp(score - most));
        const total = weights.reduce((sum, w) => sum + w, 0);
        for (const d of dims)
          out.push(seen.reduce((sum, place, j) => sum + (weights[j]! / total) * number(place, heads + kvHeads + kv, d), 0));
      }
    }
  }
  return out;
}

const up8 = (n: number) => Math.ceil(n / 8) * 8;

function prepare(segments: readonly Segment[], { heads, kvHeads, hd }: Shape, x: ArrayLike<number>) {
  const { kernels } = bench;
  const width = (heads + 2 * kvHeads) * hd;
  let columns = 0;
  const table = segments.flatMap(({ start, length, prefix }) => {
    columns += up8(length);
    return [start, length, prefix, columns - up8(length), 0];
  });
  const at = bench.integers(table);
  const xs = bench.floats(x);
  const panelsOf = (first: number) => {
    const to = bench.room(kvHeads * columns * hd);
    kernels.packKeys(at, segments.length, columns, kvHeads, hd, xs + 4 * first * hd, 4 * width, to);
    return to;
  };
  const rowsOf = (first: number) => {
    const to = bench.room(kvHeads * columns * up8(hd));
    kernels.packValues(at, segments.length, columns, kvHeads, hd, xs + 4 * first * hd, 4 * width, to);
    return to;
  };
  const widest = 2 * up8(Math.max(...segments.map(({ length }) => length)));
  return { at, xs, columns, width, widest, panelsOf, rowsOf, places: x.length / width };
}

const cases: [string, Shape, Segment[]][] = [
  ['one row', { heads: 1, kvHeads: 1, hd: 2, window: 2 ** 30, scale: 1 }, laidOut([[1, -1]])],
  ['rows without prefixes', { heads: 4, kvHeads: 2, hd: 6, window: 2 ** 30, scale: 0.4 }, laidOut([[5, -1], [11, -1]])], // prettier-ignore
  [
    'a prefix that two share, and another',
    { heads: 6, kvHeads: 1, hd: 8, window: 2 ** 30, scale: 0.35 },
    laidOut([[9, -1], [3, 0], [10, 0], [1, -1], [7, 3]]), // prettier-ignore
  ],
  ['a window within and across', { heads: 2, kvHeads: 2, hd: 4, window: 3, scale: 0.5 }, laidOut([[13, -1], [12, 0], [2, 0]])], // prettier-ignore
  ['a window of nine', { heads: 3, kvHeads: 1, hd: 10, window: 9, scale: 0.3 }, laidOut([[18, -1], [20, 0]])], // prettier-ignore
  ['wide heads', { heads: 2, kvHeads: 1, hd: 24, window: 2 ** 30, scale: 0.2 }, laidOut([[4, -1], [17, 0]])], // prettier-ignore
];

describe.each(cases)('%s', (_, shape, segments) => {
  const { heads, kvHeads, hd, window, scale } = shape;
  const width = (heads + 2 * kvHeads) * hd;
  const places = segments.reduce((sum, { length }) => sum + length, 0);
  const x = normals(places * width, 1);

  it('is attention, and its gradient', () => {
    const { kernels } = bench;
    const { at, xs, columns, widest, panelsOf, rowsOf } = prepare(segments, shape, x);
    const [keys, values] = [panelsOf(heads), rowsOf(heads + kvHeads)];
    const [out, lse] = [bench.room(places * heads * hd), bench.room(places * heads)];
    kernels.attend(at, segments.length, columns, heads, kvHeads, hd, window, scale, xs, keys, values, bench.room(4 * widest), out, lse);
    expectClose(bench.read(out, places * heads * hd), reference(x, segments, shape), 'out', { relative: 1e-5, absolute: 1e-5 });

    const dOut = normals(places * heads * hd, 2);
    const rows = widest / 2;
    const [dx, square] = [bench.zeros(places * width), () => bench.room(rows * widest)];
    const heads8 = () => bench.room(rows * up8(hd));
    const [valuePanels, keyRows] = [panelsOf(heads + kvHeads), rowsOf(heads)];
    kernels.attendBackward(at, segments.length, columns, heads, kvHeads, hd, window, scale, xs, keys, valuePanels, keyRows, square(), square(), heads8(), heads8(), heads8(), out, lse, bench.floats(dOut), dx); // prettier-ignore
    const loss = (moved: ArrayLike<number>) => reference(moved, segments, shape).reduce((sum, value, i) => sum + value * dOut[i]!, 0);
    const some = Array.from({ length: 60 }, (_, i) => Math.floor((i * 7919 * 31) % x.length));
    const gradient = bench.read(dx, places * width);
    expectClose(some.map((i) => gradient[i]!), differences(x, loss, some), 'gradient', { relative: 1e-4, absolute: 1e-4 }); // prettier-ignore
  });
});

it('one place after the other gives the bits of all at once', () => {
  const { kernels } = bench;
  const shape = { heads: 6, kvHeads: 2, hd: 6, window: 7, scale: 0.4 };
  const { heads, kvHeads, hd, window, scale } = shape;
  const segments = laidOut([[11, -1], [19, 0], [4, -1], [10, 2]]); // prettier-ignore
  const width = (heads + 2 * kvHeads) * hd;
  const places = segments.reduce((sum, { length }) => sum + length, 0);
  const x = normals(places * width, 1);
  const all = prepare(segments, shape, x);
  const out = bench.room(places * heads * hd);
  const scores = bench.room(4 * all.widest);
  kernels.attend(all.at, 4, all.columns, heads, kvHeads, hd, window, scale, all.xs, all.panelsOf(heads), all.rowsOf(heads + kvHeads), scores, out, 0); // prettier-ignore
  const together = bench.read(out, places * heads * hd);

  const prompts = [segments[0]!, segments[2]!];
  const { at, columns, panelsOf, rowsOf } = prepare(prompts, shape, x);
  const room = 24;
  const [own, ownValues] = [bench.room(3 * kvHeads * room * hd), bench.room(3 * kvHeads * room * up8(hd))];
  const [keys, values] = [panelsOf(heads), rowsOf(heads + kvHeads)];
  expect(bench.module.heap.integers(at, 10)[8]).toBe(16);
  for (let i = 0; i < 19; i++) {
    const running = i < 10 ? [0, 1] : [0];
    const table = running.flatMap((row) => [2 * row, row === 0 ? 0 : 16, prompts[row]!.length, i, 0]);
    const next = running.flatMap((row) => {
      const place = segments[2 * row + 1]!.start + i;
      return x.slice(place * width, (place + 1) * width);
    });
    const to = bench.room(running.length * heads * hd);
    kernels.attendNext(bench.integers(table), running.length, columns, room, heads, kvHeads, hd, window, scale, bench.floats(next), keys, values, own, ownValues, scores, to, 0); // prettier-ignore
    running.forEach((row, r) => {
      const place = segments[2 * row + 1]!.start + i;
      const mixed = heads * hd;
      expect(bench.read(to, running.length * mixed).slice(r * mixed, (r + 1) * mixed)).toEqual(
        together.slice(place * mixed, (place + 1) * mixed),
      );
    });
  }
});
