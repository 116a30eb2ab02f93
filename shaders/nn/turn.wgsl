// Queries and keys as attention wants them: normed where the policy norms heads, turned by their position; forward
// and backward.
//
//   n = w x r,  r = (mean x^2 + eps)^-1/2, per head, w = offset + norms      or n = x
//   y_low = n_low cos - n_high sin     y_high = n_high cos + n_low sin,  the halves of a head     values: y = x
//   dn = dy turned back     dx = r (w dn - x r^2 mean(w dn x)), or dn     dw = sum over places and heads of dn x r
//
// raw turned gradient [N, Q], Q = (H + 2K) hd: H query heads, K key heads, K value heads; positions [N] i32, of each place in its text.
// table [positions, hd]: hd/2 cosines, then hd/2 sines. norms [2, hd]: of queries, of keys.
// gradient is that of turned before and that of raw after, in place. `backward_normed` leaves dw as sums over chunks of
// places, partials [S, 2, hd], which nn/columns.wgsl adds up: no atomics, a fixed order.
//
// Loops over a head end at a number of `params`: software rasterisers unroll the others, and compile them for seconds.
// Test: tests/gpu/turn.test.ts.

// #include "lib/workgroup.wgsl"
// #include "lib/quads.wgsl"

// Lanes that share a head, a power of two.
const TEAM = 4u;
const TEAMS = LANES / TEAM;

