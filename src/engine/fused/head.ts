/**
 * From the residual stream to log-probs, loss and back, in chunks of cells so that no [N, V] ever exists. A cell is a
 * completion token that counts: the head reads the place before it. M cells, V vocabulary, C completion width.
 * With one chunk the logits are still there when the loss is known; with more they are computed a second time.
 */
import { normOffset, type CellShape } from './machine.ts';
import type { Machine, ParameterViews, Views } from './machine.ts';
import type { ObjectiveSpec } from '../engine.ts';
import type { OldUse } from '../gpu/settings.ts';
import type { BufferView, Work } from '../gpu/work.ts';
import { part } from '../gpu/work.ts';
import { rowColumns } from '../step-metrics.ts';
import { widths } from './block.ts';
import { splitSums } from './decoder.ts';
import { clippedLoss, gatherCells, scatterCells, tokenLogprobBackward, tokenLogprobForward } from './kernels/head.ts';
import { chunksFor, rmsNormBackward, rmsNormForward } from './kernels/rms-norm.ts';
import type { Gradients } from './linear.ts';
import type { PartialSums } from './partials.ts';
import { weightForward, weightGradient, weightInput } from './weight.ts';

/** Logits of one chunk may take so much. */
const logitsBytes = 48 * 2 ** 20;
/** Cells of a chunk, so that views of chunks start where buffers can be bound. */
const cellStep = 64;

/** Cells are rounded up to steps of about an eighth, so that few shapes, and few plans, come up. */
export function cellBucket(cells: number): number {
  const step = Math.max(cellStep, 2 ** Math.floor(Math.log2(Math.max(cells, 1)) - 3));
  return Math.max(cellStep, Math.ceil(cells / step) * step);
}

function chunks(cells: number, vocabulary: number): { first: number; count: number }[] {
  const size = Math.max(cellStep, Math.floor(logitsBytes / (4 * vocabulary) / cellStep) * cellStep);
  return Array.from({ length: Math.ceil(cells / size) }, (_, i) => ({ first: i * size, count: Math.min(size, cells - i * size) }));
}

/** The matrix of logits, for the normed stream in so many rows. */
const headOf = ({ config }: Machine, parameters: ParameterViews, rows: number) => ({
  parameters,
  name: config.tied ? 'embedding' : 'head',
  rows,
  out: config.vocabSize,
  in: config.hiddenSize,
});

/** x [N, D], normed -> logits y [N, V] */
export function logitsForward(
  machine: Machine,
  parameters: ParameterViews,
  rows: number,
  of: { readonly x: BufferView; readonly y: BufferView; readonly count?: BufferView },
): Work[] {
  return weightForward(headOf(machine, parameters, rows), of, machine.tuning);
}

/** The buffers of the head. */
function buffers(memory: Views, { config }: Machine, { rows, cells, completionWidth }: CellShape) {
  const grid = rows * completionWidth;
  const size = Math.min(cells, chunks(cells, config.vocabSize)[0]!.count);
  return {
    places: memory.view('places', cells),
    cells: memory.view('cells', cells),
    targets: memory.view('targets', cells),
    normed: memory.view('scratch.normed', cells * config.hiddenSize),
    rstd: memory.view('head.rstd', cells),
    logits: memory.view('scratch.wide', size * config.vocabSize),
    logprob: memory.view('cell.logprob', cells),
    entropy: memory.view('cell.entropy', cells),
    stats: memory.view('cell.stats', cells * 2),
    // One number more: where the cells go that do not count.
    gridLogprob: memory.view('grid.logprob', grid + 1),
    gridEntropy: memory.view('grid.entropy', grid + 1),
  };
}

type HeadBuffers = ReturnType<typeof buffers>;

function chunkLogits(
  b: HeadBuffers,
  machine: Machine,
  parameters: ParameterViews,
  { first, count }: { first: number; count: number },
): Work[] {
  const { vocabSize: v, hiddenSize: d } = machine.config;
  return logitsForward(machine, parameters, count, { x: part(b.normed, first * d, count * d), y: part(b.logits, 0, count * v) });
}

/** The residual stream `x` [N, D] -> log-probs and entropies of the cells, on the grid [R, C]. */
export function headForward(
  memory: Views,
  machine: Machine,
  parameters: ParameterViews,
  shape: CellShape,
  x: BufferView,
  temperature: number,
  works: Work[],
): HeadBuffers {
  const { hiddenSize: d, vocabSize: v, rmsNormEps: eps } = machine.config;
  const { cells } = shape;
  const b = buffers(memory, machine, shape);
  const norm = { weight: parameters.view('norm'), offset: normOffset(machine.config), eps };
  works.push(rmsNormForward({ x, ...norm, y: b.normed, rstd: b.rstd, places: b.places, rows: cells, width: d }));
  for (const chunk of chunks(cells, v)) {
    const { first, count } = chunk;
    works.push(
      ...chunkLogits(b, machine, parameters, chunk),
      tokenLogprobForward({
        logits: part(b.logits, 0, count * v),
        targets: part(b.targets, first, count),
        logprob: part(b.logprob, first, count),
        entropy: part(b.entropy, first, count),
        stats: part(b.stats, 2 * first, 2 * count),
        rows: count,
        vocabulary: v,
        temperature,
      }),
    );
  }
  works.push(
    scatterCells({
      cells: b.cells,
      logprob: b.logprob,
      entropy: b.entropy,
      gridLogprob: b.gridLogprob,
      gridEntropy: b.gridEntropy,
      count: cells,
    }),
  );
  return b;
}

