// One token per row: temperature -> top-k -> top-p -> min-p -> inverse of the cumulative distribution in vocabulary order,
// from one counter-based uniform (seed, step, first_row + row id, position).
//
//   z = (x - max x) / T     e = exp z     kept where key(x) >= threshold and e >= min_p
//   token = the first i with sum over kept j <= i of e_j  >  u * sum over kept of e
//
// logits [A, V], row_ids [A] i32 (the rows still running, shaders/decode/advance.wgsl), state [2] i32 = (A, position in the
// completion), sampled [A, 3] = (token, log-prob, entropy), both of the tempered full distribution.
// greedy != 0: the largest logit, the lowest index of equals, with T = 1.
// A and the position are read on the GPU, so that one prepared dispatch serves every token: workgroups beyond A exit.
// The first token comes from the prompt, whose logits the `logits_repeats` rows of a group share; after it that is 1.
// Where the logits of all rows are too many for one binding, `logits` holds the places from `first_place` on.
// One workgroup per row; lane l owns the l-th chunk of the vocabulary. No sorting: the threshold of top-k (the k-th largest
// logit, ties kept) and of top-p (the largest key below which at most 1 - p of the mass lies) are found bit by bit on
// integer keys that order as the floats do, 32 counts or sums each.
// Numerics: the same float32 operations in the same order as src/engine/sampler.ts, so both draw the same token unless
// `exp` differs in its last bit right at a boundary. Tests: tests/gpu/kernels.test.ts (chi-square, equal draws).

// #include "lib/workgroup.wgsl"
// #include "lib/random.wgsl"

