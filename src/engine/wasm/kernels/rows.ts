/**
 * Rows by number: tokens looked up in a table in panels (`pack.ts`), rows gathered and added back, and sums over rows. [N] numbers are i32.
 * Test: tests/unit/wasm-kernels.test.ts
 */
import { readBlockRow } from './blocks';
import { bytesOf, Q8, readNumber } from './halves';

/** x [N, d] = scale · the rows `tokens` [N] of the table. @param kind of its numbers */
export function embed(places: i32, d: i32, tokens: usize, panels: usize, x: usize, scale: f32, kind: i32): void {
  const bytes = bytesOf(kind);
  for (let place = 0; place < places; place++) {
    const token = load<i32>(tokens + ((<usize>place) << 2));
    if (kind === Q8) {
      readBlockRow(d, panels, token, scale, x);
      x += (<usize>d) << 2;
      continue;
    }
    let from = rowOf(panels, token, d, bytes);
    for (let i = 0; i < d; i++) {
      store<f32>(x, scale * readNumber(from, kind));
      x += 4;
      from += 8 * bytes;
    }
  }
}

/** The gradient of the table, added, place after place. */
export function embedBackward(places: i32, d: i32, tokens: usize, dPanels: usize, dx: usize, scale: f32): void {
  for (let place = 0; place < places; place++) {
    let to = rowOf(dPanels, load<i32>(tokens + ((<usize>place) << 2)), d, 4);
    for (let i = 0; i < d; i++) {
      store<f32>(to, load<f32>(to) + scale * load<f32>(dx));
      dx += 4;
      to += 32;
    }
  }
}

function rowOf(panels: usize, row: i32, d: i32, bytes: usize): usize {
  return panels + (<usize>(row >> 3) * <usize>d * 8 + <usize>(row & 7)) * bytes;
}

/** y [M, d] = the rows `places` [M] of x. */
export function gatherRows(count: i32, d: i32, places: usize, x: usize, y: usize): void {
  const row = (<usize>d) << 2;
  for (let i = 0; i < count; i++) memory.copy(y + <usize>i * row, x + <usize>load<i32>(places + ((<usize>i) << 2)) * row, row);
}

/** x's rows `places` [M] += y [M, d], one after the other: a place may be there more than once. */
export function addRows(count: i32, d: i32, places: usize, x: usize, y: usize): void {
  const row = (<usize>d) << 2;
  for (let i = 0; i < count; i++) {
    add(d, x + <usize>load<i32>(places + ((<usize>i) << 2)) * row, y);
    y += row;
  }
}

/** sum [d] += the rows of x [N, d]. */
export function addColumns(rows: i32, d: i32, x: usize, sum: usize): void {
  for (let i = 0; i < rows; i++) {
    add(d, sum, x);
    x += (<usize>d) << 2;
  }
}

/** x [n] += y */
export function add(n: i32, x: usize, y: usize): void {
  let i = 0;
  for (; i + 4 <= n; i += 4) {
    v128.store(x, f32x4.add(v128.load(x), v128.load(y)));
    x += 16;
    y += 16;
  }
  for (; i < n; i++) {
    store<f32>(x, load<f32>(x) + load<f32>(y));
    x += 4;
    y += 4;
  }
}

/** x [n] *= factor */
export function scale(n: i32, x: usize, factor: f32): void {
  const f = f32x4.splat(factor);
  let i = 0;
  for (; i + 4 <= n; i += 4) {
    v128.store(x, f32x4.mul(v128.load(x), f));
    x += 16;
  }
  for (; i < n; i++) {
    store<f32>(x, load<f32>(x) * factor);
    x += 4;
  }
}

export function fill(bytes: usize, x: usize): void {
  memory.fill(x, 0, bytes);
}
