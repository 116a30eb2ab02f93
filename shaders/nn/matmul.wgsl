// Matrix products staged through workgroup memory. A workgroup computes a tile of C: its lanes read DEPTH blocks of k
// of A and of B, each number once and along the way it is stored, and then every lane multiplies its own blocks out of them.
// Kinds and shapes: matmul-blocks.wgsl; results: matmul-results.wgsl. Without barriers: matmul-direct.wgsl.
//
// Columns of neighbouring blocks lie side by side, so that neighbouring lanes read neighbouring quads. The unused quad at the
// end of each line moves the next line to other banks, where lanes that read along k would all write to one.

// #include "lib/workgroup.wgsl"
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

fn product(tile: vec3u, lane: vec2u, sums: ptr<function, Sums>) {
  let end = min(params.k, (tile.z + 1u) * params.span);
  for (var k = tile.z * params.span; k < end; k += 4u * DEPTH) {
    workgroupBarrier(); // what was staged before has been read
    stage(tile, k, lane.y * LANES_X + lane.x);
    workgroupBarrier();
    for (var depth = 0u; depth < DEPTH; depth++) {
      var blocks_of_b: array<mat4x4f, BLOCKS_N>;
      for (var j = 0u; j < BLOCKS_N; j++) {
        let line = 4u * depth * LINE_B + lane.x + j * LANES_X;
        blocks_of_b[j] = mat4x4f(staged_b[line], staged_b[line + LINE_B], staged_b[line + 2u * LINE_B], staged_b[line + 3u * LINE_B]);
      }
      for (var i = 0u; i < BLOCKS_M; i++) {
        let line = 4u * depth * LINE_A + lane.y + i * LANES_Y;
        let block_of_a = mat4x4f(staged_a[line], staged_a[line + LINE_A], staged_a[line + 2u * LINE_A], staged_a[line + 3u * LINE_A]);
        for (var j = 0u; j < BLOCKS_N; j++) {
          let at = i * BLOCKS_N + j;
          (*sums)[at] = add_product((*sums)[at], block_of_a, blocks_of_b[j]);
        }
      }
    }
  }
}

// #include "nn/matmul-results.wgsl"
