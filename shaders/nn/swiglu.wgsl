// SwiGLU once more, from gate and up as the forward pass kept them: act = silu(g) u. The backward pass asks for it where it
// needs it, because keeping [N, F] of every layer costs more memory than this costs time.
//
// gate_up [N, 2 F] (gate | up), act [N, F]. One invocation per Quad of act. The forward and the gradient are in
// nn/matmul-results.wgsl. Test: tests/gpu/matmul.test.ts.

// #include "lib/workgroup.wgsl"
// #include "lib/quads.wgsl"

struct Params {
  rows: u32,
  width: u32, // F, in Quads
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> gate_up: array<Quad>;
@group(0) @binding(2) var<storage, read_write> act: array<Quad>;

@compute @workgroup_size(LANES)
fn activate(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let at = workgroup_index(id, count) * LANES + lane;
  let row = at / params.width;
  if (row >= params.rows) {
    return;
  }
  let gate = gate_up[at + row * params.width];
  let up = gate_up[at + (row + 1u) * params.width];
  act[at] = gate * up / (1.0 + exp(-gate));
}
