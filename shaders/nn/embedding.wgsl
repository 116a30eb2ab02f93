// Rows of the embedding table, forward, and their gradient, backward.
//
//   x[n] = scale table[tokens[n]]
//   dtable[ids[k]] += scale sum of dx[order[j]] over j in [starts[k], starts[k + 1])
//
// tokens i32 [N], table dtable [V, D], x dx [N, D]; `limit[0]`: rows of x at or beyond it are left as they are.
// order i32 [N'] are the places of real tokens, sorted by token; ids i32 [K] the distinct tokens, starts i32 [K + 1] where
// each one's places begin. The table may be rows of a larger one, `first_token` on: what belongs to others is left as it is, x and
// gradient alike. The host makes the lists (`embeddingLists`), so every row of the table has one writer: no float
// atomics, a fixed order. Test: tests/gpu/embedding.test.ts.

// #include "lib/workgroup.wgsl"
// #include "lib/quads.wgsl"
// #include "lib/packed.wgsl"

// --- forward ---
struct Params {
  // N forward, K backward
  rows: u32,
  // in Quads
  width: u32,
  limited: u32,
  scale: f32,
  // Of the first row of the table, and rows that it has.
  first_token: u32,
  tokens_here: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> tokens: array<i32>;
@group(0) @binding(2) var<storage, read> table: array<Quad>;
@group(0) @binding(3) var<storage, read_write> x: array<Quad>;
@group(0) @binding(4) var<storage, read> limit: array<i32>;

@compute @workgroup_size(LANES)
fn forward(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let at = workgroup_index(id, count) * LANES + lane;
  let n = at / params.width;
  var rows = params.rows;
  if (params.limited == 1u) {
    rows = min(rows, u32(max(limit[0], 0)));
  }
  if (n >= rows) {
    return;
  }
  let row = u32(tokens[n]) - params.first_token; // of tokens before it, a number too large
  if (row < params.tokens_here) {
    x[at] = params.scale * table[row * params.width + at % params.width];
  }
}

// A table of 16 bits; a lane writes one number, and width is in numbers.
@group(0) @binding(10) var<storage, read> table_packed: array<u32>;
@group(0) @binding(11) var<storage, read_write> x_numbers: array<f32>;

@compute @workgroup_size(LANES)
fn forward_packed(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let at = workgroup_index(id, count) * LANES + lane;
  let n = at / params.width;
  var rows = params.rows;
  if (params.limited == 1u) {
    rows = min(rows, u32(max(limit[0], 0)));
  }
  if (n >= rows) {
    return;
  }
  let row = u32(tokens[n]) - params.first_token;
  if (row < params.tokens_here) {
    let number = row * params.width + at % params.width;
    x_numbers[at] = params.scale * unpack(table_packed[number / 2u])[number % 2u];
  }
}

// --- backward ---
@group(0) @binding(5) var<storage, read> order: array<i32>;
@group(0) @binding(6) var<storage, read> starts: array<i32>;
@group(0) @binding(7) var<storage, read> ids: array<i32>;
@group(0) @binding(8) var<storage, read> dx: array<Quad>;
@group(0) @binding(9) var<storage, read_write> dtable: array<Quad>;

// A workgroup does COLUMNS Quads of one token. Frequent tokens would keep a lane busy for long: SLICES share their places.
const COLUMNS = 16u;
const SLICES = LANES / COLUMNS;

var<workgroup> slices: array<Quad, LANES>;

@compute @workgroup_size(LANES)
fn backward(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let blocks = (params.width + COLUMNS - 1u) / COLUMNS;
  let group = workgroup_index(id, count);
  let k = group / blocks;
  if (k >= params.rows) {
    return;
  }
  let row = u32(ids[k]) - params.first_token;
  if (row >= params.tokens_here) {
    return;
  }
  let c = (group % blocks) * COLUMNS + lane % COLUMNS;
  let end = u32(starts[k + 1u]);
  var sum = Quad();
  if (c < params.width) {
    for (var j = u32(starts[k]) + lane / COLUMNS; j < end; j += SLICES) {
      sum += dx[u32(order[j]) * params.width + c];
    }
  }
  slices[lane] = sum;
  workgroupBarrier();
  if (lane >= COLUMNS || c >= params.width) {
    return;
  }
  for (var slice = 1u; slice < SLICES; slice++) {
    sum += slices[slice * COLUMNS + lane];
  }
  dtable[row * params.width + c] += params.scale * sum;
}
