// The global norm of the gradients, and whether an optimiser step may be taken.
//
//   square   partials[s] = sum of g[i]^2 over chunk s
//   finish   norm = (sum of partials)^1/2, scale = min(1, max_norm / (norm + NORM_EPSILON)), or 1 where max_norm is 0
//            skipped = the norm's square or a row's loss is not finite; state[skipped] += 1
//
// g [length] as Quads; partials [groups] per part of an arena; rows [R, ROW_COLUMNS], of which the loss counts
// (rl/row-sums.wgsl); state i32 [steps taken, steps skipped]; result (norm, skipped, scale, 0).
//
// Numerics: runs of 16 Quads are added up before they join a lane's sum, so that rounding does not grow with the length.
// WGSL may assume that arithmetic gives no infinities and no NaNs, hence they are told by their bits, as they lie in memory.
// A sum of squares beyond float32 counts as not finite, as in the portable engine. Test: tests/gpu/optimiser.test.ts.

// #include "lib/workgroup.wgsl"
// #include "rl/row-sums.wgsl"

struct Params {
  // square: Quads of a chunk; finish: partials
  count: u32,
  rows: u32,
  max_norm: f32,
}

@group(0) @binding(0) var<uniform> params: Params;

// --- square ---
const RUN = 16u;

@group(0) @binding(1) var<storage, read> g: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> sums: array<f32>;

@compute @workgroup_size(LANES)
fn square(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) lane: u32) {
  let first = id.x * params.count;
  let last = min(first + params.count, arrayLength(&g));
  if (first >= last) {
    if (lane == 0u) {
      sums[id.x] = 0.0;
    }
    return;
  }
  var sum = vec4f();
  for (var run = first + lane; run < last; run += RUN * LANES) {
    var part = vec4f();
    for (var i = run; i < min(run + RUN * LANES, last); i += LANES) {
      part += g[i] * g[i];
    }
    sum += part;
  }
  let all = sum_lanes(lane, dot(sum, vec4f(1)));
  if (lane == 0u) {
    sums[id.x] = all;
  }
}

// --- finish ---
// the bits of f32
@group(0) @binding(3) var<storage, read> partials: array<u32>;
@group(0) @binding(4) var<storage, read> rows: array<u32>;
@group(0) @binding(5) var<storage, read_write> state: array<i32>;
@group(0) @binding(6) var<storage, read_write> result: array<f32>;

// What float32 still holds: the sum of finite partials may be beyond it.
const LARGEST = 3.4e38;
// Keeps the scale finite where there is no gradient; the same in src/engine/portable/trained.ts, which reads it here.
const NORM_EPSILON = 1e-6;

fn finite(bits: u32) -> bool {
  return (bits & 0x7f800000u) != 0x7f800000u;
}

@compute @workgroup_size(LANES)
fn finish(@builtin(local_invocation_index) lane: u32) {
  var sum = 0.0;
  var lost = 0.0;
  for (var i = lane; i < params.count; i += LANES) {
    sum += bitcast<f32>(partials[i]);
    lost += select(1.0, 0.0, finite(partials[i]));
  }
  for (var row = lane; row < params.rows; row += LANES) {
    lost += select(1.0, 0.0, finite(rows[row * ROW_COLUMNS + ROW_LOSS]));
  }
  let all = sum_lanes(lane, sum);
  let all_lost = sum_lanes(lane, lost);
  if (lane != 0u) {
    return;
  }
  let norm = sqrt(all);
  result[0] = norm;
  result[2] = 1.0;
  if (params.max_norm > 0.0) {
    result[2] = min(1.0, params.max_norm / (norm + NORM_EPSILON));
  }
  result[3] = 0.0;
  if (all_lost == 0.0 && all < LARGEST) {
    result[1] = 0.0;
    state[0] += 1;
  } else {
    result[1] = 1.0;
    state[1] += 1;
  }
}
