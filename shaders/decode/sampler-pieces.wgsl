// The draws of sampler.wgsl for a large vocabulary, a row in PIECES workgroups: without top-k and top-p, whose thresholds want the whole row again and again.
//
//   largest   maxima[row, piece] = (the largest logit of the piece, the lowest index that has it)
//   weigh     sums[row, 0 .. 2, chunk] = sum over the chunk of exp z, of exp(z) z, of exp z where it is kept
//   choose    from both to sampled [A, 3] = (token, log-prob, entropy)
//
// logits, row_ids, state, sampled and the settings as there. maxima [rows, PIECES, 2], sums [rows, 3, LANES].
// Why: there a lane reads a chunk of its own, 2,374 logits of V 152k one after the other and four times, beside 63 others as far apart: no two of a load
// are neighbours, and 64 lanes a row are all there are. Here neighbours are read together and once for each of two dispatches, by 1,024 lanes a row.
// Numerics: chunks are those of src/engine/sampler.ts and sampler.wgsl, and a chunk is summed by one lane from its first token to its last, out of workgroup
// memory: the same float32 operations in the same order, and so the same draws. What is added beyond the end is 0. Test: tests/gpu/decode.test.ts.

// #include "lib/workgroup.wgsl"
// #include "lib/random.wgsl"

// Workgroups of a row, and chunks of each.
const PIECES = 16u;
const CHUNKS = LANES / PIECES;
// Tokens of a chunk that are in workgroup memory at once, and one number that nobody reads: the next chunk begins in another bank.
const LINE = LANES + 1u;

