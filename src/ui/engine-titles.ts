/** What the page calls a backend. */
import type { BackendName } from '../engine/engine.ts';

export const backendTitles: Readonly<Record<BackendName, string>> = { webgpu: 'WebGPU', wasm: 'WebAssembly', cpu: 'plain JavaScript' };
