/** Our engines beside the portable one: which there are here, and what each runs on. */
import { findAdapters } from '../../src/cli/webgpu.ts';
import type { BackendName, EngineName } from '../../src/engine/engine.ts';
import type { Skipped } from './main.ts';

/** The fused one where WebGPU in Node is to be had. */
export async function* contenders(): AsyncGenerator<EngineName | Skipped> {
  yield 'wasm';
  const { webgpu, reason } = await findAdapters('webgpu');
  yield webgpu === null ? { skipped: `the rows of the fused engine: ${reason}` } : 'fused';
}

export const backendOf = (engine: EngineName): BackendName => (engine === 'fused' ? 'webgpu' : 'wasm');
