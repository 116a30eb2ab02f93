/**
 * Products of matrices: c [m, n] = init + a [m, k] b [k, n].
 *
 * b lies in panels of eight columns: element (l, j) at b + (j / 8) bPanel + l bStep + (j % 8) 4. With bStep 32 that is what `pack.ts` makes; with
 * bPanel 32 it is rows as they are. c, and what it begins with, may be panels too. All steps are in bytes.
 *
 * Numerics: every element is one float32 sum, from its beginning through l = 0, 1, … in this order, however the rows are cut into tiles:
 * a row's result does not depend on the rows beside it. The registers of a tile are 4 × 8 sums: of 5 × 8 and more the engines spill.
 * What a panel has beyond column n is read and dropped; it must be readable.
 *
 * `multiplyRows`: a is rows. `multiplyColumns`: a is columns, four of them side by side: element (i, l) at a + (i / 4) aPanel + l aStep + (i % 4) 4.
 * Test: tests/unit/wasm-product.test.ts
 */

import { highNumbers, highScales, lowNumbers, lowScales, panelOfBlocks } from './blocks';
import { BF16, Q8, widen } from './halves';
import { madd } from './math';

/** Of b: 16 KiB of a panel stay in the first cache. */
const depth: i32 = 512;
/** Rows of a that are multiplied by a whole b before the next: 256 KiB. */
const height: i32 = 128;

/** A tile that does not fit into c. */
const edge: usize = memory.data(4 * 8 * 4, 16);

/** @param init 0: sums begin with 0 */
export function multiplyRows(
  m: i32,
  n: i32,
  k: i32,
  a: usize,
  aRow: usize,
  b: usize,
  bStep: usize,
  bPanel: usize,
  c: usize,
  cRow: usize,
  cPanel: usize,
  init: usize,
  initRow: usize,
  initPanel: usize,
): void {
  if (k === 0 && init !== c) return beginAs(m, n, c, cRow, cPanel, init, initRow, initPanel);
  for (let from = 0; from < k; from += depth) {
    const some = min(depth, k - from);
    const first = from === 0;
    const i0 = first ? init : c;
    const iRow = first ? initRow : cRow;
    const iPanel = first ? initPanel : cPanel;
    const a0 = a + ((<usize>from) << 2);
    const b0 = b + <usize>from * bStep;
    for (let top = 0; top < m; top += height) {
      const rows = min(height, m - top);
      const start = i0 === 0 ? <usize>0 : i0 + <usize>top * iRow;
      rowBlock(rows, n, some, a0 + <usize>top * aRow, aRow, b0, bStep, bPanel, c + <usize>top * cRow, cRow, cPanel, start, iRow, iPanel);
    }
  }
}

function rowBlock(
  m: i32,
  n: i32,
  k: i32,
  a: usize,
  aRow: usize,
  b: usize,
  bStep: usize,
  bPanel: usize,
  c: usize,
  cRow: usize,
  cPanel: usize,
  init: usize,
  initRow: usize,
  initPanel: usize,
): void {
  const whole = m & ~3;
  let panel = b;
  let to = c;
  let from = init;
  for (let j = 0; j < n && whole > 0; j += 8) {
    for (let i = 0; i < whole; i += 4) {
      const at = a + <usize>i * aRow;
      const start = from === 0 ? <usize>0 : from + <usize>i * initRow;
      const into = to + <usize>i * cRow;
      if (j + 8 <= n) {
        tileOfRows(k, at, aRow, panel, bStep, into, cRow, start, initRow);
      } else {
        beginEdge(4, n - j, start, initRow);
        tileOfRows(k, at, aRow, panel, bStep, edge, 32, edge, 32);
        endEdge(4, n - j, into, cRow);
      }
    }
    panel += bPanel;
    to += cPanel;
    if (from !== 0) from += initPanel;
  }
  for (let i = whole; i < m; i++) {
    const start = init === 0 ? <usize>0 : init + <usize>i * initRow;
    oneRow(n, k, a + <usize>i * aRow, b, bStep, bPanel, c + <usize>i * cRow, cPanel, start, initPanel);
  }
}

