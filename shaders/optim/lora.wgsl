// LoRA (Hu et al. 2021), all adapted matrices of a part of an arena in one dispatch. W = base + scale B A is what computes;
// gradients of the adapters are made from the dense gradient of W. Twin: src/engine/portable/trained.ts.
//
//   merge        merged[o, i] = base[o, i] + scale sum_k B[o, k] A[k, i]
//   gradient_a   dA[k, i] = scale sum_o B[o, k] dW[o, i]
//   gradient_b   dB[o, k] = scale sum_i dW[o, i] A[k, i]
//
// base merged dW: matrices [out, in] somewhere in a part; A [rank, in] and B [out, rank] somewhere in the adapters' arena, dA
// and dB at the same places of their gradients' arena. All are written, not added to; what lies between them is left alone.
// table: a line per matrix: where it is and A (both in Quads) and B (in numbers) are, out, in (in Quads), and the first tile
// of the three entry points. Sums over slices join in order. Test: tests/gpu/lora.test.ts.

// #include "lib/workgroup.wgsl"
// #include "lib/quads.wgsl"

struct Params {
  matrices: u32,
  tiles: u32,
  rank: u32,
  scale: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> table: array<i32>;
// the adapters twice, because B is read number by number
@group(0) @binding(2) var<storage, read> factors_a: array<Quad>;
@group(0) @binding(3) var<storage, read> factors_b: array<f32>;

struct Matrix {
  first: u32,
  a: u32,
  b: u32,
  out: u32,
  width: u32,
  // of the tiles of this matrix
  tile: u32,
}

const MATRIX = 0u;
const A = 1u;
const B = 2u;
const OUT = 3u;
const WIDTH = 4u;
const FIRST_MERGE = 5u;
const FIRST_A = 6u;
const FIRST_B = 7u;
const LINE = 8u;

// The last matrix whose first tile is not after this one.
fn matrix_of(tile: u32, column: u32) -> Matrix {
  var low = 0u;
  var high = params.matrices;
  while (high - low > 1u) {
    let middle = (low + high) / 2u;
    if (u32(table[middle * LINE + column]) <= tile) {
      low = middle;
    } else {
      high = middle;
    }
  }
  let line = low * LINE;
  return Matrix(
    u32(table[line + MATRIX]),
    u32(table[line + A]),
    u32(table[line + B]),
    u32(table[line + OUT]),
    u32(table[line + WIDTH]),
    tile - u32(table[line + column]),
  );
}

// --- forward: a tile is 16 Quads by 32 rows, 8 rows a lane ---
const MERGE_COLUMNS = 16u;
const MERGE_ROWS = 8u;

@group(0) @binding(4) var<storage, read> base: array<Quad>;
@group(0) @binding(5) var<storage, read_write> merged: array<Quad>;

@compute @workgroup_size(LANES)
fn merge(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let tile = workgroup_index(id, count);
  if (tile >= params.tiles) {
    return;
  }
  let w = matrix_of(tile, FIRST_MERGE);
  let blocks = (w.width + MERGE_COLUMNS - 1u) / MERGE_COLUMNS;
  let c = (w.tile % blocks) * MERGE_COLUMNS + lane % MERGE_COLUMNS;
  let row = (w.tile / blocks) * (LANES / MERGE_COLUMNS * MERGE_ROWS) + lane / MERGE_COLUMNS * MERGE_ROWS;
  if (c >= w.width) {
    return;
  }
  var sums: array<Quad, MERGE_ROWS>;
  for (var k = 0u; k < params.rank; k++) {
    let a = factors_a[w.a + k * w.width + c];
    for (var i = 0u; i < MERGE_ROWS; i++) {
      sums[i] += a * factors_b[w.b + min(row + i, w.out - 1u) * params.rank + k];
    }
  }
  for (var i = 0u; i < MERGE_ROWS; i++) {
    if (row + i < w.out) {
      let at = w.first + (row + i) * w.width + c;
      merged[at] = base[at] + params.scale * sums[i];
    }
  }
}

// --- backward ---
@group(0) @binding(6) var<storage, read> dw: array<Quad>;
@group(0) @binding(7) var<storage, read_write> gradients_a: array<Quad>;
@group(0) @binding(8) var<storage, read_write> gradients_b: array<f32>;

// Ranks of a tile. More would read dW less often, but neighbouring tiles read the same and software rasterisers take seconds
// to compile what is unrolled here; so ranks are the innermost order of tiles.
const RANKS = 4u;
// Lanes that share the sum of a result, each taking every SLICES-th term.
const SLICES = 8u;

var<workgroup> parts_a: array<Quad, LANES * RANKS>;

// A tile is 8 Quads by 4 ranks.
const COLUMNS_A = LANES / SLICES;

@compute @workgroup_size(LANES)
fn gradient_a(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let tile = workgroup_index(id, count);
  if (tile >= params.tiles) {
    return;
  }
  let w = matrix_of(tile, FIRST_A);
  let blocks = (params.rank + RANKS - 1u) / RANKS;
  let column = (w.tile / blocks) * COLUMNS_A;
  let rank = (w.tile % blocks) * RANKS;
  let c = min(column + lane % COLUMNS_A, w.width - 1u);
  var sums: array<Quad, RANKS>;
  for (var o = lane / COLUMNS_A; o < w.out; o += SLICES) {
    let gradient = dw[w.first + o * w.width + c];
    for (var i = 0u; i < RANKS; i++) {
      sums[i] += gradient * factors_b[w.b + o * params.rank + min(rank + i, params.rank - 1u)];
    }
  }
  for (var i = 0u; i < RANKS; i++) {
    parts_a[i * LANES + lane] = sums[i];
  }
  workgroupBarrier();
  let k = rank + lane / COLUMNS_A;
  if (lane >= COLUMNS_A * RANKS || column + lane % COLUMNS_A >= w.width || k >= params.rank) {
    return;
  }
  var sum = Quad();
  for (var slice = 0u; slice < SLICES; slice++) {
    sum += parts_a[lane / COLUMNS_A * LANES + slice * COLUMNS_A + lane % COLUMNS_A];
  }
  gradients_a[w.a + k * w.width + c] = params.scale * sum;
}

// A tile is 32 rows, 4 a lane, by 4 ranks.
const ROWS_B = 4u;
const RESULTS_B = ROWS_B * RANKS;

// One more per lane, so that lanes write to different banks.
var<workgroup> parts_b: array<f32, LANES * (RESULTS_B + 1u)>;

@compute @workgroup_size(LANES)
fn gradient_b(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let tile = workgroup_index(id, count);
  if (tile >= params.tiles) {
    return;
  }
  let w = matrix_of(tile, FIRST_B);
  let blocks = (params.rank + RANKS - 1u) / RANKS;
  let first_row = (w.tile / blocks) * (LANES / SLICES * ROWS_B);
  let first_rank = (w.tile % blocks) * RANKS;
  let row = first_row + lane / SLICES * ROWS_B;
  var sums: array<f32, RESULTS_B>;
  for (var c = lane % SLICES; c < w.width; c += SLICES) {
    var gradients: array<Quad, ROWS_B>;
    for (var i = 0u; i < ROWS_B; i++) {
      gradients[i] = dw[w.first + min(row + i, w.out - 1u) * w.width + c];
    }
    for (var j = 0u; j < RANKS; j++) {
      let a = factors_a[w.a + min(first_rank + j, params.rank - 1u) * w.width + c];
      for (var i = 0u; i < ROWS_B; i++) {
        sums[i * RANKS + j] += total(gradients[i] * a);
      }
    }
  }
  for (var i = 0u; i < RESULTS_B; i++) {
    parts_b[lane * (RESULTS_B + 1u) + i] = sums[i];
  }
  workgroupBarrier();
  for (var result = lane; result < LANES / SLICES * RESULTS_B; result += LANES) {
    let o = first_row + result / RANKS;
    let k = first_rank + result % RANKS;
    if (o < w.out && k < params.rank) {
      var sum = 0.0;
      for (var slice = 0u; slice < SLICES; slice++) {
        sum += parts_b[(result / RESULTS_B * SLICES + slice) * (RESULTS_B + 1u) + result % RESULTS_B];
      }
      gradients_b[w.b + o * params.rank + k] = params.scale * sum;
    }
  }
}
