/** Makes an engine: starts the backend it runs on, once per process, and puts a policy on it. Which one to take is `choose.ts`. */
import * as tf from '@tensorflow/tfjs';
import { LabError } from '../errors.ts';
import type { LoraSetup } from '../policy/adapters.ts';
import type { PolicyConfig } from '../policy/config.ts';
import type { Weights } from '../policy/weights.ts';
import type { BackendName, EngineInfo, EngineName, PolicyEngine } from './engine.ts';
import { acquireGpu } from './gpu/device.ts';
import { PortableEngine } from './portable/engine.ts';

export interface EngineOptions {
  readonly config: PolicyConfig;
  readonly weights: Weights;
  readonly engine: EngineName;
  readonly backend: BackendName;
  /** Train low-rank adapters instead of all parameters. */
  readonly lora?: LoraSetup | null;
  /**
   * Folder of the tfjs-backend-wasm binaries, with a slash at its end; or, where a bundler renamed them, the address of each by name.
   * Default: beside the backend's script.
   */
  readonly wasmPath?: WasmPath;
}

export type WasmPath = string | Readonly<Record<WasmBinary, string>>;
type WasmBinary = 'tfjs-backend-wasm.wasm' | 'tfjs-backend-wasm-simd.wasm' | 'tfjs-backend-wasm-threaded-simd.wasm';

/** @throws LabError `usage` for an engine that is not there, `webgpu` or `network` when the backend does not start */
export async function createEngine(options: EngineOptions): Promise<PolicyEngine> {
  const { config, weights, backend } = options;
  if (backend === 'webgpu') {
    const gpu = await acquireGpu();
    if (options.engine === 'fused') {
      // Loaded where it runs: its shaders are of no use to the other backends.
      const { FusedEngine } = await import('./fused/engine.ts');
      return FusedEngine.create(config, weights, options.lora ?? null, gpu);
    }
    const { adapter, software, features, limits } = gpu;
    const info: EngineInfo = { engine: 'portable', backend, adapter, software, features, limits, precision: 'f32' };
    return new PortableEngine(config, weights, info, gpu.check, gpu.release, options.lora, gpu.unlessLost);
  }
  await startHostBackend(backend, options.wasmPath);
  const info: EngineInfo = { engine: 'portable', backend, adapter: null, software: false, features: [], limits: {}, precision: 'f32' };
  return new PortableEngine(config, weights, info, undefined, undefined, options.lora);
}

async function startHostBackend(backend: 'wasm' | 'cpu', wasmPath?: WasmPath): Promise<void> {
  if (tf.getBackend() === backend) return;
  if (backend === 'wasm') {
    const wasm = await import('@tensorflow/tfjs-backend-wasm');
    // Helper threads gain nothing here, and hang minified builds on isolated pages.
    tf.env().set('WASM_HAS_MULTITHREAD_SUPPORT', false);
    if (wasmPath) wasm.setWasmPaths(wasmPath);
  }
  if (!(await tf.setBackend(backend))) {
    // In practice its binary is not where it was looked for.
    throw new LabError('network', `The ${backend} backend did not start.`, 'Reload the page, or choose another backend.');
  }
}
