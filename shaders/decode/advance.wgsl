// The bookkeeping of rollouts, which the host never looks at: who is still running, and what each row has said.
//
//   begin     everyone runs, nobody has said anything
//   append    token, log-prob and entropy of place p go to row r = row_ids[p], position t; ended[r] = token is an EOS
//   compact   the rows that go on are moved together, their order kept; t grows by one
//
// R rows, C completion width, G = R / repeats prompts. row_ids [2R] i32: the running rows, and room to move them in;
// state [2] i32 = (A running rows, position t); sampled [A, 3] from decode/sampler.wgsl; prompt_lengths [G] i32; eos_ids
// [at least 1] i32; tokens [R, C] i32, logprobs entropies [R, C]; lengths [R] i32 tokens said, EOS included; ended [R] i32;
// next_tokens [R] i32: at place p the token that the row there goes on from.
// A row stops when it ended, or when its tokens reach max_new_tokens or, with the prompt, max_positions. Where A is 0
// nothing changes any more, so tokens may be encoded beyond the end of the longest row.
// `append` and `compact` are two only because together they would bind more than eight storage buffers. Exact: integers,
// and copies of floats. `compact` is one workgroup; lane l owns the l-th run of places. Test: tests/gpu/decode.test.ts.

// #include "lib/workgroup.wgsl"

struct Params {
  rows: u32,
  width: u32,
  repeats: u32,
  eos_count: u32,
  max_new_tokens: u32,
  max_positions: u32,
  pad_id: i32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> row_ids: array<i32>;
@group(0) @binding(2) var<storage, read_write> state: array<i32>;
@group(0) @binding(3) var<storage, read_write> tokens: array<i32>;
@group(0) @binding(4) var<storage, read_write> logprobs: array<f32>;
@group(0) @binding(5) var<storage, read_write> entropies: array<f32>;
@group(0) @binding(6) var<storage, read_write> ended: array<i32>;
@group(0) @binding(7) var<storage, read_write> lengths: array<i32>;

@compute @workgroup_size(LANES)
fn begin(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = workgroup_index(id, count) * LANES + lane;
  if (i < params.rows * params.width) {
    tokens[i] = params.pad_id;
    logprobs[i] = 0.0;
    entropies[i] = 0.0;
  }
  if (i < params.rows) {
    row_ids[i] = i32(i);
    lengths[i] = 0;
    ended[i] = 0;
  }
  if (i == 0u) {
    state[0] = i32(params.rows);
    state[1] = 0;
  }
}

@group(0) @binding(8) var<storage, read> sampled: array<f32>;
@group(0) @binding(9) var<storage, read> eos_ids: array<i32>;

fn token_at(place: u32) -> i32 {
  return i32(sampled[3u * place]); // exact below 2^24
}

@compute @workgroup_size(LANES)
fn append(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let place = workgroup_index(id, count) * LANES + lane;
  if (place >= u32(state[0])) {
    return;
  }
  let row = u32(row_ids[place]);
  let token = token_at(place);
  let cell = row * params.width + u32(state[1]);
  tokens[cell] = token;
  logprobs[cell] = sampled[3u * place + 1u];
  entropies[cell] = sampled[3u * place + 2u];
  for (var i = 0u; i < params.eos_count; i++) {
    if (token == eos_ids[i]) {
      ended[row] = 1;
    }
  }
}

@group(0) @binding(10) var<storage, read> prompt_lengths: array<i32>;
@group(0) @binding(11) var<storage, read_write> next_tokens: array<i32>;

// Whether the row goes on once it has said `said` tokens.
fn runs_on(row: u32, said: u32) -> bool {
  let positions = u32(prompt_lengths[row / params.repeats]) + said;
  return ended[row] == 0 && said < params.max_new_tokens && positions < params.max_positions;
}

var<workgroup> kept: array<u32, LANES>;

@compute @workgroup_size(LANES)
fn compact(@builtin(local_invocation_index) lane: u32) {
  let running = u32(state[0]);
  let said = u32(state[1]) + 1u;
  let run = (running + LANES - 1u) / LANES;
  let first = min(lane * run, running);
  let end = min(first + run, running);
  var mine = 0u;
  for (var place = first; place < end; place++) {
    let row = u32(row_ids[place]);
    lengths[row] = i32(said);
    mine += select(0u, 1u, runs_on(row, said));
  }
  kept[lane] = mine;
  workgroupBarrier();
  var before = 0u;
  var total = 0u;
  for (var i = 0u; i < LANES; i++) {
    before += select(0u, kept[i], i < lane);
    total += kept[i];
  }
  // Into the second half first: a run may move to where another lane has not read yet.
  for (var place = first; place < end; place++) {
    let row = row_ids[place];
    if (runs_on(u32(row), said)) {
      row_ids[params.rows + before] = row;
      next_tokens[before] = token_at(place);
      before++;
    }
  }
  storageBarrier();
  for (var place = lane; place < total; place += LANES) {
    row_ids[place] = row_ids[params.rows + place];
  }
  if (lane == 0u && running > 0u) {
    state[0] = i32(total);
    state[1] = i32(said);
  }
}
