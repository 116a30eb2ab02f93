/** What lists of dispatches are written against: a policy on a machine, buffers and parameters by name, the shape of a pass. */
import type { PolicyConfig } from '../../policy/config.ts';
import { families } from '../../policy/families.ts';
import { isSliding } from '../../policy/layers.ts';
import type { BufferView } from '../gpu/work.ts';
import type { Tuning } from './kernels/tuning.ts';
import type { ArenaLayout } from './layout.ts';

export interface Machine {
  readonly config: PolicyConfig;
  readonly tuning: Tuning;
  readonly software: boolean;
}

/** Named buffers: the pool, or a collector of sizes that asks what a list of dispatches would need. */
export interface Views {
  view(name: string, length: number): BufferView;
}

/** Parameters or gradients by name, of slots of the layout: an arena, or the thought of one. */
export interface ParameterViews {
  readonly layout: ArenaLayout;
  view(name: string): BufferView;
  part(index: number): BufferView;
}

/** What is added to the weights of every norm. */
export const normOffset = ({ family }: PolicyConfig): 0 | 1 => families[family].normOffset;

/** The buffer of the rotary table that a layer turns by. */
export const ropeName = (config: PolicyConfig, layer: number): 'rope' | 'rope.sliding' =>
  isSliding(config, layer) ? 'rope.sliding' : 'rope';

/** Places of segments (`batch.ts`). */
export interface PlaceShape {
  /** N, with what fills it up */
  readonly places: number;
  /** S at most */
  readonly segments: number;
  /** W: no text has more places. */
  readonly width: number;
}

export interface CellShape extends PlaceShape {
  /** R of the grid */
  readonly rows: number;
  /** M, a multiple of 64; what is beyond the cells that count points at place 0 and at the cell after the last of the grid. */
  readonly cells: number;
  /** C */
  readonly completionWidth: number;
}
