// Matrix products in blocks of 4x4: reading blocks of A and B, and adding their product. What is shared by matmul.wgsl
// (staged through workgroup memory), matmul-direct.wgsl (registers only) and matmul-thin.wgsl (lanes along k); it starts nothing itself.
//
//   A is [m, k] or, where not A_ALONG_K, [k, m];  B is [n, k] or, where not B_ALONG_K, [k, n]
//   nt: both along k (y = x Wt)   nn: A along k (dx = dy W)   tn: neither (dW = dyt x)
//
// A block of A is a matrix whose column t holds A[row + t, k .. k + 4]; a block of B one whose column p holds
// B[k + p, column .. column + 4]. Their product then needs no shuffling, and only two of the four storage orders a transpose,
// of registers.
// VECTOR: every line of A and of B starts at a multiple of four numbers, so that four are one load. Otherwise Element is f32,
// Packed is u32 and a load is four, with the same arithmetic. b_packed is b read as 16-bit numbers, two in a word.
// RAGGED: k is no multiple of four, and what is read beyond it becomes 0. Beyond the last row or column of C anything
// is read (WebGPU keeps it within the buffer), computed and not stored.
// A lane has up to two blocks along m and two along n, in variables of their own: not every driver unrolls a loop over them.

struct Params {
  m: u32,
  n: u32,         // columns of C; of act for the gate and up projections, where B has twice as many
  k: u32,
  span: u32,      // k of one split, a multiple of what one step of the loop takes
  splits: u32,
  limited: u32,   // 1: rows at or beyond row_limit[0] are not computed
  scale: f32,     // of the product, before anything is added
  // A and C may be columns of wider matrices: how long lines of those are, and how many of their numbers come first.
  a_line: u32,
  a_first: u32,
  c_line: u32,
  c_first: u32,
}

const A_ALONG_K = true;
const B_ALONG_K = true;
const VECTOR = true;
alias Element = vec4f;
alias Packed = vec2u;
const RAGGED = true;
const PAIRED = false; // the first half of a tile's columns are of gate, the second of up, n further on
const LANES_X = 8u;
const LANES_Y = 8u;
const LANES_Z = 1u; // that share a block of C
const BLOCKS_M = 2u; // of a lane
const BLOCKS_N = 2u;
const CELLS_M = LANES_Y * BLOCKS_M; // blocks of a workgroup
const CELLS_N = LANES_X * BLOCKS_N;
const NEXT = vec4u(0, 1, 2, 3);

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<Element>;
@group(0) @binding(2) var<storage, read> b: array<Element>;
@group(0) @binding(3) var<storage, read> b_packed: array<Packed>;
@group(0) @binding(4) var<storage, read> row_limit: array<i32>;

// A lane's part of C: column t of a block is row t of C. Block x, y is y along m and x along n.
struct Sums {
  s00: mat4x4f,
  s10: mat4x4f,
  s01: mat4x4f,
  s11: mat4x4f,
}

fn rows_to_compute() -> u32 {
  if (params.limited == 0u) {
    return params.m;
  }
  return min(params.m, u32(max(row_limit[0], 0)));
}

fn first_row(tile: vec3u, cell: u32) -> u32 {
  return (tile.y * CELLS_M + cell) * 4u;
}

fn first_column(tile: vec3u, cell: u32) -> u32 {
  if (PAIRED) {
    let half = CELLS_N / 2u;
    return (tile.x * half + cell % half) * 4u + select(0u, params.n, cell >= half);
  }
  return (tile.x * CELLS_N + cell) * 4u;
}

// Four numbers of a line of A as it is stored.
fn quad_a(line: u32, column: u32) -> vec4f {
  let start = line * params.a_line + params.a_first + column;
  var quad: vec4f;
  if (VECTOR) {
    quad = vec4f(a[start / 4u]);
  } else {
    quad = vec4f(vec4f(a[start]).x, vec4f(a[start + 1u]).x, vec4f(a[start + 2u]).x, vec4f(a[start + 3u]).x);
  }
  if (RAGGED) {
    if (A_ALONG_K) {
      return select(vec4f(), quad, vec4u(column) + NEXT < vec4u(params.k));
    }
    return select(vec4f(), quad, line < params.k);
  }
  return quad;
}

fn quad_b(line: u32, column: u32) -> vec4f {
  let start = line * select(params.n, params.k, B_ALONG_K) + column;
  var quad: vec4f;
  if (VECTOR) {
    if (FORMAT == FORMAT_F32) {
      quad = vec4f(b[start / 4u]);
    } else {
      let pairs = vec2u(b_packed[start / 4u]);
      quad = vec4f(unpack(pairs.x), unpack(pairs.y));
    }
  } else {
    if (FORMAT == FORMAT_F32) {
      quad = vec4f(vec4f(b[start]).x, vec4f(b[start + 1u]).x, vec4f(b[start + 2u]).x, vec4f(b[start + 3u]).x);
    } else {
      quad = vec4f(packed(start), packed(start + 1u), packed(start + 2u), packed(start + 3u));
    }
  }
  if (RAGGED) {
    if (B_ALONG_K) {
      return select(vec4f(), quad, vec4u(column) + NEXT < vec4u(params.k));
    }
    return select(vec4f(), quad, line < params.k);
  }
  return quad;
}

fn packed(at: u32) -> f32 {
  return unpack(vec2u(b_packed[at / 2u]).x)[at % 2u];
}

fn block_a(row: u32, k: u32) -> mat4x4f {
  if (A_ALONG_K) {
    return mat4x4f(quad_a(row, k), quad_a(row + 1u, k), quad_a(row + 2u, k), quad_a(row + 3u, k));
  }
  return transpose(mat4x4f(quad_a(k, row), quad_a(k + 1u, row), quad_a(k + 2u, row), quad_a(k + 3u, row)));
}

fn block_b(column: u32, k: u32) -> mat4x4f {
  if (B_ALONG_K) {
    return transpose(mat4x4f(quad_b(column, k), quad_b(column + 1u, k), quad_b(column + 2u, k), quad_b(column + 3u, k)));
  }
  return mat4x4f(quad_b(k, column), quad_b(k + 1u, column), quad_b(k + 2u, column), quad_b(k + 3u, column));
}

// One product after the other onto the sum: (sum + B A) as a matrix expression would cost an addition more in five.
fn add_product(sum: mat4x4f, a_block: mat4x4f, b_block: mat4x4f) -> mat4x4f {
  return mat4x4f(
    sum[0] + a_block[0].x * b_block[0] + a_block[0].y * b_block[1] + a_block[0].z * b_block[2] + a_block[0].w * b_block[3],
    sum[1] + a_block[1].x * b_block[0] + a_block[1].y * b_block[1] + a_block[1].z * b_block[2] + a_block[1].w * b_block[3],
    sum[2] + a_block[2].x * b_block[0] + a_block[2].y * b_block[1] + a_block[2].z * b_block[2] + a_block[2].w * b_block[3],
    sum[3] + a_block[3].x * b_block[0] + a_block[3].y * b_block[1] + a_block[3].z * b_block[2] + a_block[3].w * b_block[3]
  );
}
