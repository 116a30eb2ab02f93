// Causal attention of grouped queries over segments: runs of places, each after a prefix that other segments may share (the prompt of a group, read
// once). A query looks at all places before it in its text, or at the nearest `window`, with an online softmax; forward and two-pass backward.
//
//   s_ij = scale q_i . k_j, i - window < j <= i, positions in the text     p_ij = exp(s_ij - lse_i)     out_i = sum_j p_ij v_j
//   delta_i = dout_i . out_i     ds_ij = p_ij scale (dout_i . v_j - delta_i)
//   dq_i = sum_j ds_ij k_j     dk_j = sum_i ds_ij q_i     dv_j = sum_i p_ij dout_i,  i over the queries of all heads of k_j,
//   of its own segment and of all that begin with it
//
// turned dturned [N, Q], Q = (H + 2K) hd as nn/turn.wgsl leaves it; out dout [N, H hd]; lse delta [N, H]. segment_of [N] i32: the segment of
// a place, -1 for filling. segments [S] of four i32: first place, places, the segment before it or -1, how many of those right after it begin with it.
// One invocation per query and head (`forward`, `backward_queries`) or per key and key head (`backward_keys`), with its
// vectors in registers. Neighbouring lanes are neighbouring places of one head, most of one segment, so what they loop over they read
// together, and no workgroup memory or barrier is needed. Nothing of size [N, N] exists. Filling is never read; there, out and all
// gradients are 0.
// Heads of 64 numbers and more, on hardware: attention-teams.wgsl.
// Numerics: scores below the running maximum; sums in the order of places, one invocation to each: no atomics, the same bits every time.
// Test: tests/gpu/attention.test.ts.

// #include "lib/workgroup.wgsl"
// #include "nn/attention-segments.wgsl"

alias Head = array<Part, PARTS>;

// --- forward ---
@group(0) @binding(3) var<storage, read_write> out: array<Part>;
@group(0) @binding(4) var<storage, read_write> lse: array<f32>;

@compute @workgroup_size(LANES)
fn forward(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = workgroup_index(id, count) * LANES + lane;
  if (index >= params.places * params.heads) {
    return;
  }
  let at = site(index);
  let here = (at.place * params.heads + at.head) * PARTS;
  if (!at.real) {
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
    let other = place_at(at, j);
    let key = key_at(other, kv_head);
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
    let value = value_at(other, kv_head);
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
  let index = workgroup_index(id, count) * LANES + lane;
  if (index >= params.places * params.heads) {
    return;
  }
  let at = site(index);
  let query = query_at(at.place, at.head);
  let own = at.place * params.heads + at.head;
  var dq: Head;
  if (at.real) {
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
      let other = place_at(at, j);
      let key = key_at(other, kv_head);
      let value = value_at(other, kv_head);
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
  let index = workgroup_index(id, count) * LANES + lane;
  if (index >= params.places * params.kv_heads) {
    return;
  }
  let at = site(index);
  let key = key_at(at.place, at.head);
  let value = value_at(at.place, at.head);
  var dk: Head;
  var dv: Head;
  if (at.real) {
    let own = segments[at.segment];
    let sharing = u32(own.w);
    let group = params.heads / params.kv_heads;
    var k: Head;
    var v: Head;
    for (var c = 0u; c < PARTS; c++) {
      k[c] = turned[key + c] * params.scale;
      v[c] = turned[value + c];
    }
    for (var head = at.head * group; head < (at.head + 1u) * group; head++) {
      for (var s = 0u; s <= sharing; s++) {
        // Of its own segment the queries from here on, of those that begin with it all; as far as the window reaches.
        let asking = segments[at.segment + s];
        let start = select(at.before + u32(own.y), at.before, s == 0u);
        let end = min(start + u32(asking.y), at.position + params.window);
        for (var i = max(start, at.position); i < end; i++) {
          let place = u32(asking.x) + i - start;
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
  }
  for (var c = 0u; c < PARTS; c++) {
    dturned[key + c] = dk[c];
    dturned[value + c] = dv[c];
  }
}
