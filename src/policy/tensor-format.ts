/**
 * The formats that weights are stored in, and the way from their bytes to float32. The blocks are those of ggml-quants.c
 * (`dequantize_row_*`), bit for bit: what Python's `gguf.quants.dequantize` makes of them is in tests/fixtures/tensors/formats.json.
 * It does not quantise. Measured on one busy core, ns a number: bf16 1.4, f16 1.8, the blocks 1.2–2.9.
 */

/** Numbers and bytes of a block; a row of a matrix is whole blocks. The block formats are ggml's. */
export const tensorFormats = {
  f32: { numbers: 1, bytes: 4 },
  bf16: { numbers: 1, bytes: 2 },
  f16: { numbers: 1, bytes: 2 },
  q8_0: { numbers: 32, bytes: 34 },
  q4_0: { numbers: 32, bytes: 18 },
  q4_1: { numbers: 32, bytes: 20 },
  q5_0: { numbers: 32, bytes: 22 },
  q5_1: { numbers: 32, bytes: 24 },
  q4_K: { numbers: 256, bytes: 144 },
  q5_K: { numbers: 256, bytes: 176 },
  q6_K: { numbers: 256, bytes: 210 },
} as const;
export type TensorFormat = keyof typeof tensorFormats;

/** @param raw whole blocks, little-endian  @param out as many numbers as they hold */
export function decode(format: TensorFormat, raw: Uint8Array, out: Float32Array): void {
  decoders[format](raw, out);
}

const decoders: Readonly<Record<TensorFormat, (raw: Uint8Array, out: Float32Array) => void>> = {
  f32(raw, out) {
    new Uint8Array(out.buffer, out.byteOffset, out.byteLength).set(raw);
  },

  // The upper half of a float32.
  bf16(raw, out) {
    const halves = words16(raw);
    const words = new Uint32Array(out.buffer, out.byteOffset, out.length);
    for (let i = 0; i < words.length; i++) words[i] = halves[i]! << 16;
  },

  f16(raw, out) {
    const halves = words16(raw);
    const table = halfTable();
    for (let i = 0; i < out.length; i++) out[i] = table[halves[i]!]!;
  },

  // d: f16, 32 × int8; d·q
  q8_0(raw, out) {
    for (let at = 0, n = 0; n < out.length; at += 34) {
      const d = half(raw, at);
      for (let i = 2; i < 34; i++) out[n++] = d * ((raw[at + i]! << 24) >> 24);
    }
  },

  // d: f16, 16 bytes: numbers 0–15 in the lower halves, 16–31 in the upper ones; d·(q − 8)
  q4_0(raw, out) {
    for (let at = 0, n = 0; n < out.length; at += 18, n += 32) {
      const d = half(raw, at);
      for (let i = 0; i < 16; i++) {
        const pair = raw[at + 2 + i]!;
        out[n + i] = d * ((pair & 15) - 8);
        out[n + i + 16] = d * ((pair >> 4) - 8);
      }
    }
  },

  // d, m: f16, 16 bytes as above; d·q + m
  q4_1(raw, out) {
    for (let at = 0, n = 0; n < out.length; at += 20, n += 32) {
      const [d, m] = [half(raw, at), half(raw, at + 2)];
      for (let i = 0; i < 16; i++) {
        const pair = raw[at + 4 + i]!;
        out[n + i] = d * (pair & 15) + m;
        out[n + i + 16] = d * (pair >> 4) + m;
      }
    }
  },

  // d: f16, a fifth bit for each number in 4 bytes, 16 bytes as above; d·(q − 16)
  q5_0(raw, out) {
    for (let at = 0, n = 0; n < out.length; at += 22, n += 32) {
      const d = half(raw, at);
      const fifth = word32(raw, at + 2);
      for (let i = 0; i < 16; i++) {
        const pair = raw[at + 6 + i]!;
        out[n + i] = d * (((pair & 15) | (((fifth >>> i) & 1) << 4)) - 16);
        out[n + i + 16] = d * (((pair >> 4) | (((fifth >>> (i + 16)) & 1) << 4)) - 16);
      }
    }
  },

  // d, m: f16, the fifth bits, 16 bytes; d·q + m
  q5_1(raw, out) {
    for (let at = 0, n = 0; n < out.length; at += 24, n += 32) {
      const [d, m] = [half(raw, at), half(raw, at + 2)];
      const fifth = word32(raw, at + 4);
      for (let i = 0; i < 16; i++) {
        const pair = raw[at + 8 + i]!;
        out[n + i] = d * ((pair & 15) | (((fifth >>> i) & 1) << 4)) + m;
        out[n + i + 16] = d * ((pair >> 4) | (((fifth >>> (i + 16)) & 1) << 4)) + m;
      }
    }
  },

  // d, dmin: f16, scales and minima of 8 groups in 12 bytes, 128 bytes: 32 for two groups, the first in the lower halves; d·s·q − dmin·m
  q4_K(raw, out) {
    for (let at = 0, n = 0; n < out.length; at += 144, n += 256) {
      const [d, dmin] = [half(raw, at), half(raw, at + 2)];
      for (let group = 0; group < 8; group++) {
        const [scale, min] = [d * groupScale(raw, at + 4, group), dmin * groupMin(raw, at + 4, group)];
        const [first, shift] = [at + 16 + 32 * (group >> 1), 4 * (group & 1)];
        for (let i = 0; i < 32; i++) out[n + 32 * group + i] = scale * ((raw[first + i]! >> shift) & 15) - min;
      }
    }
  },

  // The same with a fifth bit: 32 bytes between scales and quants, bit g of each for group g.
  q5_K(raw, out) {
    for (let at = 0, n = 0; n < out.length; at += 176, n += 256) {
      const [d, dmin] = [half(raw, at), half(raw, at + 2)];
      for (let group = 0; group < 8; group++) {
        const [scale, min] = [d * groupScale(raw, at + 4, group), dmin * groupMin(raw, at + 4, group)];
        const [first, shift] = [at + 48 + 32 * (group >> 1), 4 * (group & 1)];
        for (let i = 0; i < 32; i++) {
          const fifth = (raw[at + 16 + i]! >> group) & 1;
          out[n + 32 * group + i] = scale * (((raw[first + i]! >> shift) & 15) | (fifth << 4)) - min;
        }
      }
    }
  },

  // 128 bytes of lower 4 bits, 64 of upper 2, 16 int8 scales, one for 16 numbers, d: f16; d·s·(q − 32). Each half block is four rows of 32:
  // the lower bits of rows 0 and 2 share bytes, so do those of 1 and 3; the upper bits of all four do.
  q6_K(raw, out) {
    for (let at = 0, n = 0; n < out.length; at += 210, n += 256) {
      const d = half(raw, at + 208);
      for (let row = 0; row < 8; row++) {
        const [side, inner] = [row >> 2, row & 3];
        const [low, high] = [at + 64 * side + 32 * (inner & 1), at + 128 + 32 * side];
        const [shift, shiftHigh] = [4 * (inner >> 1), 2 * inner];
        for (let i = 0; i < 32; i++) {
          const scale = d * ((raw[at + 192 + 2 * row + (i >> 4)]! << 24) >> 24);
          const q = ((raw[low + i]! >> shift) & 15) | (((raw[high + i]! >> shiftHigh) & 3) << 4);
          out[n + 32 * row + i] = scale * (q - 32);
        }
      }
    }
  },
};

