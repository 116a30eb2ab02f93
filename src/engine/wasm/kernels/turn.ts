/**
 * From the products q|k|v [N, (H + 2K) hd] to what attention reads: queries and keys normed head by head where the family does
 * (`rms-norm.ts`), then turned by their position (Su et al. 2021): with angles a of the position and halves (u, v) of a head,
 * (u cos a - v sin a, v cos a + u sin a). Values stay as they are. Backward: turned back, then the norm's gradient.
 * Test: tests/unit/wasm-kernels.test.ts
 */
import { rmsNorm, rmsNormBackward } from './rms-norm';

/**
 * @param raw may be `turned`  @param table [positions, hd] cosines, then sines  @param positions [N] i32
 * @param norms [2, hd] of queries, of keys; 0: there are none
 */
export function turn(
  places: i32,
  heads: i32,
  kvHeads: i32,
  hd: i32,
  raw: usize,
  turned: usize,
  table: usize,
  positions: usize,
  norms: usize,
  eps: f32,
  offset: f32,
): void {
  const head = (<usize>hd) << 2;
  const both = heads + kvHeads;
  const row = <usize>(both + kvHeads) * head;
  for (let place = 0; place < places; place++) {
    if (norms !== 0) {
      rmsNorm(heads, hd, raw, head, norms, turned, head, 0, eps, offset);
      rmsNorm(kvHeads, hd, raw + <usize>heads * head, head, norms + head, turned + <usize>heads * head, head, 0, eps, offset);
    } else if (raw !== turned) {
      memory.copy(turned, raw, <usize>both * head);
    }
    if (raw !== turned) memory.copy(turned + <usize>both * head, raw + <usize>both * head, <usize>kvHeads * head);
    const angles = table + <usize>load<i32>(positions + ((<usize>place) << 2)) * head;
    for (let h = 0; h < both; h++) rotate(hd, turned + <usize>h * head, angles, 1);
    raw += row;
    turned += row;
  }
}

/** In place. @param gradient of `turned`, then of `raw`  @param dNorms added to; 0: not asked for */
export function turnBackward(
  places: i32,
  heads: i32,
  kvHeads: i32,
  hd: i32,
  gradient: usize,
  raw: usize,
  table: usize,
  positions: usize,
  norms: usize,
  dNorms: usize,
  eps: f32,
  offset: f32,
): void {
  const head = (<usize>hd) << 2;
  const both = heads + kvHeads;
  const row = <usize>(both + kvHeads) * head;
  for (let place = 0; place < places; place++) {
    const angles = table + <usize>load<i32>(positions + ((<usize>place) << 2)) * head;
    for (let h = 0; h < both; h++) rotate(hd, gradient + <usize>h * head, angles, -1);
    if (norms !== 0) {
      const keys = <usize>heads * head;
      const dKeys = dNorms === 0 ? <usize>0 : dNorms + head;
      rmsNormBackward(heads, hd, raw, head, norms, gradient, gradient, head, 0, dNorms, eps, offset);
      rmsNormBackward(kvHeads, hd, raw + keys, head, norms + head, gradient + keys, gradient + keys, head, 0, dKeys, eps, offset);
    }
    gradient += row;
    raw += row;
  }
}

function rotate(hd: i32, x: usize, angles: usize, sign: f32): void {
  const half = hd >> 1;
  const far = (<usize>half) << 2;
  const s4 = f32x4.splat(sign);
  let i = 0;
  for (; i + 4 <= half; i += 4) {
    const u = v128.load(x);
    const v = v128.load(x + far);
    const c = v128.load(angles);
    const s = f32x4.mul(s4, v128.load(angles + far));
    v128.store(x, f32x4.sub(f32x4.mul(u, c), f32x4.mul(v, s)));
    v128.store(x + far, f32x4.add(f32x4.mul(v, c), f32x4.mul(u, s)));
    x += 16;
    angles += 16;
  }
  for (; i < half; i++) {
    const u = load<f32>(x);
    const v = load<f32>(x + far);
    const c = load<f32>(angles);
    const s = sign * load<f32>(angles + far);
    store<f32>(x, u * c - v * s);
    store<f32>(x + far, v * c + u * s);
    x += 4;
    angles += 4;
  }
}
