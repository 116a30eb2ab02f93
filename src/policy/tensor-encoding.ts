/**
 * The way back from float32 to the formats that policies are written in: those that published ones have, bf16 and f16 to the nearest number
 * (of two equally near ones the even), and q8_0, ggml's blocks of eight bits. As Python's `gguf.quants.quantize` makes them, bit for bit:
 * tests/fixtures/tensors/formats.json. The finer formats of ggml are read (`tensor-format.ts`), not made.
 */
import { LabError } from '../errors.ts';
import { tensorFormats, type TensorFormat } from './tensor-format.ts';
import { numberCount, pieces, type Tensor } from './tensor.ts';

export const writtenFormats = ['f32', 'bf16', 'f16', 'q8_0'] as const satisfies readonly TensorFormat[];
export type WrittenFormat = (typeof writtenFormats)[number];

/** @param numbers whole blocks  @param out the bytes that they take; without it new ones */
export function encode(
  format: WrittenFormat,
  numbers: Float32Array,
  out: Uint8Array = new Uint8Array(bytesFor(format, numbers.length)),
): Uint8Array {
  encoders[format](numbers, out);
  return out;
}

/** Bytes of so many numbers, which are whole blocks. */
export function bytesFor(format: TensorFormat, numbers: number): number {
  const block = tensorFormats[format];
  return (numbers / block.numbers) * block.bytes;
}

/** The bytes of a tensor in a format. @param format whose blocks its rows are whole ones of */
export const bytesOf = (tensor: Pick<Tensor, 'shape'>, format: TensorFormat): number => bytesFor(format, numberCount(tensor));

/**
 * A tensor in another format, piece after piece; in the one it has, bit for bit what it was.
 * @throws LabError 'numeric' for one that has no numbers, or none that the format can hold, naming tensor and place
 */
export async function* encoded(tensor: Tensor, format: WrittenFormat): AsyncGenerator<Uint8Array> {
  let at = 0;
  for await (const piece of pieces(tensor)) {
    for (let i = 0; i < piece.length; i++) {
      if (!(Math.abs(piece[i]!) <= largest[format])) throw unwritable(tensor, at + i, piece[i]!, format);
    }
    yield encode(format, piece);
    at += piece.length;
  }
}

/** Beyond these a number becomes an infinity. */
const largest: Readonly<Record<WrittenFormat, number>> = {
  f32: 3.4028234663852886e38,
  bf16: 3.396e38,
  f16: 65519,
  q8_0: 127 * 65519,
};

function unwritable({ name }: Tensor, place: number, number: number, format: WrittenFormat): LabError {
  const what = `Number ${place + 1} of the tensor ${name} is ${number}`;
  return Number.isFinite(number)
    ? new LabError('numeric', `${what}, too large for ${format}.`, 'Choose bf16 or f32.')
    : new LabError('numeric', `${what}: these weights are no policy, and were not written.`, 'Take an earlier checkpoint of the run.');
}

const encoders: Readonly<Record<WrittenFormat, (numbers: Float32Array, out: Uint8Array) => void>> = {
  f32(numbers, out) {
    out.set(new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength));
  },

  // The upper half of a float32, rounded; what is no number stays none.
  bf16(numbers, out) {
    const words = new Uint32Array(numbers.buffer, numbers.byteOffset, numbers.length);
    for (let i = 0; i < words.length; i++) {
      const word = words[i]!;
      const half = (word & 0x7fffffff) > 0x7f800000 ? (word >>> 16) | 64 : (word + 0x7fff + ((word >>> 16) & 1)) >>> 16;
      out[2 * i] = half;
      out[2 * i + 1] = half >>> 8;
    }
  },

  f16(numbers, out) {
    const words = new Uint32Array(numbers.buffer, numbers.byteOffset, numbers.length);
    for (let i = 0; i < words.length; i++) {
      const half = floatToHalf(words[i]!);
      out[2 * i] = half;
      out[2 * i + 1] = half >>> 8;
    }
  },

  // d: f16, the largest over 127; 32 × int8, the nearest to x / d in float32, halves away from 0.
  q8_0(numbers, out) {
    for (let n = 0, at = 0; n < numbers.length; n += 32, at += 34) {
      let largest = 0;
      for (let i = n; i < n + 32; i++) largest = Math.max(largest, Math.abs(numbers[i]!));
      const d = Math.fround(largest / 127);
      const inverse = d === 0 ? 0 : Math.fround(1 / d);
      float[0] = d;
      const half = floatToHalf(floatBits[0]!);
      out[at] = half;
      out[at + 1] = half >>> 8;
      for (let i = 0; i < 32; i++) {
        const x = Math.fround(numbers[n + i]! * inverse);
        out[at + 2 + i] = x < 0 ? -Math.floor(0.5 - x) : Math.floor(x + 0.5);
      }
    }
  },
};

const float = new Float32Array(1);
const floatBits = new Uint32Array(float.buffer);

/** The bits of a float32 to those of the nearest IEEE 754 binary16. */
function floatToHalf(word: number): number {
  const sign = (word >>> 16) & 0x8000;
  const size = word & 0x7fffffff;
  // No number, then what rounds to infinity.
  if (size > 0x7f800000) return sign | 0x7e00;
  if (size >= 0x477ff000) return sign | 0x7c00;
  if (size >= 0x38800000) {
    // Normal: the exponent moves by 112, and 13 bits are rounded away; a carry runs into the exponent, as it should.
    return sign | ((size - 0x38000000 + 0x0fff + ((size >>> 13) & 1)) >>> 13);
  }
  if (size < 0x33000000) return sign;
  // Subnormal: the whole significand, in units of 2^-24.
  const shift = 126 - (size >>> 23);
  const significand = (size & 0x7fffff) | 0x800000;
  const kept = significand >>> shift;
  const rest = significand & ((1 << shift) - 1);
  const middle = 1 << (shift - 1);
  return sign | (kept + (rest > middle || (rest === middle && (kept & 1) === 1) ? 1 : 0));
}