/** Six bits each: groups 0–3 in the lower bits of bytes 0–3, groups 4–7 in the lower halves of bytes 8–11 and the upper bits of bytes 0–3. */
function groupScale(raw: Uint8Array, at: number, group: number): number {
  return group < 4 ? raw[at + group]! & 63 : (raw[at + group + 4]! & 15) | ((raw[at + group - 4]! >> 6) << 4);
}

/** The same with bytes 4–7 and the upper halves of bytes 8–11. */
function groupMin(raw: Uint8Array, at: number, group: number): number {
  return group < 4 ? raw[at + group + 4]! & 63 : (raw[at + group + 4]! >> 4) | ((raw[at + group]! >> 6) << 4);
}

function words16(raw: Uint8Array): Uint16Array {
  const whole = raw.byteOffset % 2 === 0 ? raw : raw.slice();
  return new Uint16Array(whole.buffer, whole.byteOffset, whole.byteLength / 2);
}

function word32(raw: Uint8Array, at: number): number {
  return raw[at]! | (raw[at + 1]! << 8) | (raw[at + 2]! << 16) | (raw[at + 3]! << 24);
}

function half(raw: Uint8Array, at: number): number {
  return halfTable()[raw[at]! | (raw[at + 1]! << 8)]!;
}

let halves: Float32Array | null = null;

/** Every binary16 as float32; computing one takes twenty times as long as looking it up. */
function halfTable(): Float32Array {
  halves ??= Float32Array.from({ length: 2 ** 16 }, (_, bits) => halfToFloat(bits));
  return halves;
}

/** IEEE 754 binary16 to number. */
function halfToFloat(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
