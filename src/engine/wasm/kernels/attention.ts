/**
 * Causal grouped-query attention over segments: runs of places, each after a prefix that other segments may share (the prompt of a group, read
 * once). out = softmax(scale q kᵀ) v over the keys of the prefix, then of the segment itself up to the query; with a window, over the nearest.
 *
 * Of every segment, keys lie in panels of eight places, and values as rows of `wide` (hd rounded up to 8) numbers; the columns of a row of scores
 * are those of the prefix, rounded up to 8, then its own. So a query's result has the same bits whoever stands beside it, here and in decoding.
 * The weights are made again in the backward pass, from the log-sum-exp (Dao et al. 2022).
 *
 * Segments are five i32 each: first place, places, number of the prefix or -1, first column (a multiple of 8), the place of its position 0.
 * Rows of q|k|v are (H + 2K) hd wide, turned (`turn.ts`). `columns` is that of all segments. Test: tests/unit/wasm-attention.test.ts
 */
import { exp4, log1, max4, storeSome, sum4 } from './math';
import { multiplyColumns, multiplyRows } from './product';
import { packRows } from './pack';

const segmentBytes: usize = 20;
const none: f32 = -Infinity;

function up8(n: i32): i32 {
  return (n + 7) & ~7;
}

/** Keys of segments into panels [K][columns / 8][hd][8], values into rows [K][columns][wide]. @param first of the two in a row of `x`, in heads */
export function packKeys(segments: usize, count: i32, columns: i32, kvHeads: i32, hd: i32, x: usize, xRow: usize, panels: usize): void {
  for (let s = 0; s < count; s++) {
    const segment = segments + <usize>s * segmentBytes;
    const from = x + <usize>load<i32>(segment) * xRow;
    const column = load<i32>(segment, 12);
    const n = load<i32>(segment, 4);
    for (let head = 0; head < kvHeads; head++) {
      const at = panels + (<usize>head * <usize>columns + <usize>column) * ((<usize>hd) << 2);
      clearPanel(n, hd, at);
      packRows(n, hd, from + <usize>head * ((<usize>hd) << 2), xRow, at, hd, 0, 0, 0);
    }
  }
}

/** What the last panel has beyond the last place. */
function clearPanel(n: i32, hd: i32, at: usize): void {
  if (n & 7) memory.fill(at + <usize>(n >> 3) * ((<usize>hd) << 5), 0, (<usize>hd) << 5);
}

/** Values, or whatever is needed as rows. */
export function packValues(segments: usize, count: i32, columns: i32, kvHeads: i32, hd: i32, x: usize, xRow: usize, rows: usize): void {
  const wide = (<usize>up8(hd)) << 2;
  for (let s = 0; s < count; s++) {
    const segment = segments + <usize>s * segmentBytes;
    const from = x + <usize>load<i32>(segment) * xRow;
    const column = load<i32>(segment, 12);
    for (let head = 0; head < kvHeads; head++) {
      const at = rows + (<usize>head * <usize>columns + <usize>column) * wide;
      copyHeads(load<i32>(segment, 4), hd, from + <usize>head * ((<usize>hd) << 2), xRow, at);
    }
  }
}

/** One head of `n` places as rows of `wide` numbers, 0 beyond hd. */
function copyHeads(n: i32, hd: i32, from: usize, fromRow: usize, to: usize): void {
  const wide = (<usize>up8(hd)) << 2;
  const some = (<usize>hd) << 2;
  for (let i = 0; i < n; i++) {
    memory.copy(to, from, some);
    if (some < wide) memory.fill(to + some, 0, wide - some);
    from += fromRow;
    to += wide;
  }
}

/**
 * @param x [N, (H + 2K) hd]  @param keys @param values of all segments, as packed  @param scores scratch [4, the widest prefix and segment, each rounded up to 8]
 * @param window places that a query looks at, its own included  @param out [N, H hd]  @param lse [N, H]; 0: not asked for
 */
