/** The kernels of the wasm engine that are no products and no attention, against float64, and their gradients against differences of it. */
import { beforeAll, describe, expect, it } from 'vitest';
import { counterUniform } from '../../src/random/counter.ts';
import { drawToken, tokenDistribution } from '../../src/engine/sampler.ts';
import { differences, expectClose, integers, normals } from '../helpers/numbers.ts';
import { activated } from '../helpers/reference-decoder.ts';
import { Bench } from '../helpers/wasm-kernels.ts';

let bench: Bench;
beforeAll(async () => {
  bench = await Bench.start();
});

const close = { relative: 1e-5, absolute: 1e-5 };
const slopes = { relative: 1e-4, absolute: 1e-4 };
const dot = (x: ArrayLike<number>, y: ArrayLike<number>) => Array.from(x).reduce((sum, value, i) => sum + value * y[i]!, 0);

describe.each([
  [1, 1],
  [3, 4],
  [5, 6],
  [2, 13],
  [4, 96],
])('RMSNorm of %i rows of %i', (rows, width) => {
  const eps = 1e-3;
  const [x, w, dy] = [normals(rows * width, 1), normals(width, 2, 0.3), normals(rows * width, 3)];
  const norm = (values: ArrayLike<number>, weight: ArrayLike<number>, offset: number) =>
    Array.from({ length: rows * width }, (_, i) => {
      const row = Math.floor(i / width);
      let sum = 0;
      for (let c = 0; c < width; c++) sum += values[row * width + c]! ** 2;
      return (values[i]! / Math.sqrt(sum / width + eps)) * (offset + weight[i % width]!);
    });

  it.each([0, 1])('and its gradient, weights that differ from %i', (offset) => {
    const { kernels } = bench;
    const [xs, ws, row] = [bench.floats(x), bench.floats(w), 4 * width];
    const y = bench.room(rows * width);
    kernels.rmsNorm(rows, width, xs, row, ws, y, row, 0, eps, offset);
    expectClose(bench.read(y, rows * width), norm(x, w, offset), 'y', close);
    const residual = normals(rows * width, 4);
    kernels.rmsNorm(rows, width, xs, row, ws, y, row, bench.floats(residual), eps, offset);
    expectClose(bench.read(y, rows * width), norm(x, w, offset).map((value, i) => value + residual[i]!), 'y + residual', close); // prettier-ignore

    const [dx, dw, before] = [bench.floats(residual), bench.floats(w), bench.floats(dy)];
    kernels.rmsNormBackward(rows, width, xs, row, ws, before, dx, row, 1, dw, eps, offset);
    const dX = differences(x, (moved) => dot(norm(moved, w, offset), dy));
    const dW = differences(w, (moved) => dot(norm(x, moved, offset), dy));
    expectClose(bench.read(dx, rows * width), dX.map((value, i) => value + residual[i]!), 'dx', slopes); // prettier-ignore
    expectClose(bench.read(dw, width), dW.map((value, i) => value + w[i]!), 'dw', slopes); // prettier-ignore
    // In place, of weights that nobody trains.
    kernels.rmsNormBackward(rows, width, xs, row, ws, before, before, row, 0, 0, eps, offset);
    expectClose(bench.read(before, rows * width), dX, 'dx in place', slopes);
  });
});

