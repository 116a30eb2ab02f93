/**
 * Matrices in the orders that `product.ts` reads. A matrix [rows, k] whose rows are the columns of a product (a linear layer's weights, [out, in])
 * lies in panels of eight rows: element (o, i) at (o / 8) (8 k) + 8 i + o % 8 numbers. What a panel has beyond the last row is 0.
 * Frozen weights may lie in 16 bits (`halves.ts`) or quantised (`blocks.ts`); what is made of panels for a product is float32. Nothing is computed here.
 * Test: tests/unit/wasm-product.test.ts
 */
import { panelOfBlocks, unpackBlocks } from './blocks';
import { bytesOf, F32, Q8, unpackHalves, writeNumber } from './halves';

/**
 * Rows into panels.
 * @param from [rows, width], whose rows are `fromRow` bytes apart  @param row of the matrix where the first of them goes  @param column where a row goes
 * @param k of the matrix  @param kind of its numbers
 */
export function packRows(
  rows: i32,
  width: i32,
  from: usize,
  fromRow: usize,
  panels: usize,
  k: i32,
  row: i32,
  column: i32,
  kind: i32,
): void {
  const bytes = bytesOf(kind);
  for (let r = 0; r < rows; r++) {
    let at = from + <usize>r * fromRow;
    let to = place(panels, k, row + r, column, bytes);
    for (let i = 0; i < width; i++) {
      writeNumber(to, load<f32>(at), kind);
      at += 4;
      to += 8 * bytes;
    }
  }
}

/** The way back, of float32. */
export function unpackRows(rows: i32, width: i32, to: usize, toRow: usize, panels: usize, k: i32, row: i32, column: i32): void {
  for (let r = 0; r < rows; r++) {
    let at = to + <usize>r * toRow;
    let from = place(panels, k, row + r, column, 4);
    for (let i = 0; i < width; i++) {
      store<f32>(at, load<f32>(from));
      at += 4;
      from += 32;
    }
  }
}

function place(panels: usize, k: i32, row: i32, column: i32, bytes: usize): usize {
  return panels + ((<usize>(row >> 3) * <usize>k + <usize>column) * 8 + <usize>(row & 7)) * bytes;
}

/** Columns of [k, n] into panels of eight, [n / 8][k][8]: the second factor of a product over rows. @param from rows `fromRow` bytes apart */
export function packColumns(k: i32, n: i32, from: usize, fromRow: usize, panels: usize): void {
  for (let j = 0; j < n; j += 8) {
    let at = from + ((<usize>j) << 2);
    const columns = min(8, n - j);
    for (let l = 0; l < k; l++) {
      if (columns === 8) {
        v128.store(panels, v128.load(at));
        v128.store(panels, v128.load(at, 16), 16);
      } else {
        memory.fill(panels, 0, 32);
        memory.copy(panels, at, (<usize>columns) << 2);
      }
      at += fromRow;
      panels += 32;
    }
  }
}

/** The same in fours, [n / 4][k][4]: the first factor of `multiplyColumns`. */
export function packFours(k: i32, n: i32, from: usize, fromRow: usize, panels: usize): void {
  for (let j = 0; j < n; j += 4) {
    let at = from + ((<usize>j) << 2);
    const columns = min(4, n - j);
    for (let l = 0; l < k; l++) {
      if (columns === 4) {
        v128.store(panels, v128.load(at));
      } else {
        memory.fill(panels, 0, 16);
        memory.copy(panels, at, (<usize>columns) << 2);
      }
      at += fromRow;
      panels += 16;
    }
  }
}

/** Panels of other numbers into float32. @param n a multiple of 8, whole blocks of Q8  @param kind not F32 */
export function unpackPanels(n: i32, from: usize, to: usize, kind: i32): void {
  if (kind === Q8) unpackBlocks(n, from, to);
  else unpackHalves(n, from, to, kind);
}

/** Numbers of a panel on their way: of Q8 a whole block's. */
const block: usize = memory.data(1024, 16);

/**
 * Panels of W's rows into panels of its columns, for a product over W's rows: [count][k / 8][8·some][8].
 * @param panels where the first of them begins  @param count panels of eight rows  @param k of the matrix  @param to [k / 8][8·count][8]
 * @param kind of W's numbers
 */
export function turnPanels(count: i32, k: i32, panels: usize, to: usize, kind: i32): void {
  const panel = kind === Q8 ? panelOfBlocks(k) : <usize>k * 8 * bytesOf(kind);
  const column = (<usize>count) << 8; // bytes of a panel of the result
  for (let p = 0; p < count; p++) {
    const from = panels + <usize>p * panel;
    let at = to + ((<usize>p) << 8);
    for (let i = 0; i < k; i += 8) {
      const some = min(8, k - i);
      let source = from + ((<usize>i) << 5);
      if (kind === Q8) {
        if ((i & 31) === 0) unpackBlocks(256, from + panelOfBlocks(i), block);
        source = block + (((<usize>i) & 31) << 5);
      } else if (kind !== F32) {
        unpackHalves(8 * some, from + ((<usize>i) << 4), block, kind);
        source = block;
      }
      if (some === 8) {
        turnHalf(source, at);
        turnHalf(source + 16, at + 128);
        turnHalf(source + 128, at + 16);
        turnHalf(source + 144, at + 144);
      } else {
        memory.fill(at, 0, 256);
        for (let c = 0; c < some; c++) {
          for (let r = 0; r < 8; r++) {
            store<f32>(at + ((<usize>r) << 5) + ((<usize>c) << 2), load<f32>(source + ((<usize>c) << 5) + ((<usize>r) << 2)));
          }
        }
      }
      at += column;
    }
  }
}

/** 4 × 4 numbers, 32 bytes from row to row on either side. */
function turnHalf(from: usize, to: usize): void {
  const r0 = v128.load(from);
  const r1 = v128.load(from, 32);
  const r2 = v128.load(from, 64);
  const r3 = v128.load(from, 96);
  const a = v128.shuffle<f32>(r0, r1, 0, 4, 1, 5);
  const b = v128.shuffle<f32>(r2, r3, 0, 4, 1, 5);
  const c = v128.shuffle<f32>(r0, r1, 2, 6, 3, 7);
  const d = v128.shuffle<f32>(r2, r3, 2, 6, 3, 7);
  v128.store(to, v128.shuffle<f64>(a, b, 0, 2));
  v128.store(to, v128.shuffle<f64>(a, b, 1, 3), 32);
  v128.store(to, v128.shuffle<f64>(c, d, 0, 2), 64);
  v128.store(to, v128.shuffle<f64>(c, d, 1, 3), 96);
}

/** Of `rows` rows from `row` on, the columns before `column` and from `column + some` on become 0: what of a block-diagonal matrix is not of a block. */
export function keepColumns(rows: i32, k: i32, row: i32, column: i32, some: i32, panels: usize): void {
  for (let r = row; r < row + rows; r++) {
    for (let i = 0; i < k; i++) if (i < column || i >= column + some) store<f32>(place(panels, k, r, i, 4), 0);
  }
}
