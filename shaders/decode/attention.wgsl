// attend.wgsl with keys and values in float32.

// #include "lib/workgroup.wgsl"
// #include "lib/quads.wgsl"

@group(0) @binding(5) var<storage, read_write> cache: array<Quad>;

fn stored(at: u32) -> Quad {
  return cache[at];
}

fn store(at: u32, quad: Quad) {
  cache[at] = quad;
}

// #include "decode/attend.wgsl"
