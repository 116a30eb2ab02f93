// Matrix products without workgroup memory: every lane reads its own blocks, and there is no barrier. For software
// rasterisers, where a barrier costs as much as thousands of products and memory is the processor's cache anyway.
// Lanes of a workgroup that share their rows of A read the same numbers, which is one load for all of them.
// Kinds and shapes: matmul-blocks.wgsl; results: matmul-results.wgsl. On hardware: matmul.wgsl.

// #include "lib/workgroup.wgsl"
// #include "lib/packed.wgsl"
// #include "nn/matmul-blocks.wgsl"

fn product(tile: vec3u, lane: vec2u) -> Sums {
  let row_0 = first_row(tile, lane.y);
  let row_1 = first_row(tile, lane.y + LANES_Y);
  let column_0 = first_column(tile, lane.x);
  let column_1 = first_column(tile, lane.x + LANES_X);
  let end = min(params.k, (tile.z + 1u) * params.span);
  var sums: Sums;
  for (var k = tile.z * params.span; k < end; k += 4u) {
    let a_0 = block_a(row_0, k);
    let b_0 = block_b(column_0, k);
    sums.s00 = add_product(sums.s00, a_0, b_0);
    // Not every driver sees that a block is read twice, so each is read in one place.
    if (BLOCKS_M > 1u && BLOCKS_N > 1u) {
      let a_1 = block_a(row_1, k);
      let b_1 = block_b(column_1, k);
      sums.s01 = add_product(sums.s01, a_1, b_0);
      sums.s10 = add_product(sums.s10, a_0, b_1);
      sums.s11 = add_product(sums.s11, a_1, b_1);
    } else if (BLOCKS_M > 1u) {
      sums.s01 = add_product(sums.s01, block_a(row_1, k), b_0);
    } else if (BLOCKS_N > 1u) {
      sums.s10 = add_product(sums.s10, a_0, block_b(column_1, k));
    }
  }
  return sums;
}

// #include "nn/matmul-results.wgsl"
