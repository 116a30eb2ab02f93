// Causal attention of grouped queries over whole rows, to all places before or to the nearest `window`, with an online softmax; forward and two-pass backward.
//
//   s_ij = scale q_i . k_j, i - window < j <= i     p_ij = exp(s_ij - lse_i)     out_i = sum_j p_ij v_j
//   delta_i = dout_i . out_i     ds_ij = p_ij scale (dout_i . v_j - delta_i)
//   dq_i = sum_j ds_ij k_j     dk_j = sum_i ds_ij q_i     dv_j = sum_i p_ij dout_i,  i over the queries of all heads of k_j
//
// turned dturned [N, Q], Q = (H + 2K) hd as nn/turn.wgsl leaves it; lengths [R] i32; out dout [N, H hd]; lse delta [N, H].
// One invocation per query and head (`forward`, `backward_queries`) or per key and key head (`backward_keys`), with its
// vectors in registers. Neighbouring lanes are neighbouring places of one head and row, so what they loop over they read
// together, and no workgroup memory or barrier is needed. Nothing of size [W, W] exists. What lies at or beyond a row's
// length is never read; there, out and all gradients are 0.
// Numerics: scores below the running maximum; sums in the order of places, the same bits every time.
// Test: tests/gpu/attention.test.ts.

// #include "lib/workgroup.wgsl"

const HEAD_DIM = 64u;
alias Part = vec4f; // vec2f where the head is not a multiple of four
const PARTS = HEAD_DIM / 4u;

