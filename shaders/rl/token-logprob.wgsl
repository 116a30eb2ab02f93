// Log-prob of one target per row, and the entropy of the row, of softmax(x / T); forward and backward.
//
//   z = (x - max x) / T          L = log sum exp z
//   logprob = z[target] - L      entropy = L - sum exp(z) z / sum exp z
//   dx = (dlogprob (onehot - p) - dentropy p (log p + H)) / T,   log p = z - L
//
// logits [N, V], targets [N] i32, logprob entropy dlogprob dentropy [N], stats [N, 2] = (max x, L), dlogits [N, V].
// One workgroup per row, lane l reads columns l, l + 64, ...: neighbouring lanes read neighbouring floats.
// Numerics: one pass, online. A lane keeps its maximum m, s = sum exp(x - m) and t = sum exp(x - m) (x - m), in units of
// 1 / T, and rescales all three when m grows; lanes are joined the same way. No probability is written to memory. The
// maximum and L are stored apart, because their sum would cost log p its last digits where logits are large.
// Logits must be finite. Twin: src/engine/portable/kernels/token-logprob.ts. Test: tests/gpu/kernels.test.ts.

// #include "lib/workgroup.wgsl"

struct Params {
  rows: u32,
  vocabulary: u32,
  inverse_temperature: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> logits: array<f32>;
@group(0) @binding(2) var<storage, read> targets: array<i32>;

// --- forward ---
@group(0) @binding(3) var<storage, read_write> logprob: array<f32>;
@group(0) @binding(4) var<storage, read_write> entropy: array<f32>;
@group(0) @binding(5) var<storage, read_write> stats: array<f32>;

@compute @workgroup_size(LANES)
fn forward(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = workgroup_index(id, count);
  if (row >= params.rows) {
    return;
  }
  let start = row * params.vocabulary;
  let scale = params.inverse_temperature;
  var m = -1e30; // below every logit, and finite: an infinity times 0 is not a number
  var s = 0.0;
  var t = 0.0;
  for (var i = lane; i < params.vocabulary; i += LANES) {
    let x = logits[start + i];
    if (x > m) {
      let shift = (m - x) * scale;
      let shrink = exp(shift);
      t = shrink * (t + shift * s);
      s = s * shrink + 1.0;
      m = x;
    } else {
      let z = (x - m) * scale;
      let e = exp(z);
      s += e;
      t += e * z;
    }
  }
  let largest = max_lanes(lane, m);
  let shift = (m - largest) * scale;
  let shrink = exp(shift);
  let sum = sum_lanes(lane, s * shrink);
  let weighted = sum_lanes(lane, shrink * (t + shift * s));
  if (lane == 0u) {
    let log_sum = log(sum);
    logprob[row] = (logits[start + u32(targets[row])] - largest) * scale - log_sum;
    entropy[row] = log_sum - weighted / sum;
    stats[2u * row] = largest;
    stats[2u * row + 1u] = log_sum;
  }
}

// --- backward ---
@group(0) @binding(6) var<storage, read> row_entropy: array<f32>;
@group(0) @binding(7) var<storage, read> row_stats: array<f32>;
@group(0) @binding(8) var<storage, read> dlogprob: array<f32>;
@group(0) @binding(9) var<storage, read> dentropy: array<f32>;

// d loss / d x from x, for one row.
struct Slope {
  dlp: f32,
  dh: f32,
  largest: f32,
  log_sum: f32,
  entropy: f32,
  chosen: u32,
}

fn slope_of(row: u32) -> Slope {
  let scale = params.inverse_temperature;
  return Slope(
    dlogprob[row] * scale,
    dentropy[row] * scale,
    row_stats[2u * row],
    row_stats[2u * row + 1u],
    row_entropy[row],
    u32(targets[row]),
  );
}

fn derivative(x: f32, i: u32, row: Slope) -> f32 {
  let log_p = (x - row.largest) * params.inverse_temperature - row.log_sum;
  return select(0.0, row.dlp, i == row.chosen) - exp(log_p) * (row.dlp + row.dh * (log_p + row.entropy));
}

@group(0) @binding(10) var<storage, read_write> dlogits: array<f32>;

@compute @workgroup_size(LANES)
fn backward(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = workgroup_index(id, count);
  if (row >= params.rows) {
    return;
  }
  let start = row * params.vocabulary;
  let slope = slope_of(row);
  for (var i = lane; i < params.vocabulary; i += LANES) {
    dlogits[start + i] = derivative(logits[start + i], i, slope);
  }
}

// The same where `dlogits` holds the logits: their gradient takes their place, and there is no second [N, V].
@compute @workgroup_size(LANES)
fn backward_in_place(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = workgroup_index(id, count);
  if (row >= params.rows) {
    return;
  }
  let start = row * params.vocabulary;
  let slope = slope_of(row);
  for (var i = lane; i < params.vocabulary; i += LANES) {
    dlogits[start + i] = derivative(dlogits[start + i], i, slope);
  }
}
