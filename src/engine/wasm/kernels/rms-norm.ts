/**
 * RMSNorm of rows [rows, width]: y = x r (offset + w), r = 1 / sqrt(mean(x²) + eps), x' = x r.
 * Backward: dx = r (g - x' mean(g x')) with g = dy (offset + w), dw += dy x'. r is made again.
 * Loads of a row's end read up to three numbers beyond it. Test: tests/unit/wasm-kernels.test.ts
 */
import { some4, storeSome, sum4 } from './math';

/** @param xRow @param yRow bytes from row to row  @param residual added to y where it is not 0; rows as y's */
export function rmsNorm(
  rows: i32,
  width: i32,
  x: usize,
  xRow: usize,
  weight: usize,
  y: usize,
  yRow: usize,
  residual: usize,
  eps: f32,
  offset: f32,
): void {
  const o = f32x4.splat(offset);
  const whole = width & ~3;
  const rest = width & 3;
  for (let row = 0; row < rows; row++) {
    const r = f32x4.splat(inverseRms(width, x, eps));
    let at: usize = 0;
    for (let i = 0; i < whole; i += 4) {
      let v = f32x4.mul(f32x4.mul(v128.load(x + at), r), f32x4.add(o, v128.load(weight + at)));
      if (residual !== 0) v = f32x4.add(v, v128.load(residual + at));
      v128.store(y + at, v);
      at += 16;
    }
    if (rest > 0) {
      let v = f32x4.mul(f32x4.mul(v128.load(x + at), r), f32x4.add(o, v128.load(weight + at)));
      if (residual !== 0) v = f32x4.add(v, v128.load(residual + at));
      storeSome(y + at, v, rest);
    }
    x += xRow;
    y += yRow;
    if (residual !== 0) residual += yRow;
  }
}

/** @param dx may be dy  @param add 1: added to what is there  @param dWeight 0: not asked for */
export function rmsNormBackward(
  rows: i32,
  width: i32,
  x: usize,
  xRow: usize,
  weight: usize,
  dy: usize,
  dx: usize,
  dRow: usize,
  add: i32,
  dWeight: usize,
  eps: f32,
  offset: f32,
): void {
  const o = f32x4.splat(offset);
  const whole = width & ~3;
  const rest = width & 3;
  for (let row = 0; row < rows; row++) {
    const inverse = inverseRms(width, x, eps);
    const r = f32x4.splat(inverse);
    let sum = f32x4.splat(0);
    let at: usize = 0;
    for (let i = 0; i < whole; i += 4) {
      const g = f32x4.mul(v128.load(dy + at), f32x4.add(o, v128.load(weight + at)));
      sum = f32x4.add(sum, f32x4.mul(g, v128.load(x + at)));
      at += 16;
    }
    if (rest > 0) {
      const g = f32x4.mul(v128.load(dy + at), f32x4.add(o, v128.load(weight + at)));
      sum = f32x4.add(sum, some4(f32x4.mul(g, v128.load(x + at)), rest));
    }
    const mean = f32x4.splat((sum4(sum) * inverse) / <f32>width);
    at = 0;
    for (let i = 0; i < width; i += 4) {
      const d = v128.load(dy + at);
      const normed = f32x4.mul(v128.load(x + at), r);
      const g = f32x4.mul(d, f32x4.add(o, v128.load(weight + at)));
      let v = f32x4.mul(r, f32x4.sub(g, f32x4.mul(normed, mean)));
      if (add === 1) v = f32x4.add(v, v128.load(dx + at));
      if (i < whole) {
        v128.store(dx + at, v);
        if (dWeight !== 0) v128.store(dWeight + at, f32x4.add(v128.load(dWeight + at), f32x4.mul(d, normed)));
      } else {
        storeSome(dx + at, v, rest);
        if (dWeight !== 0) storeSome(dWeight + at, f32x4.add(v128.load(dWeight + at), f32x4.mul(d, normed)), rest);
      }
      at += 16;
    }
    x += xRow;
    dy += dRow;
    dx += dRow;
  }
}

export function inverseRms(width: i32, x: usize, eps: f32): f32 {
  const whole = width & ~3;
  let sum = f32x4.splat(0);
  let at = x;
  for (let i = 0; i < whole; i += 4) {
    const v = v128.load(at);
    sum = f32x4.add(sum, f32x4.mul(v, v));
    at += 16;
  }
  if (whole < width) {
    const v = v128.load(at);
    sum = f32x4.add(sum, some4(f32x4.mul(v, v), width - whole));
  }
  return 1 / sqrt<f32>(sum4(sum) / <f32>width + eps);
}
