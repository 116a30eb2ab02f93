// AdamW (Loshchilov and Hutter 2019) over a part of an arena. Twin: src/engine/portable/adamw.ts.
//
//   g' = scale g,  m = b1 m + (1 - b1) g',  v = b2 v + (1 - b2) g'^2,  c1 = 1 - b1^t,  c2 = 1 - b2^t
//   p = p (1 - rate decay) - rate (c2^1/2 / c1) m / (v^1/2 + eps c2^1/2)
//
// p g m v [length] as Quads, of which the first `decayed` numbers are decayed; t = state[0] counts this step too; result
// (norm, skipped, scale, _) as optim/norm.wgsl leaves it. A skipped step leaves all bits as they are.
//
// Numerics: 1 - b^t = -expm1(t log b), by its series where it is small: at b2 = 0.999 and t = 1 the difference itself would
// lose four digits. Test: tests/gpu/optimiser.test.ts.

// #include "lib/workgroup.wgsl"

struct Params {
  beta1: f32,
  beta2: f32,
  // 1 - beta, rounded once, by the host
  gain1: f32,
  gain2: f32,
  log_beta1: f32,
  log_beta2: f32,
  rate: f32,
  eps: f32,
  // 1 - rate decay
  shrink: f32,
  decayed: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> p: array<vec4f>;
@group(0) @binding(2) var<storage, read> g: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> m: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> v: array<vec4f>;
@group(0) @binding(5) var<storage, read> state: array<i32>;
@group(0) @binding(6) var<storage, read> result: array<f32>;

// 1 - exp(x) for x <= 0. Ten terms are exact to float32 for |x| < 1/2.
fn one_minus_exp(x: f32) -> f32 {
  if (x < -0.5) {
    return 1.0 - exp(x);
  }
  var series = 1.0;
  for (var k = 10.0; k > 1.5; k -= 1.0) {
    series = 1.0 + series * x / k;
  }
  return -x * series;
}

@compute @workgroup_size(LANES)
fn update(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = workgroup_index(id, count) * LANES + lane;
  if (i >= arrayLength(&p) || result[1] != 0.0) {
    return;
  }
  let t = f32(state[0]);
  let root2 = sqrt(one_minus_exp(t * params.log_beta2));
  let rate = params.rate * root2 / one_minus_exp(t * params.log_beta1);
  let gradient = g[i] * result[2];
  let first = m[i] * params.beta1 + gradient * params.gain1;
  let second = v[i] * params.beta2 + gradient * gradient * params.gain2;
  m[i] = first;
  v[i] = second;
  let numbers = vec4u(4u * i) + vec4u(0, 1, 2, 3);
  let kept = p[i] * select(vec4f(1), vec4f(params.shrink), numbers < vec4u(params.decayed));
  p[i] = kept - rate * first / (sqrt(second) + params.eps * root2);
}