export function attend(
  segments: usize,
  count: i32,
  columns: i32,
  heads: i32,
  kvHeads: i32,
  hd: i32,
  window: i32,
  scale: f32,
  x: usize,
  keys: usize,
  values: usize,
  scores: usize,
  out: usize,
  lse: usize,
): void {
  const head = (<usize>hd) << 2;
  const wide = (<usize>up8(hd)) << 2;
  const xRow = <usize>(heads + 2 * kvHeads) * head;
  const outRow = <usize>heads * head;
  const shared = heads / kvHeads;
  for (let s = 0; s < count; s++) {
    const segment = segments + <usize>s * segmentBytes;
    const first = <usize>load<i32>(segment);
    const n = load<i32>(segment, 4);
    const before = load<i32>(segment, 8);
    const prefix = before < 0 ? segment : segments + <usize>before * segmentBytes;
    const length = before < 0 ? 0 : load<i32>(prefix, 4);
    for (let h = 0; h < heads; h++) {
      const all = <usize>(h / shared) * <usize>columns;
      const theirs = all + <usize>load<i32>(prefix, 12);
      const own = all + <usize>load<i32>(segment, 12);
      for (let i = 0; i < n; i += 4) {
        const place = first + <usize>i;
        attendBlock(
          min(4, n - i),
          1,
          i,
          x + place * xRow + <usize>h * head,
          xRow,
          hd,
          length,
          keys + theirs * head,
          values + theirs * wide,
          keys + own * head,
          values + own * wide,
          window,
          scale,
          scores,
          out + place * outRow + <usize>h * head,
          outRow,
          lse === 0 ? 0 : lse + ((place * <usize>heads + <usize>h) << 2),
          (<usize>heads) << 2,
        );
      }
    }
  }
}

/**
 * Up to four queries. @param step from one query's own place to the next's: 1 for places, 0 for heads of one place  @param i own place of the first
 * @param length of the prefix, whose keys and values come first
 */
function attendBlock(
  queries: i32,
  step: i32,
  i: i32,
  q: usize,
  qRow: usize,
  hd: i32,
  length: i32,
  prefixKeys: usize,
  prefixValues: usize,
  ownKeys: usize,
  ownValues: usize,
  window: i32,
  scale: f32,
  scores: usize,
  out: usize,
  outRow: usize,
  lse: usize,
  lseRow: usize,
): void {
  const head = (<usize>hd) << 2;
  const wide = (<usize>up8(hd)) << 2;
  const seen = i + (queries - 1) * step + 1; // own places that any of them sees
  const lowest = max(0, length + i + 1 - window); // the first position that any of them sees
  const from = min(lowest, length) & ~7;
  const ownFrom = max(0, lowest - length) & ~7;
  const before = up8(length) - from;
  const own = up8(seen) - ownFrom;
  const row = (<usize>(before + own)) << 2;
  const ownScores = scores + ((<usize>before) << 2);
  if (before > 0) multiplyRows(queries, before, hd, q, qRow, prefixKeys + <usize>from * head, 32, head << 3, scores, row, 32, 0, 0, 0);
  multiplyRows(queries, own, hd, q, qRow, ownKeys + <usize>ownFrom * head, 32, head << 3, ownScores, row, 32, 0, 0, 0);
  for (let r = 0; r < queries; r++) {
    const at = scores + <usize>r * row;
    const mine = i + r * step; // own place
    const least = max(0, length + mine + 1 - window);
    hide(at, 0, min(least, length) - from);
    hide(at, length - from, before);
    hide(at + ((<usize>before) << 2), 0, max(0, least - length) - ownFrom);
    hide(at + ((<usize>before) << 2), mine + 1 - ownFrom, own);
    const sum = softmax(before + own, at, scale, lse === 0 ? 0 : lse + <usize>r * lseRow);
    store<f32>(sums + ((<usize>r) << 2), 1 / sum);
  }
  const theirs = length - from;
  if (theirs > 0) multiplyRows(queries, hd, theirs, scores, row, prefixValues + <usize>from * wide, wide, 32, out, outRow, 32, 0, 0, 0);
  const begin = theirs > 0 ? out : 0;
  multiplyRows(
    queries,
    hd,
    seen - ownFrom,
    ownScores,
    row,
    ownValues + <usize>ownFrom * wide,
    wide,
    32,
    out,
    outRow,
    32,
    begin,
    outRow,
    32,
  );
  for (let r = 0; r < queries; r++) scaleRow(hd, out + <usize>r * outRow, load<f32>(sums + ((<usize>r) << 2)));
}

const sums: usize = memory.data(16, 16);

function hide(row: usize, from: i32, to: i32): void {
  for (let c = from; c < to; c++) store<f32>(row + ((<usize>c) << 2), none);
}

/** Not divided by its sum, which it returns. @param n a multiple of 8 */
function softmax(n: i32, x: usize, scale: f32, lse: usize): f32 {
  const end = x + ((<usize>n) << 2);
  let m = f32x4.splat(none);
  for (let at = x; at < end; at += 16) m = f32x4.max(m, v128.load(at));
  const f = f32x4.splat(scale);
  const most = scale * max4(m);
  const shift = f32x4.splat(most);
  let sum = f32x4.splat(0);
  for (let at = x; at < end; at += 16) {
    const e = exp4(f32x4.sub(f32x4.mul(f, v128.load(at)), shift));
    v128.store(at, e);
    sum = f32x4.add(sum, e);
  }
  const total = sum4(sum);
  if (lse !== 0) store<f32>(lse, most + <f32>log1(<f64>total));
  return total;
}

