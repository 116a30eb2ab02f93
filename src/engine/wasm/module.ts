/** The kernels (kernels/*.ts) as a WebAssembly module with a memory of its own, and whether this machine can run them. */
import binary, { type Kernels } from './kernels/index.ts?kernels';
import { LabError } from '../../errors.ts';
import { Heap } from './heap.ts';

export type { Kernels };

export interface Module {
  readonly kernels: Kernels;
  readonly heap: Heap;
}

let compiled: Promise<WebAssembly.Module> | null = null;

/** @throws LabError `wasm` where vectors of 128 bits are not known */
export async function startModule(): Promise<Module> {
  compiled ??= WebAssembly.compile(Uint8Array.from(atob(binary), (character) => character.charCodeAt(0)));
  let module: WebAssembly.Module;
  try {
    module = await compiled;
  } catch (cause) {
    compiled = null;
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