function tileOfRows(k: i32, a: usize, aRow: usize, b: usize, bStep: usize, c: usize, cRow: usize, init: usize, initRow: usize): void {
  let a1 = a + aRow;
  let a2 = a1 + aRow;
  let a3 = a2 + aRow;
  let c00 = f32x4.splat(0);
  let c01 = c00;
  let c10 = c00;
  let c11 = c00;
  let c20 = c00;
  let c21 = c00;
  let c30 = c00;
  let c31 = c00;
  if (init !== 0) {
    c00 = v128.load(init);
    c01 = v128.load(init, 16);
    init += initRow;
    c10 = v128.load(init);
    c11 = v128.load(init, 16);
    init += initRow;
    c20 = v128.load(init);
    c21 = v128.load(init, 16);
    init += initRow;
    c30 = v128.load(init);
    c31 = v128.load(init, 16);
  }
  const end = a + ((<usize>k) << 2);
  while (a < end) {
    const b0 = v128.load(b);
    const b1 = v128.load(b, 16);
    let s = v128.load_splat<f32>(a);
    c00 = madd(s, b0, c00);
    c01 = madd(s, b1, c01);
    s = v128.load_splat<f32>(a1);
    c10 = madd(s, b0, c10);
    c11 = madd(s, b1, c11);
    s = v128.load_splat<f32>(a2);
    c20 = madd(s, b0, c20);
    c21 = madd(s, b1, c21);
    s = v128.load_splat<f32>(a3);
    c30 = madd(s, b0, c30);
    c31 = madd(s, b1, c31);
    a += 4;
    a1 += 4;
    a2 += 4;
    a3 += 4;
    b += bStep;
  }
  v128.store(c, c00);
  v128.store(c, c01, 16);
  c += cRow;
  v128.store(c, c10);
  v128.store(c, c11, 16);
  c += cRow;
  v128.store(c, c20);
  v128.store(c, c21, 16);
  c += cRow;
  v128.store(c, c30);
  v128.store(c, c31, 16);
}

/** Four panels at a time: one alone would wait for its own sums. */
function oneRow(
  n: i32,
  k: i32,
  a: usize,
  b: usize,
  bStep: usize,
  bPanel: usize,
  c: usize,
  cPanel: usize,
  init: usize,
  initPanel: usize,
): void {
  let j = 0;
  const end = a + ((<usize>k) << 2);
  for (; j + 32 <= n; j += 32) {
    let c0 = f32x4.splat(0);
    let c1 = c0;
    let c2 = c0;
    let c3 = c0;
    let c4 = c0;
    let c5 = c0;
    let c6 = c0;
    let c7 = c0;
    if (init !== 0) {
      c0 = v128.load(init);
      c1 = v128.load(init, 16);
      init += initPanel;
      c2 = v128.load(init);
      c3 = v128.load(init, 16);
      init += initPanel;
      c4 = v128.load(init);
      c5 = v128.load(init, 16);
      init += initPanel;
      c6 = v128.load(init);
      c7 = v128.load(init, 16);
      init += initPanel;
    }
    let b0 = b;
    let b1 = b0 + bPanel;
    let b2 = b1 + bPanel;
    let b3 = b2 + bPanel;
    for (let at = a; at < end; at += 4) {
      const s = v128.load_splat<f32>(at);
      c0 = madd(s, v128.load(b0), c0);
      c1 = madd(s, v128.load(b0, 16), c1);
      c2 = madd(s, v128.load(b1), c2);
      c3 = madd(s, v128.load(b1, 16), c3);
      c4 = madd(s, v128.load(b2), c4);
      c5 = madd(s, v128.load(b2, 16), c5);
      c6 = madd(s, v128.load(b3), c6);
      c7 = madd(s, v128.load(b3, 16), c7);
      b0 += bStep;
      b1 += bStep;
      b2 += bStep;
      b3 += bStep;
    }
    v128.store(c, c0);
    v128.store(c, c1, 16);
    c += cPanel;
    v128.store(c, c2);
    v128.store(c, c3, 16);
    c += cPanel;
    v128.store(c, c4);
    v128.store(c, c5, 16);
    c += cPanel;
    v128.store(c, c6);
    v128.store(c, c7, 16);
    c += cPanel;
    b += 4 * bPanel;
  }
  for (; j < n; j += 8) {
    const columns = min(8, n - j);
    const into = columns < 8 ? edge : c;
    let begin = init;
    if (columns < 8) {
      beginEdge(1, columns, init, 0);
      begin = edge;
    }
    let c0 = f32x4.splat(0);
    let c1 = c0;
    if (begin !== 0) {
      c0 = v128.load(begin);
      c1 = v128.load(begin, 16);
    }
    let b0 = b;
    for (let at = a; at < end; at += 4) {
      const s = v128.load_splat<f32>(at);
      c0 = madd(s, v128.load(b0), c0);
      c1 = madd(s, v128.load(b0, 16), c1);
      b0 += bStep;
    }
    v128.store(into, c0);
    v128.store(into, c1, 16);
    if (columns < 8) endEdge(1, columns, c, 0);
    b += bPanel;
    c += cPanel;
    if (init !== 0) init += initPanel;
  }
}

