/** Node 20's V8 knows relaxed SIMD, with which products and their sums take one instruction, but hides it; browsers and later Nodes do not. */
import { setFlagsFromString } from 'node:v8';

/** For this process and its threads. To be called before any WebAssembly is looked at. */
export function allowRelaxedSimd(): void {
  if (Number(process.versions.node.split('.')[0]) < 22) setFlagsFromString('--experimental-wasm-relaxed-simd');
}
