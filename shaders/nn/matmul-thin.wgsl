// Matrix products of few rows, those of decoding: lanes along k, which read neighbouring quads of a row of B, and whose parts
// of the sums are joined in workgroup memory. Kinds and shapes: matmul-blocks.wgsl; results: matmul-results.wgsl.
//
// Why: staged tiles of 16 rows x 64 columns make 9 workgroups of 32 lanes of a projection into a stream of 576 (SmolLM2's o and down), 288
// lanes where a GPU has thousands, each with all of k to go; 64 lanes to four columns make 144 workgroups, 9,216 lanes, and at most eight rows need
// no workgroup memory but 8 KB for the joining (16 of gate and up). One dispatch: parts that another one joined would cost a decoded token two more a layer.
// Numerics: lane z sums the quads z, z + LANES_Z, ... of k; the upper half of the lanes is then added to the lower one, until one is left.
// Lanes of one subgroup (lib/workgroup.wgsl) do that without memory, to the same bits.

// #include "lib/workgroup.wgsl"
// #include "lib/packed.wgsl"
// #include "nn/matmul-blocks.wgsl"
// #include "nn/matmul-own.wgsl"

// Of the lanes that hand their sums on at once.
const GIVING = LANES_X * LANES_Y * LANES_Z / 2u;

var<workgroup> given: array<vec4f, 4u * BLOCKS_M * BLOCKS_N * GIVING>; // [4 block + row of the block, lane]

fn give(which: u32, slot: u32, sum: mat4x4f) {
  let at = 4u * which * GIVING + slot;
  given[at] = sum[0];
  given[at + GIVING] = sum[1];
  given[at + 2u * GIVING] = sum[2];
  given[at + 3u * GIVING] = sum[3];
}

fn taken(which: u32, slot: u32, sum: mat4x4f) -> mat4x4f {
  let at = 4u * which * GIVING + slot;
  return mat4x4f(
    sum[0] + given[at],
    sum[1] + given[at + GIVING],
    sum[2] + given[at + 2u * GIVING],
    sum[3] + given[at + 3u * GIVING]
  );
}

fn added_across(sum: mat4x4f, distance: u32) -> mat4x4f {
  return mat4x4f(
    sum[0] + across(sum[0], distance),
    sum[1] + across(sum[1], distance),
    sum[2] + across(sum[2], distance),
    sum[3] + across(sum[3], distance)
  );
}

// Of the lanes with z = 0; the others have parts of it.
fn product(tile: vec3u, lane: vec3u) -> Sums {
  var sums = own_sums(tile, lane);
  var half = LANES_Z / 2u;
  for (; half > 0u && half * LANES_X * LANES_Y >= SUBGROUP; half /= 2u) {
    let slot = (lane.z % half * LANES_Y + lane.y) * LANES_X + lane.x;
    if (lane.z >= half && lane.z < 2u * half) {
      give(0u, slot, sums.s00);
      if (BLOCKS_N > 1u) {
        give(1u, slot, sums.s10);
      }
      if (BLOCKS_M > 1u) {
        give(BLOCKS_N, slot, sums.s01);
      }
      if (BLOCKS_M * BLOCKS_N > 3u) {
        give(3u, slot, sums.s11);
      }
    }
    workgroupBarrier();
    if (lane.z < half) {
      sums.s00 = taken(0u, slot, sums.s00);
      if (BLOCKS_N > 1u) {
        sums.s10 = taken(1u, slot, sums.s10);
      }
      if (BLOCKS_M > 1u) {
        sums.s01 = taken(BLOCKS_N, slot, sums.s01);
      }
      if (BLOCKS_M * BLOCKS_N > 3u) {
        sums.s11 = taken(3u, slot, sums.s11);
      }
    }
    workgroupBarrier(); // what was given has been taken
  }
  for (; half > 0u; half /= 2u) {
    let distance = half * LANES_X * LANES_Y;
    sums.s00 = added_across(sums.s00, distance);
    if (BLOCKS_N > 1u) {
      sums.s10 = added_across(sums.s10, distance);
    }
    if (BLOCKS_M > 1u) {
      sums.s01 = added_across(sums.s01, distance);
    }
    if (BLOCKS_M * BLOCKS_N > 3u) {
      sums.s11 = added_across(sums.s11, distance);
    }
  }
  return sums;
}

// #include "nn/matmul-results.wgsl"
