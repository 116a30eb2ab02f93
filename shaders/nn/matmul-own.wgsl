// A lane's own blocks of C, each lane reading for itself: the loop of matmul-direct.wgsl and matmul-thin.wgsl. LANES_Z lanes
// have the same blocks of C and take turns along k; what they have is then parts of sums.
// Kinds and shapes: matmul-blocks.wgsl.

fn own_sums(tile: vec3u, lane: vec3u) -> Sums {
  let row_0 = first_row(tile, lane.y);
  let row_1 = first_row(tile, lane.y + LANES_Y);
  let column_0 = first_column(tile, lane.x);
  let column_1 = first_column(tile, lane.x + LANES_X);
  let end = min(params.k, (tile.z + 1u) * params.span);
  var start = tile.z * params.span;
  // Otherwise k is the same for all lanes, and a rasteriser reads what they share once.
  if (LANES_Z > 1u) {
    start += 4u * lane.z;
  }
  var sums: Sums;
  for (var k = start; k < end; k += 4u * LANES_Z) {
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
