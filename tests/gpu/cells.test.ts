/** From logits to the loss and back over packed cells, against the float64 references. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  clippedLoss,
  gatherCells,
  groupAdvantage,
  scatterCells,
  tokenLogprobBackward,
  tokenLogprobForward,
} from '../../src/engine/fused/kernels/head.ts';
import { acquireGpu, type GpuContext } from '../../src/engine/gpu/device.ts';
import type { LossSettings } from '../../src/engine/gpu/settings.ts';
import { rowColumns } from '../../src/engine/step-metrics.ts';
import { untouched, WorkBench } from '../helpers/gpu-work.ts';
import { objectives } from '../helpers/kernel-suite.ts';
import { expectClose, grid, integers, normals } from '../helpers/numbers.ts';
import { referenceAdvantage, referenceRow, referenceRowGradient } from '../helpers/reference-kernels.ts';
import { referenceObjective } from '../helpers/reference-objective.ts';

let gpu: GpuContext;
let bench: WorkBench;

beforeAll(async () => {
  gpu = await acquireGpu();
});
beforeEach(() => {
  bench = new WorkBench(gpu.device);
});
afterEach(() => {
  bench.dispose();
  gpu.check();
});
afterAll(() => gpu.release());

/** Cells of a grid of rows x width in an order of their own, about two thirds of them. */
function someCells(rows: number, width: number): Int32Array {
  const keys = normals(rows * width, 5);
  const order = keys.map((_, i) => i).sort((a, b) => keys[a]! - keys[b]!);
  return Int32Array.from(order.slice(0, Math.ceil((rows * width * 2) / 3)));
}

describe('cells', () => {
  it.each([
    [1, 1],
    [3, 7],
    [67, 13],
    [300, 129],
  ])('to the grid [%i, %i] and back, in two chunks', async (rows, width) => {
    const cells = someCells(rows, width);
    const count = cells.length;
    const half = Math.floor(count / 2);
    const chunks = [
      { first: 0, count: half },
      { first: half, count: count - half },
    ].filter((chunk) => chunk.count > 0);
    const list = bench.input(cells);
    const gridLogprob = bench.output(rows * width);
    const gridEntropy = bench.output(rows * width);
    const values = (seed: number) => Float32Array.from(normals(count, seed));
    const [logprob, entropy] = [values(1), values(2)];
    const back = chunks.map((chunk) => ({ ...chunk, dlogprob: bench.output(chunk.count), dentropy: bench.output(chunk.count) }));
    const slice = (of: Float32Array, { first, count }: { first: number; count: number }) => bench.input(of.slice(first, first + count));
    await bench.run([
      ...chunks.map((chunk) =>
        scatterCells({ ...chunk, cells: list, logprob: slice(logprob, chunk), entropy: slice(entropy, chunk), gridLogprob, gridEntropy }),
      ),
      ...back.map((chunk) => gatherCells({ ...chunk, cells: list, gridDlogprob: gridLogprob, gridDentropy: gridEntropy })),
    ]);
    const expected = new Float32Array(rows * width).fill(untouched);
    cells.forEach((cell, m) => (expected[cell] = logprob[m]!));
    expect(await bench.read(gridLogprob)).toEqual(expected);
    cells.forEach((cell, m) => (expected[cell] = entropy[m]!));
    expect(await bench.read(gridEntropy)).toEqual(expected);
    const joined = async (name: 'dlogprob' | 'dentropy') =>
      Float32Array.from((await Promise.all(back.map((chunk) => bench.read(chunk[name])))).flatMap((part) => [...part]));
    expect(await joined('dlogprob')).toEqual(logprob);
    expect(await joined('dentropy')).toEqual(entropy);
  });
});

/** So that -0 and 0 differ, and quickly compared. */
const bits = (values: Float32Array) => new Uint32Array(values.buffer);

