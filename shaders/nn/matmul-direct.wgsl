// Matrix products without workgroup memory: every lane reads its own blocks, and there is no barrier. For software
// rasterisers, where a barrier costs as much as thousands of products and memory is the processor's cache anyway.
// Lanes of a workgroup that share their rows of A read the same numbers, which is one load for all of them.
// Kinds and shapes: matmul-blocks.wgsl; results: matmul-results.wgsl. On hardware: matmul.wgsl.

// #include "lib/workgroup.wgsl"
// #include "lib/packed.wgsl"
// #include "nn/matmul-blocks.wgsl"
// #include "nn/matmul-own.wgsl"

fn product(tile: vec3u, lane: vec3u) -> Sums {
  return own_sums(tile, lane);
}

// #include "nn/matmul-results.wgsl"
