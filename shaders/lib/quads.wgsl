// Rows read four numbers at a time where their width is a multiple of four, else one at a time: `quads` in
// src/engine/fused/kernels/quads.ts rewrites these two lines. Widths of the kernels that include this count in Quads.

alias Quad = vec4f;
const PRESENT = vec4f(1, 1, 1, 1);

// The sum of a Quad's numbers; vec4f(f32) repeats its argument, of which PRESENT keeps one.
fn total(quad: Quad) -> f32 {
  return dot(vec4f(quad), PRESENT);
}
