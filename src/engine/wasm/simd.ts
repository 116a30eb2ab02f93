/** Whether WebAssembly here knows vectors of 128 bits, which the wasm engine needs, and whether it multiplies and adds them in one go. */

/** (func (result v128) i32.const 0 i8x16.splat) */
const probe = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 8, 1, 6, 0, 65, 0, 253, 15, 11]);

export function hasWasmSimd(): boolean {
  return WebAssembly.validate(probe);
}

/** (func (result v128) …) f32x4.relaxed_madd of three such vectors */
const relaxedProbe = new Uint8Array([
  ...[0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 19, 1, 17, 0],
  ...[65, 0, 253, 15, 65, 0, 253, 15, 65, 0, 253, 15, 253, 133, 2, 11],
]);

export function hasRelaxedSimd(): boolean {
  return WebAssembly.validate(relaxedProbe);
}
