/** src/engine/wasm/kernels/product.ts and pack.ts against loops in float64, on shapes that fit no tile. */
import { beforeAll, describe, expect, it } from 'vitest';
import { byColumns } from '../../src/engine/wasm/linear.ts';
import { expectClose, normals } from '../helpers/numbers.ts';
import { swallowed } from '../helpers/swallowed.ts';
import { Bench } from '../helpers/wasm-kernels.ts';

let bench: Bench;
beforeAll(async () => {
  bench = await Bench.start();
});

/** c [m, n] = init + sum over l of a(i, l) b(l, j), in float64. */
function reference(
  m: number,
  n: number,
  k: number,
  a: (i: number, l: number) => number,
  b: (l: number, j: number) => number,
  init: ArrayLike<number>,
) {
  return Array.from({ length: m * n }, (_, at) => {
    let sum = init[at] ?? 0;
    for (let l = 0; l < k; l++) sum += a(Math.floor(at / n), l) * b(l, at % n);
    return sum;
  });
}

const shapes = [
  [1, 1, 1],
  [4, 8, 16],
  [5, 9, 7],
  [3, 33, 13],
  [131, 17, 3],
  [7, 40, 600],
  [130, 24, 1030],
  [2, 65, 5],
] as const;

describe.each(shapes)('m %i, n %i, k %i', (m, n, k) => {
  const close = { relative: 1e-5, absolute: 5e-6 * Math.sqrt(k) };
  const [a, w] = [normals(m * k, 1), normals(n * k, 2)];
  const init = normals(m * n, 3);

  it('rows by a matrix in panels: y = x Wᵀ, from nothing, from a bias, from what is there', () => {
    const { kernels } = bench;
    const panels = bench.panels(w, k);
    const x = bench.floats(a);
    const product = (start: ArrayLike<number>) =>
      reference(
        m,
        n,
        k,
        (i, l) => a[i * k + l]!,
        (l, j) => w[j * k + l]!,
        start,
      );
    const c = bench.room(m * n);
    kernels.multiplyRows(m, n, k, x, 4 * k, panels, 32, 32 * k, c, 4 * n, 32, 0, 0, 0);
    expectClose(bench.read(c, m * n), product([]), 'from nothing', close);
    const bias = normals(n, 4);
    kernels.multiplyRows(m, n, k, x, 4 * k, panels, 32, 32 * k, c, 4 * n, 32, bench.floats(bias), 0, 32);
    expectClose(bench.read(c, m * n), product(Array.from(init, (_, at) => bias[at % n]!)), 'from a bias', close);
    const there = bench.floats(init);
    kernels.multiplyRows(m, n, k, x, 4 * k, panels, 32, 32 * k, there, 4 * n, 32, there, 4 * n, 32);
    expectClose(bench.read(there, m * n), product(init), 'added', close);
    // What lies behind the last row is not written.
    expect(bench.read(there, m * n + 1).at(-1)).toBe(Math.fround(1e30));
  });

  it('a row has the same bits alone as among others', () => {
    const { kernels } = bench;
    const panels = bench.panels(w, k);
    const x = bench.floats(a);
    const [all, alone] = [bench.room(m * n), bench.room(n)];
    kernels.multiplyRows(m, n, k, x, 4 * k, panels, 32, 32 * k, all, 4 * n, 32, 0, 0, 0);
    for (const row of new Set([0, m >> 1, m - 1])) {
      kernels.multiplyRows(1, n, k, x + 4 * k * row, 4 * k, panels, 32, 32 * k, alone, 4 * n, 32, 0, 0, 0);
      expect(bench.read(alone, n)).toEqual(bench.read(all, m * n).slice(row * n, row * n + n));
    }
  });

  it('rows by the columns of a matrix in panels: dx = dy W', () => {
    const { kernels } = bench;
    // W is [k, n] here: what is summed over are its rows.
    const turned = normals(n * k, 5);
    const panels = bench.panels(turned, n);
    const count = Math.ceil(k / 8);
    const columns = bench.room(count * 8 * Math.ceil(n / 8) * 8);
    kernels.turnPanels(count, n, panels, columns, 0);
    const c = bench.room(m * n);
    kernels.multiplyRows(m, n, k, bench.floats(a), 4 * k, columns, 32, count * 256, c, 4 * n, 32, 0, 0, 0);
    expectClose(
      bench.read(c, m * n),
      reference(
        m,
        n,
        k,
        (i, l) => a[i * k + l]!,
        (l, j) => turned[l * n + j]!,
        [],
      ),
      'dx',
      close,
    );
  });

  it('columns by columns, into panels: dW += dyᵀ x', () => {
    const { kernels } = bench;
    // k places of x [k, m] and dy [k, n].
    const [x, dy, before] = [normals(k * m, 6), normals(k * n, 7), normals(n * m, 8)];
    const fours = bench.room(4 * Math.ceil(m / 4) * k);
    const panels = bench.room(8 * Math.ceil(n / 8) * k);
    kernels.packFours(k, m, bench.floats(x), 4 * m, fours);
    kernels.packColumns(k, n, bench.floats(dy), 4 * n, panels);
    const c = bench.panels(before, m);
    kernels.multiplyColumns(m, n, k, fours, 16, 16 * k, panels, 32, 32 * k, c, 32, 32 * m, 1);
    const expected = reference(
      n,
      m,
      k,
      (o, l) => dy[l * n + o]!,
      (l, i) => x[l * m + i]!,
      before,
    );
    expectClose(bench.fromPanels(c, n, m), expected, 'dW', close);
    // What a panel has beyond the matrix stays 0.
    const all = bench.read(c, Math.ceil(n / 8) * 8 * m);
    all.forEach((value, at) => {
      if (Math.floor(at / (8 * m)) * 8 + (at % 8) >= n) expect(value).toBe(0);
    });
  });
});

