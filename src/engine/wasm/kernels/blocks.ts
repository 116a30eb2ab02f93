/**
 * Matrices of Q8_0, as a quantised policy's frozen weights may lie: of each row 32 numbers after one another are whole numbers of 8 bits, and one scale,
 * a binary16. A panel of eight rows [k] is k / 32 blocks of eight scales [8] and numbers [32][8], 272 bytes for 256 of them. Scale times number is
 * exact in float32, so that what is made of them has the bits of the same matrix unpacked. Nothing is quantised here.
 * Test: tests/unit/wasm-blocks.test.ts
 */
import { widen } from './halves';

/** Bytes of a block of a panel, and of a block as a file has it: scale and 32 numbers of one row. */
const panelBlock: usize = 272;
const fileBlock: usize = 34;

/** Bytes of a panel. @param k a multiple of 32 */
export function panelOfBlocks(k: i32): usize {
  return <usize>(k >> 5) * panelBlock;
}

/** Rows as files have them into panels. @param from whole rows, one after the other  @param row of the matrix where the first of them goes */
export function packBlocks(rows: i32, k: i32, from: usize, panels: usize, row: i32): void {
  const blocks = k >> 5;
  for (let r = row; r < row + rows; r++) {
    const lane = <usize>(r & 7);
    let to = panels + <usize>(r >> 3) * panelOfBlocks(k);
    for (let b = 0; b < blocks; b++) {
      store<u16>(to + 2 * lane, load<u16>(from));
      for (let i: usize = 0; i < 32; i++) store<u8>(to + 16 + 8 * i + lane, load<u8>(from + 2 + i));
      from += fileBlock;
      to += panelBlock;
    }
  }
}

/** Panels of float32. @param n numbers, whole blocks */
export function unpackBlocks(n: i32, from: usize, to: usize): void {
  for (let block = 0; block < n >> 8; block++) {
    const low = lowScales(from);
    const high = highScales(from);
    const end = from + panelBlock;
    for (from += 16; from < end; from += 8) {
      const q = v128.load_ext<i8>(from);
      v128.store(to, f32x4.mul(lowNumbers(q), low));
      v128.store(to, f32x4.mul(highNumbers(q), high), 16);
      to += 32;
    }
  }
}

/** x [k] = factor · a row of a matrix. */
export function readBlockRow(k: i32, panels: usize, row: i32, factor: f32, x: usize): void {
  const lane = <usize>(row & 7);
  let from = panels + <usize>(row >> 3) * panelOfBlocks(k);
  for (let b = 0; b < k >> 5; b++) {
    const scale = f32x4.extract_lane(widen(i32x4.splat(<i32>load<u16>(from + 2 * lane))), 0);
    for (let i: usize = 0; i < 32; i++) {
      store<f32>(x, factor * (scale * <f32>load<i8>(from + 16 + 8 * i + lane)));
      x += 4;
    }
    from += panelBlock;
  }
}

export function lowScales(block: usize): v128 {
  return widen(v128.extend_low<u16>(v128.load(block)));
}

export function highScales(block: usize): v128 {
  return widen(v128.extend_high<u16>(v128.load(block)));
}

/** @param q i16x8 */
export function lowNumbers(q: v128): v128 {
  return v128.convert<i32>(v128.extend_low<i16>(q));
}

export function highNumbers(q: v128): v128 {
  return v128.convert<i32>(v128.extend_high<i16>(q));
}
