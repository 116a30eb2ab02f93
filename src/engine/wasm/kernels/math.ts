/**
 * exp and log for kernels, which WebAssembly has not, products that are added, and sums over lanes.
 * exp: Cephes' expf (Moshier 1989), 2^n times a polynomial of the rest: within 2 of the last place over what float32 holds; 0 below e^-87.3.
 * log: in float64, the series of 2 artanh((m - 1) / (m + 1)) for a mantissa m between sqrt(1/2) and sqrt(2). Test: tests/unit/wasm-kernels.test.ts
 */

/** c + a b: rounded once in the module that is compiled with FUSED (relaxed SIMD) where the processor does both in one go, else twice. */
export function madd(a: v128, b: v128, c: v128): v128 {
  if (isDefined(FUSED)) return f32x4.relaxed_madd(a, b, c);
  return f32x4.add(c, f32x4.mul(a, b));
}

/** 1.5 2^23: what is added to it is rounded to a whole number, which then stands in its lowest bits. */
const whole: f32 = 12582912;

export function exp4(x: v128): v128 {
  const smallest = f32x4.splat(-87.33654);
  const there = f32x4.ge(x, smallest);
  // The pseudo minimum and maximum are one instruction each; what is not a number is masked.
  x = f32x4.pmax(f32x4.pmin(x, f32x4.splat(88.37626)), smallest);
  const t = f32x4.add(f32x4.mul(x, f32x4.splat(1.44269504)), f32x4.splat(whole));
  const n = f32x4.sub(t, f32x4.splat(whole));
  let r = f32x4.sub(x, f32x4.mul(n, f32x4.splat(0.693359375)));
  r = madd(n, f32x4.splat(2.1219444e-4), r);
  let y = f32x4.splat(1.98756915e-4);
  y = madd(y, r, f32x4.splat(1.3981999507e-3));
  y = madd(y, r, f32x4.splat(8.3334519073e-3));
  y = madd(y, r, f32x4.splat(4.1665795894e-2));
  y = madd(y, r, f32x4.splat(1.6666665459e-1));
  y = madd(y, r, f32x4.splat(5.0000001201e-1));
  y = f32x4.add(madd(f32x4.mul(y, r), r, r), f32x4.splat(1));
  const scale = i32x4.shl(i32x4.add(t, i32x4.splat(127)), 23);
  return v128.and(f32x4.mul(y, scale), there);
}

/** Of one number. */
export function exp1(x: f32): f32 {
  return f32x4.extract_lane(exp4(f32x4.splat(x)), 0);
}

/** @param x above 0, finite, not subnormal */
export function log1(x: f64): f64 {
  const bits = reinterpret<u64>(x);
  let e = <i32>((bits >> 52) & 0x7ff) - 1023;
  let m = reinterpret<f64>((bits & 0xfffffffffffff) | 0x3ff0000000000000);
  if (m > 1.4142135623730951) {
    m *= 0.5;
    e++;
  }
  const s = (m - 1) / (m + 1);
  const q = s * s;
  let y: f64 = 1.0 / 17;
  for (let i = 15; i >= 1; i -= 2) y = y * q + 1 / <f64>i;
  return 2 * s * y + <f64>e * 0.6931471805599453;
}

export function sum4(x: v128): f32 {
  return f32x4.extract_lane(x, 0) + f32x4.extract_lane(x, 1) + (f32x4.extract_lane(x, 2) + f32x4.extract_lane(x, 3));
}

export function max4(x: v128): f32 {
  return max(max(f32x4.extract_lane(x, 0), f32x4.extract_lane(x, 1)), max(f32x4.extract_lane(x, 2), f32x4.extract_lane(x, 3)));
}

/** The first `count` numbers of four, the others 0. */
export function some4(x: v128, count: i32): v128 {
  return v128.and(x, i32x4.gt_s(i32x4.splat(count), i32x4(0, 1, 2, 3)));
}

/** Stores the first `count` numbers of four. */
export function storeSome(to: usize, x: v128, count: i32): void {
  v128.store_lane<f32>(to, x, 0);
  if (count > 1) v128.store_lane<f32>(to, x, 1, 4);
  if (count > 2) v128.store_lane<f32>(to, x, 2, 8);
}