describe.each([
  [2, 1, 2],
  [4, 2, 6],
  [3, 3, 24],
])('the turn of %i heads and %i key heads of %i', (heads, kvHeads, hd) => {
  const [places, eps, offset] = [3, 1e-3, 1];
  const width = (heads + 2 * kvHeads) * hd;
  const positions = [4, 0, 2];
  const table = Array.from({ length: 5 }, (_, position) =>
    Array.from({ length: hd }, (_, i) => (i < hd / 2 ? Math.cos : Math.sin)(position * (1 + (i % (hd / 2))) * 0.3)),
  ).flat();
  const [raw, norms, gradient] = [normals(places * width, 1), normals(2 * hd, 2, 0.3), normals(places * width, 3)];
  const turned = (values: ArrayLike<number>, weights: ArrayLike<number> | null) => {
    const out = Array.from(values);
    for (let place = 0; place < places; place++) {
      for (let head = 0; head < heads + kvHeads; head++) {
        const at = place * width + head * hd;
        let x = Array.from({ length: hd }, (_, i) => values[at + i]!);
        if (weights) {
          const r = 1 / Math.sqrt(dot(x, x) / hd + eps);
          x = x.map((value, i) => value * r * (offset + weights[(head < heads ? 0 : hd) + i]!));
        }
        for (let i = 0; i < hd / 2; i++) {
          const [c, s] = [table[positions[place]! * hd + i]!, table[positions[place]! * hd + hd / 2 + i]!];
          out[at + i] = x[i]! * c - x[hd / 2 + i]! * s;
          out[at + hd / 2 + i] = x[hd / 2 + i]! * c + x[i]! * s;
        }
      }
    }
    return out;
  };

  it.each([false, true])('and back, with head norms: %s', (normed) => {
    const { kernels } = bench;
    const weights = normed ? norms : null;
    const [from, angles, where] = [bench.floats(raw), bench.floats(table), bench.integers(positions)];
    const n = normed ? bench.floats(norms) : 0;
    // Without norms it can be done in place.
    const to = normed ? bench.room(places * width) : from;
    kernels.turn(places, heads, kvHeads, hd, from, to, angles, where, n, eps, offset);
    expectClose(bench.read(to, places * width), turned(raw, weights), 'turned', close);
    const [d, dn] = [bench.floats(gradient), normed ? bench.zeros(2 * hd) : 0];
    kernels.turnBackward(places, heads, kvHeads, hd, d, from, angles, where, n, dn, eps, offset);
    expectClose(bench.read(d, places * width), differences(raw, (moved) => dot(turned(moved, weights), gradient)), 'd raw', slopes); // prettier-ignore
    if (normed) expectClose(bench.read(dn, 2 * hd), differences(norms, (moved) => dot(turned(raw, moved), gradient)), 'd norms', slopes); // prettier-ignore
  });
});

describe.each(['silu', 'gelu_pytorch_tanh'] as const)('the gated unit with %s', (activation) => {
  it.each([
    [1, 1],
    [3, 6],
    [2, 16],
  ])('of %i rows of %i, and its gradient', (rows, f) => {
    const { kernels } = bench;
    const code = activation === 'silu' ? 0 : 1;
    const [gateUp, dy] = [normals(rows * 2 * f, 1, 2), normals(rows * f, 2)];
    const forward = (values: ArrayLike<number>) =>
      Array.from({ length: rows * f }, (_, i) => {
        const at = Math.floor(i / f) * 2 * f + (i % f);
        return activated(values[at]!, activation) * values[at + f]!;
      });
    const [x, y] = [bench.floats(gateUp), bench.room(rows * f)];
    kernels.gated(rows, f, x, y, code);
    expectClose(bench.read(y, rows * f), forward(gateUp), 'y', close);
    kernels.gatedBackward(rows, f, x, bench.floats(dy), code);
    expectClose(bench.read(x, rows * 2 * f), differences(gateUp, (moved) => dot(forward(moved), dy)), 'gradient', slopes); // prettier-ignore
  });

  it('stays finite where the gate is far away', () => {
    const [x, y] = [bench.floats([-200, 200, -90, 30, 1, 1, 1, 1]), bench.room(4)];
    bench.kernels.gated(1, 4, x, y, activation === 'silu' ? 0 : 1);
    expectClose(bench.read(y, 4), [0, 200, 0, 30], 'y', close);
    bench.kernels.gatedBackward(1, 4, x, bench.floats([1, 1, 1, 1]), activation === 'silu' ? 0 : 1);
    expectClose(bench.read(x, 4), [0, 1, 0, 1], 'slope', close);
  });
});

