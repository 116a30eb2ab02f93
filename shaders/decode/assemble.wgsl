// Whole rows from prompts and completions: what the training forward reads.
//
//   rows[i', i] = prompts[g, i] for i < p, then completions[r, i - p] for i - p < lengths[r], then pad;
//   r = first_row + i', g = r / repeats
//
// prompts [G, P] i32 (right-padded), prompt_lengths [G] i32 = p, completions [R, C] i32, lengths [R] i32, rows [R, W] i32.
// What does not fit into W is cut. One invocation per place. Test: tests/gpu/decode.test.ts.

// #include "lib/workgroup.wgsl"

struct Params {
  first_row: u32,
  rows: u32,
  width: u32,
  prompt_width: u32,
  completion_width: u32,
  repeats: u32,
  pad_id: i32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> prompts: array<i32>;
@group(0) @binding(2) var<storage, read> prompt_lengths: array<i32>;
@group(0) @binding(3) var<storage, read> completions: array<i32>;
@group(0) @binding(4) var<storage, read> lengths: array<i32>;
@group(0) @binding(5) var<storage, read_write> rows: array<i32>;

@compute @workgroup_size(LANES)
fn assemble(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let place = workgroup_index(id, count) * LANES + lane;
  if (place >= params.rows * params.width) {
    return;
  }
  let row = params.first_row + place / params.width;
  let position = place % params.width;
  let group = row / params.repeats;
  let prompt_length = u32(prompt_lengths[group]);
  var token = params.pad_id;
  if (position < prompt_length) {
    token = prompts[group * params.prompt_width + position];
  } else if (position - prompt_length < u32(lengths[row])) {
    token = completions[row * params.completion_width + position - prompt_length];
  }
  rows[place] = token;
}