describe('token log-prob over packed cells', () => {
  it.each([
    [1, 2, 1],
    [7, 13, 0.3],
    [4, 65, 2.5],
    [3, 32_768, 1],
    [2, 151_936, 0.7],
  ])('[%i, %i] at temperature %f: the gradient in place is the gradient beside it, bit for bit', async (rows, vocabulary, temperature) => {
    const x = normals(rows * vocabulary, 11, 3);
    const targets = integers(rows, 12, 0, vocabulary - 1);
    const [dLp, dH] = [normals(rows, 13), normals(rows, 14)];
    const logprob = bench.output(rows);
    const dlogits = bench.output(rows * vocabulary);
    const work = {
      rows,
      vocabulary,
      temperature,
      logits: bench.input(x),
      targets: bench.input(Int32Array.from(targets)),
      entropy: bench.output(rows),
      stats: bench.output(2 * rows),
      dlogprob: bench.input(dLp),
      dentropy: bench.input(dH),
    };
    await bench.run([tokenLogprobForward({ ...work, logprob }), tokenLogprobBackward({ ...work, dlogits }), tokenLogprobBackward(work)]);
    const table = grid(x, vocabulary);
    const reference = table.map((row) => referenceRow(row, temperature));
    expectClose(
      await bench.read(logprob),
      reference.map((row, i) => row.logprobs[targets[i]!]!),
      'log-prob',
    );
    expectClose(
      await bench.read(work.entropy),
      reference.map((row) => row.entropy),
      'entropy',
    );
    const beside = await bench.read(dlogits);
    expectClose(
      beside,
      table.flatMap((row, i) => referenceRowGradient(row, targets[i]!, temperature, dLp[i]!, dH[i]!)),
      'gradient',
      { absolute: 5e-6 },
    );
    const inPlace = await bench.read(work.logits);
    expect(bits(inPlace)).toEqual(bits(beside));
  });
});

/** Three rows of unequal length, their cells packed, and a policy of 7 tokens. */
function smallBatch() {
  const [rows, width, vocabulary, temperature] = [3, 5, 7, 0.8];
  const mask = [5, 2, 4].map((length) => Array.from({ length: width }, (_, t) => (t < length ? 1 : 0)));
  const cells = Int32Array.from(mask.flat().flatMap((on, cell) => (on ? [cell] : [])));
  const targets = integers(cells.length, 42, 0, vocabulary - 1);
  const x = normals(cells.length * vocabulary, 41);
  const toGrid = (values: ArrayLike<number>) => {
    const flat = new Array<number>(rows * width).fill(0);
    cells.forEach((cell, m) => (flat[cell] = values[m]!));
    return grid(flat, width);
  };
  const reference = grid(x, vocabulary).map((row) => referenceRow(row, temperature));
  const logprob = reference.map((row, m) => row.logprobs[targets[m]!]!);
  const near = (seed: number) => toGrid(normals(cells.length, seed, 0.25).map((noise, m) => Math.fround(logprob[m]! + noise)));
  return {
    rows,
    width,
    vocabulary,
    temperature,
    mask,
    cells,
    targets,
    x,
    toGrid,
    logprob: toGrid(logprob),
    entropy: toGrid(reference.map((row) => row.entropy)),
    old: near(43),
    ref: near(44),
    advantage: normals(rows, 45),
    rowWeight: normals(rows, 46, 0.1, 1 / rows),
  };
}

