// The gated unit once more, from gate and up as the forward pass kept them: act = act(g) u, SiLU or GELU (lib/gate.wgsl). The backward pass asks for it where it
// needs it, because keeping [N, F] of every layer costs more memory than this costs time.
//
// gate_up [N, 2 F] (gate | up), act [N, F]. One invocation per Quad of act. As a rule forward and gradient are part of the products
// (nn/matmul-results.wgsl); where an adapter adds to what the product says, the gradient comes here instead:
//   backward  (g | u) becomes (da u act'(g) | da act(g)) in place
// Test: tests/gpu/matmul.test.ts.

// #include "lib/workgroup.wgsl"
// #include "lib/quads.wgsl"
// #include "lib/gate.wgsl"

alias Gate = Quad;

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
  act[at] = activated(gate) * up;
}

@group(0) @binding(3) var<storage, read> d_act: array<Quad>;
@group(0) @binding(4) var<storage, read_write> gradient: array<Quad>;

@compute @workgroup_size(LANES)
fn backward(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let at = workgroup_index(id, count) * LANES + lane;
  let row = at / params.width;
  if (row >= params.rows) {
    return;
  }
  let gate = gradient[at + row * params.width];
  let up = gradient[at + (row + 1u) * params.width];
  let weight = gate_weight(gate);
  let da = d_act[at];
  gradient[at + row * params.width] = da * up * activation_slope(gate, weight);
  gradient[at + (row + 1u) * params.width] = da * gate * weight;
}
