// attention.wgsl for wide heads on hardware, with the same definitions: TEAM lanes share a query (or, in `backward_keys`, a key), each with every TEAM-th part
// of it, and what a workgroup's teams loop over they stage in workgroup memory together.
//
// Why: a lane with a whole head to itself holds two vectors of it forward, three in `backward_queries` and four in `backward_keys`: 512 registers of 128 numbers,
// where a GPU has 255 at most and few lanes at once with so many. A fourth of it is 64, 96 and 128, four times as many lanes are in flight, and a key is read once
// for 16 queries. Workgroup memory: 12 KB of heads of 128 or 256, 8 KB of 64.
// A workgroup's places may be of several texts. They are taken segment by segment; teams of another one wait.
// Numerics: a product of two heads is the sum of the lanes' in the order of the lanes; all else is in the order of attention.wgsl. No atomics, the same bits
// every time. Test: tests/gpu/attention.test.ts.

// #include "lib/workgroup.wgsl"
// #include "nn/attention-segments.wgsl"

const TEAM = 4u;
const TEAMS = LANES / TEAM;
// Of a head, in Parts, that a lane has.
const OWN = PARTS / TEAM;
// Keys, or queries, that are staged at once.
const TILE = 8u;

alias Own = array<Part, OWN>;

// Keys and values, or queries and gradients.
var<workgroup> staged_a: array<Part, TILE * PARTS>;
var<workgroup> staged_b: array<Part, TILE * PARTS>;
// Of what is staged, lane by lane: its part of two products.
var<workgroup> products: array<vec2f, TILE * LANES>;

// The head and the places of a workgroup: the same for all of its lanes, as a barrier wants it.
struct Tile {
  head: u32,
  first: u32,
  end: u32,
}

fn tile_of(group: u32) -> Tile {
  let tiles = (params.places + TEAMS - 1u) / TEAMS;
  let first = group % tiles * TEAMS;
  return Tile(group / tiles, first, min(first + TEAMS, params.places));
}

fn tiles_of(heads: u32) -> u32 {
  return (params.places + TEAMS - 1u) / TEAMS * heads;
}

// A team's place, or some other where there is none.
fn own_site(tile: Tile, place: u32) -> Site {
  return site(tile.head * params.places + min(place, tile.end - 1u));
}

// Both products of what is staged at t with what a team has.
fn team_products(t: u32, lane: u32, member: u32) -> vec2f {
  var sum = vec2f();
  for (var i = 0u; i < TEAM; i++) {
    sum += products[t * LANES + lane - member + i];
  }
  return sum;
}

// --- forward ---
@group(0) @binding(3) var<storage, read_write> out: array<Part>;
@group(0) @binding(4) var<storage, read_write> lse: array<f32>;

fn stage_keys(text: Site, position: u32, many: u32, kv_head: u32, lane: u32) {
  for (var i = lane; i < many * PARTS; i += LANES) {
    let other = place_at(text, position + i / PARTS);
    staged_a[i] = turned[key_at(other, kv_head) + i % PARTS];
    staged_b[i] = turned[value_at(other, kv_head) + i % PARTS];
  }
}

