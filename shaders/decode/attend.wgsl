// Attention of one new token per running row, over its group's prompt and its own completion so far, or the nearest `window` tokens of them; the token's query and
// key are normed and turned here, and its key and value join the cache. Definitions as in nn/turn.wgsl and nn/attention.wgsl.
//
// qkv [A, Q] of the running rows, in order; running i32: A and t at 0 and 1, t the position in the completion of the next
// token to be drawn, so the one that is read now stands at t - 1; from ROWS_AT on the rows [A]. Group of row r = r / repeats.
// prompt_lengths [G] i32; prompt_turned [G P, Q] of the prompts, as the prefill left it; cache [R, C, 2 K hd]: keys
// (turned), then values, as the including shader stores them; table [positions, hd] cosines, sines; norms [2, hd] of queries and keys; out [A, H hd].
//
// A workgroup has SHARE query heads of one key head of one place, and takes past tokens CHUNK at a time: a lane to each key
// for the scores of all heads, then a lane to each column of the values, so that a key or value is read once for all heads.
// The new token comes first and from workgroup memory, never from the cache, which another workgroup may be writing.
// Numerics: online softmax from chunk to chunk, the new token's score being the first maximum; sums in a fixed order.
// Loops over a head end at a number of `params`: software rasterisers unroll the others, and compile them for a minute.
// Test: tests/gpu/attention.test.ts.

// Of a head, in Quads; a pair that turns together is half a head apart.
const WIDE = 8u;
const SHARE = 2u;
const CHUNK = 512u;
const NORMED = false;
// Where the list of running rows begins in `running`: a view can start there (256 bytes).
const ROWS_AT = 64u;
// Lanes that have different columns, and the columns of a lane; SLICES lanes have the same one.
const STEP = min(WIDE, LANES);
const COLUMNS = (WIDE + LANES - 1u) / LANES;
const SLICES = LANES / STEP;

