/** The buffers of the end of an optimiser step, for the plan of memory and for the dispatches, which are made in `learned.ts`. */
import { rowColumns } from '../step-metrics.ts';
import { squaredSumParts } from './kernels/optimiser.ts';
import type { Views } from './machine.ts';

/** @param parts of the layout of what is trained  @param rows of the whole step */
export function updateBuffers(memory: Views, parts: number, rows: number) {
  return {
    state: memory.view('optimiser', 2),
    result: memory.view('result', 4),
    squares: memory.view('squares', parts * squaredSumParts),
    rowSums: memory.view('step.rows', rows * rowColumns.length),
  };
}
