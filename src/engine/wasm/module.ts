/** The kernels (kernels/*.ts) as a WebAssembly module with a memory of its own, and whether this machine can run them. */
import type { Kernels } from './kernels/index.ts?kernels';
import { LabError } from '../../errors.ts';
import { Heap } from './heap.ts';
import { hasRelaxedSimd } from './simd.ts';

export type { Kernels };

export interface Module {
  readonly kernels: Kernels;
  readonly heap: Heap;
}

/** By whether they are compiled with relaxed SIMD. */
const compiled = new Map<boolean, Promise<WebAssembly.Module>>();

async function compile(relaxed: boolean): Promise<WebAssembly.Module> {
  const { default: binary } = await (relaxed ? import('./kernels/index.ts?kernels-relaxed') : import('./kernels/index.ts?kernels'));
  return WebAssembly.compile(Uint8Array.from(atob(binary), (character) => character.charCodeAt(0)));
}

/**
 * @param relaxed products and sums are rounded once, where the processor does so: other bits, and faster
 * @throws LabError `wasm` where vectors of 128 bits are not known
 */
export async function startModule(relaxed = hasRelaxedSimd()): Promise<Module> {
  let module: WebAssembly.Module;
  try {
    const compiling = compiled.get(relaxed) ?? compile(relaxed);
    compiled.set(relaxed, compiling);
    module = await compiling;
  } catch (cause) {
    compiled.delete(relaxed);
    throw new LabError(
      'wasm',
      'The kernels of the wasm engine do not run here: they need WebAssembly with SIMD.',
      'Choose the portable engine (--engine portable, ?engine=portable).',
      { cause },
    );
  }
  const memory = new WebAssembly.Memory({ initial: 16, maximum: 65536 });
  const { exports } = await WebAssembly.instantiate(module, { env: { memory } });
  const kernels = exports as unknown as Kernels;
  return { kernels, heap: new Heap(memory, kernels.firstFree()) };
}