it('a product over nothing is what it begins with', () => {
  const { kernels } = bench;
  const c = bench.room(6);
  kernels.multiplyRows(2, 3, 0, 0, 0, 0, 32, 0, c, 12, 32, 0, 0, 0);
  expect([...bench.read(c, 6)]).toEqual([0, 0, 0, 0, 0, 0]);
});

it('parts of a matrix go where they are told, and come back', () => {
  const { kernels } = bench;
  const [rows, k] = [19, 5];
  const panels = bench.zeros(24 * k);
  const [top, corner] = [normals(7 * k, 1), normals(12 * 2, 2)];
  kernels.packRows(7, k, bench.floats(top), 4 * k, panels, k, 0, 0, 0);
  kernels.packRows(12, 2, bench.floats(corner), 8, panels, k, 7, 3, 0);
  const matrix = bench.fromPanels(panels, rows, k);
  expect([...matrix.subarray(0, 7 * k)]).toEqual(top);
  for (let row = 0; row < 12; row++) {
    expect([...matrix.subarray((7 + row) * k, (8 + row) * k)]).toEqual([0, 0, 0, corner[2 * row], corner[2 * row + 1]]);
  }
});

it('the gradient of a large vocabulary loses nothing to a running sum', () => {
  const [rows, out, inside] = [3, 40_000, 8];
  const { dy, w, expected } = swallowed(rows, out, inside);
  const scratch = { first: bench.room(4096), second: bench.room(4096), inner: 0, dInner: 0 };
  const [x, panels] = [bench.floats(dy), { at: bench.panels(w, inside), kind: 0 }];
  const [dx, partial] = [bench.room(rows * inside), bench.room(rows * inside)];
  byColumns(bench.kernels, scratch, { rows, out, in: inside }, x, panels, dx, false, partial);
  expectClose(bench.read(dx, rows * inside), expected, 'dx', { relative: 1e-5, absolute: 0 });
});
