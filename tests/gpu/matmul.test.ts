/**
 * Matrix products of the fused engine against plain float64 loops: every kind, in every form that an adapter of any sort is
 * given (all of them run on all adapters), at odd, prime and tail shapes, with everything that can be done to the result.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { gateUpMatmul, matmul, swigluBackwardMatmul, swigluForward, type MatmulOptions } from '../../src/engine/fused/kernels/matmul.ts';
import { hardwareTiles, thin, tuningFor, type MatmulKind, type MatmulTuning, type Tuning } from '../../src/engine/fused/kernels/tuning.ts';
import type { ParameterViews } from '../../src/engine/fused/machine.ts';
import { weightInput } from '../../src/engine/fused/weight.ts';
import { acquireGpu, type GpuContext } from '../../src/engine/gpu/device.ts';
import { part } from '../../src/engine/gpu/work.ts';
import { WorkBench, untouched } from '../helpers/gpu-work.ts';
import { activated } from '../helpers/reference-decoder.ts';
import { expectClose, normals } from '../helpers/numbers.ts';
import { swallowed } from '../helpers/swallowed.ts';

let gpu: GpuContext;
let bench: WorkBench;

beforeAll(async () => {
  gpu = await acquireGpu();
  bench = new WorkBench(gpu.device);
});
afterEach(() => gpu.check());
afterAll(() => {
  bench.dispose();
  gpu.release();
});

const software = tuningFor({ adapter: 'llvmpipe', software: true });
const swiftShader = tuningFor({ adapter: 'SwiftShader Device', software: true });
const always = (tile: MatmulTuning): Tuning => ({ matmul: () => tile });
const onHardware = hardwareTiles.map((tile): [string, Tuning] => [
  `staged, ${4 * tile.lanesY * tile.blocksM} rows by ${4 * tile.lanesX * tile.blocksN} columns`,
  always({ ...tile, form: 'staged', splits: 1 }),
]);
/**
 * Tiles are one text with other constants, so one stands for all that is staged; with one block of k at a time, because
 * SwiftShader takes a second to compile what sets all the workgroup memory to zero.
 */
const forms: [string, Tuning][] = [
  ['direct', software],
  ['direct, 2 x 2 blocks', swiftShader],
  ['staged', always({ ...hardwareTiles[1], depth: 1, form: 'staged', splits: 1 })],
];
const kinds = ['nt', 'nn', 'tn'] as const;

/** C [m, n] in float64. */
function reference(kind: MatmulKind, m: number, n: number, k: number, a: ArrayLike<number>, b: ArrayLike<number>): Float64Array {
  const c = new Float64Array(m * n);
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      let sum = 0;
      for (let l = 0; l < k; l++) sum += a[kind === 'tn' ? l * m + i : i * k + l]! * b[kind === 'nt' ? j * k + l : l * n + j]!;
      c[i * n + j] = sum;
    }
  }
  return c;
}

interface Case {
  readonly kind: MatmulKind;
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly a: number[];
  readonly b: number[];
}

function draw(kind: MatmulKind, m: number, n: number, k: number): Case {
  return { kind, m, n, k, a: normals(m * k, 1), b: normals(n * k, 2) };
}

async function run(
  { kind, m, n, k, a, b }: Case,
  tuning: Tuning,
  more: Partial<MatmulOptions> = {},
  before = untouched,
): Promise<Float32Array> {
  const c = bench.output(m * n, before);
  await bench.run(matmul({ kind, m, n, k, a: bench.input(a), b: bench.input(b), c, ...more }, tuning));
  return bench.read(c);
}

/** f32 sums of k products of normal draws. */
const close = { relative: 1e-5, absolute: 3e-5 };

async function expectProducts(tuning: Tuning, kind: MatmulKind, shapes: readonly (readonly [number, number, number])[]): Promise<void> {
  for (const [m, n, k] of shapes) {
    const drawn = draw(kind, m, n, k);
    expectClose(await run(drawn, tuning), reference(kind, m, n, k, drawn.a, drawn.b), `${kind} ${m}x${n}x${k}`, close);
  }
}

