/** Starts a tfjs backend, once per process, and puts a portable engine on it. Only whoever computes with it loads this, and tfjs with it. */
import * as tf from '@tensorflow/tfjs';
import { LabError } from '../../errors.ts';
import type { LoraSetup } from '../../policy/adapters.ts';
import type { PolicyConfig } from '../../policy/config.ts';
import type { PolicyTensors } from '../../policy/weights.ts';
import { toldOfMemory } from '../calls.ts';
import type { BackendName, EngineInfo, PolicyEngine } from '../engine.ts';
import { PortableEngine } from './engine.ts';
import { acquireTfjsGpu } from './gpu/acquire.ts';
import { acquireWasm, type WasmPath } from './wasm.ts';

export interface PortableOptions {
  readonly config: PolicyConfig;
  /** What its numbers are read from; asked again when a state goes back to them. */
  readonly weights: PolicyTensors;
  readonly backend: BackendName;
  /** Train low-rank adapters instead of all parameters. */
  readonly lora?: LoraSetup | null;
  /**
   * Folder of the tfjs-backend-wasm binaries, with a slash at its end; or, where a bundler renamed them, the address of each by name.
   * Default: beside the backend's script.
   */
  readonly wasmPath?: WasmPath;
}

/** @throws LabError `webgpu`, `wasm` or `network` when the backend does not start, `memory` for a policy that will not fit */
export async function createPortable({ config, weights, backend, lora, wasmPath }: PortableOptions): Promise<PolicyEngine> {
  // Without it tfjs recommends its own native backend on the console of Node.
  tf.enableProdMode();
  if (backend === 'webgpu') {
    const { adapter, software, features, limits, check, release, unlessLost } = await acquireTfjsGpu();
    const info: EngineInfo = { engine: 'portable', backend, adapter, software, features, limits, precision: 'f32' };
    try {
      return await PortableEngine.create(config, weights, info, check, release, lora, unlessLost);
    } catch (error) {
      release();
      throw error;
    }
  }
  const module = backend === 'wasm' ? await acquireWasm(wasmPath) : null;
  if (!(await tf.setBackend(backend))) throw new LabError('wasm', `The ${backend} backend did not start.`, 'Choose another backend.');
  const info: EngineInfo = { engine: 'portable', backend, adapter: null, software: false, features: [], limits: {}, precision: 'f32' };
  try {
    return await PortableEngine.create(config, weights, info, module ? () => module.check() : undefined, undefined, lora);
  } catch (error) {
    throw toldOfMemory(error);
  }
}