@compute @workgroup_size(LANES)
fn forward(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  if (workgroup_index(id, count) >= tiles_of(params.heads)) {
    return;
  }
  let tile = tile_of(workgroup_index(id, count));
  let place = tile.first + lane / TEAM;
  let member = lane % TEAM;
  let at = own_site(tile, place);
  let kv_head = tile.head / (params.heads / params.kv_heads);
  let query = query_at(at.place, tile.head);
  var q: Own;
  var mixed: Own;
  for (var e = 0u; e < OWN; e++) {
    q[e] = turned[query + e * TEAM + member] * params.scale;
  }
  var largest = -1e30; // below every score, and finite
  var sum = 0.0;
  var asking = tile.first;
  while (asking < tile.end) {
    let text = site(tile.head * params.places + asking);
    if (!text.real) {
      asking++;
      continue;
    }
    let last = min(tile.end, text.own + u32(segments[text.segment].y));
    let mine = place >= asking && place < last;
    let seen = text.position + last - asking;
    for (var first = first_seen(text.position); first < seen; first += TILE) {
      let many = min(TILE, seen - first);
      stage_keys(text, first, many, kv_head, lane);
      workgroupBarrier();
      for (var t = 0u; t < many; t++) {
        var score = 0.0;
        for (var e = 0u; e < OWN; e++) {
          score += dot(q[e], staged_a[t * PARTS + e * TEAM + member]);
        }
        products[t * LANES + lane] = vec2f(score, 0.0);
      }
      workgroupBarrier();
      for (var t = 0u; t < many; t++) {
        let j = first + t;
        if (mine && j >= first_seen(at.position) && j <= at.position) {
          let score = team_products(t, lane, member).x;
          if (score > largest) {
            let shrink = exp(largest - score);
            sum *= shrink;
            for (var e = 0u; e < OWN; e++) {
              mixed[e] *= shrink;
            }
            largest = score;
          }
          let p = exp(score - largest);
          sum += p;
          for (var e = 0u; e < OWN; e++) {
            mixed[e] += p * staged_b[t * PARTS + e * TEAM + member];
          }
        }
      }
      workgroupBarrier(); // what was staged has been read
    }
    asking = last;
  }
  if (place >= tile.end) {
    return;
  }
  let row = at.place * params.heads + tile.head;
  for (var e = 0u; e < OWN; e++) {
    out[row * PARTS + e * TEAM + member] = select(Part(), mixed[e] / max(sum, 1e-30), at.real);
  }
  if (member == 0u) {
    lse[row] = select(0.0, largest + log(max(sum, 1e-30)), at.real);
  }
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
  if (workgroup_index(id, count) >= tiles_of(params.heads)) {
    return;
  }
  let tile = tile_of(workgroup_index(id, count));
  let place = tile.first + lane / TEAM;
  let member = lane % TEAM;
  let at = own_site(tile, place);
  let kv_head = tile.head / (params.heads / params.kv_heads);
  let query = query_at(at.place, tile.head);
  let row = at.place * params.heads + tile.head;
  var q: Own;
  var d: Own;
  var dq: Own;
  var part = 0.0;
  for (var e = 0u; e < OWN; e++) {
    let c = e * TEAM + member;
    q[e] = turned[query + c] * params.scale;
    d[e] = dout[row * PARTS + c];
    part += dot(d[e], mixed_out[row * PARTS + c]);
  }
  products[lane] = vec2f(part, 0.0);
  workgroupBarrier();
  let own_delta = team_products(0u, lane, member).x;
  workgroupBarrier();
  if (place < tile.end && member == 0u && at.real) {
    delta[row] = own_delta;
  }
  let own_lse = row_lse[row];
  var asking = tile.first;
  while (asking < tile.end) {
    let text = site(tile.head * params.places + asking);
    if (!text.real) {
      asking++;
      continue;
    }
    let last = min(tile.end, text.own + u32(segments[text.segment].y));
    let mine = place >= asking && place < last;
    let seen = text.position + last - asking;
    for (var first = first_seen(text.position); first < seen; first += TILE) {
      let many = min(TILE, seen - first);
      stage_keys(text, first, many, kv_head, lane);
      workgroupBarrier();
      for (var t = 0u; t < many; t++) {
        var both = vec2f();
        for (var e = 0u; e < OWN; e++) {
          let c = t * PARTS + e * TEAM + member;
          both += vec2f(dot(q[e], staged_a[c]), dot(d[e], staged_b[c]));
        }
        products[t * LANES + lane] = both;
      }
      workgroupBarrier();
      for (var t = 0u; t < many; t++) {
        let j = first + t;
        if (mine && j >= first_seen(at.position) && j <= at.position) {
          let both = team_products(t, lane, member);
          let ds = exp(both.x - own_lse) * (both.y - own_delta) * params.scale;
          for (var e = 0u; e < OWN; e++) {
            dq[e] += ds * staged_a[t * PARTS + e * TEAM + member];
          }
        }
      }
      workgroupBarrier(); // what was staged has been read
    }
    asking = last;
  }
  if (place >= tile.end) {
    return;
  }
  for (var e = 0u; e < OWN; e++) {
    dturned[query + e * TEAM + member] = dq[e];
  }
}

