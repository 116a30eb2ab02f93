// The B of an adapter over stacked projections (q|k|v, gate|up) is block-diagonal: rows of a projection have the columns of its own
// rank, and zeros elsewhere. Its gradient, a product over whole rows, is kept where B is, so that zeros stay zero.
//
// gradient [rows, blocks rank], in place. Rows before first_end are of block 0, those before second_end of block 1, the rest of
// block 2; with two blocks second_end is rows. One invocation a number. Test: tests/gpu/lora.test.ts.

// #include "lib/workgroup.wgsl"

struct Params {
  rows: u32,
  width: u32,
  rank: u32,
  first_end: u32,
  second_end: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> gradient: array<f32>;

@compute @workgroup_size(LANES)
fn keep_blocks(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let at = workgroup_index(id, count) * LANES + lane;
  let row = at / params.width;
  if (row >= params.rows) {
    return;
  }
  let own = u32(row >= params.first_end) + u32(row >= params.second_end);
  if ((at % params.width) / params.rank != own) {
    gradient[at] = 0.0;
  }
}
