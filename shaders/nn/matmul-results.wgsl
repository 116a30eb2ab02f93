// What becomes of a matrix product: the entry points of matmul.wgsl, matmul-direct.wgsl and matmul-thin.wgsl, which bring `product`.
// Reading, shapes and kinds are in matmul-blocks.wgsl.
//
//   multiply          C [m, n] = scale A B (+ bias [n]) (+ residual [m, n]) (+ C)
//                     or, of split z, partials [splits, m, n]
//   join              C likewise from partials, in the order of the splits
//   gate_up           act [m, f] = act(g) u, where (g | u) = A Bt, B [2 f, k];  gate_up_saving also writes (g | u) [m, 2 f]
//   swiglu_backward   (g | u) becomes (da u act'(g) | da act(g)) [m, 2 f] in place, where da = A B is never written
//   act: SiLU or GELU, lib/gate.wgsl
// Twins: src/engine/portable/ops/linear.ts and gated.ts. Test: tests/gpu/matmul.test.ts.

//
// Where every row of C starts and ends at a multiple of four numbers, Result is a quad of them and is written at once. bias and
// residual are as wide as what C is columns of; partials are [m, n] whatever it is.

// What multiply and join add. Constants, because a branch in every row is what drivers compile slowest.
const ADD_BIAS = false;
const ADD_RESIDUAL = false;
const ACCUMULATE = false;

const WIDTH = 4u; // numbers of a Result
alias Result = vec4f;
// Which component of a Result the first three of a quad go to; false for single numbers.
const IS_X = vec4<bool>(true, false, false, false);
const IS_Y = vec4<bool>(false, true, false, false);
const IS_Z = vec4<bool>(false, false, true, false);

@group(0) @binding(5) var<storage, read_write> c: array<Result>;
@group(0) @binding(6) var<storage, read> bias: array<Result>;
@group(0) @binding(7) var<storage, read> residual: array<Result>;

// The quad itself, or its number s.
fn as_result(quad: vec4f, s: u32) -> Result {
  let last = Result(quad[select(s, 3u, WIDTH == 4u)]);
  return select(select(select(last, Result(quad.z), IS_Z), Result(quad.y), IS_Y), Result(quad.x), IS_X);
}

@compute @workgroup_size(LANES_X, LANES_Y, LANES_Z)
fn multiply(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_id) lane: vec3u) {
  let rows = rows_to_compute();
  if (first_row(tile, 0u) >= rows) {
    return;
  }
  let sums = product(tile, lane);
  if (LANES_Z > 1u && lane.z > 0u) {
    return;
  }
  let row = vec2u(first_row(tile, lane.y), first_row(tile, lane.y + LANES_Y));
  let column = vec2u(first_column(tile, lane.x), first_column(tile, lane.x + LANES_X));
  put(rows, row.x, column.x, tile.z, sums.s00);
  if (BLOCKS_N > 1u) {
    put(rows, row.x, column.y, tile.z, sums.s10);
  }
  if (BLOCKS_M > 1u) {
    put(rows, row.y, column.x, tile.z, sums.s01);
  }
  if (BLOCKS_M * BLOCKS_N > 3u) {
    put(rows, row.y, column.y, tile.z, sums.s11);
  }
}

fn put(rows: u32, row: u32, column: u32, split: u32, sum: mat4x4f) {
  put_row(rows, row, column, split, sum[0]);
  put_row(rows, row + 1u, column, split, sum[1]);
  put_row(rows, row + 2u, column, split, sum[2]);
  put_row(rows, row + 3u, column, split, sum[3]);
}

fn put_row(rows: u32, row: u32, column: u32, split: u32, quad: vec4f) {
  if (row >= rows) {
    return;
  }
  for (var s = 0u; s < 4u && column + s < params.n; s += WIDTH) {
    let place = params.c_first + column + s;
    let at = (row * params.c_line + place) / WIDTH;
    c[split * params.m * params.n / WIDTH + at] = finished(as_result(quad, s), at, place / WIDTH);
  }
}

fn finished(sum: Result, at: u32, column: u32) -> Result {
  var value = sum * params.scale;
  if (ADD_BIAS) {
    value += bias[column];
  }
  if (ADD_RESIDUAL) {
    value += residual[at];
  }
  if (ACCUMULATE) {
    value += c[at];
  }
  return value;
}

// --- splits ---
@group(0) @binding(8) var<storage, read> partials: array<Result>;

@compute @workgroup_size(64)
fn join(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let at = workgroup_index(id, count) * 64u + lane;
  let width = params.n / WIDTH;
  let row = at / width;
  if (row >= rows_to_compute()) {
    return;
  }
  var sum = Result();
  for (var split = 0u; split < params.splits; split++) {
    sum += partials[split * params.m * width + at];
  }
  let column = at - row * width + params.c_first / WIDTH;
  let to = row * (params.c_line / WIDTH) + column;
  c[to] = finished(sum, to, column);
}

// --- the gated unit ---
@group(0) @binding(9) var<storage, read_write> act: array<Result>;
@group(0) @binding(10) var<storage, read_write> gate_up_out: array<Result>;

// #include "lib/gate.wgsl"