function scaleRow(n: i32, x: usize, factor: f32): void {
  const f = f32x4.splat(factor);
  let i = 0;
  for (; i + 4 <= n; i += 4) {
    v128.store(x, f32x4.mul(v128.load(x), f));
    x += 16;
  }
  if (i < n) storeSome(x, f32x4.mul(v128.load(x), f), n - i);
}

/**
 * One more place of rows that are written: its key and value go into the row's own, and it looks at them and at the prompt's.
 * @param rows five i32 each: the slot of its own keys, first column of the prompt, places of the prompt, own places before this one, not used
 * @param keys @param values of the prompts, `columns` wide  @param ownKeys [slots][K][room / 8][hd][8]  @param ownValues [slots][K][room][wide]
 * @param lse [N, H]; 0: not asked for
 */
export function attendNext(
  rows: usize,
  count: i32,
  columns: i32,
  room: i32,
  heads: i32,
  kvHeads: i32,
  hd: i32,
  window: i32,
  scale: f32,
  x: usize,
  keys: usize,
  values: usize,
  ownKeys: usize,
  ownValues: usize,
  scores: usize,
  out: usize,
  lse: usize,
): void {
  const head = (<usize>hd) << 2;
  const wide = (<usize>up8(hd)) << 2;
  const shared = heads / kvHeads;
  for (let r = 0; r < count; r++) {
    const slot = <usize>load<i32>(rows);
    const column = <usize>load<i32>(rows, 4);
    const length = load<i32>(rows, 8);
    const i = load<i32>(rows, 12);
    for (let kv = 0; kv < kvHeads; kv++) {
      const own = (slot * <usize>kvHeads + <usize>kv) * <usize>room;
      const all = <usize>kv * <usize>columns + column;
      const k = ownKeys + own * head;
      const v = ownValues + own * wide;
      const key = x + <usize>(heads + kv) * head;
      if ((i & 7) === 0) memory.fill(k + <usize>i * head, 0, head << 3);
      packRows(1, hd, key, 0, k, hd, i, 0, 0);
      copyHeads(1, hd, key + <usize>kvHeads * head, 0, v + <usize>i * wide);
      for (let h = kv * shared; h < (kv + 1) * shared; h += 4) {
        const some = min(4, (kv + 1) * shared - h);
        const theirs = keys + all * head;
        const to = out + <usize>h * head;
        attendBlock(
          some,
          0,
          i,
          x + <usize>h * head,
          head,
          hd,
          length,
          theirs,
          values + all * wide,
          k,
          v,
          window,
          scale,
          scores,
          to,
          head,
          lse === 0 ? 0 : lse + ((<usize>h) << 2),
          4,
        );
      }
    }
    rows += segmentBytes;
    x += <usize>(heads + 2 * kvHeads) * head;
    out += <usize>heads * head;
    if (lse !== 0) lse += (<usize>heads) << 2;
  }
}

/**
 * @param keys @param valuePanels panels, as `packKeys` makes of keys and of values  @param keyRows as `packValues` makes of keys
 * @param weights @param slopes scratch [longest segment rounded up to 4, widest prefix and segment, each rounded up to 8]
 * @param queries @param dQueries @param dOuts scratch [longest segment rounded up to 4, wide]  @param dOut [N, H hd]  @param dx as `x`, 0 before
 */