struct Params {
  rows: u32,
  repeats: u32,
  prompt_width: u32,
  completion_width: u32,
  heads: u32,
  kv_heads: u32,
  // WIDE and SHARE once more, for loops
  wide: u32,
  share: u32,
  eps: f32,
  scale: f32,
  // what is added to the norms' weights
  offset: f32,
  window: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> qkv: array<Quad>;
@group(0) @binding(2) var<storage, read> running: array<i32>;
@group(0) @binding(3) var<storage, read> prompt_lengths: array<i32>;
@group(0) @binding(4) var<storage, read> prompt_turned: array<Quad>;
@group(0) @binding(6) var<storage, read> table: array<Quad>;
@group(0) @binding(7) var<storage, read> norms: array<Quad>;
@group(0) @binding(8) var<storage, read_write> out: array<Quad>;

// Turned and scaled queries, then the turned key.
var<workgroup> vectors: array<Quad, (SHARE + 1u) * WIDE>;
var<workgroup> weights: array<f32, SHARE * CHUNK>;
// One line per head: a number of each lane.
var<workgroup> lines: array<f32, SHARE * LANES>;
var<workgroup> slices: array<Quad, LANES>;

// Head of qkv that vector v is: a query of this workgroup, or its key.
fn head_of(v: u32, first_head: u32, kv: u32) -> u32 {
  return select(params.heads + kv, first_head + v, v < params.share);
}

fn past(of_prompt: bool, at: u32) -> Quad {
  if (of_prompt) {
    return prompt_turned[at];
  }
  return stored(at);
}

@compute @workgroup_size(LANES)
fn attend(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let blocks = params.heads / params.share;
  let place = workgroup_index(id, count) / blocks;
  if (place >= u32(max(running[0], 0))) {
    return;
  }
  let first_head = workgroup_index(id, count) % blocks * params.share;
  let kv = first_head / (params.heads / params.kv_heads);
  let row = u32(running[ROWS_AT + place]);
  let group = row / params.repeats;
  let said = u32(running[1] - 1);
  let prompt = u32(prompt_lengths[group]);
  let wide = params.wide;
  let half = wide / 2u;
  let heads = params.heads + 2u * params.kv_heads;
  let own = place * heads * wide;

  // The new token: norm, turn, and write down.
  if (NORMED) {
    for (var v = lane; v <= params.share; v += LANES) {
      let first = own + head_of(v, first_head, kv) * wide;
      var squares = Quad();
      for (var c = 0u; c < wide; c++) {
        squares += qkv[first + c] * qkv[first + c];
      }
      weights[v] = inverseSqrt(total(squares) / (dot(PRESENT, PRESENT) * f32(wide)) + params.eps);
    }
    workgroupBarrier();
  }
  let slot = ((row * params.completion_width + said) * 2u * params.kv_heads + kv) * wide;
  let writes = first_head % (params.heads / params.kv_heads) == 0u;
  for (var i = lane; i < (params.share + 1u) * half; i += LANES) {
    let v = i / half;
    let c = i % half;
    let first = own + head_of(v, first_head, kv) * wide;
    var low = qkv[first + c];
    var high = qkv[first + half + c];
    if (NORMED) {
      let weight = select(wide, 0u, v < params.share);
      low = (params.offset + norms[weight + c]) * (low * weights[v]);
      high = (params.offset + norms[weight + half + c]) * (high * weights[v]);
    }
    let angle = (prompt + said) * wide + c;
    let cosine = table[angle];
    let sine = table[angle + half];
    let turned_low = low * cosine - high * sine;
    let turned_high = high * cosine + low * sine;
    let scale = select(1.0, params.scale, v < params.share);
    vectors[v * wide + c] = turned_low * scale;
    vectors[v * wide + half + c] = turned_high * scale;
    if (v == params.share && writes) {
      store(slot + c, turned_low);
      store(slot + half + c, turned_high);
    }
  }
  let new_value = own + (params.heads + params.kv_heads + kv) * wide;
  if (writes) {
    for (var c = lane; c < wide; c += LANES) {
      store(slot + params.kv_heads * wide + c, qkv[new_value + c]);
    }
  }
  workgroupBarrier();

  // It is the first of the tokens seen: its weight is exp(0), counted by lane 0 and mixed by the first slice.
  let slice = lane / STEP;
  var most: array<f32, SHARE>;
  var sums: array<f32, SHARE>;
  var mixed: array<Quad, SHARE * COLUMNS>;
  for (var g = 0u; g < SHARE; g++) {
    var products = Quad();
    for (var c = 0u; c < wide; c++) {
      products += vectors[g * wide + c] * vectors[params.share * wide + c];
    }
    most[g] = total(products);
    sums[g] = select(0.0, 1.0, lane == 0u);
    for (var e = 0u; e < COLUMNS; e++) {
      let c = lane % STEP + e * LANES;
      if (slice == 0u && c < wide) {
        mixed[g * COLUMNS + e] = qkv[new_value + c];
      }
    }
  }

  // Then the prompt, then what the row has said, from the first token in the window on.
  let seen = prompt + said - min(prompt + said, params.window - 1u);
  for (var source = 0u; source < 2u; source++) {
    let of_prompt = source == 0u;
    let tokens = select(said, prompt, of_prompt);
    let start = select(max(seen, prompt) - prompt, min(seen, prompt), of_prompt);
    let stride = select(2u * params.kv_heads, heads, of_prompt) * wide;
    let first_key = select(
      (row * params.completion_width * 2u * params.kv_heads + kv) * wide,
      (group * params.prompt_width * heads + params.heads + kv) * wide,
      of_prompt,
    );
    for (var first = start; first < tokens; first += CHUNK) {
      let there = min(CHUNK, tokens - first);
      var lane_most = most;
      for (var j = lane; j < there; j += LANES) {
        let key = first_key + (first + j) * stride;
        // written out: Dawn zeroes a variable without a value once, not every time around
        var products = array<Quad, SHARE>();
        for (var c = 0u; c < wide; c++) {
          let number = past(of_prompt, key + c);
          for (var g = 0u; g < SHARE; g++) {
            products[g] += vectors[g * wide + c] * number;
          }
        }
        for (var g = 0u; g < SHARE; g++) {
          let score = total(products[g]);
          weights[g * CHUNK + j] = score;
          lane_most[g] = max(lane_most[g], score);
        }
      }
      for (var g = 0u; g < SHARE; g++) {
        lines[g * LANES + lane] = lane_most[g];
      }
      workgroupBarrier();
      for (var g = 0u; g < SHARE; g++) {
        var largest = most[g];
        for (var l = 0u; l < min(LANES, there); l++) {
          largest = max(largest, lines[g * LANES + l]);
        }
        let shrink = exp(most[g] - largest);
        most[g] = largest;
        sums[g] *= shrink;
        for (var e = 0u; e < COLUMNS; e++) {
          mixed[g * COLUMNS + e] *= shrink;
        }
        for (var j = lane; j < there; j += LANES) {
          let p = exp(weights[g * CHUNK + j] - largest);
          weights[g * CHUNK + j] = p;
          sums[g] += p;
        }
      }
      workgroupBarrier();
      for (var e = 0u; e < COLUMNS; e++) {
        let c = lane % STEP + e * LANES;
        let last = select(0u, there, slice < SLICES && c < wide);
        for (var j = slice; j < last; j += SLICES) {
          let number = past(of_prompt, first_key + params.kv_heads * wide + (first + j) * stride + c);
          for (var g = 0u; g < SHARE; g++) {
            mixed[g * COLUMNS + e] += weights[g * CHUNK + j] * number;
          }
        }
      }
      workgroupBarrier();
    }
  }

  for (var g = 0u; g < SHARE; g++) {
    lines[g * LANES + lane] = sums[g];
  }
  workgroupBarrier();
  for (var g = 0u; g < SHARE; g++) {
    var sum = 0.0;
    for (var l = 0u; l < LANES; l++) {
      sum += lines[g * LANES + l];
    }
    for (var e = 0u; e < COLUMNS; e++) {
      var joined = mixed[g * COLUMNS + e];
      if (SLICES > 1u) {
        slices[lane] = joined;
        workgroupBarrier();
        for (var s = 1u; s < SLICES; s++) {
          joined += slices[s * STEP + lane % STEP];
        }
        workgroupBarrier();
      }
      let c = lane % STEP + e * LANES;
      if (slice == 0u && c < wide) {
        out[(place * params.heads + first_head + g) * wide + c] = joined / sum;
      }
    }
  }
}
