// attend.wgsl with keys and values in float16, two in a word: half the memory and half the reading. No feature of the GPU is needed. For heads
// of a width that eight divides, so that a Quad is four numbers. What lies beyond 65504 does not fit, and no policy has such keys.

// #include "lib/workgroup.wgsl"
// #include "lib/quads.wgsl"

@group(0) @binding(5) var<storage, read_write> cache: array<vec2u>;

fn stored(at: u32) -> Quad {
  return Quad(unpack2x16float(cache[at].x), unpack2x16float(cache[at].y));
}

fn store(at: u32, quad: Quad) {
  cache[at] = vec2u(pack2x16float(quad.xy), pack2x16float(quad.zw));
}

// #include "decode/attend.wgsl"