struct Params {
  places: u32,
  heads: u32,
  kv_heads: u32,
  // of a head's numbers, in Quads
  half: u32,
  eps: f32,
  chunk_rows: u32,
  offset: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> table: array<Quad>;
@group(0) @binding(7) var<storage, read> positions: array<i32>;

// Numbers of a head that turn together.
struct Pair {
  low: Quad,
  high: Quad,
}

// Pair c of a head at a place, turned by its angles, or back by -1 times them.
fn turn(pair: Pair, place: u32, c: u32, direction: f32) -> Pair {
  let at = u32(positions[place]) * 2u * params.half + c;
  let cosine = table[at];
  let sine = table[at + params.half] * direction;
  return Pair(pair.low * cosine - pair.high * sine, pair.high * cosine + pair.low * sine);
}

fn inverse_rms(squares: f32) -> f32 {
  return inverseSqrt(squares / f32(dot(PRESENT, PRESENT) * f32(2u * params.half)) + params.eps);
}

fn all_heads() -> u32 {
  return params.heads + 2u * params.kv_heads;
}

// --- forward ---
@group(0) @binding(2) var<storage, read> raw: array<Quad>;
@group(0) @binding(3) var<storage, read_write> turned: array<Quad>;

@compute @workgroup_size(LANES)
fn forward(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = workgroup_index(id, count) * TEAMS + lane / TEAM;
  let place = index / all_heads();
  if (place >= params.places) {
    return;
  }
  let turning = index % all_heads() < params.heads + params.kv_heads;
  let first = index * 2u * params.half;
  for (var c = lane % TEAM; c < params.half; c += TEAM) {
    var pair = Pair(raw[first + c], raw[first + params.half + c]);
    if (turning) {
      pair = turn(pair, place, c, 1.0);
    }
    turned[first + c] = pair.low;
    turned[first + params.half + c] = pair.high;
  }
}

@group(0) @binding(4) var<storage, read> norms: array<Quad>;

@compute @workgroup_size(LANES)
fn forward_normed(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = workgroup_index(id, count) * TEAMS + lane / TEAM;
  let member = lane % TEAM;
  let place = index / all_heads();
  let head = index % all_heads();
  let there = place < params.places;
  let first = index * 2u * params.half;
  var squares = Quad();
  if (there) {
    for (var c = member; c < 2u * params.half; c += TEAM) {
      squares += raw[first + c] * raw[first + c];
    }
  }
  lane_values[lane] = total(squares);
  workgroupBarrier();
  if (!there) {
    return;
  }
  var sum = 0.0;
  for (var i = 0u; i < TEAM; i++) {
    sum += lane_values[lane - member + i];
  }
  let r = inverse_rms(sum);
  let turning = head < params.heads + params.kv_heads;
  let weight = select(2u * params.half, 0u, head < params.heads);
  for (var c = member; c < params.half; c += TEAM) {
    var pair = Pair(raw[first + c], raw[first + params.half + c]);
    if (turning) {
      let low = (params.offset + norms[weight + c]) * (pair.low * r);
      let high = (params.offset + norms[weight + params.half + c]) * (pair.high * r);
      pair = turn(Pair(low, high), place, c, 1.0);
    }
    turned[first + c] = pair.low;
    turned[first + params.half + c] = pair.high;
  }
}

// --- backward ---
@group(0) @binding(5) var<storage, read_write> gradient: array<Quad>;

@compute @workgroup_size(LANES)
fn backward(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = workgroup_index(id, count) * TEAMS + lane / TEAM;
  let turning = params.heads + params.kv_heads;
  let place = index / turning;
  if (place >= params.places) {
    return;
  }
  let first = (place * all_heads() + index % turning) * 2u * params.half;
  for (var c = lane % TEAM; c < params.half; c += TEAM) {
    let pair = turn(Pair(gradient[first + c], gradient[first + params.half + c]), place, c, -1.0);
    gradient[first + c] = pair.low;
    gradient[first + params.half + c] = pair.high;
  }
}

@group(0) @binding(6) var<storage, read_write> partials: array<Quad>;

// r, and what x is multiplied by
var<workgroup> factors: array<vec2f, LANES>;
var<workgroup> sums: array<Pair, LANES>;

// A workgroup does the queries or the keys of one chunk of places, LANES heads at a time: a lane to each head for the sums
// along it, then a lane to each pair of numbers, of as many heads at once as that leaves lanes for.
@compute @workgroup_size(LANES)
fn backward_normed(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let chunk = workgroup_index(id, count) / 2u;
  let kind = workgroup_index(id, count) % 2u;
  let first_place = chunk * params.chunk_rows;
  if (first_place >= params.places) {
    return;
  }
  let places = min(params.chunk_rows, params.places - first_place);
  let half = params.half;
  let heads = select(params.heads, params.kv_heads, kind == 1u);
  let weight = kind * 2u * half;
  let items = places * heads;
  for (var batch = 0u; batch < items; batch += LANES) {
    factors[lane] = factors_of(first_place, batch + lane, items, heads, kind);
    workgroupBarrier();
    storageBarrier(); // heads have been read before they are overwritten
    for (var first_column = 0u; first_column < half; first_column += LANES) {
      let columns = min(half - first_column, LANES);
      let slices = LANES / columns;
      let c = first_column + lane % columns;
      let last = select(0u, min(LANES, items - batch), lane / columns < slices);
      var dw = Pair(Quad(), Quad());
      for (var i = lane / columns; i < last; i += slices) {
        let place = first_place + (batch + i) / heads;
        let at = (place * all_heads() + kind * params.heads + (batch + i) % heads) * 2u * half + c;
        let dn = turn(Pair(gradient[at], gradient[at + half]), place, c, -1.0);
        let x = Pair(raw[at], raw[at + half]);
        let factor = factors[i];
        dw.low += dn.low * x.low * factor.x;
        dw.high += dn.high * x.high * factor.x;
        gradient[at] = (params.offset + norms[weight + c]) * dn.low * factor.x - x.low * factor.y;
        gradient[at + half] = (params.offset + norms[weight + half + c]) * dn.high * factor.x - x.high * factor.y;
      }
      sums[lane] = dw;
      workgroupBarrier();
      if (lane < columns) {
        for (var s = 1u; s < slices; s++) {
          dw.low += sums[s * columns + lane].low;
          dw.high += sums[s * columns + lane].high;
        }
        let at = chunk * 4u * half + weight + c;
        if (batch > 0u) {
          dw.low += partials[at];
          dw.high += partials[at + half];
        }
        partials[at] = dw.low;
        partials[at + half] = dw.high;
      }
      workgroupBarrier();
    }
  }
}

// r and r^3 mean(w dn x) of the item-th head of a chunk.
fn factors_of(first_place: u32, item: u32, items: u32, heads: u32, kind: u32) -> vec2f {
  if (item >= items) {
    return vec2f();
  }
  let half = params.half;
  let place = first_place + item / heads;
  let first = (place * all_heads() + kind * params.heads + item % heads) * 2u * half;
  let weight = kind * 2u * half;
  var squares = Quad();
  var along = Quad();
  for (var c = 0u; c < half; c++) {
    let dn = turn(Pair(gradient[first + c], gradient[first + half + c]), place, c, -1.0);
    let x = Pair(raw[first + c], raw[first + half + c]);
    squares += x.low * x.low + x.high * x.high;
    along += (params.offset + norms[weight + c]) * dn.low * x.low;
    along += (params.offset + norms[weight + half + c]) * dn.high * x.high;
  }
  let r = inverse_rms(total(squares));
  return vec2f(r, r * r * r * total(along) / (dot(PRESENT, PRESENT) * f32(2u * half)));
}
