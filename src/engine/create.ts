/**
 * Makes an engine. Which one to take is `choose.ts`. Each is loaded where it runs: fused and wasm without tfjs, the others without the
 * fused engine's shaders.
 */
import { checkPlaces } from '../policy/adapters.ts';
import type { EngineName, PolicyEngine } from './engine.ts';
import type { StartThread } from './parallel/remote-thread.ts';
import type { PortableOptions } from './portable/create.ts';
import type { WasmPath } from './portable/wasm.ts';

export interface EngineOptions extends PortableOptions {
  readonly engine: EngineName;
  /** Bytes that the fused engine may take on the GPU. Default: 4 GiB. */
  readonly gpuMemory?: number;
  /** Of the wasm engine, this one among them. Default: 1, as where no other can be started. */
  readonly threads?: number;
  readonly startThread?: StartThread;
  /** Told, in a sentence, of a thread that computes no more. */
  readonly onLostThread?: (sentence: string) => void;
}

export type { WasmPath };

/** @throws LabError `usage` for an engine that is not there, `webgpu`, `wasm` or `network` when the backend does not start, `memory` for a policy that will not fit, `config` for LoRA of layers it does not have */
export async function createEngine(options: EngineOptions): Promise<PolicyEngine> {
  const { config, weights, lora = null } = options;
  if (lora) checkPlaces(config, lora);
  if (options.engine === 'fused' && options.backend === 'webgpu') {
    const [{ acquireGpu }, { FusedEngine }] = await Promise.all([import('./gpu/device.ts'), import('./fused/engine.ts')]);
    const gpu = await acquireGpu();
    try {
      return await FusedEngine.create(config, weights, lora, gpu, options.gpuMemory);
    } catch (error) {
      gpu.release();
      throw error;
    }
  }
  if (options.engine === 'wasm') {
    const { threads = 1, startThread, onLostThread } = options;
    if (startThread && threads > 1) {
      const { ParallelEngine } = await import('./parallel/engine.ts');
      const lost = onLostThread ? { onLost: onLostThread } : {};
      return ParallelEngine.create({ config, tensors: weights, lora, threads, startThread, ...lost });
    }
    const { WasmEngine } = await import('./wasm/engine.ts');
    return WasmEngine.create(config, weights, lora);
  }
  const { createPortable } = await import('./portable/create.ts');
  return createPortable(options);
}
