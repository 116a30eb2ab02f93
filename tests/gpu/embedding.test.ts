/** The embedding of the fused engine, forward and backward, against plain loops. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { embedBackward, embedForward, embeddingLists } from '../../src/engine/fused/kernels/embedding.ts';
import { Plan } from '../../src/engine/gpu/plan.ts';
import { acquireGpu, type GpuContext } from '../../src/engine/gpu/device.ts';
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
  const lengths = Int32Array.from(integers(rows, 2, 1, width));

  it('copies rows', async () => {
    const table = normals(vocabulary * d, 3);
    const rowsOf = grid(table, d);
    const x = bench.output(places * d);
    const of = { tokens: bench.input(tokens), table: bench.input(table), rows: places, width: d };
    await bench.run([embedForward({ ...of, x })]);
    expect([...(await bench.read(x))]).toEqual([...tokens].flatMap((token) => rowsOf[token]!));
    const some = Math.floor(places / 2);
    const few = bench.output(places * d);
    await bench.run([embedForward({ ...of, x: few, count: bench.input(Int32Array.of(some)) })]);
    const expected = [...tokens].flatMap((token, n) => (n < some ? rowsOf[token]! : new Array<number>(d).fill(untouched)));
    expect([...(await bench.read(few))]).toEqual(expected);
  });

  it('adds gradients up, the same bits twice, also in a plan made for more tokens', async () => {
    const dx = normals(places * d, 4);
    const lists = embeddingLists(tokens, lengths, width);
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
      if (n % width < lengths[Math.floor(n / width)]!) row.forEach((value, i) => (expected[tokens[n]! * d + i]! += value));
    });
    const once = bench.output(vocabulary * d, 1);
    await bench.run([embedBackward({ ...of, dTable: once, distinct })]);
    expectClose(await bench.read(once), expected, 'dtable', { relative: 1e-5, absolute: 1e-5 });

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
