/**
 * WebGPU in Node: Dawn, from the npm package `webgpu`, put where a browser has it (`navigator.gpu`). Optional at run
 * time: without the package or a Vulkan, Metal or D3D12 driver the command line computes on wasm.
 */
import { tmpdir } from 'node:os';
import { probeAdapters, type Adapters } from '../engine/choose.ts';
import type { BackendName } from '../engine/engine.ts';
import { missingVulkan } from './vulkan.ts';

/** Null: WebGPU is there (an adapter need not be). Otherwise a sentence about what is missing. */
export async function provideWebGpu(): Promise<string | null> {
  if ('gpu' in (globalThis.navigator ?? {})) return null;
  // Mesa's drivers complain on stderr where a session without a desktop leaves it unset.
  process.env['XDG_RUNTIME_DIR'] ??= tmpdir();
  let dawn: typeof import('webgpu');
  try {
    dawn = await import('webgpu');
  } catch (cause) {
    const why = cause instanceof Error ? cause.message.split('\n')[0]! : String(cause);
    return why.includes('Cannot find')
      ? 'The npm package "webgpu" is not installed, so there is no WebGPU; npm install webgpu adds it.'
      : `The npm package "webgpu" does not load on this system (${why}), so there is no WebGPU.`;
  }
  Object.assign(globalThis, dawn.globals);
  // Node 20 has no navigator; later ones have one without gpu.
  if (!globalThis.navigator) {
    Object.defineProperty(globalThis, 'navigator', { value: { userAgent: 'node' }, configurable: true });
  }
  Object.defineProperty(globalThis.navigator, 'gpu', { value: dawn.create([]), configurable: true });
  return null;
}

/**
 * Dawn's own words about maxDynamicUniformBuffersPerPipelineLayout and its sibling come from here, where a driver allows more of them than Dawn
 * counts: it writes them to standard error while it looks for adapters, before a limit can be asked for, and no toggle of it turns them off. Who
 * asks for an engine or a backend without WebGPU does not meet them.
 *
 * The adapter there is; where there is none, `reason` says what this machine lacks and what brings it.
 * @param backend the one asked for: Dawn is not even loaded for wasm or cpu
 */
export async function findAdapters(backend?: BackendName): Promise<Adapters> {
  if (backend && backend !== 'webgpu') return probeAdapters();
  const lack = await provideWebGpu();
  const found = await probeAdapters();
  if (found.webgpu !== null) return found;
  return { ...found, reason: lack ?? [found.reason, missingVulkan() ?? noDriver].join(' ') };
}

const noDriver =
  'Dawn needs a Vulkan, Metal or D3D12 driver that it accepts, and found none; a GPU’s own driver, or Mesa’s (lavapipe) in a newer version, may be one.';