struct Params {
  vocabulary: u32,
  inverse_temperature: f32,
  greedy: u32,
  top_k: u32, // 0: off
  outside: f32, // 1 - p; 0: off
  min_p: f32,
  seed: u32,
  step: u32,
  first_row: u32,
  logits_repeats: u32,
  first_place: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> logits: array<f32>;
@group(0) @binding(2) var<storage, read> row_ids: array<i32>;
@group(0) @binding(3) var<storage, read> state: array<i32>;
@group(0) @binding(4) var<storage, read_write> sampled: array<f32>;

// An unsigned integer that orders as the float does.
fn ordered_key(x: f32) -> u32 {
  let bits = select(bitcast<u32>(x), 0u, x == 0.0);
  return select(bits | 0x80000000u, ~bits, (bits & 0x80000000u) != 0u);
}

struct Kept {
  largest: f32, // max x
  threshold: u32,
  min_p: f32,
}

// exp z where the token is kept, else 0. The largest logit is always kept: its exp z is 1.
fn weight(i: u32, kept: Kept) -> f32 {
  let x = logits[i];
  let e = exp((x - kept.largest) * params.inverse_temperature);
  return select(0.0, e, ordered_key(x) >= kept.threshold && e >= kept.min_p);
}

fn chunk_weight(first: u32, end: u32, kept: Kept) -> f32 {
  var sum = 0.0;
  for (var i = first; i < end; i++) {
    sum += weight(i, kept);
  }
  return sum;
}

var<workgroup> lane_index: array<u32, LANES>;

@compute @workgroup_size(LANES)
fn sample(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = workgroup_index(id, count);
  let place = params.first_place + index; // in the list of running rows
  if (place >= u32(state[0])) {
    return;
  }
  let start = index / params.logits_repeats * params.vocabulary;
  let chunk = (params.vocabulary + LANES - 1u) / LANES;
  let first = start + min(lane * chunk, params.vocabulary);
  let end = start + min((lane + 1u) * chunk, params.vocabulary);

  // The largest logit and the lowest index that has it.
  var m = -3.4e38;
  var best = end;
  for (var i = first; i < end; i++) {
    if (logits[i] > m) {
      m = logits[i];
      best = i;
    }
  }
  lane_index[lane] = best;
  list_lanes(lane, m);
  var kept = Kept(max_list(LANES), 0u, 0.0);
  var token = params.vocabulary;
  for (var i = LANES; i > 0u; i--) {
    if (lane_values[i - 1u] == kept.largest) {
      token = lane_index[i - 1u] - start;
    }
  }

  // Log-sum-exp and entropy of the full distribution.
  let sum = sum_lanes(lane, chunk_weight(first, end, kept));
  let log_sum = log(sum);
  var part = 0.0;
  for (var i = first; i < end; i++) {
    let z = (logits[i] - kept.largest) * params.inverse_temperature;
    part += exp(z) * z;
  }
  let entropy = log_sum - sum_lanes(lane, part) / sum;

  if (params.greedy == 0u) {
    if (params.top_k > 0u && params.top_k < params.vocabulary) {
      kept.threshold = top_k_threshold(lane, first, end);
    }
    if (params.outside > 0.0) {
      kept.threshold = max(kept.threshold, min(top_p_threshold(lane, first, end, kept), ordered_key(kept.largest)));
    }
    kept.min_p = params.min_p;
    let mine = chunk_weight(first, end, kept);
    list_lanes(lane, mine);
    let whole = sum_list(LANES);
    token = draw(start, chunk, whole, place, kept);
  }
  if (lane == 0u) {
    sampled[3u * place] = f32(token);
    sampled[3u * place + 1u] = (logits[start + token] - kept.largest) * params.inverse_temperature - log_sum;
    sampled[3u * place + 2u] = entropy;
  }
}

// The k-th largest key: the largest that at least k keys reach.
fn top_k_threshold(lane: u32, first: u32, end: u32) -> u32 {
  var key = 0u;
  for (var bit = 32u; bit > 0u; bit--) {
    let candidate = key | (1u << (bit - 1u));
    var reach = 0.0; // exact: counts stay below 2^24
    for (var i = first; i < end; i++) {
      reach += select(0.0, 1.0, ordered_key(logits[i]) >= candidate);
    }
    if (sum_lanes(lane, reach) >= f32(params.top_k)) {
      key = candidate;
    }
  }
  return key;
}

// The largest key below which at most 1 - p of the kept mass lies.
fn top_p_threshold(lane: u32, first: u32, end: u32, kept: Kept) -> u32 {
  let outside = params.outside * sum_lanes(lane, chunk_weight(first, end, kept));
  var key = 0u;
  for (var bit = 32u; bit > 0u; bit--) {
    let candidate = key | (1u << (bit - 1u));
    var below = 0.0;
    for (var i = first; i < end; i++) {
      below += select(0.0, weight(i, kept), ordered_key(logits[i]) < candidate);
    }
    if (sum_lanes(lane, below) <= outside) {
      key = candidate;
    }
  }
  return key;
}

// Every lane walks the chunk sums (still in lane_values) to the chunk that holds the target, then that chunk.
fn draw(start: u32, chunk: u32, whole: f32, place: u32, kept: Kept) -> u32 {
  let counter = vec4u(params.seed, params.step, params.first_row + u32(row_ids[place]), u32(state[1]));
  let goal = counter_uniform(counter) * whole;
  var before = 0.0;
  var found = LANES;
  for (var i = 0u; i < LANES; i++) {
    if (found == LANES) {
      if (before + lane_values[i] > goal) {
        found = i;
      } else {
        before += lane_values[i];
      }
    }
  }
  if (found == LANES) { // rounding put the target on the very end: the last chunk that has any weight
    for (var i = 0u; i < LANES; i++) {
      if (lane_values[i] > 0.0) {
        found = i;
      }
    }
    before = 0.0;
  }
  var reached = before;
  var last = 0u;
  let first = min(found * chunk, params.vocabulary);
  for (var i = first; i < min(first + chunk, params.vocabulary); i++) {
    let w = weight(start + i, kept);
    reached += w;
    if (w > 0.0) {
      last = i;
      if (reached > goal) {
        break;
      }
    }
  }
  return last;
}
