// Attention of one new token per running row, over its group's prompt and its own completion so far; the token's query and
// key are normed and turned here, and its key and value join the cache. Definitions as in nn/turn.wgsl and nn/attention.wgsl.
//
// qkv [A, Q] of the running rows, in order; running i32: A and t at 0 and 1, t the position in the completion of the next
// token to be drawn, so the one that is read now stands at t - 1; from 64 on the rows [A]. Group of row r = r / repeats.
// prompt_lengths [G] i32; prompt_turned [G P, Q] of the prompts, as the prefill left it; cache [R, C, 2 K hd]: keys
// (turned), then values; table [positions, hd] cosines, sines; norms [2, hd] of queries and keys; out [A, H hd].
// TEAM lanes share a query head of a row: lane l takes positions l, l + TEAM, ... with its own online softmax, and the
// lanes' results are joined in their order. The new token's own key and value come from registers, never from the cache,
// which another workgroup may be writing. Test: tests/gpu/attention.test.ts.

const HEAD_DIM = 64u;
const HALF = HEAD_DIM / 2u;
const LANES = 64u; // of a workgroup: as many as have room for a head each
const TEAM = 16u;
const NORMED = false;

struct Params {
  rows: u32,
  repeats: u32,
  prompt_width: u32,
  completion_width: u32,
  heads: u32,
  kv_heads: u32,
  eps: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> qkv: array<f32>;
@group(0) @binding(2) var<storage, read> running: array<i32>;
@group(0) @binding(3) var<storage, read> prompt_lengths: array<i32>;
@group(0) @binding(4) var<storage, read> prompt_turned: array<f32>;
@group(0) @binding(5) var<storage, read_write> cache: array<f32>;
@group(0) @binding(6) var<storage, read> table: array<f32>;
@group(0) @binding(7) var<storage, read> norms: array<f32>;
@group(0) @binding(8) var<storage, read_write> out: array<f32>;

alias Head = array<f32, HEAD_DIM>;

const SCALE = inverseSqrt(f32(HEAD_DIM));

// A head of the new token, normed and turned.
fn turned(first: u32, norm: u32, position: u32) -> Head {
  var x: Head;
  var scale = 1.0;
  if (NORMED) {
    var squares = 0.0;
    for (var i = 0u; i < HEAD_DIM; i++) {
      squares += qkv[first + i] * qkv[first + i];
    }
    scale = inverseSqrt(squares / f32(HEAD_DIM) + params.eps);
  }
  for (var i = 0u; i < HALF; i++) {
    var low = qkv[first + i] * scale;
    var high = qkv[first + HALF + i] * scale;
    if (NORMED) {
      low *= norms[norm + i];
      high *= norms[norm + HALF + i];
    }
    let c = table[position * HEAD_DIM + i];
    let s = table[position * HEAD_DIM + HALF + i];
    x[i] = low * c - high * s;
    x[HALF + i] = high * c + low * s;
  }
  return x;
}

// The online softmax of one lane over the positions it has seen.
struct Share {
  largest: f32,
  sum: f32,
  mixed: Head,
}

var<workgroup> largest_of: array<f32, LANES>;
var<workgroup> sum_of: array<f32, LANES>;
var<workgroup> mixed_of: array<f32, LANES * HEAD_DIM>;

fn score_above(share: ptr<function, Share>, score: f32) -> f32 {
  if (score > (*share).largest) {
    let shrink = exp((*share).largest - score);
    (*share).sum *= shrink;
    for (var i = 0u; i < HEAD_DIM; i++) {
      (*share).mixed[i] *= shrink;
    }
    (*share).largest = score;
  }
  let p = exp(score - (*share).largest);
  (*share).sum += p;
  return p;
}

@compute @workgroup_size(LANES)
fn attend(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let job = (id.y * count.x + id.x) * (LANES / TEAM) + lane / TEAM;
  let member = lane % TEAM;
  let place = job / params.heads;
  let working = place < u32(running[0]);
  let head = job % params.heads;
  var share: Share;
  share.largest = -1e30; // below every score, and finite
  if (working) {
    let group_size = params.heads / params.kv_heads;
    let kv_head = head / group_size;
    let row = u32(running[64u + place]);
    let group = row / params.repeats;
    let said = u32(running[1]) - 1u; // tokens of the completion that are in the cache
    let prompt = u32(prompt_lengths[group]);
    let heads = params.heads + 2u * params.kv_heads;
    let own = place * heads * HEAD_DIM;
    let q = turned(own + head * HEAD_DIM, 0u, prompt + said);

    // The new token's own key and value.
    if (member == 0u) {
      let k = turned(own + (params.heads + kv_head) * HEAD_DIM, HEAD_DIM, prompt + said);
      let value = own + (params.heads + params.kv_heads + kv_head) * HEAD_DIM;
      var score = 0.0;
      for (var i = 0u; i < HEAD_DIM; i++) {
        score += q[i] * k[i];
      }
      let p = score_above(&share, score * SCALE);
      for (var i = 0u; i < HEAD_DIM; i++) {
        share.mixed[i] += p * qkv[value + i];
      }
      if (head % group_size == 0u) {
        let slot = ((row * params.completion_width + said) * 2u * params.kv_heads + kv_head) * HEAD_DIM;
        for (var i = 0u; i < HEAD_DIM; i++) {
          cache[slot + i] = k[i];
          cache[slot + params.kv_heads * HEAD_DIM + i] = qkv[value + i];
        }
      }
    }
    for (var j = member; j < prompt; j += TEAM) {
      let key = ((group * params.prompt_width + j) * heads + params.heads + kv_head) * HEAD_DIM;
      let value = key + params.kv_heads * HEAD_DIM;
      var score = 0.0;
      for (var i = 0u; i < HEAD_DIM; i++) {
        score += q[i] * prompt_turned[key + i];
      }
      let p = score_above(&share, score * SCALE);
      for (var i = 0u; i < HEAD_DIM; i++) {
        share.mixed[i] += p * prompt_turned[value + i];
      }
    }
    for (var j = member; j < said; j += TEAM) {
      let key = ((row * params.completion_width + j) * 2u * params.kv_heads + kv_head) * HEAD_DIM;
      let value = key + params.kv_heads * HEAD_DIM;
      var score = 0.0;
      for (var i = 0u; i < HEAD_DIM; i++) {
        score += q[i] * cache[key + i];
      }
      let p = score_above(&share, score * SCALE);
      for (var i = 0u; i < HEAD_DIM; i++) {
        share.mixed[i] += p * cache[value + i];
      }
    }
  }
  largest_of[lane] = share.largest;
  sum_of[lane] = share.sum;
  for (var i = 0u; i < HEAD_DIM; i++) {
    mixed_of[lane * HEAD_DIM + i] = share.mixed[i];
  }
  workgroupBarrier();
  if (!working) {
    return;
  }
  // Each member joins its columns of the team's shares.
  let first = lane - member;
  var largest = largest_of[first];
  for (var l = 1u; l < TEAM; l++) {
    largest = max(largest, largest_of[first + l]);
  }
  var sum = 0.0;
  for (var l = 0u; l < TEAM; l++) {
    sum += sum_of[first + l] * exp(largest_of[first + l] - largest);
  }
  for (var i = member; i < HEAD_DIM; i += TEAM) {
    var mixed = 0.0;
    for (var l = 0u; l < TEAM; l++) {
      mixed += mixed_of[(first + l) * HEAD_DIM + i] * exp(largest_of[first + l] - largest);
    }
    out[(place * params.heads + head) * HEAD_DIM + i] = mixed / sum;
  }
}
