/** What adapters of stacked projections need beside products, as a dispatch; the formula is in shaders/optim/lora-blocks.wgsl. */
import shader from '../../../../shaders/optim/lora-blocks.wgsl';
import { lanes } from '../../gpu/settings.ts';
import { workOf, type BufferView, type Work } from '../../gpu/work.ts';

export interface KeepBlocks {
  /** Of B [rows, blocks * rank]. */
  readonly gradient: BufferView;
  readonly rank: number;
  /** Rows of each block, two or three of them. */
  readonly blocks: readonly number[];
}

/** Zeros what lies outside the blocks of a block-diagonal gradient. */
export function keepBlocks({ gradient, rank, blocks }: KeepBlocks): Work {
  const rows = blocks.reduce((sum, block) => sum + block, 0);
  const width = blocks.length * rank;
  const [first = 0, second = 0] = blocks;
  return workOf(shader, 'keep_blocks', {
    constants: {},
    buffers: { gradient },
    params: { rows, width, rank, first_end: first, second_end: first + second },
    groups: Math.ceil((rows * width) / lanes),
  });
}
