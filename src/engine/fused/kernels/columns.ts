/**
 * Sums over places as dispatches: chunk by chunk where the numbers arise, and over the chunks of all parameters at once.
 * What they compute is in shaders/nn/columns.wgsl.
 */
import shader from '../../../../shaders/nn/columns.wgsl';
import normShader from '../../../../shaders/nn/rms-norm.wgsl';
import { lanes } from '../../gpu/settings.ts';
import { workOf, type BufferView, type Work } from '../../gpu/work.ts';
import { quads } from './quads.ts';

/** Rows that the backward of RMSNorm takes at once: chunks are whole batches. */
const batch = normShader.constants.BATCH;
/** Enough workgroups for a large GPU; more would only leave more to add up. */
const mostChunks = 256;
/** Columns of a parameter that a line of the table covers. */
const columnsPerLine = shader.constants.COLUMNS;

export const chunkRows = (rows: number) => batch * Math.max(1, Math.ceil(rows / (batch * mostChunks)));

/** S: the chunks that sums over `rows` rows come in. */
export const chunksFor = (rows: number) => Math.ceil(rows / chunkRows(rows));

/** x [N, C] -> partials [chunksFor(N), C], whose sum over chunks is the sum over rows. */
export function columnPartials(of: {
  readonly x: BufferView;
  readonly partials: BufferView;
  /** N */
  readonly rows: number;
  /** C */
  readonly width: number;
}): Work {
  const { width, constants } = quads(of.width);
  const chunks = chunksFor(of.rows);
  return workOf(shader, 'partial', {
    constants,
    buffers: { x: of.x, sums: of.partials },
    params: { rows: of.rows, width, chunk_rows: chunkRows(of.rows), chunks },
    groups: chunks * Math.ceil(width / lanes),
  });
}

/** partials [chunks, width] of one parameter, numbers counted from the start of the buffer. */
export interface PartialSection {
  readonly first: number;
  readonly chunks: number;
  readonly width: number;
  /** Floats from one chunk to the next. */
  readonly stride: number;
  /** Where its gradient starts, in floats; no two sections overlap there. */
  readonly target: number;
}

/** [lines, TABLE_LINE of shaders/nn/columns.wgsl] i32: first, chunks, columns, stride, target. */
export function partialsTable(sections: readonly PartialSection[]): Int32Array<ArrayBuffer> {
  const lines: number[] = [];
  for (const { first, chunks, width, stride, target } of sections) {
    for (let c = 0; c < width; c += columnsPerLine) lines.push(first + c, chunks, Math.min(columnsPerLine, width - c), stride, target + c);
  }
  return Int32Array.from(lines);
}

/** gradients[target + i] += the sum over chunks, for all sections at once. */
export function reducePartials(of: {
  readonly partials: BufferView;
  /** `partialsTable(sections)` */
  readonly table: BufferView;
  readonly sections: readonly PartialSection[];
  readonly gradients: BufferView;
}): Work {
  return workOf(shader, 'reduce', {
    buffers: { table: of.table, partials: of.partials, gradients: of.gradients },
    params: {},
    groups: of.sections.reduce((sum, { width }) => sum + Math.ceil(width / columnsPerLine), 0),
  });
}
