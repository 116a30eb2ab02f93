/** Matrices of Q8_0 in panels: read, unpacked, turned and multiplied to the bits of the same numbers in float32; the engine on them is in wasm-halves.test.ts. */
import { describe, expect, it } from 'vitest';
import { Arena } from '../../src/engine/wasm/arena.ts';
import { frozenLayout, numberKinds, panelBytes } from '../../src/engine/wasm/layout.ts';
import { labErrorCode } from '../../src/errors.ts';
import { encode } from '../../src/policy/tensor-encoding.ts';
import { decode } from '../../src/policy/tensor-format.ts';
import { tensorsOf } from '../../src/policy/weights.ts';
import { normals } from '../helpers/numbers.ts';
import { livelyWeights } from '../helpers/reference-decoder.ts';
import { tinyConfig } from '../helpers/tiny-policy.ts';
import { Bench } from '../helpers/wasm-kernels.ts';

const kind = numberKinds.q8_0;
/** Rows and columns: whole panels, an odd one, rows beyond the last panel. */
const shapes = [
  [8, 32],
  [24, 64],
  [72, 96],
  [13, 160],
] as const;

/** A matrix with every number of 8 bits, tiny and subnormal scales and a block of zeros; its file's bytes, its numbers, and its panels. */
async function matrix(rows: number, k: number) {
  const bench = await Bench.start();
  const raw = encode('q8_0', Float32Array.from(normals(rows * k, rows)));
  raw.forEach((_, at) => {
    if (at % 34 >= 2 && at % 3 === 0) raw[at] = (at * 7) & 255;
  });
  raw.set(encode('f16', Float32Array.of(3e-7)), 0);
  raw.fill(0, raw.length - 34);
  const numbers = new Float32Array(rows * k);
  decode('q8_0', raw, numbers);
  const bytes = Math.ceil(rows / 8) * panelBytes(kind, k);
  const packed = bench.zeros(bytes / 4);
  const from = bench.integers(new Int32Array(Math.ceil(raw.length / 4)));
  bench.module.heap.bytes(from, raw.length).set(raw);
  // In two goes: the second begins within a panel.
  const some = Math.min(5, rows);
  bench.kernels.packBlocks(some, k, from, packed, 0);
  bench.kernels.packBlocks(rows - some, k, from + some * (k / 32) * 34, packed, some);
  return { bench, numbers, packed, plain: bench.panels(numbers, k) };
}

describe.each(shapes)('%i × %i', (rows, k) => {
  const whole = Math.ceil(rows / 8) * 8;

  it('is unpacked to the numbers of its file', async () => {
    const { bench, packed, plain } = await matrix(rows, k);
    const to = bench.room(whole * k);
    bench.kernels.unpackPanels(whole * k, packed, to, kind);
    expect(bench.read(to, whole * k)).toEqual(bench.read(plain, whole * k));
  });

  it('is turned as they are', async () => {
    const { bench, packed, plain } = await matrix(rows, k);
    const [own, expected] = [bench.room(whole * k), bench.room(whole * k)];
    bench.kernels.turnPanels(whole / 8, k, packed, own, kind);
    bench.kernels.turnPanels(whole / 8, k, plain, expected, 0);
    expect(bench.read(own, whole * k)).toEqual(bench.read(expected, whole * k));
  });

  it('gives one row the product that they give', async () => {
    const { bench, packed, plain } = await matrix(rows, k);
    const [x, init] = [bench.floats(normals(k, 7)), bench.floats(normals(whole, 8))];
    for (const start of [0, init]) {
      const [own, expected] = [bench.room(whole), bench.room(whole)];
      bench.kernels.multiplyRowPacked(whole, k, x, packed, own, start, kind);
      bench.kernels.multiplyRows(1, whole, k, x, 4 * k, plain, 32, 32 * k, expected, 4 * whole, 32, start, 4 * whole, 32);
      expect(bench.read(own, whole)).toEqual(bench.read(expected, whole));
    }
  });

  it('is a table of tokens', async () => {
    const { bench, packed, plain } = await matrix(rows, k);
    const tokens = bench.integers([rows - 1, 0, 3, rows - 1]);
    const [own, expected] = [bench.room(4 * k), bench.room(4 * k)];
    bench.kernels.embed(4, k, tokens, packed, own, 1.5, kind);
    bench.kernels.embed(4, k, tokens, plain, expected, 1.5, 0);
    expect(bench.read(own, 4 * k)).toEqual(bench.read(expected, 4 * k));
  });
});

it('a scale that is no number is refused, with its place', async () => {
  const config = { ...tinyConfig, hiddenSize: 32, headDim: 8, heads: 4, kvHeads: 2, intermediateSize: 32 };
  const tensors = new Map(tensorsOf(config, livelyWeights(config, 1)));
  const name = 'model.layers.0.mlp.down_proj.weight';
  const tensor = tensors.get(name)!;
  const bytes = encode('q8_0', livelyWeights(config, 1)[name]!);
  bytes.set([0, 0x7c], 5 * 34);
  tensors.set(name, { ...tensor, format: 'q8_0', byteLength: bytes.length, read: (from, to) => Promise.resolve(bytes.subarray(from, to)) });
  const { module } = await Bench.start();
  const writing = Arena.create(module, frozenLayout(config, tensors)).writeTensors(tensors);
  const error: unknown = await writing.catch((reason: unknown) => reason);
  expect(labErrorCode(error)).toBe('format');
  expect(String(error)).toContain(`number 161 of the tensor ${name}`);
});
