/** Makes an engine: starts the backend it runs on, once per process, and puts a policy on it. Which one to take is `choose.ts`. */
import * as tf from '@tensorflow/tfjs';
import { LabError } from '../errors.ts';
import type { LoraSetup } from '../policy/adapters.ts';
import type { PolicyConfig } from '../policy/config.ts';
import type { Weights } from '../policy/weights.ts';
import { toldOfMemory } from './calls.ts';
import type { BackendName, EngineInfo, EngineName, PolicyEngine } from './engine.ts';
import { acquireGpu } from './gpu/device.ts';
import { PortableEngine } from './portable/engine.ts';
import { acquireWasm, type WasmPath } from './portable/wasm.ts';

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

export type { WasmPath };

/** @throws LabError `usage` for an engine that is not there, `webgpu`, `wasm` or `network` when the backend does not start, `memory` for a policy that will not fit */
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
  const module = backend === 'wasm' ? await acquireWasm(options.wasmPath) : null;
  if (!(await tf.setBackend(backend))) throw new LabError('wasm', `The ${backend} backend did not start.`, 'Choose another backend.');
  const info: EngineInfo = { engine: 'portable', backend, adapter: null, software: false, features: [], limits: {}, precision: 'f32' };
  try {
    return new PortableEngine(config, weights, info, module ? () => module.check() : undefined, undefined, options.lora);
  } catch (error) {
    throw toldOfMemory(error);
  }
}