@group(0) @binding(10) var<storage, read> row_delta: array<f32>;

// Log-sum-exp and delta of the queries that are staged.
var<workgroup> numbers: array<vec2f, TILE>;

// dk and dv.
@compute @workgroup_size(LANES)
fn backward_keys(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  if (workgroup_index(id, count) >= tiles_of(params.kv_heads)) {
    return;
  }
  let tile = tile_of(workgroup_index(id, count));
  let place = tile.first + lane / TEAM;
  let member = lane % TEAM;
  let at = own_site(tile, place);
  let key = key_at(at.place, tile.head);
  let value = value_at(at.place, tile.head);
  let group = params.heads / params.kv_heads;
  var k: Own;
  var v: Own;
  var dk: Own;
  var dv: Own;
  for (var e = 0u; e < OWN; e++) {
    k[e] = turned[key + e * TEAM + member] * params.scale;
    v[e] = turned[value + e * TEAM + member];
  }
  var asked = tile.first;
  while (asked < tile.end) {
    let text = site(tile.head * params.places + asked);
    if (!text.real) {
      asked++;
      continue;
    }
    let own = segments[text.segment];
    let last = min(tile.end, text.own + u32(own.y));
    let mine = place >= asked && place < last;
    // Of the last key here.
    let farthest = text.position + last - 1u - asked;
    for (var head = tile.head * group; head < (tile.head + 1u) * group; head++) {
      for (var s = 0u; s <= u32(own.w); s++) {
        // As in attention.wgsl, from the first key here on, and as far as the window of the last one reaches.
        let asking = segments[text.segment + s];
        let start = select(text.before + u32(own.y), text.before, s == 0u);
        let end = min(start + u32(asking.y), farthest + params.window);
        for (var first = max(start, text.position); first < end; first += TILE) {
          let many = min(TILE, end - first);
          let first_place = u32(asking.x) + first - start;
          for (var i = lane; i < many * PARTS; i += LANES) {
            let theirs = first_place + i / PARTS;
            staged_a[i] = turned[query_at(theirs, head) + i % PARTS];
            staged_b[i] = dout[(theirs * params.heads + head) * PARTS + i % PARTS];
          }
          if (lane < many) {
            let theirs = (first_place + lane) * params.heads + head;
            numbers[lane] = vec2f(row_lse[theirs], row_delta[theirs]);
          }
          workgroupBarrier();
          for (var t = 0u; t < many; t++) {
            var both = vec2f();
            for (var e = 0u; e < OWN; e++) {
              let c = t * PARTS + e * TEAM + member;
              both += vec2f(dot(k[e], staged_a[c]), dot(v[e], staged_b[c]));
            }
            products[t * LANES + lane] = both;
          }
          workgroupBarrier();
          for (var t = 0u; t < many; t++) {
            let i = first + t;
            if (mine && i >= at.position && i < at.position + params.window) {
              let both = team_products(t, lane, member);
              let p = exp(both.x - numbers[t].x);
              let ds = p * (both.y - numbers[t].y) * params.scale;
              for (var e = 0u; e < OWN; e++) {
                let c = t * PARTS + e * TEAM + member;
                dk[e] += ds * staged_a[c];
                dv[e] += p * staged_b[c];
              }
            }
          }
          workgroupBarrier(); // what was staged has been read
        }
      }
    }
    asked = last;
  }
  if (place >= tile.end) {
    return;
  }
  for (var e = 0u; e < OWN; e++) {
    dturned[key + e * TEAM + member] = dk[e];
    dturned[value + e * TEAM + member] = dv[e];
  }
}