alias Gate = Result;

@compute @workgroup_size(LANES_X, LANES_Y, LANES_Z)
fn gate_up(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_id) lane: vec3u) {
  let rows = rows_to_compute();
  if (first_row(tile, 0u) >= rows) {
    return;
  }
  let sums = product(tile, lane);
  if (LANES_Z > 1u && lane.z > 0u) {
    return;
  }
  let column = first_column(tile, lane.x);
  put_act(rows, first_row(tile, lane.y), column, sums.s00, sums.s10);
  if (BLOCKS_M > 1u) {
    put_act(rows, first_row(tile, lane.y + LANES_Y), column, sums.s01, sums.s11);
  }
}

fn put_act(rows: u32, row: u32, column: u32, gate: mat4x4f, up: mat4x4f) {
  put_act_row(rows, row, column, gate[0], up[0]);
  put_act_row(rows, row + 1u, column, gate[1], up[1]);
  put_act_row(rows, row + 2u, column, gate[2], up[2]);
  put_act_row(rows, row + 3u, column, gate[3], up[3]);
}

fn put_act_row(rows: u32, row: u32, column: u32, gates: vec4f, ups: vec4f) {
  if (row >= rows) {
    return;
  }
  for (var s = 0u; s < 4u && column + s < params.n; s += WIDTH) {
    let gate = as_result(gates, s);
    act[(row * params.n + column + s) / WIDTH] = activated(gate) * as_result(ups, s);
  }
}

// The sums themselves, for the backward.
@compute @workgroup_size(LANES_X, LANES_Y, LANES_Z)
fn gate_up_saving(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_id) lane: vec3u) {
  let rows = rows_to_compute();
  if (first_row(tile, 0u) >= rows) {
    return;
  }
  let sums = product(tile, lane);
  if (LANES_Z > 1u && lane.z > 0u) {
    return;
  }
  let column = first_column(tile, lane.x);
  put_act(rows, first_row(tile, lane.y), column, sums.s00, sums.s10);
  save(rows, first_row(tile, lane.y), column, 0u, sums.s00);
  save(rows, first_row(tile, lane.y), column, params.n, sums.s10);
  if (BLOCKS_M > 1u) {
    put_act(rows, first_row(tile, lane.y + LANES_Y), column, sums.s01, sums.s11);
    save(rows, first_row(tile, lane.y + LANES_Y), column, 0u, sums.s01);
    save(rows, first_row(tile, lane.y + LANES_Y), column, params.n, sums.s11);
  }
}

fn save(rows: u32, row: u32, column: u32, half: u32, sum: mat4x4f) {
  save_row(rows, row, column, half, sum[0]);
  save_row(rows, row + 1u, column, half, sum[1]);
  save_row(rows, row + 2u, column, half, sum[2]);
  save_row(rows, row + 3u, column, half, sum[3]);
}

fn save_row(rows: u32, row: u32, column: u32, half: u32, quad: vec4f) {
  if (row >= rows) {
    return;
  }
  for (var s = 0u; s < 4u && column + s < params.n; s += WIDTH) {
    gate_up_out[(row * 2u * params.n + half + column + s) / WIDTH] = as_result(quad, s);
  }
}

@compute @workgroup_size(LANES_X, LANES_Y, LANES_Z)
fn swiglu_backward(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_id) lane: vec3u) {
  let rows = rows_to_compute();
  if (first_row(tile, 0u) >= rows) {
    return;
  }
  let sums = product(tile, lane);
  if (LANES_Z > 1u && lane.z > 0u) {
    return;
  }
  let row = vec2u(first_row(tile, lane.y), first_row(tile, lane.y + LANES_Y));
  let column = vec2u(first_column(tile, lane.x), first_column(tile, lane.x + LANES_X));
  put_gradient(rows, row.x, column.x, sums.s00);
  if (BLOCKS_N > 1u) {
    put_gradient(rows, row.x, column.y, sums.s10);
  }
  if (BLOCKS_M > 1u) {
    put_gradient(rows, row.y, column.x, sums.s01);
  }
  if (BLOCKS_M * BLOCKS_N > 3u) {
    put_gradient(rows, row.y, column.y, sums.s11);
  }
}

fn put_gradient(rows: u32, row: u32, column: u32, dact: mat4x4f) {
  put_gradient_row(rows, row, column, dact[0]);
  put_gradient_row(rows, row + 1u, column, dact[1]);
  put_gradient_row(rows, row + 2u, column, dact[2]);
  put_gradient_row(rows, row + 3u, column, dact[3]);
}

fn put_gradient_row(rows: u32, row: u32, column: u32, dacts: vec4f) {
  if (row >= rows) {
    return;
  }
  for (var s = 0u; s < 4u && column + s < params.n; s += WIDTH) {
    let at = (row * 2u * params.n + column + s) / WIDTH;
    let dact = as_result(dacts, s);
    let gate = gate_up_out[at];
    let up = gate_up_out[at + params.n / WIDTH];
    let weight = gate_weight(gate);
    gate_up_out[at] = dact * up * activation_slope(gate, weight);
    gate_up_out[at + params.n / WIDTH] = dact * gate * weight;
  }
}