/**
 * c [n] = init + a [k] b [k, n], b in panels of 16-bit numbers (`halves.ts`) or of Q8 (`blocks.ts`): what `multiplyRows` makes of them unpacked, bit for
 * bit, without unpacking them on the way: one row reads a matrix once.
 * @param n a multiple of 8  @param init 0: sums begin with 0
 */
export function multiplyRowPacked(n: i32, k: i32, a: usize, b: usize, c: usize, init: usize, kind: i32): void {
  if (kind === Q8) rowBlocks(n, k, a, b, c, init);
  else if (kind === BF16) rowHalves<i32>(n, k, a, b, c, init);
  else rowHalves<f32>(n, k, a, b, c, init);
}

/** @typeParam Format i32: bfloat16, whose numbers are moved; f32: binary16, whose numbers are widened */
function rowHalves<Format>(n: i32, k: i32, a: usize, b: usize, c: usize, init: usize): void {
  const end = a + ((<usize>k) << 2);
  const panel = (<usize>k) << 4;
  let j = 0;
  for (; j + 16 <= n; j += 16) {
    let c0 = f32x4.splat(0);
    let c1 = c0;
    let c2 = c0;
    let c3 = c0;
    if (init !== 0) {
      c0 = v128.load(init);
      c1 = v128.load(init, 16);
      c2 = v128.load(init, 32);
      c3 = v128.load(init, 48);
      init += 64;
    }
    let b0 = b;
    let b1 = b + panel;
    for (let at = a; at < end; at += 4) {
      const s = v128.load_splat<f32>(at);
      const x = v128.load(b0);
      const y = v128.load(b1);
      c0 = madd(s, wide<Format>(v128.extend_low<u16>(x)), c0);
      c1 = madd(s, wide<Format>(v128.extend_high<u16>(x)), c1);
      c2 = madd(s, wide<Format>(v128.extend_low<u16>(y)), c2);
      c3 = madd(s, wide<Format>(v128.extend_high<u16>(y)), c3);
      b0 += 16;
      b1 += 16;
    }
    v128.store(c, c0);
    v128.store(c, c1, 16);
    v128.store(c, c2, 32);
    v128.store(c, c3, 48);
    c += 64;
    b += 2 * panel;
  }
  if (j === n) return;
  let c0 = f32x4.splat(0);
  let c1 = c0;
  if (init !== 0) {
    c0 = v128.load(init);
    c1 = v128.load(init, 16);
  }
  for (let at = a; at < end; at += 4) {
    const s = v128.load_splat<f32>(at);
    const x = v128.load(b);
    c0 = madd(s, wide<Format>(v128.extend_low<u16>(x)), c0);
    c1 = madd(s, wide<Format>(v128.extend_high<u16>(x)), c1);
    b += 16;
  }
  v128.store(c, c0);
  v128.store(c, c1, 16);
}

function wide<Format>(x: v128): v128 {
  return isFloat<Format>() ? widen(x) : i32x4.shl(x, 16);
}

/** Two panels at a time, as above. */
function rowBlocks(n: i32, k: i32, a: usize, b: usize, c: usize, init: usize): void {
  const panel = panelOfBlocks(k);
  const end = a + ((<usize>k) << 2);
  for (let j = 0; j < n; j += 16) {
    // Of an odd panel at the end there is only the first.
    const two = j + 16 <= n;
    let c0 = f32x4.splat(0);
    let c1 = c0;
    let c2 = c0;
    let c3 = c0;
    if (init !== 0) {
      c0 = v128.load(init);
      c1 = v128.load(init, 16);
      if (two) {
        c2 = v128.load(init, 32);
        c3 = v128.load(init, 48);
      }
      init += 64;
    }
    let b0 = b;
    let b1 = two ? b + panel : b;
    for (let at = a; at < end;) {
      const s0 = lowScales(b0);
      const s1 = highScales(b0);
      const s2 = lowScales(b1);
      const s3 = highScales(b1);
      b0 += 16;
      b1 += 16;
      for (const stop = at + 128; at < stop; at += 4) {
        const s = v128.load_splat<f32>(at);
        const x = v128.load_ext<i8>(b0);
        const y = v128.load_ext<i8>(b1);
        c0 = madd(s, f32x4.mul(lowNumbers(x), s0), c0);
        c1 = madd(s, f32x4.mul(highNumbers(x), s1), c1);
        c2 = madd(s, f32x4.mul(lowNumbers(y), s2), c2);
        c3 = madd(s, f32x4.mul(highNumbers(y), s3), c3);
        b0 += 8;
        b1 += 8;
      }
    }
    v128.store(c, c0);
    v128.store(c, c1, 16);
    if (two) {
      v128.store(c, c2, 32);
      v128.store(c, c3, 48);
    }
    c += 64;
    b += 2 * panel;
  }
}

