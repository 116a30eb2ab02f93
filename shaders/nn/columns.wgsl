// Sums over places, for the gradients of norms and biases, in two steps: over chunks of rows beside the backward kernels,
// and at the end of a pass over the chunks, for all parameters in one dispatch.
//
//   partial   partials[s, c] = sum of x[n, c] over the rows n of chunk s
//   reduce    gradients[t + c] += sum_s partials[f + s stride + c]   for every line (f, S, columns, stride, t) of the table
//
// x [N, C]; partials [S, C]; a line of the table covers up to COLUMNS columns of one parameter. Fixed order, no atomics.
// Test: tests/gpu/rms-norm.test.ts.

// #include "lib/workgroup.wgsl"
// #include "lib/quads.wgsl"

// --- over the rows of a chunk ---
struct Params {
  rows: u32,
  // in Quads
  width: u32,
  chunk_rows: u32,
  chunks: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Quad>;
@group(0) @binding(2) var<storage, read_write> sums: array<Quad>;

@compute @workgroup_size(LANES)
fn partial(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let blocks = (params.width + LANES - 1u) / LANES;
  let group = workgroup_index(id, count);
  let chunk = group / blocks;
  let c = (group % blocks) * LANES + lane;
  if (chunk >= params.chunks || c >= params.width) {
    return;
  }
  let first = chunk * params.chunk_rows;
  let last = min(first + params.chunk_rows, params.rows);
  var sum = Quad();
  for (var n = first; n < last; n++) {
    sum += x[n * params.width + c];
  }
  sums[chunk * params.width + c] = sum;
}

// --- over the chunks ---
const COLUMNS = 16u;
// Numbers of a line of the table.
const TABLE_LINE = 5u;
// Each takes every SLICES-th chunk.
const SLICES = LANES / COLUMNS;

@group(0) @binding(3) var<storage, read> table: array<i32>;
@group(0) @binding(4) var<storage, read> partials: array<f32>;
@group(0) @binding(5) var<storage, read_write> gradients: array<f32>;

@compute @workgroup_size(LANES)
fn reduce(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  // dispatches beyond one dimension are rounded up
  let line = min(workgroup_index(id, count), arrayLength(&table) / TABLE_LINE - 1u);
  let first = u32(table[line * TABLE_LINE]);
  let chunks = u32(table[line * TABLE_LINE + 1u]);
  let columns = u32(table[line * TABLE_LINE + 2u]);
  let stride = u32(table[line * TABLE_LINE + 3u]);
  let column = lane % COLUMNS;
  var sum = 0.0;
  if (column < columns) {
    for (var s = lane / COLUMNS; s < chunks; s += SLICES) {
      sum += partials[first + s * stride + column];
    }
  }
  lane_values[lane] = sum;
  workgroupBarrier();
  if (lane >= columns || workgroup_index(id, count) != line) {
    return;
  }
  var all = 0.0;
  for (var slice = 0u; slice < SLICES; slice++) {
    all += lane_values[slice * COLUMNS + lane];
  }
  gradients[u32(table[line * TABLE_LINE + 4u]) + lane] += all;
}
