// What becomes of a matrix product: the entry points of matmul.wgsl and matmul-direct.wgsl, which bring `product`.
// Reading, shapes and kinds are in matmul-blocks.wgsl.
//
//   multiply          C [m, n] = A B (+ bias [n]) (+ residual [m, n]) (+ C)
//                     or, of split z, partials [splits, m, n]
//   join              C likewise from partials, in the order of the splits
//   gate_up           act [m, f] = silu(g) u, where (g | u) = A Bt, B [2 f, k];  gate_up_saving also writes (g | u) [m, 2 f]
//   swiglu_backward   dgu = (da u silu'(g) | da silu(g)) [m, 2 f], where da = A B is never written
//   silu(g) = g s,  silu'(g) = s (1 + g (1 - s)),  s = 1 / (1 + exp(-g))
// Twins: src/engine/portable/ops/linear.ts and swiglu.ts. Test: tests/gpu/matmul.test.ts.

@group(0) @binding(5) var<storage, read_write> c: array<f32>;
@group(0) @binding(6) var<storage, read> bias: array<f32>;
@group(0) @binding(7) var<storage, read> residual: array<f32>;

@compute @workgroup_size(LANES_X, LANES_Y)
fn multiply(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_id) lane: vec3u) {
  let rows = rows_to_compute();
  if (first_row(tile, 0u) >= rows) {
    return;
  }
  var sums: Sums;
  product(tile, lane.xy, &sums);
  for (var i = 0u; i < BLOCKS_M; i++) {
    let row = first_row(tile, lane.y + i * LANES_Y);
    for (var j = 0u; j < BLOCKS_N; j++) {
      let column = first_column(tile, lane.x + j * LANES_X);
      let sum = sums[i * BLOCKS_N + j];
      for (var t = 0u; t < 4u; t++) {
        for (var s = 0u; s < 4u; s++) {
          if (row + t < rows && column + s < params.n) {
            let at = (row + t) * params.n + column + s;
            c[tile.z * params.m * params.n + at] = finished(sum[t][s], at, column + s);
          }
        }
      }
    }
  }
}

fn finished(sum: f32, at: u32, column: u32) -> f32 {
  var value = sum;
  if (params.add_bias != 0u) {
    value += bias[column];
  }
  if (params.add_residual != 0u) {
    value += residual[at];
  }
  if (params.accumulate != 0u) {
    value += c[at];
  }
  return value;
}

// --- splits ---
@group(0) @binding(8) var<storage, read> partials: array<f32>;

@compute @workgroup_size(64)
fn join(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let at = workgroup_index(id, count) * 64u + lane;
  let row = at / params.n;
  if (row >= rows_to_compute()) {
    return;
  }
  var sum = 0.0;
  for (var split = 0u; split < params.splits; split++) {
    sum += partials[split * params.m * params.n + at];
  }
  c[at] = finished(sum, at, at - row * params.n);
}

// --- SwiGLU ---
@group(0) @binding(9) var<storage, read_write> act: array<f32>;
@group(0) @binding(10) var<storage, read_write> gate_up_out: array<f32>;
@group(0) @binding(11) var<storage, read> gate_up_in: array<f32>;

// Stops short of the infinity that exp(-x) would be.
fn sigmoid(x: f32) -> f32 {
  return 1.0 / (1.0 + exp(min(-x, 80.0)));
}

@compute @workgroup_size(LANES_X, LANES_Y)
fn gate_up(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_id) lane: vec3u) {
  let rows = rows_to_compute();
  if (first_row(tile, 0u) >= rows) {
    return;
  }
  var sums: Sums;
  product(tile, lane.xy, &sums);
  for (var i = 0u; i < BLOCKS_M; i++) {
    let row = first_row(tile, lane.y + i * LANES_Y);
    for (var j = 0u; j < BLOCKS_N / 2u; j++) {
      let column = first_column(tile, lane.x + j * LANES_X);
      let gates = sums[i * BLOCKS_N + j];
      let ups = sums[i * BLOCKS_N + j + BLOCKS_N / 2u];
      for (var t = 0u; t < 4u; t++) {
        for (var s = 0u; s < 4u; s++) {
          if (row + t < rows && column + s < params.n) {
            let gate = gates[t][s];
            act[(row + t) * params.n + column + s] = gate * sigmoid(gate) * ups[t][s];
          }
        }
      }
    }
  }
}

@compute @workgroup_size(LANES_X, LANES_Y)
fn gate_up_saving(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_id) lane: vec3u) {
  let rows = rows_to_compute();
  if (first_row(tile, 0u) >= rows) {
    return;
  }
  var sums: Sums;
  product(tile, lane.xy, &sums);
  for (var i = 0u; i < BLOCKS_M; i++) {
    let row = first_row(tile, lane.y + i * LANES_Y);
    for (var j = 0u; j < BLOCKS_N / 2u; j++) {
      let column = first_column(tile, lane.x + j * LANES_X);
      let gates = sums[i * BLOCKS_N + j];
      let ups = sums[i * BLOCKS_N + j + BLOCKS_N / 2u];
      for (var t = 0u; t < 4u; t++) {
        for (var s = 0u; s < 4u; s++) {
          if (row + t < rows && column + s < params.n) {
            let gate = gates[t][s];
            let at = (row + t) * params.n + column + s;
            act[at] = gate * sigmoid(gate) * ups[t][s];
            gate_up_out[at + (row + t) * params.n] = gate;
            gate_up_out[at + (row + t + 1u) * params.n] = ups[t][s];
          }
        }
      }
    }
  }
}

@compute @workgroup_size(LANES_X, LANES_Y)
fn swiglu_backward(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_id) lane: vec3u) {
  let rows = rows_to_compute();
  if (first_row(tile, 0u) >= rows) {
    return;
  }
  var sums: Sums;
  product(tile, lane.xy, &sums);
  for (var i = 0u; i < BLOCKS_M; i++) {
    let row = first_row(tile, lane.y + i * LANES_Y);
    for (var j = 0u; j < BLOCKS_N; j++) {
      let column = first_column(tile, lane.x + j * LANES_X);
      let dact = sums[i * BLOCKS_N + j];
      for (var t = 0u; t < 4u; t++) {
        for (var s = 0u; s < 4u; s++) {
          if (row + t < rows && column + s < params.n) {
            let at = (row + t) * 2u * params.n + column + s;
            let gate = gate_up_in[at];
            let weight = sigmoid(gate);
            let slope = weight * (1.0 + gate * (1.0 - weight));
            gate_up_out[at] = dact[t][s] * gate_up_in[at + params.n] * slope;
            gate_up_out[at + params.n] = dact[t][s] * gate * weight;
          }
        }
      }
    }
  }
}
