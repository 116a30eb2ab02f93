// Which workgroup this is, and sums over its 64 lanes.
// Sums are deterministic: lane 0's part first, lane 63's last, on every lane alike. A tree of barriers would be faster only
// with more lanes; software rasterisers pay about 10 us a barrier. Call from uniform control flow.

const LANES = 64u;

// Dispatches of more than 65,535 workgroups come in two dimensions, rounded up: compare with the number of rows.
fn workgroup_index(id: vec3u, count: vec3u) -> u32 {
  return id.y * count.x + id.x;
}

var<workgroup> lane_values: array<f32, LANES>;

fn sum_lanes(lane: u32, value: f32) -> f32 {
  workgroupBarrier(); // the values of the call before have been read
  lane_values[lane] = value;
  workgroupBarrier();
  var sum = 0.0;
  for (var i = 0u; i < LANES; i++) {
    sum += lane_values[i];
  }
  return sum;
}

fn max_lanes(lane: u32, value: f32) -> f32 {
  workgroupBarrier();
  lane_values[lane] = value;
  workgroupBarrier();
  var most = lane_values[0];
  for (var i = 1u; i < LANES; i++) {
    most = max(most, lane_values[i]);
  }
  return most;
}