/** What the loss reads beside log-probs, on the grid or per row, and what it leaves for the metrics. */
export function lossBuffers(memory: Views, { rows, completionWidth }: CellShape) {
  const grid = rows * completionWidth;
  return {
    oldLogprob: memory.view('grid.old', grid),
    refLogprob: memory.view('grid.ref', grid),
    mask: memory.view('grid.mask', grid),
    advantage: memory.view('row.advantage', rows),
    rowWeight: memory.view('row.weight', rows),
    rowSums: memory.view('row.sums', rows * rowColumns.length),
    dlogprob: memory.view('grid.dlogprob', grid + 1),
    dentropy: memory.view('grid.dentropy', grid + 1),
  };
}

export interface LossInputs {
  readonly objective: ObjectiveSpec;
  readonly old: OldUse;
  readonly ref: boolean;
  /** Tokens that count in the whole optimiser step. */
  readonly stepTokens: number;
}

/** The two dispatches of the loss: their numbers may change from step to step. */
export function lossWorks(memory: Views, shape: CellShape, { objective, old, ref, stepTokens }: LossInputs): Work[] {
  const { rows, completionWidth: width } = shape;
  const grid = rows * width;
  return clippedLoss(
    { logprob: memory.view('grid.logprob', grid), entropy: memory.view('grid.entropy', grid), ...lossBuffers(memory, shape) },
    { ...objective, rows, width, old, ref, entropyWeight: objective.entropyCoef / Math.max(stepTokens, 1) },
  );
}

/** Loss of the grid -> gradient of the residual stream, in `dx` [N, D], and of norm and head where they learn. Returns where the loss works lie. */
export function headBackward(
  memory: Views,
  machine: Machine,
  parameters: ParameterViews,
  gradients: Gradients,
  partials: PartialSums,
  shape: CellShape,
  b: HeadBuffers,
  x: BufferView,
  settings: LossInputs,
  works: Work[],
): number {
  const { config, tuning } = machine;
  const { hiddenSize: d, vocabSize: v } = config;
  const { cells, places: n } = shape;
  const loss = lossBuffers(memory, shape);
  const lossAt = works.length;
  works.push(...lossWorks(memory, shape, settings));
  const dlogprob = memory.view('cell.dlogprob', cells);
  const dentropy = memory.view('cell.dentropy', cells);
  works.push(gatherCells({ cells: b.cells, gridDlogprob: loss.dlogprob, gridDentropy: loss.dentropy, dlogprob, dentropy, count: cells }));
  const dNormed = memory.view('dNormed', cells * d);
  const all = chunks(cells, v);
  for (const chunk of all) {
    const { first, count } = chunk;
    const logits = part(b.logits, 0, count * v);
    if (all.length > 1) works.push(...chunkLogits(b, machine, parameters, chunk));
    works.push(
      tokenLogprobBackward({
        logits, // and d loss / d logits afterwards
        targets: part(b.targets, first, count),
        entropy: part(b.entropy, first, count),
        stats: part(b.stats, 2 * first, 2 * count),
        dlogprob: part(dlogprob, first, count),
        dentropy: part(dentropy, first, count),
        rows: count,
        vocabulary: v,
        temperature: settings.objective.temperature,
      }),
      ...weightInput(
        headOf(machine, parameters, count),
        { dy: logits, dx: part(dNormed, first * d, count * d), partials: splitSums(memory, machine, parameters) },
        tuning,
      ),
    );
    // A head that is frozen has no gradient.
    if (gradients.of === 'parameters') {
      const of = { dy: logits, x: part(b.normed, first * d, count * d) };
      works.push(...weightGradient(headOf(machine, gradients.views, count), of, tuning));
    }
  }
  works.push(
    rmsNormBackward({
      x,
      weight: parameters.view('norm'),
      rstd: b.rstd,
      dy: dNormed,
      dx: memory.view('dx', n * d),
      accumulate: false,
      starts: memory.view('cellStarts', n + 1),
      partials: partials.take('norm', chunksFor(n), widths(config).d),
      rows: n,
      width: d,
      offset: normOffset(config),
    }),
  );
  return lossAt;
}