export function attendBackward(
  segments: usize,
  count: i32,
  columns: i32,
  heads: i32,
  kvHeads: i32,
  hd: i32,
  window: i32,
  scale: f32,
  x: usize,
  keys: usize,
  valuePanels: usize,
  keyRows: usize,
  weights: usize,
  slopes: usize,
  queries: usize,
  dQueries: usize,
  dOuts: usize,
  out: usize,
  lse: usize,
  dOut: usize,
  dx: usize,
): void {
  const head = (<usize>hd) << 2;
  const wide = (<usize>up8(hd)) << 2;
  const xRow = <usize>(heads + 2 * kvHeads) * head;
  const outRow = <usize>heads * head;
  const shared = heads / kvHeads;
  for (let s = 0; s < count; s++) {
    const segment = segments + <usize>s * segmentBytes;
    const first = <usize>load<i32>(segment);
    const n = load<i32>(segment, 4);
    const number = load<i32>(segment, 8);
    const prefix = number < 0 ? segment : segments + <usize>number * segmentBytes;
    const length = number < 0 ? 0 : load<i32>(prefix, 4);
    const before = up8(length);
    const row = (<usize>(before + up8(n))) << 2;
    const aside = (<usize>before) << 2;
    for (let h = 0; h < heads; h++) {
      const kv = <usize>(h / shared);
      const all = kv * <usize>columns;
      const theirs = all + <usize>load<i32>(prefix, 12);
      const own = all + <usize>load<i32>(segment, 12);
      const key = (<usize>heads + kv) * head;
      const value = key + <usize>kvHeads * head;
      copyHeads(n, hd, x + first * xRow + <usize>h * head, xRow, queries);
      copyHeads(n, hd, dOut + first * outRow + <usize>h * head, outRow, dOuts);
      for (let i = 0; i < n; i += 4) {
        const some = min(4, n - i);
        const p = weights + <usize>i * row;
        const d = slopes + <usize>i * row;
        const seen = up8(i + some);
        const q = queries + <usize>i * wide;
        const g = dOuts + <usize>i * wide;
        if (before > 0) {
          multiplyRows(some, before, hd, q, wide, keys + theirs * head, 32, head << 3, p, row, 32, 0, 0, 0);
          multiplyRows(some, before, hd, g, wide, valuePanels + theirs * head, 32, head << 3, d, row, 32, 0, 0, 0);
        }
        multiplyRows(some, seen, hd, q, wide, keys + own * head, 32, head << 3, p + aside, row, 32, 0, 0, 0);
        multiplyRows(some, seen, hd, g, wide, valuePanels + own * head, 32, head << 3, d + aside, row, 32, 0, 0, 0);
        for (let r = 0; r < some; r++) {
          const place = first + <usize>(i + r);
          const delta = dot(hd, out + place * outRow + <usize>h * head, g + <usize>r * wide);
          const shift = load<f32>(lse + ((place * <usize>heads + <usize>h) << 2));
          const at = <usize>r * row;
          const least = max(0, length + i + r + 1 - window);
          hide(p + at, 0, min(least, length));
          hide(p + at, length, before);
          hide(p + at + aside, 0, max(0, least - length));
          hide(p + at + aside, i + r + 1, seen);
          slope(before + seen, p + at, d + at, scale, shift, delta);
        }
      }
      // dq, made up to four rows too many, of whatever is there.
      for (let i = 0; i < n; i += 4) {
        const some = min(4, n - i);
        const d = slopes + <usize>i * row;
        const to = dQueries + <usize>i * wide;
        if (length > 0) multiplyRows(some, hd, length, d, row, keyRows + theirs * wide, wide, 32, to, wide, 32, 0, 0, 0);
        const begin = length > 0 ? to : 0;
        multiplyRows(some, hd, i + some, d + aside, row, keyRows + own * wide, wide, 32, to, wide, 32, begin, wide, 32);
      }
      for (let i = 0; i < n; i++) memory.copy(dx + (first + <usize>i) * xRow + <usize>h * head, dQueries + <usize>i * wide, head);
      // Keys and values, of the prefix and its own, which are seen from themselves on.
      if (length > 0) {
        const to = dx + <usize>load<i32>(prefix) * xRow;
        multiplyColumns(length, hd, n, slopes, row, 16, queries, wide, 32, to + key, xRow, 32, 1);
        multiplyColumns(length, hd, n, weights, row, 16, dOuts, wide, 32, to + value, xRow, 32, 1);
      }
      for (let j = 0; j < n; j += 4) {
        const some = min(4, n - j);
        const at = <usize>j * row + aside + ((<usize>j) << 2);
        const to = dx + (first + <usize>j) * xRow;
        multiplyColumns(some, hd, n - j, slopes + at, row, 16, queries + <usize>j * wide, wide, 32, to + key, xRow, 32, 1);
        multiplyColumns(some, hd, n - j, weights + at, row, 16, dOuts + <usize>j * wide, wide, 32, to + value, xRow, 32, 1);
      }
    }
  }
}

/** p = exp(scale p - shift), d = scale p (d - delta). @param n a multiple of 8 */
function slope(n: i32, p: usize, d: usize, scale: f32, shift: f32, delta: f32): void {
  const f = f32x4.splat(scale);
  const s = f32x4.splat(shift);
  const t = f32x4.splat(delta);
  const end = p + ((<usize>n) << 2);
  for (; p < end; p += 16) {
    const w = exp4(f32x4.sub(f32x4.mul(f, v128.load(p)), s));
    v128.store(p, w);
    v128.store(d, f32x4.mul(f, f32x4.mul(w, f32x4.sub(v128.load(d), t))));
    d += 16;
  }
}

function dot(n: i32, x: usize, y: usize): f32 {
  let sum: f32 = 0;
  for (let i = 0; i < n; i++) {
    sum += load<f32>(x) * load<f32>(y);
    x += 4;
    y += 4;
  }
  return sum;
}