struct Params {
  vocabulary: u32,
  inverse_temperature: f32,
  greedy: u32,
  min_p: f32,
  seed: u32,
  step: u32,
  first_row: u32,
  logits_repeats: u32,
  first_place: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> logits: array<f32>;
@group(0) @binding(2) var<storage, read> state: array<i32>;

fn runs(row: u32) -> bool {
  return params.first_place + row < u32(state[0]);
}

fn first_logit(row: u32) -> u32 {
  return row / params.logits_repeats * params.vocabulary;
}

// --- the largest logit ---
@group(0) @binding(3) var<storage, read_write> maxima: array<vec2f>;

var<workgroup> lane_index: array<u32, LANES>;

@compute @workgroup_size(LANES)
fn largest(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = workgroup_index(id, count) / PIECES;
  let piece = workgroup_index(id, count) % PIECES;
  if (!runs(row)) {
    return;
  }
  let start = first_logit(row);
  let length = (params.vocabulary + PIECES - 1u) / PIECES;
  let end = min((piece + 1u) * length, params.vocabulary);
  var m = -3.4e38;
  var best = params.vocabulary;
  for (var i = piece * length + lane; i < end; i += LANES) {
    let x = logits[start + i];
    if (x > m) {
      m = x;
      best = i;
    }
  }
  lane_index[lane] = best;
  list_lanes(lane, m);
  let most = max_list(LANES);
  if (lane == 0u) {
    for (var i = 0u; i < LANES; i++) {
      if (lane_values[i] == most) {
        best = min(best, lane_index[i]);
      } else if (i == 0u) {
        best = params.vocabulary;
      }
    }
    maxima[row * PIECES + piece] = vec2f(most, f32(best)); // exact below 2^24
  }
}

// --- sums of chunks ---
@group(0) @binding(4) var<storage, read> row_maxima: array<vec2f>;
@group(0) @binding(5) var<storage, read_write> sums: array<f32>;

struct Largest {
  logit: f32,
  token: u32,
}

fn largest_of(row: u32) -> Largest {
  var most = row_maxima[row * PIECES];
  for (var piece = 1u; piece < PIECES; piece++) {
    let other = row_maxima[row * PIECES + piece];
    if (other.x > most.x) { // pieces are in the order of their tokens, so an equal one before it is the lower
      most = other;
    }
  }
  return Largest(most.x, u32(most.y));
}

fn kept(e: f32) -> f32 {
  return select(0.0, e, e >= params.min_p);
}

// exp z and exp(z) z
var<workgroup> terms: array<vec2f, CHUNKS * LINE>;

@compute @workgroup_size(LANES)
fn weigh(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = workgroup_index(id, count) / PIECES;
  let piece = workgroup_index(id, count) % PIECES;
  if (!runs(row)) {
    return;
  }
  let start = first_logit(row);
  let most = largest_of(row).logit;
  let chunk = (params.vocabulary + LANES - 1u) / LANES;
  // Lanes that add: one to each sum of each chunk.
  let which = lane / CHUNKS;
  let own = lane % CHUNKS;
  var sum = 0.0;
  for (var first = 0u; first < chunk; first += LANES) {
    for (var c = 0u; c < CHUNKS; c++) {
      let i = (piece * CHUNKS + c) * chunk + first + lane;
      var term = vec2f();
      if (first + lane < chunk && i < params.vocabulary) {
        let z = (logits[start + i] - most) * params.inverse_temperature;
        let e = exp(z);
        term = vec2f(e, e * z);
      }
      terms[c * LINE + lane] = term;
    }
    workgroupBarrier();
    if (which < 3u) {
      for (var i = 0u; i < LANES; i++) {
        let term = terms[own * LINE + i];
        sum += select(select(kept(term.x), term.y, which == 1u), term.x, which == 0u);
      }
    }
    workgroupBarrier();
  }
  if (which < 3u) {
    sums[(row * 3u + which) * LANES + piece * CHUNKS + own] = sum;
  }
}

// --- the draw ---
@group(0) @binding(6) var<storage, read> row_sums: array<f32>;
@group(0) @binding(7) var<storage, read> row_ids: array<i32>;
@group(0) @binding(8) var<storage, read_write> sampled: array<f32>;

var<workgroup> weights: array<f32, LANES>;

@compute @workgroup_size(LANES)
fn choose(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = workgroup_index(id, count);
  if (!runs(row)) {
    return;
  }
  let place = params.first_place + row;
  let start = first_logit(row);
  let most = largest_of(row);
  let sum = sum_lanes(lane, row_sums[row * 3u * LANES + lane]);
  let log_sum = log(sum);
  let entropy = log_sum - sum_lanes(lane, row_sums[(row * 3u + 1u) * LANES + lane]) / sum;
  var token = most.token;
  if (params.greedy == 0u) {
    list_lanes(lane, row_sums[(row * 3u + 2u) * LANES + lane]);
    let whole = sum_list(LANES);
    let counter = vec4u(params.seed, params.step, params.first_row + u32(row_ids[place]), u32(state[1]));
    token = draw(lane, start, counter_uniform(counter) * whole, most.logit);
  }
  if (lane == 0u) {
    sampled[3u * place] = f32(token);
    sampled[3u * place + 1u] = (logits[start + token] - most.logit) * params.inverse_temperature - log_sum;
    sampled[3u * place + 2u] = entropy;
  }
}

// Every lane walks the chunk sums (in lane_values) to the chunk that holds the goal, then that chunk, which all of them read.
fn draw(lane: u32, start: u32, goal: f32, most: f32) -> u32 {
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
  if (found == LANES) { // rounding put the goal on the very end: the last chunk that has any weight
    for (var i = 0u; i < LANES; i++) {
      if (lane_values[i] > 0.0) {
        found = i;
      }
    }
    before = 0.0;
  }
  let chunk = (params.vocabulary + LANES - 1u) / LANES;
  var reached = before;
  var last = 0u;
  for (var first = 0u; first < chunk; first += LANES) {
    let i = found * chunk + first + lane;
    var weight = 0.0;
    if (first + lane < chunk && i < params.vocabulary) {
      weight = kept(exp((logits[start + i] - most) * params.inverse_temperature));
    }
    workgroupBarrier(); // the weights before have been read
    weights[lane] = weight;
    workgroupBarrier();
    for (var j = 0u; j < LANES; j++) {
      // No more, once the goal is reached.
      let w = select(0.0, weights[j], reached <= goal);
      reached += w;
      if (w > 0.0) {
        last = found * chunk + first + j;
      }
    }
  }
  return last;
}
