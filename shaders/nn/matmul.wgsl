// Matrix products staged through workgroup memory. A workgroup computes a tile of C: its lanes read DEPTH blocks of k
// of A and of B, each number once and along the way it is stored, and then every lane multiplies its own blocks out of them.
// Kinds and shapes: matmul-blocks.wgsl; results: matmul-results.wgsl. Without barriers: matmul-direct.wgsl.
//
// Columns of neighbouring blocks lie side by side, so that neighbouring lanes read neighbouring quads. The unused quad at the
// end of each line moves the next line to other banks, where lanes that read along k would all write to one.

// #include "lib/workgroup.wgsl"
// #include "lib/packed.wgsl"
// #include "nn/matmul-blocks.wgsl"

const DEPTH = 4u;
const LINE_A = CELLS_M + 1u;
const LINE_B = CELLS_N + 1u;

var<workgroup> staged_a: array<vec4f, 4u * DEPTH * LINE_A>; // [4 depth + column of the block, block]
var<workgroup> staged_b: array<vec4f, 4u * DEPTH * LINE_B>;

fn stage(tile: vec3u, k: u32, index: u32) {
  for (var at = index; at < DEPTH * CELLS_M; at += LANES_X * LANES_Y) {
    let depth = select(at / CELLS_M, at % DEPTH, A_ALONG_K);
    let cell = select(at % CELLS_M, at / DEPTH, A_ALONG_K);
    let quads = block_a(first_row(tile, cell), k + 4u * depth);
    let line = 4u * depth * LINE_A + cell;
    staged_a[line] = quads[0];
    staged_a[line + LINE_A] = quads[1];
    staged_a[line + 2u * LINE_A] = quads[2];
    staged_a[line + 3u * LINE_A] = quads[3];
  }
  for (var at = index; at < DEPTH * CELLS_N; at += LANES_X * LANES_Y) {
    let depth = select(at / CELLS_N, at % DEPTH, B_ALONG_K);
    let cell = select(at % CELLS_N, at / DEPTH, B_ALONG_K);
    let quads = block_b(first_column(tile, cell), k + 4u * depth);
    let line = 4u * depth * LINE_B + cell;
    staged_b[line] = quads[0];
    staged_b[line + LINE_B] = quads[1];
    staged_b[line + 2u * LINE_B] = quads[2];
    staged_b[line + 3u * LINE_B] = quads[3];
  }
}

fn staged_block_a(depth: u32, cell: u32) -> mat4x4f {
  let line = 4u * depth * LINE_A + cell;
  return mat4x4f(staged_a[line], staged_a[line + LINE_A], staged_a[line + 2u * LINE_A], staged_a[line + 3u * LINE_A]);
}

fn staged_block_b(depth: u32, cell: u32) -> mat4x4f {
  let line = 4u * depth * LINE_B + cell;
  return mat4x4f(staged_b[line], staged_b[line + LINE_B], staged_b[line + 2u * LINE_B], staged_b[line + 3u * LINE_B]);
}

fn product(tile: vec3u, lane: vec3u) -> Sums {
  let end = min(params.k, (tile.z + 1u) * params.span);
  var sums: Sums;
  for (var k = tile.z * params.span; k < end; k += 4u * DEPTH) {
    workgroupBarrier(); // what was staged before has been read
    stage(tile, k, lane.y * LANES_X + lane.x);
    workgroupBarrier();
    let depths = min(DEPTH, (end - k + 3u) / 4u);
    for (var depth = 0u; depth < depths; depth++) {
      let a_0 = staged_block_a(depth, lane.y);
      let b_0 = staged_block_b(depth, lane.x);
      sums.s00 = add_product(sums.s00, a_0, b_0);
      if (BLOCKS_N > 1u) {
        let b_1 = staged_block_b(depth, lane.x + LANES_X);
        sums.s10 = add_product(sums.s10, a_0, b_1);
        if (BLOCKS_M > 1u) {
          sums.s11 = add_product(sums.s11, staged_block_a(depth, lane.y + LANES_Y), b_1);
        }
      }
      if (BLOCKS_M > 1u) {
        sums.s01 = add_product(sums.s01, staged_block_a(depth, lane.y + LANES_Y), b_0);
      }
    }
  }
  return sums;
}

// #include "nn/matmul-results.wgsl"
