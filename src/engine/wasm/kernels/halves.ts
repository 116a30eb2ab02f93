/**
 * Numbers of 16 bits, as frozen weights may lie: bfloat16, the upper half of a float32, and IEEE 754 binary16. Read into float32 they are exact; the way
 * there rounds to the nearest, ties to even, where a number is not of the format. Infinities and NaN are not asked for.
 * Test: tests/unit/wasm-halves.test.ts
 */

export const F32: i32 = 0;
export const BF16: i32 = 1;
export const F16: i32 = 2;
/** Not of 16 bits: `blocks.ts`. */
export const Q8: i32 = 3;

/** Bytes of a number that has some of its own: not of Q8. */
export function bytesOf(kind: i32): usize {
  return kind === F32 ? 4 : 2;
}

/** @param n a multiple of 8 */
export function unpackHalves(n: i32, from: usize, to: usize, kind: i32): void {
  const end = from + ((<usize>n) << 1);
  for (; from < end; from += 16) {
    const v = v128.load(from);
    const low = v128.extend_low<u16>(v);
    const high = v128.extend_high<u16>(v);
    v128.store(to, kind === BF16 ? i32x4.shl(low, 16) : widen(low));
    v128.store(to, kind === BF16 ? i32x4.shl(high, 16) : widen(high), 16);
    to += 32;
  }
}

/** Exponent and fraction move into place; the difference of the exponents' biases, and what is subnormal, is one multiplication. */
export function widen(x: v128): v128 {
  const magnitude = i32x4.shl(v128.and(x, i32x4.splat(0x7fff)), 13);
  const sign = i32x4.shl(v128.and(x, i32x4.splat(0x8000)), 16);
  return v128.or(f32x4.mul(magnitude, f32x4.splat(5.192296858534828e33)), sign);
}

/** One number. */
export function readNumber(at: usize, kind: i32): f32 {
  if (kind === F32) return load<f32>(at);
  const bits = <u32>load<u16>(at);
  if (kind === BF16) return reinterpret<f32>(bits << 16);
  const magnitude = reinterpret<f32>((bits & 0x7fff) << 13) * <f32>5.192296858534828e33;
  return bits & 0x8000 ? -magnitude : magnitude;
}

export function writeNumber(at: usize, x: f32, kind: i32): void {
  if (kind === F32) return store<f32>(at, x);
  const bits = reinterpret<u32>(x);
  if (kind === BF16) return store<u16>(at, <u16>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16));
  const sign = (bits >> 16) & 0x8000;
  // At most the largest binary16.
  const magnitude = min<f32>(abs<f32>(x), 65504);
  const m = reinterpret<u32>(magnitude);
  if (magnitude < 6.103515625e-5) {
    // Subnormal: so many times 2^-24, rounded by the addition.
    store<u16>(at, <u16>(sign | (reinterpret<u32>(magnitude + 0.5) - 0x3f000000)));
  } else {
    store<u16>(at, <u16>(sign | ((m - 0x38000000 + 0xfff + ((m >> 13) & 1)) >> 13)));
  }
}
