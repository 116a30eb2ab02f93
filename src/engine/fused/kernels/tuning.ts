/**
 * Which form of the matrix product an adapter is given for a shape. Numbers only: what they mean is in shaders/nn/matmul*.wgsl,
 * how they reach it in matmul.ts. No measuring at start: the same adapter always computes the same bits.
 */
import type { AdapterDescription } from '../../gpu/adapter.ts';

export type MatmulKind = 'nt' | 'nn' | 'tn';

export interface MatmulTuning {
  /** Through workgroup memory, or each lane for itself without barriers. */
  readonly staged: boolean;
  /** A workgroup's lanes along n and m. */
  readonly lanesX: number;
  readonly lanesY: number;
  /** A lane's blocks of 4x4 along m and n. */
  readonly blocksM: number;
  readonly blocksN: number;
  /** Blocks of k that are staged at once. */
  readonly depth: number;
  /** Parts of k that are summed apart and joined; no more than there is room for. */
  readonly splits: number;
}

export interface MatmulShape {
  readonly kind: MatmulKind;
  readonly m: number;
  readonly n: number;
  readonly k: number;
  /** As many parts of k as there is scratch for; 1 where not given. */
  readonly room?: number;
  /** Two products of one input, gate and up: lanes need an even number of blocks along n. */
  readonly paired?: boolean;
}

export interface Tuning {
  matmul(shape: MatmulShape): MatmulTuning;
}

/** Tiles keep within what every WebGPU adapter guarantees (16 KB of workgroup memory, 256 lanes), so no limit decides. */
export function tuningFor({ adapter, software }: AdapterDescription): Tuning {
  if (!software) return { matmul: staged };
  return { matmul: /swiftshader/i.test(adapter) ? onSwiftShader : onMesa };
}

/**
 * All 16 lanes share their rows of A, which is one load for all of them, and 2 x 1 blocks stay in a processor's registers:
 * twice the speed of 2 x 2 on Mesa's rasteriser.
 */
function onMesa({ paired }: MatmulShape): MatmulTuning {
  const [blocksM, blocksN] = paired ? [1, 2] : [2, 1];
  return { staged: false, lanesX: 16, lanesY: 1, blocksM, blocksN, depth: 1, splits: 1 };
}

/** SwiftShader pays for loads and nothing for registers: half more speed than with Mesa's form. */
function onSwiftShader(): MatmulTuning {
  return { staged: false, lanesX: 2, lanesY: 8, blocksM: 2, blocksN: 2, depth: 1, splits: 1 };
}

/** Workgroups that keep a large GPU busy: about two on each of an H100's 132 processors. */
const busy = 256;
/** Fewer products than this are not worth another part of k. */
const shortest = 256;

/** Tiles on hardware, from the one with the most arithmetic per number read. All even along n, for gate and up. */
export const hardwareTiles = [
  // 64 x 64
  { lanesX: 8, lanesY: 8, blocksM: 2, blocksN: 2, depth: 4 },
  // 32 x 64
  { lanesX: 8, lanesY: 8, blocksM: 1, blocksN: 2, depth: 4 },
  // 16 x 64
  { lanesX: 8, lanesY: 4, blocksM: 1, blocksN: 2, depth: 4 },
] as const;
type Tile = (typeof hardwareTiles)[number];

/** The largest tile that gives the whole GPU work, k cut in parts if need be, without computing mostly rows that are not there. */
function staged({ m, n, k, room = 1, paired }: MatmulShape): MatmulTuning {
  const columns = paired ? 2 * n : n;
  const most = Math.max(1, Math.min(room, Math.floor(k / shortest)));
  const rowsOf = (tile: Tile) => 4 * tile.lanesY * tile.blocksM;
  const groupsOf = (tile: Tile) => Math.ceil(m / rowsOf(tile)) * Math.ceil(columns / (4 * tile.lanesX * tile.blocksN));
  const fits = (tile: Tile) => Math.ceil(m / rowsOf(tile)) * rowsOf(tile) < 1.5 * m && groupsOf(tile) * most >= busy;
  const tile = hardwareTiles.find(fits) ?? hardwareTiles.at(-1)!;
  return { staged: true, ...tile, splits: Math.min(most, Math.ceil(busy / groupsOf(tile))) };
}