it('tokens are looked up in a table of panels, and their gradients added where they came from', () => {
  const { kernels } = bench;
  const [v, d, scale] = [11, 5, 1.5];
  const [table, dx] = [normals(v * d, 1), normals(4 * d, 2)];
  const [tokens, panels, x] = [[10, 3, 3, 0], bench.panels(table, d), bench.room(4 * d)];
  const ids = bench.integers(tokens);
  kernels.embed(4, d, ids, panels, x, scale, 0);
  expectClose(bench.read(x, 4 * d), tokens.flatMap((token) => table.slice(token * d, token * d + d).map((value) => scale * value)), 'x'); // prettier-ignore
  kernels.embedBackward(4, d, ids, panels, bench.floats(dx), scale);
  const expected = [...table];
  tokens.forEach((token, place) => {
    for (let i = 0; i < d; i++) expected[token * d + i]! += scale * dx[place * d + i]!;
  });
  expectClose(bench.fromPanels(panels, v, d), expected, 'table');
});

it('rows are gathered and added back, and summed', () => {
  const { kernels } = bench;
  const [rows, d] = [4, 7];
  const [x, y] = [normals(rows * d, 1), normals(3 * d, 2)];
  const places = [2, 0, 2];
  const [xs, where, to] = [bench.floats(x), bench.integers(places), bench.room(3 * d)];
  kernels.gatherRows(3, d, where, xs, to);
  expect([...bench.read(to, 3 * d)]).toEqual(places.flatMap((place) => x.slice(place * d, place * d + d)));
  const sums = bench.floats(y.slice(0, d));
  kernels.addColumns(rows, d, xs, sums);
  expectClose(bench.read(sums, d), y.slice(0, d).map((value, i) => value + [0, 1, 2, 3].reduce((sum, row) => sum + x[row * d + i]!, 0)), 'sums'); // prettier-ignore
  kernels.addRows(3, d, where, xs, bench.floats(y));
  const expected = [...x];
  places.forEach((place, row) => {
    for (let i = 0; i < d; i++) expected[place * d + i]! += y[row * d + i]!;
  });
  expectClose(bench.read(xs, rows * d), expected, 'added');
  const scaled = bench.floats(x);
  kernels.scale(rows * d - 1, scaled, 3);
  expectClose(bench.read(scaled, rows * d), x.map((value, i) => (i < rows * d - 1 ? 3 * value : value)), 'scaled'); // prettier-ignore
});

describe.each([
  [1, 3, 1],
  [3, 19, 0.7],
  [2, 777, 1.3],
])('log-probs of %i rows of %i at temperature %f', (rows, v, temperature) => {
  it('with entropies, and the gradient of both', () => {
    const { kernels } = bench;
    const logits = normals(rows * v, 1, 3);
    const targets = integers(rows, 2, 0, v - 1);
    const [dLp, dH] = [normals(rows, 3), normals(rows, 4)];
    const both = (values: ArrayLike<number>) => {
      const [lps, entropies]: [number[], number[]] = [[], []];
      for (let row = 0; row < rows; row++) {
        const z = Array.from({ length: v }, (_, i) => values[row * v + i]! / temperature);
        const most = Math.max(...z);
        const log = most + Math.log(z.reduce((sum, value) => sum + Math.exp(value - most), 0));
        lps.push(z[targets[row]!]! - log);
        entropies.push(z.reduce((sum, value) => sum - Math.exp(value - log) * (value - log), 0));
      }
      return { lps, entropies };
    };
    const [x, ids] = [bench.floats(logits), bench.integers(targets)];
    const [lp, h, stats] = [bench.room(rows), bench.room(rows), bench.room(2 * rows)];
    kernels.tokenLogprob(rows, v, x, ids, 1 / temperature, lp, h, stats);
    const expected = both(logits);
    expectClose(bench.read(lp, rows), expected.lps, 'log-probs', close);
    expectClose(bench.read(h, rows), expected.entropies, 'entropies', close);
    kernels.tokenLogprobBackward(rows, v, x, ids, 1 / temperature, h, stats, bench.floats(dLp), bench.floats(dH));
    const loss = (moved: ArrayLike<number>) => {
      const { lps, entropies } = both(moved);
      return dot(lps, dLp) + dot(entropies, dH);
    };
    const some = integers(40, 5, 0, rows * v - 1);
    const gradient = bench.read(x, rows * v);
    expectClose(some.map((i) => gradient[i]!), differences(logits, loss, some), 'gradient', slopes); // prettier-ignore
  });
});

