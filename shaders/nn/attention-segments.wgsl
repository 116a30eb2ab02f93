// Places, segments and texts of attention.wgsl and attention-teams.wgsl: where queries, keys and values are, and who looks at whom. Definitions are in
// attention.wgsl.

const HEAD_DIM = 64u;
alias Part = vec4f; // vec2f where the head is not a multiple of four
const PARTS = HEAD_DIM / 4u;

struct Params {
  places: u32,
  heads: u32,
  kv_heads: u32,
  // at most the places of the longest text
  window: u32,
  scale: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> turned: array<Part>;
@group(0) @binding(2) var<storage, read> segment_of: array<i32>;
@group(0) @binding(11) var<storage, read> segments: array<vec4i>;

// A place and a head, and where they are in a text.
struct Site {
  head: u32,
  place: u32,
  // whether the place is somebody's
  real: bool,
  segment: u32,
  // First places of the segment and of its prefix, which has so many.
  own: u32,
  prefix: u32,
  before: u32,
  position: u32,
}

fn site(index: u32) -> Site {
  var at: Site;
  at.head = index / params.places;
  at.place = index % params.places;
  let segment = segment_of[at.place];
  at.real = segment >= 0;
  if (at.real) {
    let own = segments[segment];
    at.segment = u32(segment);
    at.own = u32(own.x);
    if (own.z >= 0) {
      let prefix = segments[own.z];
      at.prefix = u32(prefix.x);
      at.before = u32(prefix.y);
    }
    at.position = at.before + at.place - at.own;
  }
  return at;
}

// The place of a position of the same text.
fn place_at(at: Site, position: u32) -> u32 {
  return select(at.own + position - at.before, at.prefix + position, position < at.before);
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
