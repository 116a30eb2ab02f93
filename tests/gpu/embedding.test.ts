/** The embedding of the fused engine, forward and backward, against plain loops. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { embedBackward, embedForward, embeddingLists } from '../../src/engine/fused/kernels/embedding.ts';
import { Plan } from '../../src/engine/gpu/plan.ts';
import { acquireGpu, type GpuContext } from '../../src/engine/gpu/device.ts';
import { encode } from '../../src/policy/tensor-encoding.ts';
import { decode } from '../../src/policy/tensor-format.ts';
import { WorkBench, untouched } from '../helpers/gpu-work.ts';
import { expectClose, grid, integers, normals } from '../helpers/numbers.ts';

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

const shapes: [rows: number, width: number, d: number, vocabulary: number][] = [
  [1, 1, 1, 1],
  [3, 7, 5, 11],
  [2, 13, 64, 6],
  [4, 9, 100, 50],
  [16, 96, 128, 40],
];

describe.each(shapes)('embedding of %i rows of %i tokens in %i numbers, vocabulary %i', (rows, width, d, vocabulary) => {
  const places = rows * width;
  const tokens = Int32Array.from(integers(places, 1, 0, vocabulary - 1));
  // The others are filling.
  const real = Math.ceil(0.8 * places);

  it('copies rows', async () => {
    const table = normals(vocabulary * d, 3);
    const rowsOf = grid(table, d);
    const x = bench.output(places * d);
    const of = { tokens: bench.input(tokens), table: bench.input(table), rows: places, width: d };
    await bench.run([embedForward({ ...of, x })]);
    expect([...(await bench.read(x))]).toEqual([...tokens].flatMap((token) => rowsOf[token]!));
    const scaled = bench.output(places * d);
    await bench.run([embedForward({ ...of, x: scaled, scale: 4 })]);
    expect([...(await bench.read(scaled))]).toEqual([...tokens].flatMap((token) => rowsOf[token]!.map((value) => 4 * value)));
    const some = Math.floor(places / 2);
    const few = bench.output(places * d);
    await bench.run([embedForward({ ...of, x: few, count: bench.input(Int32Array.of(some)) })]);
    const expected = [...tokens].flatMap((token, n) => (n < some ? rowsOf[token]! : new Array<number>(d).fill(untouched)));
    expect([...(await bench.read(few))]).toEqual(expected);
  });

  it.skipIf(d % 2 !== 0).each(['bf16', 'f16'] as const)('copies rows of %s', async (format) => {
    const packed = encode(format, Float32Array.from(normals(vocabulary * d, 3)));
    const table = new Float32Array(vocabulary * d);
    decode(format, packed, table);
    const rowsOf = grid(table, d);
    const x = bench.output(places * d);
    const words = new Int32Array(packed.buffer, 0, packed.length / 4);
    const of = { tokens: bench.input(tokens), table: bench.input(words), format, rows: places, width: d };
    await bench.run([embedForward({ ...of, x, scale: 2 })]);
    const none = bench.output(places * d);
    const some = bench.output(places * d);
    const has = { first: vocabulary - 1, count: 1 };
    await bench.run([
      embedForward({ ...of, x: none, has: { first: vocabulary, count: 7 } }),
      embedForward({ ...of, x: some, table: bench.input(words.slice((has.first * d) / 2)), has }),
    ]);
    expect([...(await bench.read(none))]).toEqual(new Array(places * d).fill(untouched));
    const last = [...tokens].flatMap((token) => (token === has.first ? [...table.slice(token * d)] : new Array<number>(d).fill(untouched)));
    expect([...(await bench.read(some))]).toEqual(last);
    expect([...(await bench.read(x))]).toEqual([...tokens].flatMap((token) => rowsOf[token]!.map((value) => 2 * value)));
  });

  it.skipIf(vocabulary < 6)('copies rows and adds up gradients of a table in shards, each as if it were whole', async () => {
    const ends = [0, 1, 4, vocabulary];
    const shards = ends.slice(1).map((end, i) => ({ first: ends[i]!, count: end - ends[i]! }));
    const values = normals(vocabulary * d, 3);
    const rowsOf = grid(values, d);
    const ids = bench.input(tokens);
    const x = bench.output(places * d);
    const only = bench.output(places * d);
    const tables = shards.map(({ first, count }) => bench.input(values.slice(first * d, (first + count) * d)));
    await bench.run([
      ...shards.map((has, i) => embedForward({ tokens: ids, table: tables[i]!, has, x, rows: places, width: d })),
      embedForward({ tokens: ids, table: tables[1]!, has: shards[1]!, x: only, rows: places, width: d }),
    ]);
    expect([...(await bench.read(x))]).toEqual([...tokens].flatMap((token) => rowsOf[token]!));
    const nothing = new Array<number>(d).fill(untouched);
    expect([...(await bench.read(only))]).toEqual([...tokens].flatMap((token) => (token >= 1 && token < 4 ? rowsOf[token]! : nothing)));

    const lists = embeddingLists(tokens, real);
    const of = {
      order: bench.input(lists.order),
      starts: bench.input(lists.starts),
      ids: bench.input(lists.ids),
      dx: bench.input(normals(places * d, 4)),
      width: d,
      distinct: lists.ids.length,
    };
    const whole = bench.output(vocabulary * d, 1);
    const parts = shards.map(({ count }) => bench.output(count * d, 1));
    await bench.run([embedBackward({ ...of, dTable: whole }), ...shards.map((has, i) => embedBackward({ ...of, dTable: parts[i]!, has }))]);
    const gradients = await Promise.all(parts.map((part) => bench.read(part)));
    expect(gradients.flatMap((part) => [...part])).toEqual([...(await bench.read(whole))]);
  });

  it('adds gradients up, the same bits twice, also in a plan made for more tokens', async () => {
    const dx = normals(places * d, 4);
    const lists = embeddingLists(tokens, real);
    const distinct = lists.ids.length;
    const of = {
      order: bench.input(lists.order),
      starts: bench.input(lists.starts),
      ids: bench.input(lists.ids),
      dx: bench.input(dx),
      width: d,
    };
    const expected = new Float64Array(vocabulary * d).fill(1);
    grid(dx, d).forEach((row, n) => {
      if (n < real) row.forEach((value, i) => (expected[tokens[n]! * d + i]! += value));
    });
    const once = bench.output(vocabulary * d, 1);
    await bench.run([embedBackward({ ...of, dTable: once, distinct })]);
    expectClose(await bench.read(once), expected, 'dtable', { relative: 1e-5, absolute: 1e-5 });

    const scaled = bench.output(vocabulary * d, 1);
    await bench.run([embedBackward({ ...of, dTable: scaled, distinct, scale: 4 })]);
    const fourTimes = expected.map((value) => 4 * (value - 1) + 1);
    expectClose(await bench.read(scaled), fourTimes, 'dtable, scaled', { relative: 1e-5, absolute: 4e-5 });

    const again = bench.output(vocabulary * d, 1);
    const plan = await Plan.create(gpu.device, [embedBackward({ ...of, dTable: again, distinct: distinct + 5 })], 'test');
    const runFor = (some: number) => {
      plan.setParams(0, embedBackward({ ...of, dTable: again, distinct: some }).params);
      const encoder = gpu.device.createCommandEncoder();
      const pass = encoder.beginComputePass();
      plan.encode(pass);
      pass.end();
      gpu.device.queue.submit([encoder.finish()]);
      return bench.read(again);
    };
    const last = lists.ids.at(-1)! * d;
    expect([...(await runFor(distinct - 1)).slice(last, last + d)]).toEqual(new Array(d).fill(1));
    gpu.device.queue.writeBuffer(again.buffer, 0, new Float32Array(vocabulary * d).fill(1));
    expect(await runFor(distinct)).toEqual(await bench.read(once));
    plan.dispose();
  });
});
