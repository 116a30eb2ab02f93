/**
 * The unit of a gated MLP: y = act(g) u of rows g|u [N, 2F] (Shazeer 2020), with act(g) = g σ(g), or GELU's tanh approximation
 * g (1 + t) / 2, t = tanh(√(2/π) (g + 0.044715 g³)).
 * Backward, in place: dg = dy u act'(g), du = dy act(g). Test: tests/unit/wasm-kernels.test.ts
 */
import { exp4, storeSome } from './math';

export const SILU: i32 = 0;
export const GELU: i32 = 1;

export function gated(rows: i32, f: i32, gateUp: usize, y: usize, activation: i32): void {
  const half = (<usize>f) << 2;
  for (let row = 0; row < rows; row++) {
    for (let i = 0; i < f; i += 4) {
      const g = v128.load(gateUp);
      const v = f32x4.mul(f32x4.mul(g, gate(g, activation)), v128.load(gateUp + half));
      if (i + 4 <= f) {
        v128.store(y, v);
        gateUp += 16;
        y += 16;
      } else {
        storeSome(y, v, f - i);
        gateUp += (<usize>(f - i)) << 2;
        y += (<usize>(f - i)) << 2;
      }
    }
    gateUp += half;
  }
}

/** @param gateUp afterwards its gradient */
export function gatedBackward(rows: i32, f: i32, gateUp: usize, dy: usize, activation: i32): void {
  const half = (<usize>f) << 2;
  for (let row = 0; row < rows; row++) {
    for (let i = 0; i < f; i += 4) {
      const g = v128.load(gateUp);
      const u = v128.load(gateUp + half);
      const d = v128.load(dy);
      const s = gate(g, activation);
      const dg = f32x4.mul(f32x4.mul(d, u), slope(g, s, activation));
      const du = f32x4.mul(d, f32x4.mul(g, s));
      const count = min(4, f - i);
      if (count === 4) {
        v128.store(gateUp, dg);
        v128.store(gateUp + half, du);
      } else {
        storeSome(gateUp, dg, count);
        storeSome(gateUp + half, du, count);
      }
      gateUp += (<usize>count) << 2;
      dy += (<usize>count) << 2;
    }
    gateUp += half;
  }
}

/** act(g) / g: σ(g), or (1 + tanh u) / 2 = σ(2 u) */
function gate(g: v128, activation: i32): v128 {
  const one = f32x4.splat(1);
  if (activation === GELU) {
    const cube = f32x4.mul(f32x4.mul(g, g), g);
    const u = f32x4.mul(f32x4.splat(0.7978845608), f32x4.add(g, f32x4.mul(f32x4.splat(0.044715), cube)));
    g = f32x4.add(u, u);
  }
  return f32x4.div(one, f32x4.add(one, exp4(f32x4.neg(g))));
}

/** act'(g) @param s gate(g) */
function slope(g: v128, s: v128, activation: i32): v128 {
  const one = f32x4.splat(1);
  const rest = f32x4.mul(g, f32x4.sub(one, s));
  if (activation === SILU) return f32x4.mul(s, f32x4.add(one, rest));
  // d(2 u)/dg = 2 √(2/π) (1 + 3 · 0.044715 g²)
  const du = f32x4.mul(f32x4.splat(1.5957691216), f32x4.add(one, f32x4.mul(f32x4.splat(0.134145), f32x4.mul(g, g))));
  return f32x4.mul(s, f32x4.add(one, f32x4.mul(rest, du)));
}