/** Columns of a that are multiplied by a whole b before the next. */
const breadth: i32 = 256;

/** @param add 1: c is what the sums begin with; 0: they begin with 0 */
export function multiplyColumns(
  m: i32,
  n: i32,
  k: i32,
  a: usize,
  aStep: usize,
  aPanel: usize,
  b: usize,
  bStep: usize,
  bPanel: usize,
  c: usize,
  cRow: usize,
  cPanel: usize,
  add: i32,
): void {
  for (let left = 0; left < m; left += breadth) {
    const end = min(m, left + breadth);
    let panel = b;
    let to = c;
    for (let j = 0; j < n; j += 8) {
      let at = a + <usize>(left >> 2) * aPanel;
      for (let i = left; i < end; i += 4) {
        const into = to + <usize>i * cRow;
        if (i + 4 <= end && j + 8 <= n) {
          tileOfColumns(k, at, aStep, panel, bStep, into, cRow, add);
        } else {
          const rows = min(4, end - i);
          const columns = min(8, n - j);
          beginEdge(rows, columns, add === 1 ? into : 0, cRow);
          tileOfColumns(k, at, aStep, panel, bStep, edge, 32, 1);
          endEdge(rows, columns, into, cRow);
        }
        at += aPanel;
      }
      panel += bPanel;
      to += cPanel;
    }
  }
}

function tileOfColumns(k: i32, a: usize, aStep: usize, b: usize, bStep: usize, c: usize, cRow: usize, add: i32): void {
  const c1 = c + cRow;
  const c2 = c1 + cRow;
  const c3 = c2 + cRow;
  let c00 = f32x4.splat(0);
  let c01 = c00;
  let c10 = c00;
  let c11 = c00;
  let c20 = c00;
  let c21 = c00;
  let c30 = c00;
  let c31 = c00;
  if (add === 1) {
    c00 = v128.load(c);
    c01 = v128.load(c, 16);
    c10 = v128.load(c1);
    c11 = v128.load(c1, 16);
    c20 = v128.load(c2);
    c21 = v128.load(c2, 16);
    c30 = v128.load(c3);
    c31 = v128.load(c3, 16);
  }
  const end = b + <usize>k * bStep;
  while (b < end) {
    const b0 = v128.load(b);
    const b1 = v128.load(b, 16);
    let s = v128.load_splat<f32>(a);
    c00 = madd(s, b0, c00);
    c01 = madd(s, b1, c01);
    s = v128.load_splat<f32>(a, 4);
    c10 = madd(s, b0, c10);
    c11 = madd(s, b1, c11);
    s = v128.load_splat<f32>(a, 8);
    c20 = madd(s, b0, c20);
    c21 = madd(s, b1, c21);
    s = v128.load_splat<f32>(a, 12);
    c30 = madd(s, b0, c30);
    c31 = madd(s, b1, c31);
    a += aStep;
    b += bStep;
  }
  v128.store(c, c00);
  v128.store(c, c01, 16);
  v128.store(c1, c10);
  v128.store(c1, c11, 16);
  v128.store(c2, c20);
  v128.store(c2, c21, 16);
  v128.store(c3, c30);
  v128.store(c3, c31, 16);
}

/** What is beyond rows and columns begins with 0, so that nothing there grows without end. */
function beginEdge(rows: i32, columns: i32, init: usize, initRow: usize): void {
  memory.fill(edge, 0, 4 * 8 * 4);
  if (init !== 0) copyEdge(rows, columns, init, initRow, edge, 32);
}

function endEdge(rows: i32, columns: i32, c: usize, cRow: usize): void {
  copyEdge(rows, columns, edge, 32, c, cRow);
}

function copyEdge(rows: i32, columns: i32, from: usize, fromRow: usize, to: usize, toRow: usize): void {
  for (let i = 0; i < rows; i++) {
    memory.copy(to + <usize>i * toRow, from + <usize>i * fromRow, (<usize>columns) << 2);
  }
}

/** A product over nothing. */
function beginAs(m: i32, n: i32, c: usize, cRow: usize, cPanel: usize, init: usize, initRow: usize, initPanel: usize): void {
  for (let j = 0; j < n; j += 8) {
    const columns = min(8, n - j);
    const p = <usize>(j >> 3);
    for (let i = 0; i < m; i++) {
      const to = c + <usize>i * cRow + p * cPanel;
      if (init === 0) memory.fill(to, 0, (<usize>columns) << 2);
      else memory.copy(to, init + <usize>i * initRow + p * initPanel, (<usize>columns) << 2);
    }
  }
}