describe.each(forms)('matmul, %s', (_, tuning) => {
  it.each(kinds)('%s', async (kind) => {
    await expectProducts(tuning, kind, [
      // read one number at a time
      [1, 1, 1],
      [5, 7, 3],
      [67, 131, 53],
      // four at a time, with ends within a tile and within what is staged at once
      kind === 'tn' ? [4, 4, 3] : [4, 4, 4],
      [64, 64, 64],
      kind === 'tn' ? [68, 132, 37] : [69, 132, 36],
    ]);
  });

  it('leaves rows beyond the limit alone', async () => {
    const [m, n, k] = [150, 12, 8];
    const drawn = draw('nt', m, n, k);
    const product = reference('nt', m, n, k, drawn.a, drawn.b);
    for (const limit of [0, 5, 150, 1000]) {
      const expected = product.map((sum, at) => (at < limit * n ? sum : untouched));
      expectClose(await run(drawn, tuning, { rows: bench.input(Int32Array.of(limit)) }), expected, `${limit} rows`, close);
    }
  });

  it.each([
    [6, 5, 7, 'silu'],
    [37, 44, 20, 'silu'],
    [6, 5, 7, 'gelu_pytorch_tanh'],
    [37, 44, 20, 'gelu_pytorch_tanh'],
  ] as const)('gate and up into their unit, and back: %i rows, width %i, from %i, %s', async (m, f, k, activation) => {
    const x = normals(m * k, 1);
    const w = normals(2 * f * k, 2);
    const both = reference('nt', m, 2 * f, k, x, w);
    const act = new Float64Array(m * f);
    for (let at = 0; at < m * f; at++) {
      const [gate, up] = gateAndUp(both, at, f);
      act[at] = activated(gate, activation) * up;
    }
    const buffers = { a: bench.input(x), b: bench.input(w) };
    const saved = { act: bench.output(m * f), gateUp: bench.output(2 * m * f) };
    const only = bench.output(m * f);
    const half = { act: bench.output(m * f, 0), rows: bench.input(Int32Array.of(3)) };
    await bench.run([
      ...gateUpMatmul({ m, f, k, activation, ...buffers, ...saved }, tuning),
      ...gateUpMatmul({ m, f, k, activation, ...buffers, act: only }, tuning),
      ...gateUpMatmul({ m, f, k, activation, ...buffers, ...half }, tuning),
    ]);
    const swiglu = { relative: 2e-5, absolute: 1e-4 };
    expectClose(await bench.read(saved.gateUp), both, 'gate and up', close);
    expectClose(await bench.read(saved.act), act, 'act, saving', swiglu);
    expectClose(await bench.read(only), act, 'act', swiglu);
    expectClose(
      await bench.read(half.act),
      act.map((value, at) => (at < 3 * f ? value : 0)),
      'three rows',
      swiglu,
    );

    const dy = normals(m * k, 3);
    const down = normals(k * f, 4);
    const dAct = reference('nn', m, f, k, dy, down);
    // central differences of sum(dAct * silu(gate) * up) in float64
    const loss = (gate: number, up: number) => activated(gate, activation) * up;
    const step = 1e-5;
    const expected = new Float64Array(2 * m * f);
    for (let at = 0; at < m * f; at++) {
      const [gate, up] = gateAndUp(both, at, f);
      const first = Math.floor(at / f) * 2 * f + (at % f);
      expected[first] = (dAct[at]! * (loss(gate + step, up) - loss(gate - step, up))) / (2 * step);
      expected[first + f] = (dAct[at]! * (loss(gate, up + step) - loss(gate, up - step))) / (2 * step);
    }
    const gateUp = bench.input(Float32Array.from(both));
    const again = bench.output(m * f);
    await bench.run([
      swigluForward({ gateUp, act: again, rows: m, f, activation }),
      ...swigluBackwardMatmul({ m, f, d: k, dy: bench.input(dy), w: bench.input(down), gateUp, activation }, tuning),
    ]);
    expectClose(await bench.read(again), act, 'act, once more', swiglu);
    expectClose(await bench.read(gateUp), expected, 'dGateUp', { relative: 5e-5, absolute: 2e-4 });
  });
});

