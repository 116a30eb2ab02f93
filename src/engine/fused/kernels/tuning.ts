/**
 * Which form of the matrix product an adapter is given for a shape. Numbers only: what they mean is in shaders/nn/matmul*.wgsl,
 * how they reach it in matmul.ts. No measuring at start: the same adapter always computes the same bits.
 */
import type { AdapterDescription } from '../../gpu/adapter.ts';

export type MatmulKind = 'nt' | 'nn' | 'tn';

/** Through workgroup memory; each lane for itself, without barriers; or several lanes along k, for few rows. */
export type MatmulForm = 'staged' | 'direct' | 'thin';

export interface MatmulTuning {
  readonly form: MatmulForm;
  /** A workgroup's lanes along n and m. */
  readonly lanesX: number;
  readonly lanesY: number;
  /** Lanes along k, a power of two up to 64: of `thin` alone. */
  readonly lanesZ?: number;
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
  if (!software) return { matmul: onHardware };
  return { matmul: /swiftshader/i.test(adapter) ? onSwiftShader : onMesa };
}

/**
 * All 16 lanes share their rows of A, which is one load for all of them, and 2 x 1 blocks stay in a processor's registers:
 * twice the speed of 2 x 2 on Mesa's rasteriser. Of four rows a lane has one block, and its columns instead.
 */
function onMesa({ m, paired }: MatmulShape): MatmulTuning {
  const [blocksM, blocksN] = paired || m <= 4 ? [1, 2] : [2, 1];
  return { form: 'direct', lanesX: 16, lanesY: 1, blocksM, blocksN, depth: 1, splits: 1 };
}

/**
 * SwiftShader pays for loads and nothing for registers: half more speed than with Mesa's form. It computes rows that are not there too, so few of
 * them get a tile of few: a row of 384 columns from 128 takes a tenth of the time.
 */
function onSwiftShader({ m }: MatmulShape): MatmulTuning {
  const rows =
    m <= 16 ? { lanesX: 8, lanesY: 1, blocksM: 1 } : m < 64 ? { lanesX: 4, lanesY: 1, blocksM: 2 } : { lanesX: 2, lanesY: 8, blocksM: 2 };
  return { form: 'direct', ...rows, blocksN: 2, depth: 1, splits: 1 };
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

const rowsOf = (tile: Tile) => 4 * tile.lanesY * tile.blocksM;
const groupsOf = (tile: Tile, m: number, columns: number) =>
  Math.ceil(m / rowsOf(tile)) * Math.ceil(columns / (4 * tile.lanesX * tile.blocksN));

/** Rows that a lane of the thin form has, at most. */
const thinRows = 8;
/** Beyond so many, the thin form would read weights more often than a GPU's cache gives them for nothing. */
const fewRows = 64;

/** Few rows, as decoding has them: the lanes go along k where tiles would leave most of the GPU without work. */
function onHardware(shape: MatmulShape): MatmulTuning {
  const { kind, m, n, paired } = shape;
  const starved = () => groupsOf(hardwareTiles.at(-1)!, m, paired ? 2 * n : n) < busy;
  return kind === 'nt' && (m <= thinRows || (m <= fewRows && starved())) ? thin(shape) : staged(shape);
}

/** 64 lanes: as many along k as there are quads of it for, the others on neighbouring columns. */
export function thin({ m, k, paired }: Pick<MatmulShape, 'm' | 'k' | 'paired'>): MatmulTuning {
  const lanesZ = 2 ** Math.min(6, Math.max(1, Math.floor(Math.log2(k / 4))));
  const [blocksM, blocksN] = [m > 4 ? 2 : 1, paired ? 2 : 1];
  return { form: 'thin', lanesX: 64 / lanesZ, lanesY: 1, lanesZ, blocksM, blocksN, depth: 1, splits: 1 };
}

/** The largest tile that gives the whole GPU work, k cut in parts if need be, without computing mostly rows that are not there. */
export function staged({ m, n, k, room = 1, paired }: MatmulShape): MatmulTuning {
  const columns = paired ? 2 * n : n;
  const most = Math.max(1, Math.min(room, Math.floor(k / shortest)));
  const groups = (tile: Tile) => groupsOf(tile, m, columns);
  const fits = (tile: Tile) => Math.ceil(m / rowsOf(tile)) * rowsOf(tile) < 1.5 * m && groups(tile) * most >= busy;
  const tile = hardwareTiles.find(fits) ?? hardwareTiles.at(-1)!;
  return { form: 'staged', ...tile, splits: Math.min(most, Math.ceil(busy / groups(tile))) };
}
