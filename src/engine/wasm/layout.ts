/**
 * Where every parameter of a policy lies in one block of memory. Matrices are panels of eight rows (kernels/pack.ts), vectors as they are; matrices
 * come first, because weight decay stops where they end. Gradients and moments lie the same way.
 */
import { adaptedMatrices, adapterShapes, type LoraSpec } from '../../policy/adapters.ts';
import { parameterShapes, type ParameterShape, type PolicyConfig } from '../../policy/config.ts';
import type { PolicyTensors } from '../../policy/weights.ts';
import { adapterPieces, policyPieces, type Piece } from '../pieces.ts';

/** A parameter within a slot. */
interface Source {
  readonly name: string;
  /** A vector is one row. */
  readonly rows: number;
  readonly width: number;
  /** Where its first number goes in the slot's matrix; of a vector, the column says all. */
  readonly row: number;
  readonly column: number;
}

/** How numbers of matrices lie, and kernels/halves.ts's word for it; vectors are float32. */
export const numberKinds = { f32: 0, bf16: 1, f16: 2, q8_0: 3 } as const;
export type NumberKind = keyof typeof numberKinds;

/** Bytes of a panel of eight rows [width], by the word. */
export function panelBytes(kind: number, width: number): number {
  if (kind === numberKinds.q8_0) return (width / 32) * 272;
  return (kind === numberKinds.f32 ? 32 : 16) * width;
}

export interface Slot {
  readonly name: string;
  readonly kind: NumberKind;
  /** Matrices are [out, in]. */
  readonly shape: readonly number[];
  /** Bytes from the beginning of the block. */
  readonly offset: number;
  readonly sources: readonly Source[];
  /** Rows of each block on its diagonal, also of one that is of no source and stays 0. */
  readonly blocks?: readonly number[];
}

export interface Layout {
  readonly slots: ReadonlyMap<string, Slot>;
  readonly bytes: number;
  /** Bytes from the beginning that weight decay applies to. */
  readonly decayed: number;
}

const panelRows = 8;
export const upTo = (n: number, step: number): number => Math.ceil(n / step) * step;

/** All in float32, as what is trained is. */
export const policyLayout = (config: PolicyConfig): Layout => layOut(policyPieces(config), parameterShapes(config));

/**
 * As what nobody trains lies: matrices in 16 bits or Q8_0 where no number of them is changed by it; in float16 where they were quantised otherwise,
 * whose numbers come closest in it.
 */
export const frozenLayout = (config: PolicyConfig, tensors: PolicyTensors): Layout =>
  layOut(policyPieces(config), parameterShapes(config), (piece) => kindOf(piece, tensors));

function kindOf({ shape, sources }: Piece, tensors: PolicyTensors): NumberKind {
  const stored = sources.map((name) => tensors.get(name)!.format);
  if (shape.length < 2 || stored.includes('f32')) return 'f32';
  if (stored.every((format) => format === 'bf16')) return 'bf16';
  if (stored.every((format) => format === 'q8_0')) return 'q8_0';
  return stored.includes('bf16') ? 'f32' : 'f16';
}

/** Of adapters, those that are there have a source; the others' rows and columns stay 0. */
export function adapterLayout(config: PolicyConfig, lora: Omit<LoraSpec, 'alpha'>): Layout {
  const layout = layOut(adapterPieces(config, lora), adapterShapes(config, { rank: lora.rank }));
  const adapted = new Set(adaptedMatrices(config, lora).flatMap(({ a, b }) => [a, b]));
  const slots = [...layout.slots.values()].map((slot): [string, Slot] => [
    slot.name,
    { ...slot, sources: slot.sources.filter(({ name }) => adapted.has(name)) },
  ]);
  return { ...layout, slots: new Map(slots) };
}

function layOut(pieces: readonly Piece[], shapes: readonly ParameterShape[], kindOf: (piece: Piece) => NumberKind = () => 'f32'): Layout {
  const shapeOf = new Map(shapes.map(({ name, shape }) => [name, shape]));
  const slots = new Map<string, Slot>();
  let bytes = 0;
  let decayed = 0;
  for (const piece of pieces) {
    const { name, shape, sources, diagonal } = piece;
    const kind = kindOf(piece);
    const [rows, width] = shape;
    const size = width === undefined ? 4 * rows! : Math.ceil(rows! / panelRows) * panelBytes(numberKinds[kind], width);
    let [row, column] = [0, 0];
    const placed = sources.map((source): Source => {
      const own = shapeOf.get(source)!;
      const [height, across] = own.length === 1 ? [1, own[0]!] : [own[0]!, own[1]!];
      const at = { name: source, rows: height, width: across, row, column };
      if (own.length > 1) row += height;
      if (own.length === 1) column += across;
      if (diagonal !== undefined) column += diagonal;
      return at;
    });
    const blocks = diagonal === undefined ? {} : { blocks: placed.map((source) => source.rows) };
    slots.set(name, { name, kind, shape, offset: bytes, sources: placed, ...blocks });
    bytes += upTo(size, 64);
    if (shape.length > 1) decayed = bytes;
  }
  return { slots, bytes, decayed };
}