/** The whole way: logits -> loss -> dlogits in place of the logits. */
async function runHead(of: ReturnType<typeof smallBatch>, settings: Omit<LossSettings, 'rows' | 'width'>) {
  const { rows, width, vocabulary, temperature, cells } = of;
  const count = cells.length;
  const garbage = () => bench.output(rows * width, NaN); // outside the cells nobody may look
  const grids = { logprob: garbage(), entropy: garbage(), dlogprob: garbage(), dentropy: garbage() };
  const rowSums = bench.output(rows * rowColumns.length);
  const list = bench.input(cells);
  const head = {
    rows: count,
    vocabulary,
    temperature,
    logits: bench.input(of.x),
    targets: bench.input(Int32Array.from(of.targets)),
    entropy: bench.output(count),
    stats: bench.output(2 * count),
    dlogprob: bench.output(count),
    dentropy: bench.output(count),
  };
  const logprob = bench.output(count);
  await bench.run([
    tokenLogprobForward({ ...head, logprob }),
    scatterCells({ cells: list, count, logprob, entropy: head.entropy, gridLogprob: grids.logprob, gridEntropy: grids.entropy }),
    ...clippedLoss(
      {
        ...grids,
        oldLogprob: bench.input(of.old.flat()),
        refLogprob: bench.input(of.ref.flat()),
        mask: bench.input(of.mask.flat()),
        advantage: bench.input(of.advantage),
        rowWeight: bench.input(of.rowWeight),
        rowSums,
      },
      { rows, width, ...settings },
    ),
    gatherCells({
      cells: list,
      count,
      gridDlogprob: grids.dlogprob,
      gridDentropy: grids.dentropy,
      dlogprob: head.dlogprob,
      dentropy: head.dentropy,
    }),
    tokenLogprobBackward(head),
  ]);
  const table = grid(await bench.read(rowSums), rowColumns.length);
  const column = (name: (typeof rowColumns)[number]) => table.map((row) => row[rowColumns.indexOf(name)]!);
  return { column, dlogprob: await bench.read(grids.dlogprob), dlogits: await bench.read(head.logits) };
}

describe('the loss over packed cells', () => {
  it.each(Object.entries(objectives))('%s: loss, metrics and the gradient in the logits', async (_, objective) => {
    const of = smallBatch();
    const entropyWeight = objective.entropyCoef / of.cells.length;
    const got = await runHead(of, { ...objective, old: 'ratio', ref: true, entropyWeight });
    const expected = referenceObjective(of, objective);
    const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
    expect(got.column('tokens')).toEqual([5, 2, 4]);
    expectClose([sum(got.column('loss'))], [expected.loss], 'loss', { absolute: 5e-6 });
    expectClose([sum(got.column('kl')) / of.cells.length], [expected.kl!], 'kl', { absolute: 5e-6 });
    expectClose(got.dlogprob, expected.gradient.flat(), 'd loss / d log-prob', { absolute: 5e-6 });
    const dlogits = grid(of.x, of.vocabulary).flatMap((row, m) => {
      const dLp = expected.gradient.flat()[of.cells[m]!]!;
      return referenceRowGradient(row, of.targets[m]!, of.temperature, dLp, -entropyWeight);
    });
    expectClose(got.dlogits, dlogits, 'd loss / d logits', { absolute: 5e-6, relative: 5e-5 });
  });

  it.each(['clip', 'gspo', 'rloo'])('%s on-policy: old log-probs are measured against, and the ratio is 1', async (name) => {
    const of = smallBatch();
    const settings = { ...objectives[name]!, ref: false, entropyWeight: 0 };
    const plain = await runHead(of, { ...settings, old: 'none' });
    const measured = await runHead(of, { ...settings, old: 'measure' });
    expect(measured.dlogits).toEqual(plain.dlogits);
    for (const column of rowColumns.slice(0, 8)) expect(measured.column(column)).toEqual(plain.column(column));
    expect(measured.column('ratioMax')).toEqual([1, 1, 1]);
    expect(plain.column('difference')).toEqual([0, 0, 0]);
    const gaps = of.mask.map((row, i) => row.flatMap((on, t) => (on ? [Math.abs(of.logprob[i]![t]! - of.old[i]![t]!)] : [])));
    expectClose(
      measured.column('difference'),
      gaps.map((row) => row.reduce((total, gap) => total + gap, 0)),
      'differences',
    );
    expectClose(
      measured.column('differenceMax'),
      gaps.map((row) => Math.max(...row)),
      'largest differences',
    );
    expectClose(plain.dlogprob, referenceObjective({ ...of, old: null, ref: null }, objectives[name]!).gradient.flat(), 'gradient');
  });
});

it('group advantages', async () => {
  const rewards = [...normals(200, 51), 1, NaN, 0, 1];
  const advantage = bench.output(204);
  await bench.run([groupAdvantage({ rewards: bench.input(rewards), advantage, groups: 51, groupSize: 4, kind: 'group-std' })]);
  expectClose(await bench.read(advantage), referenceAdvantage(rewards, 4, 'group-std'), 'advantage');
});