describe('products of few rows, lanes along k', () => {
  const few: Tuning = { matmul: thin };

  it('at odd shapes, of any depth', async () => {
    await expectProducts(few, 'nt', [
      [1, 1, 1],
      [5, 7, 53],
      [9, 12, 300],
    ]);
  });

  it('up to a limit, with everything that is added, of 16-bit weights, into columns of a wider matrix', async () => {
    const [m, n, k, of] = [6, 20, 264, 28];
    const { words, values } = sixteenBit(normals(n * k, 2), 'bf16');
    const drawn: Case = { ...draw('nt', m, n, k), b: values };
    const [bias, residual] = [normals(of, 3), normals(m * of, 4)];
    const c = bench.output(m * of, 0.5);
    const ends = { bias: bench.input(bias), residual: bench.input(residual), accumulate: true, rows: bench.input(Int32Array.of(5)) };
    const options: MatmulOptions = {
      ...{ kind: 'nt', m, n, k, a: bench.input(drawn.a), b: bench.input(words), c, scale: 2, weightFormat: 'bf16', ...ends },
      cColumns: { first: 4, of },
    };
    await bench.run(matmul(options, few));
    const product = reference('nt', m, n, k, drawn.a, values);
    const expected = Float64Array.from({ length: m * of }, (_, at) => {
      const [row, column] = [Math.floor(at / of), (at % of) - 4];
      if (row >= 5 || column < 0 || column >= n) return 0.5;
      return 2 * product[row * n + column]! + bias[column + 4]! + residual[at]! + 0.5;
    });
    expectClose(await bench.read(c), expected, 'all of it', { relative: 1e-5, absolute: 1e-4 });
  });

  it.each([
    [3, 6, 300],
    [7, 12, 24],
  ])('gate and up: %i rows, width %i, from %i', async (m, f, k) => {
    const [x, w] = [normals(m * k, 1), normals(2 * f * k, 2)];
    const both = reference('nt', m, 2 * f, k, x, w);
    const expected = Float64Array.from({ length: m * f }, (_, at) => {
      const [gate, up] = gateAndUp(both, at, f);
      return activated(gate, 'silu') * up;
    });
    const act = bench.output(m * f);
    await bench.run(gateUpMatmul({ m, f, k, a: bench.input(x), b: bench.input(w), act }, few));
    expectClose(await bench.read(act), expected, 'act', { relative: 2e-5, absolute: 1e-3 });
  });

  it('is what a real GPU gets for a few rows, and nobody for many', () => {
    const { matmul: form } = tuningFor({ adapter: '', software: false });
    const of = (m: number, n: number, k: number, kind: MatmulKind = 'nt') => form({ kind, m, n, k }).form;
    // SmolLM2's projections into its stream, and its head.
    expect([1, 8, 32, 64].map((rows) => of(rows, 576, 1536))).toEqual(Array(4).fill('thin'));
    expect([1, 8, 32].map((rows) => of(rows, 49_152, 576))).toEqual(['thin', 'thin', 'staged']);
    expect([of(4096, 576, 1536), of(32, 576, 1536, 'nn'), of(32, 576, 1536, 'tn')]).toEqual(Array(3).fill('staged'));
  });
});