struct Params {
  rows: u32,
  width: u32,
  heads: u32,
  kv_heads: u32,
  // at most `width`
  window: u32,
  scale: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> turned: array<Part>;
@group(0) @binding(2) var<storage, read> lengths: array<i32>;

alias Head = array<Part, PARTS>;

// The invocation's place in (row, head, position).
struct Site {
  inside: bool,
  row: u32,
  head: u32,
  position: u32,
  place: u32,
}

fn site(index: u32, heads: u32) -> Site {
  let row = index / (heads * params.width);
  let position = index % params.width;
  return Site(row < params.rows, row, index / params.width % heads, position, row * params.width + position);
}

// Where parts of query, key and value heads begin.
fn query_at(place: u32, head: u32) -> u32 {
  return (place * (params.heads + 2u * params.kv_heads) + head) * PARTS;
}

fn key_at(place: u32, kv_head: u32) -> u32 {
  return query_at(place, params.heads + kv_head);
}

fn value_at(place: u32, kv_head: u32) -> u32 {
  return query_at(place, params.heads + params.kv_heads + kv_head);
}

// The first place that a query at this position looks at.
fn first_seen(position: u32) -> u32 {
  return position - min(position, params.window - 1u);
}

// --- forward ---
@group(0) @binding(3) var<storage, read_write> out: array<Part>;
@group(0) @binding(4) var<storage, read_write> lse: array<f32>;

@compute @workgroup_size(LANES)
fn forward(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let at = site(workgroup_index(id, count) * LANES + lane, params.heads);
  if (!at.inside) {
    return;
  }
  let here = (at.place * params.heads + at.head) * PARTS;
  if (at.position >= u32(lengths[at.row])) {
    for (var c = 0u; c < PARTS; c++) {
      out[here + c] = Part();
    }
    lse[at.place * params.heads + at.head] = 0.0;
    return;
  }
  let kv_head = at.head / (params.heads / params.kv_heads);
  var q: Head;
  var mixed: Head;
  let query = query_at(at.place, at.head);
  for (var c = 0u; c < PARTS; c++) {
    q[c] = turned[query + c] * params.scale;
  }
  var largest = -1e30; // below every score, and finite
  var sum = 0.0;
  for (var j = first_seen(at.position); j <= at.position; j++) {
    let key = key_at(at.row * params.width + j, kv_head);
    var score = 0.0;
    for (var c = 0u; c < PARTS; c++) {
      score += dot(q[c], turned[key + c]);
    }
    if (score > largest) {
      let shrink = exp(largest - score);
      sum *= shrink;
      for (var c = 0u; c < PARTS; c++) {
        mixed[c] *= shrink;
      }
      largest = score;
    }
    let p = exp(score - largest);
    sum += p;
    let value = value_at(at.row * params.width + j, kv_head);
    for (var c = 0u; c < PARTS; c++) {
      mixed[c] += p * turned[value + c];
    }
  }
  for (var c = 0u; c < PARTS; c++) {
    out[here + c] = mixed[c] / sum;
  }
  lse[at.place * params.heads + at.head] = largest + log(sum);
}

// --- backward ---
@group(0) @binding(5) var<storage, read> mixed_out: array<Part>;
@group(0) @binding(6) var<storage, read> row_lse: array<f32>;
@group(0) @binding(7) var<storage, read> dout: array<Part>;
@group(0) @binding(8) var<storage, read_write> delta: array<f32>;
@group(0) @binding(9) var<storage, read_write> dturned: array<Part>;

// dq, and delta for the keys.
@compute @workgroup_size(LANES)
fn backward_queries(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let at = site(workgroup_index(id, count) * LANES + lane, params.heads);
  if (!at.inside) {
    return;
  }
  let query = query_at(at.place, at.head);
  let own = at.place * params.heads + at.head;
  var dq: Head;
  if (at.position < u32(lengths[at.row])) {
    let kv_head = at.head / (params.heads / params.kv_heads);
    var q: Head;
    var d: Head;
    var own_delta = 0.0;
    for (var c = 0u; c < PARTS; c++) {
      q[c] = turned[query + c] * params.scale;
      d[c] = dout[own * PARTS + c];
      own_delta += dot(d[c], mixed_out[own * PARTS + c]);
    }
    delta[own] = own_delta;
    for (var j = first_seen(at.position); j <= at.position; j++) {
      let key = key_at(at.row * params.width + j, kv_head);
      let value = value_at(at.row * params.width + j, kv_head);
      var score = 0.0;
      var dp = 0.0;
      for (var c = 0u; c < PARTS; c++) {
        score += dot(q[c], turned[key + c]);
        dp += dot(d[c], turned[value + c]);
      }
      let ds = exp(score - row_lse[own]) * (dp - own_delta) * params.scale;
      for (var c = 0u; c < PARTS; c++) {
        dq[c] += ds * turned[key + c];
      }
    }
  }
  for (var c = 0u; c < PARTS; c++) {
    dturned[query + c] = dq[c];
  }
}

@group(0) @binding(10) var<storage, read> row_delta: array<f32>;

// dk and dv.
@compute @workgroup_size(LANES)
fn backward_keys(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let at = site(workgroup_index(id, count) * LANES + lane, params.kv_heads);
  if (!at.inside) {
    return;
  }
  let key = key_at(at.place, at.head);
  let value = value_at(at.place, at.head);
  var dk: Head;
  var dv: Head;
  let length = u32(lengths[at.row]);
  if (at.position < length) {
    let group = params.heads / params.kv_heads;
    var k: Head;
    var v: Head;
    for (var c = 0u; c < PARTS; c++) {
      k[c] = turned[key + c] * params.scale;
      v[c] = turned[value + c];
    }
    for (var head = at.head * group; head < (at.head + 1u) * group; head++) {
      for (var i = at.position; i < min(length, at.position + params.window); i++) {
        let place = at.row * params.width + i;
        let query = query_at(place, head);
        let theirs = place * params.heads + head;
        var score = 0.0;
        var dp = 0.0;
        for (var c = 0u; c < PARTS; c++) {
          score += dot(k[c], turned[query + c]);
          dp += dot(v[c], dout[theirs * PARTS + c]);
        }
        let p = exp(score - row_lse[theirs]);
        let ds = p * (dp - row_delta[theirs]) * params.scale;
        for (var c = 0u; c < PARTS; c++) {
          dk[c] += ds * turned[query + c];
          dv[c] += p * dout[theirs * PARTS + c];
        }
      }
    }
  }
  for (var c = 0u; c < PARTS; c++) {
    dturned[key + c] = dk[c];
    dturned[value + c] = dv[c];
  }
}
