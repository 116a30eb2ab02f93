/**
 * The end of an optimiser step: the sum of squares for the global norm, and AdamW (Loshchilov and Hutter 2019) with the bias corrections moved
 * into the constants:
 *   m = b1 m + (1 - b1) s g,  v = b2 v + (1 - b2) (s g)²,  p = shrink p - rate m / (√v + eps)
 * s is the clip factor, rate = lr √(1 - b2^t) / (1 - b1^t), eps is the optimiser's times √(1 - b2^t). Test: tests/unit/wasm-kernels.test.ts
 */

/** In float64; NaN or infinite where a number is. @param n a multiple of 4 */
export function sumOfSquares(n: i32, x: usize): f64 {
  let low = f64x2.splat(0);
  let high = low;
  const end = x + ((<usize>n) << 2);
  for (; x < end; x += 16) {
    const v = v128.load(x);
    const a = f64x2.promote_low_f32x4(v);
    const b = f64x2.promote_low_f32x4(v128.shuffle<f64>(v, v, 1, 1));
    low = f64x2.add(low, f64x2.mul(a, a));
    high = f64x2.add(high, f64x2.mul(b, b));
  }
  const sum = f64x2.add(low, high);
  return f64x2.extract_lane(sum, 0) + f64x2.extract_lane(sum, 1);
}

/** @param n a multiple of 4  @param beta1 @param gain1 (1 - b1) s  @param gain2 (1 - b2) s² */
export function adamW(
  n: i32,
  p: usize,
  g: usize,
  m: usize,
  v: usize,
  beta1: f32,
  gain1: f32,
  beta2: f32,
  gain2: f32,
  rate: f32,
  eps: f32,
  shrink: f32,
): void {
  const b1 = f32x4.splat(beta1);
  const s1 = f32x4.splat(gain1);
  const b2 = f32x4.splat(beta2);
  const s2 = f32x4.splat(gain2);
  const r = f32x4.splat(rate);
  const e = f32x4.splat(eps);
  const keep = f32x4.splat(shrink);
  const end = p + ((<usize>n) << 2);
  for (; p < end; p += 16) {
    const d = v128.load(g);
    const m1 = f32x4.add(f32x4.mul(b1, v128.load(m)), f32x4.mul(s1, d));
    const v1 = f32x4.add(f32x4.mul(b2, v128.load(v)), f32x4.mul(s2, f32x4.mul(d, d)));
    v128.store(m, m1);
    v128.store(v, v1);
    const step = f32x4.mul(r, f32x4.div(m1, f32x4.add(f32x4.sqrt(v1), e)));
    v128.store(p, f32x4.sub(f32x4.mul(keep, v128.load(p)), step));
    g += 16;
    m += 16;
    v += 16;
  }
}
