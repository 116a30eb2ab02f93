/**
 * A tensor as a file stores it: its name, shape and format, and its bytes, read by range. Its numbers come out as float32, a piece at a
 * time; how each format packs them is `tensor-format.ts`. It is not a weight an engine computes with (`weights.ts`).
 */
import { LabError } from '../errors.ts';
import { decode, tensorFormats, type TensorFormat } from './tensor-format.ts';

export interface Tensor {
  readonly name: string;
  /** Linear layers are [out, in]. */
  readonly shape: readonly number[];
  /** What the file calls it: `BF16`, `I64`. */
  readonly dtype: string;
  /** Null for a dtype that no weights are read from. */
  readonly format: TensorFormat | null;
  readonly byteLength: number;
  /** Its bytes `from` ≤ i < `to`; not to be written to. */
  read(from: number, to: number): Promise<Uint8Array>;
}

/** Numbers in memory, not copied. */
export function memoryTensor(name: string, shape: readonly number[], numbers: Float32Array): Tensor {
  const bytes = new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength);
  const read = (from: number, to: number) => Promise.resolve(bytes.subarray(from, to));
  return { name, shape, dtype: 'F32', format: 'f32', byteLength: bytes.length, read };
}

/** @throws LabError `format` for a dtype that weights are not read from */
export function checkFormat({ name, dtype, format }: Tensor): TensorFormat {
  if (format !== null) return format;
  throw new LabError(
    'format',
    `The tensor ${name} is stored as ${dtype}.`,
    'Supported are F32, F16 and BF16; use the original weights of the policy.',
  );
}

/** Numbers decoded at a time: 16 MiB of float32, whole blocks of every format. */
const pieceNumbers = 2 ** 22;

/**
 * Its numbers, piece after piece, all of one length but the last.
 * @param into what they are written to, all of them; without it each piece is an array of its own
 * @throws LabError `format` for a dtype that weights are not read from
 */
export async function* pieces(tensor: Tensor, into?: Float32Array): AsyncGenerator<Float32Array> {
  const format = checkFormat(tensor);
  const block = tensorFormats[format];
  const count = numberCount(tensor);
  const byteOf = (number: number) => (number / block.numbers) * block.bytes;
  for (let at = 0; at < count; at += pieceNumbers) {
    const end = Math.min(count, at + pieceNumbers);
    const raw = await tensor.read(byteOf(at), byteOf(end));
    const piece = into ? into.subarray(at, end) : new Float32Array(end - at);
    decode(format, raw, piece);
    yield piece;
  }
}

/** All its numbers; beside them one piece is in memory. @throws LabError as `pieces`, `memory` where there is no room for them */
export async function numbersOf(tensor: Tensor): Promise<Float32Array> {
  const all = room(tensor);
  const reading = pieces(tensor, all);
  while (!(await reading.next()).done);
  return all;
}

export function numberCount({ shape }: Pick<Tensor, 'shape'>): number {
  return shape.reduce((product, n) => product * n, 1);
}

function room(tensor: Tensor): Float32Array {
  const count = numberCount(tensor);
  try {
    return new Float32Array(count);
  } catch (cause) {
    const size = (count / 2 ** 28).toFixed(2);
    throw new LabError(
      'memory',
      `The tensor ${tensor.name} has ${size} GiB of float32, for which there is no room.`,
      'Use a smaller policy.',
      {
        cause,
      },
    );
  }
}
