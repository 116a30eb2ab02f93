// Matrix products without workgroup memory: every lane reads its own blocks, and there is no barrier. For software
// rasterisers, where a barrier costs as much as thousands of products and memory is the processor's cache anyway.
// Lanes of a workgroup that share their rows of A read the same numbers, which is one load for all of them.
// Kinds and shapes: matmul-blocks.wgsl; results: matmul-results.wgsl. On hardware: matmul.wgsl.

// #include "lib/workgroup.wgsl"
// #include "nn/matmul-blocks.wgsl"

fn product(tile: vec3u, lane: vec2u, sums: ptr<function, Sums>) {
  let end = min(params.k, (tile.z + 1u) * params.span);
  for (var k = tile.z * params.span; k < end; k += 4u) {
    var blocks_of_b: array<mat4x4f, BLOCKS_N>;
    for (var j = 0u; j < BLOCKS_N; j++) {
      blocks_of_b[j] = block_b(first_column(tile, lane.x + j * LANES_X), k);
    }
    for (var i = 0u; i < BLOCKS_M; i++) {
      let block_of_a = block_a(first_row(tile, lane.y + i * LANES_Y), k);
      for (var j = 0u; j < BLOCKS_N; j++) {
        let at = i * BLOCKS_N + j;
        (*sums)[at] = add_product((*sums)[at], block_of_a, blocks_of_b[j]);
      }
    }
  }
}

// #include "nn/matmul-results.wgsl"
