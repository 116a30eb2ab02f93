// The loss of every objective, its metrics and its gradient, from per-token log-probs; formulas and columns as in
// src/engine/portable/kernels/clipped-loss.ts.
//
//   loss = sum_i w_i sum_t mask_it (term_it + beta KL_it) - entropy_weight sum_it mask_it H_it
//
// logprob entropy old ref mask dlogprob dentropy [R, C], advantage row_weight [R], rows [R, ROW_COLUMNS], loss [1]. Where there is
// no old or no ref, logprob is bound in its place and not read as such.
// `measure` writes rows, `differentiate` the gradients, `total` the loss: three, because one would bind more than the eight
// storage buffers that every GPU has. One invocation per row for the first two: a row is some dozens of tokens, read in
// order, so the sums always have the same bits; `total` uses the lanes.
// Numerics: what the mask leaves out is never read into arithmetic (it may be anything). Log-ratios are clamped at +-20 and
// pass no gradient beyond; k3 is a straight line beyond 20, and a series near 0, where exp(d) - 1 - d would cancel.
// Twin: src/engine/portable/kernels/clipped-loss.ts. Test: tests/gpu/kernels.test.ts.

// #include "lib/workgroup.wgsl"
// #include "rl/objective.wgsl"
// #include "rl/row-sums.wgsl"

// More of the words that the host reads from here.
const RATIO_TOKEN = 0u;
const RATIO_SEQUENCE_MEAN = 1u;
const RATIO_SEQUENCE_SUM = 2u;

const OLD_NONE = 0u;
const OLD_RATIO = 1u;
const OLD_MEASURE = 2u; // only to be measured against: the ratio is 1

struct Params {
  rows: u32,
  width: u32,
  term: u32, // TERM_…
  ratio: u32, // RATIO_…
  kl: u32, // KL_…
  old_use: u32, // OLD_…
  has_ref: u32,
  epsilon_low: f32,
  epsilon_high: f32,
  beta: f32,
  entropy_weight: f32, // the coefficient over the tokens of the whole optimiser step
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> logprob: array<f32>;
@group(0) @binding(2) var<storage, read> old: array<f32>;
@group(0) @binding(3) var<storage, read> ref_logprob: array<f32>;
@group(0) @binding(4) var<storage, read> mask: array<f32>;
@group(0) @binding(5) var<storage, read> advantage: array<f32>;
@group(0) @binding(6) var<storage, read> row_weight: array<f32>;

// What the ratio is made of.
fn difference(i: u32) -> f32 {
  return select(0.0, logprob[i] - old[i], params.old_use == OLD_RATIO);
}

// (tokens that count, sum of their log-ratios)
fn row_sums(first: u32) -> vec2f {
  var sums = vec2f(0.0);
  for (var i = first; i < first + params.width; i++) {
    if (mask[i] > 0.0) {
      sums += vec2f(1.0, difference(i));
    }
  }
  return sums;
}

fn log_ratio(i: u32, sums: vec2f) -> f32 {
  switch params.ratio {
    case RATIO_TOKEN: { return difference(i); }
    case RATIO_SEQUENCE_MEAN: { return sums.y / max(sums.x, 1.0); }
    case RATIO_SEQUENCE_SUM: { return sums.y; }
    default: { return 0.0; }
  }
}

fn token_term(i: u32, a: f32, sums: vec2f) -> Term {
  return objective_term(params.term, logprob[i], log_ratio(i, sums), a, params.epsilon_low, params.epsilon_high);
}

fn token_kl(i: u32) -> vec2f {
  if (params.has_ref == 0u) {
    return vec2f(0.0);
  }
  return divergence(params.kl, ref_logprob[i] - logprob[i]);
}

// --- forward ---
@group(0) @binding(7) var<storage, read> entropy: array<f32>;
@group(0) @binding(8) var<storage, read_write> rows: array<f32>;

@compute @workgroup_size(LANES)
fn measure(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = workgroup_index(id, count) * LANES + lane;
  if (row >= params.rows) {
    return;
  }
  let first = row * params.width;
  let sums = row_sums(first);
  let a = advantage[row];
  var policy = 0.0;
  var total = 0.0;
  var kl = 0.0;
  var h = 0.0;
  var clipped = vec2f(0.0);
  var ratio_max = 0.0;
  var gap = 0.0;
  var gap_max = 0.0;
  for (var i = first; i < first + params.width; i++) {
    if (mask[i] > 0.0) {
      let term = token_term(i, a, sums);
      let token_divergence = token_kl(i).x;
      policy += term.value;
      total += term.value + params.beta * token_divergence;
      kl += token_divergence;
      h += entropy[i];
      clipped += term.clipped;
      ratio_max = max(ratio_max, term.ratio);
      let token_gap = select(0.0, abs(logprob[i] - old[i]), params.old_use != OLD_NONE);
      gap += token_gap;
      gap_max = max(gap_max, token_gap);
    }
  }
  let weight = select(0.0, row_weight[row], sums.x > 0.0);
  let out = row * ROW_COLUMNS;
  rows[out + ROW_TOKENS] = sums.x;
  rows[out + ROW_LOSS] = total * weight - params.entropy_weight * h;
  rows[out + ROW_POLICY_LOSS] = policy * weight;
  rows[out + ROW_KL] = kl;
  rows[out + ROW_ENTROPY] = h;
  rows[out + ROW_CLIPPED_LOW] = clipped.x;
  rows[out + ROW_CLIPPED_HIGH] = clipped.y;
  rows[out + ROW_RATIO_MAX] = ratio_max;
  rows[out + ROW_DIFFERENCE] = gap;
  rows[out + ROW_DIFFERENCE_MAX] = gap_max;
}

@group(0) @binding(9) var<storage, read> measured: array<f32>;
@group(0) @binding(10) var<storage, read_write> loss: array<f32>;

@compute @workgroup_size(LANES)
fn total(@builtin(local_invocation_index) lane: u32) {
  var part = 0.0;
  for (var row = lane; row < params.rows; row += LANES) {
    part += measured[row * ROW_COLUMNS + ROW_LOSS];
  }
  let sum = sum_lanes(lane, part);
  if (lane == 0u) {
    loss[0] = sum;
  }
}

// --- backward ---
@group(0) @binding(11) var<storage, read_write> dlogprob: array<f32>;
@group(0) @binding(12) var<storage, read_write> dentropy: array<f32>;

@compute @workgroup_size(LANES)
fn differentiate(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = workgroup_index(id, count) * LANES + lane;
  if (row >= params.rows) {
    return;
  }
  let first = row * params.width;
  let sums = row_sums(first);
  // A sequence sum gives each of its tokens the whole derivative of every token's term.
  let share = select(1.0, sums.x, params.ratio == RATIO_SEQUENCE_SUM);
  for (var i = first; i < first + params.width; i++) {
    var dlp = 0.0;
    var dh = 0.0;
    if (mask[i] > 0.0) {
      let term = token_term(i, advantage[row], sums);
      dlp = row_weight[row] * (term.slope * select(1.0, share, term.through_ratio) + params.beta * token_kl(i).y);
      dh = -params.entropy_weight;
    }
    dlogprob[i] = dlp;
    dentropy[i] = dh;
  }
}
