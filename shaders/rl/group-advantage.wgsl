// Advantages from rewards, group by group of n; kinds and formulas as in src/engine/portable/kernels/group-advantage.ts.
//
//   group-std (r - m) / (s + EPSILON) | group r - m | leave-one-out (r - m) n / (n - 1)
//   batch-std (r - m) / (S + EPSILON) | none r          s, S: sample std (ddof 1) of the group, of the batch
//
// rewards advantage [G n]. One invocation per group, in the order of the rewards: groups are small and few, and a plain
// loop always gives the same bits. A NaN reward (told by its bits: WGSL may assume that NaN does not occur) is left out
// and gets 0. A group of equal rewards gets exactly 0, by equality. No backward: rewards are data.
// Twin: src/engine/portable/kernels/group-advantage.ts. Test: tests/gpu/kernels.test.ts.

// #include "lib/workgroup.wgsl"

struct Params {
  groups: u32,
  size: u32,
  kind: u32, // ADVANTAGE_…
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> rewards: array<f32>;
@group(0) @binding(2) var<storage, read_write> advantage: array<f32>;

const EPSILON = 1e-4;

// The words of src/engine/engine.ts as numbers, which the host reads from here (src/engine/gpu/settings.ts).
const ADVANTAGE_GROUP_STD = 0u;
const ADVANTAGE_GROUP = 1u;
const ADVANTAGE_LEAVE_ONE_OUT = 2u;
const ADVANTAGE_BATCH_STD = 3u;
const ADVANTAGE_NONE = 4u;

fn scored(i: u32) -> bool {
  return (bitcast<u32>(rewards[i]) & 0x7fffffffu) <= 0x7f800000u;
}

// (count, mean, sample standard deviation) of the scored rewards in [first, end).
fn moments(first: u32, end: u32) -> vec3f {
  var n = 0.0;
  var sum = 0.0;
  for (var i = first; i < end; i++) {
    if (scored(i)) {
      n += 1.0;
      sum += rewards[i];
    }
  }
  let mean = sum / max(n, 1.0);
  var squares = 0.0;
  for (var i = first; i < end; i++) {
    if (scored(i)) {
      squares += (rewards[i] - mean) * (rewards[i] - mean);
    }
  }
  return vec3f(n, mean, sqrt(squares / max(n - 1.0, 1.0)));
}

fn mixed(first: u32, end: u32) -> bool {
  var low = 3.4e38;
  var high = -3.4e38;
  for (var i = first; i < end; i++) {
    if (scored(i)) {
      low = min(low, rewards[i]);
      high = max(high, rewards[i]);
    }
  }
  return high > low;
}

@compute @workgroup_size(LANES)
fn forward(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let group = workgroup_index(id, count) * LANES + lane;
  if (group >= params.groups) {
    return;
  }
  let first = group * params.size;
  let end = first + params.size;
  let m = moments(first, end);
  var scale = 1.0;
  switch params.kind {
    case ADVANTAGE_GROUP_STD: { scale = 1.0 / (m.z + EPSILON); }
    case ADVANTAGE_LEAVE_ONE_OUT: { scale = m.x / max(m.x - 1.0, 1.0); }
    case ADVANTAGE_BATCH_STD: { scale = 1.0 / (moments(0u, params.groups * params.size).z + EPSILON); }
    case ADVANTAGE_GROUP, ADVANTAGE_NONE: {}
    default: {}
  }
  let some = mixed(first, end);
  for (var i = first; i < end; i++) {
    let centred = select(0.0, (rewards[i] - m.y) * scale, some);
    advantage[i] = select(0.0, select(centred, rewards[i], params.kind == ADVANTAGE_NONE), scored(i));
  }
}
