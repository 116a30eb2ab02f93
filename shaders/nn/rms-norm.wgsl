// RMSNorm (Zhang and Sennrich 2019) over the last axis, forward and backward.
//
//   y[m, i] = w[i] x[p, i] r[m] (+ residual[m, i]),  w = offset + weight,  r[m] = (mean_i x[p, i]^2 + eps)^-1/2,  p = places[m], or m where there are none
//   g[n, i] = sum of dy[m, i] over m in [starts[n], starts[n + 1]), or dy[n, i]
//   dx[n, i] = r w[i] g[n, i] - x[n, i] r^3 mean_j (w[j] g[n, j] x[n, j])
//   dw[i] = sum_n g[n, i] x[n, i] r
//
// x [N, D], weight [D], y residual [M, D], r [M], dx [N, D]. `places` rise, so that rows of y that are of one row of x come after
// one another. A row n that has none was not normed: its gradient is 0 and nothing is read. `limit[0]`: rows of y at or beyond it are left as they are. dw comes as sums over chunks of rows, [S, D], which
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
  // whether `places` or `starts`, and `limit`, mean something
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
@group(0) @binding(9) var<storage, read> starts: array<i32>;
@group(0) @binding(10) var<storage, read_write> dx: array<Quad>;
@group(0) @binding(11) var<storage, read_write> partials: array<Quad>;

// Rows that a team works on between barriers.
const BATCH = 8u;
// One more per lane than there are rows, so that lanes that read one row each read different banks.
const LINE = BATCH + 1u;

var<workgroup> products: array<f32, LANES * LINE>;
var<workgroup> sources: array<vec2u, TEAMS * BATCH>;
// r, and what x is multiplied by
var<workgroup> factors: array<vec2f, TEAMS * BATCH>;

// The first row of dy that is of row n of x, and the first that no longer is.
fn source_of(n: u32) -> vec2u {
  if (n >= params.rows) {
    return vec2u();
  }
  if (params.placed == 1u) {
    return vec2u(u32(starts[n]), u32(starts[n + 1u]));
  }
  return vec2u(n, n + 1u);
}

fn upstream_of(source: vec2u, c: u32) -> Quad {
  var sum = dy[source.x * params.width + c];
  for (var m = source.x + 1u; m < source.y; m++) {
    sum += dy[m * params.width + c];
  }
  return sum;
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
      let source = source_of(n);
      var product = Quad();
      if (source.x < source.y) {
        for (var c = member; c < params.width; c += TEAM) {
          product += (params.offset + weight[c]) * upstream_of(source, c) * x[n * params.width + c];
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
      let source = source_of(first + batch + i);
      sources[team * BATCH + i] = source;
      if (source.x < source.y) {
        let r = row_rstd[source.x];
        factors[team * BATCH + i] = vec2f(r, r * r * r * (sum / f32(params.numbers)));
      }
    }
    workgroupBarrier();
    for (var c = member; c < params.width; c += TEAM) {
      let w = params.offset + weight[c];
      var dw = Quad();
      for (var i = 0u; i < BATCH; i++) {
        let n = first + batch + i;
        if (n >= params.rows) {
          break;
        }
        let source = sources[team * BATCH + i];
        let at = n * params.width + c;
        if (source.x >= source.y) {
          if (params.accumulate == 0u) {
            dx[at] = Quad();
          }
          continue;
        }
        let factor = factors[team * BATCH + i];
        let input = x[at];
        let upstream = upstream_of(source, c) * factor.x;
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