describe('matmul', () => {
  it('adds a bias, a residual and what was there', async () => {
    const [m, n, k] = [19, 36, 24];
    const drawn = draw('nt', m, n, k);
    const product = reference('nt', m, n, k, drawn.a, drawn.b);
    const bias = normals(n, 3);
    const residual = normals(m * n, 4);
    const ends = { bias: bench.input(bias), residual: bench.input(residual) };
    const expected = (add: (row: number, column: number) => number) => product.map((sum, at) => sum + add(Math.floor(at / n), at % n));
    expectClose(
      await run(drawn, software, { bias: ends.bias }),
      expected((_, column) => bias[column]!),
      'bias',
      close,
    );
    expectClose(
      await run(drawn, software, { residual: ends.residual }),
      expected((row, column) => residual[row * n + column]!),
      'residual',
      close,
    );
    expectClose(
      await run(drawn, software, { accumulate: true }, 0.5),
      expected(() => 0.5),
      'accumulate',
      close,
    );
    expectClose(
      await run(drawn, software, { ...ends, accumulate: true }, 0.5),
      expected((row, column) => bias[column]! + residual[row * n + column]! + 0.5),
      'all of them',
      close,
    );
  });

  it.each(['bf16', 'f16'] as const)('reads %s weights', async (weightFormat) => {
    for (const kind of ['nt', 'nn'] as const) {
      // one number at a time, of an odd number of words in all; and four at a time
      for (const [m, n, k] of [kind === 'nt' ? [9, 15, 22] : [9, 22, 15], [9, 28, 36]] as const) {
        const { words, values } = sixteenBit(normals(n * k, 2), weightFormat);
        const drawn: Case = { ...draw(kind, m, n, k), b: values };
        const got = await run(drawn, software, { b: bench.input(words), weightFormat });
        expectClose(got, reference(kind, m, n, k, drawn.a, values), `${kind} ${weightFormat}`, close);
      }
    }
    await expect(run(draw('nt', 2, 2, 3), software, { weightFormat })).rejects.toThrow(/even width/);
  });

  it.each(onHardware.map(([name, tuning], index) => [kinds[index % 3]!, name, tuning] as const))('%s, %s', async (kind, _, tuning) => {
    // the last step takes less than is staged at once
    const k = kind === 'tn' ? 67 : 68;
    await expectProducts(tuning, kind, [
      [64, 64, k],
      [76, 132, k],
    ]);
  });

  it.each(forms)('adds parts of k in a fixed order, as many as there is room for, %s', async (_, tuning) => {
    const [m, n, k] = [20, 12, 333];
    const drawn = draw('tn', m, n, k);
    const expected = reference('tn', m, n, k, drawn.a, drawn.b).map((sum) => sum + 0.5);
    const split = { matmul: (shape: Parameters<Tuning['matmul']>[0]) => ({ ...tuning.matmul(shape), splits: 5 }) };
    for (const room of [1, 3, 8]) {
      const partials = bench.output(room * m * n);
      const options = { partials, accumulate: true };
      const first = await run(drawn, split, options, 0.5);
      expectClose(first, expected, `room for ${room}`, close);
      expect(await run(drawn, split, options, 0.5), 'the same bits').toEqual(first);
    }
    const residual = normals(m * n, 5);
    const limited = await run(drawn, split, {
      partials: bench.output(8 * m * n),
      residual: bench.input(residual),
      rows: bench.input(Int32Array.of(7)),
    });
    expectClose(
      limited,
      expected.map((sum, at) => (at < 7 * n ? sum - 0.5 + residual[at]! : untouched)),
      'limited',
      close,
    );
  });

  it.each(forms)('takes and writes columns of wider matrices: %s', async (_, tuning) => {
    // [columns before, columns, columns of all], odd ones and ones of quads
    for (const [first, some, all] of [
      [3, 22, 41],
      [4, 9, 16],
      [12, 28, 44],
    ] as const) {
      const [m, n, k] = [19, 24, 26];
      const columns = { first, of: all };
      const cut = (values: readonly number[]) => values.filter((_, at) => at % all >= first && at % all < first + some);
      const onto = (values: ArrayLike<number>, before: ArrayLike<number>, rows: number) =>
        Float64Array.from({ length: rows * all }, (_, at) => {
          const column = (at % all) - first;
          return column < 0 || column >= some ? before[at]! : values[Math.floor(at / all) * some + column]!;
        });
      const [wide, residual, bias] = [normals(Math.max(m, k) * all, 6), normals(m * all, 7), normals(all, 8)];
      const was = new Float64Array(m * all).fill(untouched);

      const nt = draw('nt', m, some, k);
      const product = reference('nt', m, some, k, nt.a, nt.b);
      const inputs = { a: bench.input(nt.a), b: bench.input(nt.b), cColumns: columns, m, n: some, k, kind: 'nt' } as const;
      const c = bench.output(m * all);
      await bench.run(matmul({ ...inputs, c }, tuning));
      expectClose(await bench.read(c), onto(product, was, m), `nt, columns ${first} to ${first + some} of ${all}`, close);
      const [added, limited, joined] = [bench.output(m * all), bench.output(m * all), bench.output(m * all)];
      const ends = { bias: bench.input(bias), residual: bench.input(residual) };
      const split = { matmul: (shape: Parameters<Tuning['matmul']>[0]) => ({ ...tuning.matmul(shape), splits: 3 }) };
      await bench.run([
        ...matmul({ ...inputs, c: added, ...ends }, tuning),
        ...matmul({ ...inputs, c: limited, rows: bench.input(Int32Array.of(7)) }, tuning),
        ...matmul({ ...inputs, c: joined, ...ends, partials: bench.output(3 * m * some) }, split),
      ]);
      const sums = product.map((sum, at) => {
        const [row, column] = [Math.floor(at / some), first + (at % some)];
        return sum + bias[column]! + residual[row * all + column]!;
      });
      expectClose(await bench.read(added), onto(sums, was, m), 'nt, bias and residual', close);
      expectClose(await bench.read(joined), onto(sums, was, m), 'nt, of parts', close);
      const few = onto(product, was, m).map((value, at) => (at < 7 * all ? value : untouched));
      expectClose(await bench.read(limited), few, 'nt, seven rows', close);

      const aColumns = columns;
      const nn: Case = { kind: 'nn', m, n, k: some, a: wide.slice(0, m * all), b: normals(some * n, 2) };
      const expected = reference('nn', m, n, some, cut(nn.a), nn.b);
      expectClose(await run(nn, tuning, { aColumns }), expected, 'nn', close);
      const tn: Case = { kind: 'tn', m: some, n, k, a: wide.slice(0, k * all), b: normals(k * n, 2) };
      const gradient = reference('tn', some, n, k, cut(tn.a), tn.b).map((sum) => sum + 0.5);
      const partials = bench.output(3 * some * n);
      expectClose(await run(tn, tuning, { aColumns, accumulate: true }, 0.5), gradient, 'tn', close);
      expectClose(await run(tn, split, { aColumns, accumulate: true, partials }, 0.5), gradient, 'tn, of parts', close);
    }
  });

  it('binds something long enough where nothing is added', async () => {
    await expectProducts(software, 'nt', [[1, 4, 1]]);
  });

  it('works on views of one buffer', async () => {
    const { a, b } = draw('nt', 8, 8, 8);
    const arena = bench.input([...a, ...b]);
    const c = bench.output(128, 0);
    const view = { a: part(arena, 0, 64), b: part(arena, 64, 64), c: part(c, 64, 64) };
    await bench.run(matmul({ kind: 'nt', m: 8, n: 8, k: 8, ...view }, software));
    const expected = reference('nt', 8, 8, 8, a, b);
    expectClose(await bench.read(c), [...new Array<number>(64).fill(0), ...expected], 'view', close);
  });

  it('is right at shapes of a model, as tuned for every sort of adapter', async () => {
    const hardware = tuningFor({ adapter: '', software: false });
    for (const [kind, m, n, k] of [
      ['nt', 48, 1024, 64],
      ['tn', 128, 96, 1024],
    ] as const) {
      const drawn = draw(kind, m, n, k);
      const expected = reference(kind, m, n, k, drawn.a, drawn.b);
      const partials = bench.output(m * n * 8);
      for (const tuning of [software, swiftShader, hardware]) {
        expectClose(await run(drawn, tuning, { partials }), expected, `${kind} ${m}x${n}x${k}`, { relative: 1e-5, absolute: 1e-4 });
      }
    }
  });
});

