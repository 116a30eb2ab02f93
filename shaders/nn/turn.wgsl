// Queries and keys as attention wants them: normed where the policy norms heads (Qwen3), turned by their position; forward
// and backward.
//
//   n = x / sqrt(mean x^2 + eps) * w  (per head, or n = x)      low, high: the halves of n
//   y_low = low cos - high sin        y_high = high cos + low sin            values: y = x
//
// raw turned dturned draw [N, Q], Q = (H + 2K) hd: H query heads, K key heads, K value heads; a place's position is
// place % W. table [positions, hd]: hd/2 cosines, then hd/2 sines. norms [2, hd]: weights of queries and of keys.
// One invocation per place and head; the head lies in registers, so backward may work in place.
// `backward_norms` also leaves sums over chunks of places for the norms' weights, partials [chunks, 2 hd]: one invocation
// per chunk and column, in the order of places. Test: tests/gpu/turn.test.ts.

// #include "lib/workgroup.wgsl"

const HEAD_DIM = 64u;
const HALF = HEAD_DIM / 2u;
const NORMED = false;

struct Params {
  places: u32,
  width: u32,
  heads: u32,
  kv_heads: u32,
  chunk_rows: u32,
  eps: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> raw: array<f32>;
@group(0) @binding(2) var<storage, read> table: array<f32>;
@group(0) @binding(3) var<storage, read> norms: array<f32>;

alias Head = array<f32, HEAD_DIM>;

// Where a head of a place begins, and which weights are its own.
fn norm_at(head: u32) -> u32 {
  return select(HEAD_DIM, 0u, head < params.heads);
}

fn inverse_rms(first: u32) -> f32 {
  var squares = 0.0;
  for (var i = 0u; i < HEAD_DIM; i++) {
    squares += raw[first + i] * raw[first + i];
  }
  return inverseSqrt(squares / f32(HEAD_DIM) + params.eps);
}

// --- forward ---
@group(0) @binding(4) var<storage, read_write> turned: array<f32>;

@compute @workgroup_size(LANES)
fn forward(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let all = params.heads + 2u * params.kv_heads;
  let index = workgroup_index(id, count) * LANES + lane;
  let place = index / all;
  if (place >= params.places) {
    return;
  }
  let head = index % all;
  let first = index * HEAD_DIM;
  if (head >= params.heads + params.kv_heads) {
    for (var i = 0u; i < HEAD_DIM; i++) {
      turned[first + i] = raw[first + i];
    }
    return;
  }
  var scale = 1.0;
  if (NORMED) {
    scale = inverse_rms(first);
  }
  let angles = (place % params.width) * HEAD_DIM;
  for (var i = 0u; i < HALF; i++) {
    var low = raw[first + i] * scale;
    var high = raw[first + HALF + i] * scale;
    if (NORMED) {
      low *= norms[norm_at(head) + i];
      high *= norms[norm_at(head) + HALF + i];
    }
    let c = table[angles + i];
    let s = table[angles + HALF + i];
    turned[first + i] = low * c - high * s;
    turned[first + HALF + i] = high * c + low * s;
  }
}

// --- backward ---
@group(0) @binding(5) var<storage, read_write> gradient: array<f32>; // dturned, and draw afterwards

// d n of a head: turned back by its angle.
fn turned_back(first: u32, place: u32) -> Head {
  var dn: Head;
  let angles = (place % params.width) * HEAD_DIM;
  for (var i = 0u; i < HALF; i++) {
    let c = table[angles + i];
    let s = table[angles + HALF + i];
    let low = gradient[first + i];
    let high = gradient[first + HALF + i];
    dn[i] = low * c + high * s;
    dn[HALF + i] = high * c - low * s;
  }
  return dn;
}

@compute @workgroup_size(LANES)
fn backward(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let turning = params.heads + params.kv_heads;
  let index = workgroup_index(id, count) * LANES + lane;
  let place = index / turning;
  if (place >= params.places) {
    return;
  }
  let head = index % turning;
  let first = (place * (params.heads + 2u * params.kv_heads) + head) * HEAD_DIM;
  var dn = turned_back(first, place);
  for (var i = 0u; i < HEAD_DIM; i++) {
    gradient[first + i] = dn[i];
  }
}

// As `backward`, and through the norm: with r = 1 / rms and g = w dn, draw = r (g - x r^2 mean(g x)).
@compute @workgroup_size(LANES)
fn backward_norms(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let turning = params.heads + params.kv_heads;
  let index = workgroup_index(id, count) * LANES + lane;
  let place = index / turning;
  if (place >= params.places) {
    return;
  }
  let head = index % turning;
  let first = (place * (params.heads + 2u * params.kv_heads) + head) * HEAD_DIM;
  var dn = turned_back(first, place);
  let r = inverse_rms(first);
  var along = 0.0;
  for (var i = 0u; i < HEAD_DIM; i++) {
    along += norms[norm_at(head) + i] * dn[i] * raw[first + i];
  }
  let pull = along / f32(HEAD_DIM) * r * r;
  for (var i = 0u; i < HEAD_DIM; i++) {
    gradient[first + i] = r * (norms[norm_at(head) + i] * dn[i] - raw[first + i] * pull);
  }
}

@group(0) @binding(6) var<storage, read> dturned: array<f32>;
@group(0) @binding(7) var<storage, read_write> partials: array<f32>;

// d w: sums of dn x / rms, before `backward_norms` overwrites dturned.
@compute @workgroup_size(LANES)
fn norm_partials(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = workgroup_index(id, count) * LANES + lane;
  let chunk = index / (2u * HEAD_DIM);
  let first_place = chunk * params.chunk_rows;
  if (first_place >= params.places) {
    return;
  }
  let column = index % (2u * HEAD_DIM);
  let i = column % HEAD_DIM;
  let pair = i % HALF;
  let of_keys = column >= HEAD_DIM;
  let heads = select(params.heads, params.kv_heads, of_keys);
  let first_head = select(0u, params.heads, of_keys);
  let all = params.heads + 2u * params.kv_heads;
  var sum = 0.0;
  for (var place = first_place; place < min(first_place + params.chunk_rows, params.places); place++) {
    let angles = (place % params.width) * HEAD_DIM;
    let c = table[angles + pair];
    let s = table[angles + HALF + pair];
    for (var head = 0u; head < heads; head++) {
      let first = (place * all + first_head + head) * HEAD_DIM;
      let low = dturned[first + pair];
      let high = dturned[first + HALF + pair];
      let dn = select(high * c - low * s, low * c + high * s, i < HALF);
      sum += dn * raw[first + i] * inverse_rms(first);
    }
  }
  partials[index] = sum;
}
