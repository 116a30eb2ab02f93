// RMSNorm (Zhang and Sennrich 2019) over the last axis, forward and backward.
//
//   y[m, i] = w[i] x[p, i] r[m] (+ residual[m, i]),  w = offset + weight,  r[m] = (mean_i x[p, i]^2 + eps)^-1/2,  p = places[m], or m where there are none
//   dx[n, i] = r w[i] dy[m, i] - x[n, i] r^3 mean_j (w[j] dy[m, j] x[n, j]),  m = inverse[n], or n
//   dw[i] = sum_n dy[m, i] x[n, i] r
//
// x [N, D], weight [D], y residual [M, D], r [M], dx [N, D]. A row n whose inverse is -1 was not normed: its gradient is 0 and nothing is
// read. `limit[0]`: rows of y at or beyond it are left as they are. dw comes as sums over chunks of rows, [S, D], which
// nn/columns.wgsl adds up: no atomics, a fixed order.
//
// Numerics: sums of a row are TEAM sums joined in order. Rows are read twice; the second time comes out of the cache.
// Test: tests/gpu/rms-norm.test.ts.

// #include "lib/workgroup.wgsl"
// #include "lib/quads.wgsl"

// Lanes that share a row. A workgroup holds several rows where they are short: a barrier then serves them all.
const TEAM = 64u;
const TEAMS = LANES / TEAM;

struct Params {
  rows: u32,
  // of a row, in Quads, and in numbers
  width: u32,
  numbers: u32,
  eps: f32,
  // whether `places` or `inverse`, and `limit`, mean something
  placed: u32,
  limited: u32,
  // rows of a chunk, a multiple of BATCH
  chunk_rows: u32,
  accumulate: u32,
  // whether `residual` means something
  added: u32,
  offset: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Quad>;
@group(0) @binding(2) var<storage, read> weight: array<Quad>;

// --- forward ---
@group(0) @binding(3) var<storage, read_write> y: array<Quad>;
@group(0) @binding(4) var<storage, read_write> rstd: array<f32>;
@group(0) @binding(5) var<storage, read> places: array<i32>;
@group(0) @binding(6) var<storage, read> limit: array<i32>;
@group(0) @binding(12) var<storage, read> residual: array<Quad>;

@compute @workgroup_size(LANES)
fn forward(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let m = workgroup_index(id, count) * TEAMS + lane / TEAM;
  let member = lane % TEAM;
  var rows = params.rows;
  if (params.limited == 1u) {
    rows = min(rows, u32(max(limit[0], 0)));
  }
  let there = m < rows;
  var start = 0u;
  var squares = Quad();
  if (there) {
    start = m * params.width;
    if (params.placed == 1u) {
      start = u32(places[m]) * params.width;
    }
    for (var c = member; c < params.width; c += TEAM) {
      let numbers = x[start + c];
      squares += numbers * numbers;
    }
  }
  lane_values[lane] = total(squares);
  workgroupBarrier();
  if (!there) {
    return;
  }
  var sum = 0.0;
  for (var i = 0u; i < TEAM; i++) {
    sum += lane_values[lane - member + i];
  }
  let r = inverseSqrt(sum / f32(params.numbers) + params.eps);
  if (member == 0u) {
    rstd[m] = r;
  }
  for (var c = member; c < params.width; c += TEAM) {
    var numbers = (params.offset + weight[c]) * (x[start + c] * r);
    if (params.added == 1u) {
      numbers += residual[m * params.width + c];
    }
    y[m * params.width + c] = numbers;
  }
}

// --- backward ---
@group(0) @binding(7) var<storage, read> row_rstd: array<f32>;
@group(0) @binding(8) var<storage, read> dy: array<Quad>;
@group(0) @binding(9) var<storage, read> inverse: array<i32>;
@group(0) @binding(10) var<storage, read_write> dx: array<Quad>;
@group(0) @binding(11) var<storage, read_write> partials: array<Quad>;

// Rows that a team works on between barriers.
const BATCH = 8u;
const NOT_NORMED = -1;
const PAST_THE_END = -2;
// One more per lane than there are rows, so that lanes that read one row each read different banks.
const LINE = BATCH + 1u;

var<workgroup> products: array<f32, LANES * LINE>;
var<workgroup> sources: array<i32, TEAMS * BATCH>;
// r, and what x is multiplied by
var<workgroup> factors: array<vec2f, TEAMS * BATCH>;

// The row m of dy that belongs to row n of x.
fn source_of(n: u32) -> i32 {
  if (n >= params.rows) {
    return PAST_THE_END;
  }
  if (params.placed == 1u) {
    return inverse[n];
  }
  return i32(n);
}

// A team does one chunk of rows, batch by batch: first the sums along its rows, then the columns.
@compute @workgroup_size(LANES)
fn backward(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let team = lane / TEAM;
  let member = lane % TEAM;
  let chunk = workgroup_index(id, count) * TEAMS + team;
  let first = chunk * params.chunk_rows;
  for (var batch = 0u; batch < params.chunk_rows; batch += BATCH) {
    for (var i = 0u; i < BATCH; i++) {
      let n = first + batch + i;
      let m = source_of(n);
      var product = Quad();
      if (m >= 0) {
        for (var c = member; c < params.width; c += TEAM) {
          product += (params.offset + weight[c]) * dy[u32(m) * params.width + c] * x[n * params.width + c];
        }
      }
      products[lane * LINE + i] = total(product);
    }
    workgroupBarrier();
    for (var i = member; i < BATCH; i += TEAM) {
      var sum = 0.0;
      for (var other = 0u; other < TEAM; other++) {
        sum += products[(team * TEAM + other) * LINE + i];
      }
      let m = source_of(first + batch + i);
      sources[team * BATCH + i] = m;
      if (m >= 0) {
        let r = row_rstd[m];
        factors[team * BATCH + i] = vec2f(r, r * r * r * (sum / f32(params.numbers)));
      }
    }
    workgroupBarrier();
    for (var c = member; c < params.width; c += TEAM) {
      let w = params.offset + weight[c];
      var dw = Quad();
      for (var i = 0u; i < BATCH; i++) {
        let m = sources[team * BATCH + i];
        if (m == PAST_THE_END) {
          break;
        }
        let at = (first + batch + i) * params.width + c;
        if (m < 0) {
          if (params.accumulate == 0u) {
            dx[at] = Quad();
          }
          continue;
        }
        let factor = factors[team * BATCH + i];
        let input = x[at];
        let upstream = dy[u32(m) * params.width + c] * factor.x;
        dw += upstream * input;
        let gradient = w * upstream - input * factor.y;
        if (params.accumulate == 1u) {
          dx[at] += gradient;
        } else {
          dx[at] = gradient;
        }
      }
      if (first < params.rows) {
        let at = chunk * params.width + c;
        if (batch > 0u) {
          dw += partials[at];
        }
        partials[at] = dw;
      }
    }
  }
}
