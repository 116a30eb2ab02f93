// Between the packed cells of the head and the [R, C] grid of the loss: the head computes only where a token counts, the
// loss wants rows.
//
//   scatter   grid_logprob[cells[f + m]] = logprob[m]        gather   dlogprob[m] = grid_dlogprob[cells[f + m]]
//             grid_entropy[cells[f + m]] = entropy[m]                 dentropy[m] = grid_dentropy[cells[f + m]]
//
// m < M, f the first cell of a chunk. cells i32 = row C + t, no two alike; logprob entropy dlogprob dentropy [M]; grids
// [R, C], of which `scatter` leaves the other cells as they are. Copies: exact. Test: tests/gpu/cells.test.ts.

// #include "lib/workgroup.wgsl"

struct Params {
  count: u32,
  first: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> cells: array<i32>;

// --- forward ---
@group(0) @binding(2) var<storage, read> logprob: array<f32>;
@group(0) @binding(3) var<storage, read> entropy: array<f32>;
@group(0) @binding(4) var<storage, read_write> grid_logprob: array<f32>;
@group(0) @binding(5) var<storage, read_write> grid_entropy: array<f32>;

@compute @workgroup_size(LANES)
fn scatter(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let m = workgroup_index(id, count) * LANES + lane;
  if (m >= params.count) {
    return;
  }
  let cell = cells[params.first + m];
  grid_logprob[cell] = logprob[m];
  grid_entropy[cell] = entropy[m];
}

// --- backward ---
@group(0) @binding(6) var<storage, read> grid_dlogprob: array<f32>;
@group(0) @binding(7) var<storage, read> grid_dentropy: array<f32>;
@group(0) @binding(8) var<storage, read_write> dlogprob: array<f32>;
@group(0) @binding(9) var<storage, read_write> dentropy: array<f32>;

@compute @workgroup_size(LANES)
fn gather(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let m = workgroup_index(id, count) * LANES + lane;
  if (m >= params.count) {
    return;
  }
  let cell = cells[params.first + m];
  dlogprob[m] = grid_dlogprob[cell];
  dentropy[m] = grid_dentropy[cell];
}
