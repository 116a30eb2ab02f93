// Which workgroup this is, and sums over its 64 lanes.
// Sums are deterministic: the first subgroup's part first, the last one's last, on every lane alike. A tree of barriers would be faster only
// with more lanes; software rasterisers pay about 10 us a barrier. Call from uniform control flow.
//
// A subgroup are neighbouring lanes that add up without memory. Of one lane each, as written here; where an adapter has subgroups of a
// size that stays, src/engine/gpu/subgroups.ts gives SUBGROUP that size, and the three functions after it the instructions.

const SUBGROUP = 1u;

fn subgroup_sum(value: f32) -> f32 {
  return value;
}

fn subgroup_max(value: f32) -> f32 {
  return value;
}

// The value of the lane whose number differs by the power of two `distance`, less than SUBGROUP.
fn across(value: vec4f, distance: u32) -> vec4f {
  return value;
}

const LANES = 64u;

// Dispatches of more than 65,535 workgroups come in two dimensions, rounded up: compare with the number of rows.
fn workgroup_index(id: vec3u, count: vec3u) -> u32 {
  return id.y * count.x + id.x;
}

var<workgroup> lane_values: array<f32, LANES>;

// Afterwards lane_values holds what every lane brought.
fn list_lanes(lane: u32, value: f32) {
  workgroupBarrier(); // the values of the call before have been read
  lane_values[lane] = value;
  workgroupBarrier();
}

fn sum_list(length: u32) -> f32 {
  var sum = 0.0;
  for (var i = 0u; i < length; i++) {
    sum += lane_values[i];
  }
  return sum;
}

fn max_list(length: u32) -> f32 {
  var most = lane_values[0];
  for (var i = 1u; i < length; i++) {
    most = max(most, lane_values[i]);
  }
  return most;
}

fn list_subgroups(lane: u32, value: f32) {
  workgroupBarrier();
  if (lane % SUBGROUP == 0u) {
    lane_values[lane / SUBGROUP] = value;
  }
  workgroupBarrier();
}

fn sum_lanes(lane: u32, value: f32) -> f32 {
  list_subgroups(lane, subgroup_sum(value));
  return sum_list(LANES / SUBGROUP);
}

fn max_lanes(lane: u32, value: f32) -> f32 {
  list_subgroups(lane, subgroup_max(value));
  return max_list(LANES / SUBGROUP);
}