function gateAndUp(both: ArrayLike<number>, at: number, f: number): [number, number] {
  const first = Math.floor(at / f) * 2 * f + (at % f);
  return [both[first]!, both[first + f]!];
}

/** Rounded to 16 bits, two in a word, and the numbers those bits mean. */
function sixteenBit(values: number[], format: 'bf16' | 'f16'): { words: Uint32Array; values: number[] } {
  const halves = Uint16Array.from(values, (value) =>
    format === 'bf16' ? new Uint32Array(Float32Array.of(value).buffer)[0]! >>> 16 : half(value),
  );
  const meant = Array.from(halves, (bits) => {
    if (format === 'bf16') return new Float32Array(Uint32Array.of(bits << 16).buffer)[0]!;
    return (bits & 0x8000 ? -1 : 1) * 2 ** (((bits >> 10) & 31) - 15) * (1 + (bits & 1023) / 1024);
  });
  return { words: new Uint32Array(halves.buffer), values: meant };
}

/** The bits of a normal half below |value|; tiny draws become the smallest normal one. */
function half(value: number): number {
  const size = Math.max(Math.abs(value), 2 ** -14);
  const exponent = Math.floor(Math.log2(size));
  return (value < 0 ? 0x8000 : 0) | ((exponent + 15) << 10) | Math.floor((size / 2 ** exponent - 1) * 1024);
}

it.each(forms)('the gradient of a large vocabulary loses nothing to a running sum, %s', async (_, tuning) => {
  const [rows, out, inside] = [3, 40_000, 8];
  const { dy, w, expected } = swallowed(rows, out, inside);
  const slot = { name: 'embedding', shape: [out, inside], format: 'f32' };
  const layout = { slots: new Map([['embedding', slot]]), shards: new Map() } as unknown as ParameterViews['layout'];
  const [b, input] = [bench.input(w), bench.input(dy)];
  const parameters: ParameterViews = { layout, view: () => b, part: () => b };
  // 20 parts of the vocabulary: one after the other, all at once, and as many at once as there is room for
  for (const room of [0, 20, 7]) {
    const dx = bench.output(rows * inside);
    const partials = room > 0 ? { partials: bench.output(room * rows * inside) } : {};
    const works = weightInput({ parameters, name: 'embedding', rows, out, in: inside }, { dy: input, dx, ...partials }, tuning);
    expect(works.length, `room for ${room}`).toBe({ 0: 20, 20: 2, 7: 6 }[room]);
    await bench.run(works);
    expectClose(await bench.read(dx), expected, `dx, room for ${room}`, { relative: 4e-5, absolute: 0 });
  }
});