describe('the sampler', () => {
  const plain = { temperature: 0.8, topK: 0, topP: 1, minP: 0 };
  it.each([
    ['nothing filtered', plain],
    ['greedy', { ...plain, temperature: 0 }],
    ['top-k', { ...plain, topK: 5 }],
    ['top-p', { ...plain, topP: 0.6 }],
    ['min-p', { ...plain, minP: 0.2 }],
    ['all of them', { temperature: 1.4, topK: 40, topP: 0.9, minP: 0.02 }],
  ])('draws what the host draws: %s', (_, filters) => {
    const { kernels } = bench;
    const [weights, keys, said] = [bench.room(772), bench.room(772), bench.room(2)];
    for (const v of [3, 70, 768]) {
      for (let draw = 0; draw < 40; draw++) {
        const logits = Float32Array.from(normals(v, 100 * v + draw, 2));
        if (draw % 4 === 0) logits[v - 1] = logits[0]!; // equals
        const uniform = counterUniform(1, 2, 3, draw);
        const expected = tokenDistribution(logits, filters);
        const greedy = filters.temperature === 0;
        const inverse = Math.fround(greedy ? 1 : 1 / filters.temperature);
        const outside = filters.topP < 1 ? Math.fround(1 - Math.fround(filters.topP)) : 0;
        const minP = Math.fround(filters.minP);
        const at = bench.floats(logits);
        const token = kernels.sample(v, at, weights, keys, greedy ? 1 : 0, inverse, filters.topK, outside, minP, uniform, said);
        expect(token, `vocabulary ${v}, draw ${draw}`).toBe(greedy ? expected.argmax : drawToken(expected.weights, uniform));
        expectClose(bench.read(said, 2), [expected.logprobs[token]!, expected.entropy], 'log-prob and entropy', close);
      }
    }
  });
});

it('AdamW and the sum of squares, by their definitions', () => {
  const { kernels } = bench;
  const n = 12;
  const [p, g, m, v] = [normals(n, 1), normals(n, 2), normals(n, 3), normals(n, 4).map((value) => value ** 2)];
  const [b1, b2, lr, eps, decay, clip, t] = [0.9, 0.99, 0.01, 1e-6, 0.1, 0.5, 3];
  const [ps, gs, ms, vs] = [bench.floats(p), bench.floats(g), bench.floats(m), bench.floats(v)];
  expectClose([kernels.sumOfSquares(n, gs)], [dot(g, g)], 'sum of squares');
  const c2 = Math.sqrt(1 - b2 ** t);
  kernels.adamW(n, ps, gs, ms, vs, b1, (1 - b1) * clip, b2, (1 - b2) * clip ** 2, (lr * c2) / (1 - b1 ** t), eps * c2, 1 - lr * decay);
  const first = m.map((value, i) => b1 * value + (1 - b1) * clip * g[i]!);
  const second = v.map((value, i) => b2 * value + (1 - b2) * (clip * g[i]!) ** 2);
  expectClose(bench.read(ms, n), first, 'first moment');
  expectClose(bench.read(vs, n), second, 'second moment');
  const step = first.map((value, i) => value / (1 - b1 ** t) / (Math.sqrt(second[i]! / (1 - b2 ** t)) + eps));
  expectClose(bench.read(ps, n), p.map((value, i) => value - lr * (decay * value + step[i]!)), 'parameters', close); // prettier-ignore
});
