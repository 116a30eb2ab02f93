// Counter-based random numbers: the same function of four counters as src/random/counter.ts, bit for bit.
// pcg4d: Jarzynski and Olano, "Hash Functions for GPU Rendering", JCGT 9(3), 2020. Not cryptographic.
// Test: tests/gpu/kernels.test.ts, same draws as the host.

fn counter_bits(counter: vec4u) -> u32 {
  var v = counter * 1664525u + 1013904223u;
  v.x += v.y * v.w;
  v.y += v.z * v.x;
  v.z += v.x * v.y;
  v.w += v.y * v.z;
  v ^= v >> vec4u(16u);
  v.x += v.y * v.w;
  v.y += v.z * v.x;
  v.z += v.x * v.y;
  v.w += v.y * v.z;
  return v.w;
}

// In [0, 1), 24 bits: exact in f32.
fn counter_uniform(counter: vec4u) -> f32 {
  return f32(counter_bits(counter) >> 8u) / 16777216.0;
}
