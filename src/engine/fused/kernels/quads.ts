/** Whether a kernel reads rows by fours: the constants of shaders/lib/quads.wgsl for a width. */
export function quads(width: number): {
  /** In Quads. */
  readonly width: number;
  readonly constants: { readonly Quad: string; readonly PRESENT: string };
} {
  return width % 4 === 0
    ? { width: width / 4, constants: { Quad: 'vec4f', PRESENT: 'vec4f(1, 1, 1, 1)' } }
    : { width, constants: { Quad: 'f32', PRESENT: 'vec4f(1, 0, 0, 0)' } };
}
