/**
 * Which engine runs on what: the fastest pair that this machine and this version have, or what the reader asked for, with the reason
 * in a sentence. It only looks; starting is `create.ts`.
 */
import { LabError } from '../errors.ts';
import { backendNames, engineNames, type BackendName, type EngineName } from './engine.ts';
import { describeAdapter } from './gpu/adapter.ts';

export interface Adapters {
  /** The adapter's own description, null without WebGPU. */
  readonly webgpu: string | null;
  /** It is a software rasteriser. */
  readonly software: boolean;
  /** Why there is none, a sentence; null where there is one. */
  readonly reason: string | null;
}

export interface EngineChoice {
  readonly engine: EngineName;
  readonly backend: BackendName;
  /** Why, a sentence for the reader. */
  readonly reason: string;
}

/** What WebGPU there is; never rejects. */
export async function probeAdapters(): Promise<Adapters> {
  const none = (reason: string): Adapters => ({ webgpu: null, software: false, reason });
  const gpu = (globalThis.navigator as Navigator | undefined)?.gpu;
  if (!gpu) {
    const insecure = globalThis.isSecureContext === false;
    return none(insecure ? 'WebGPU needs https or localhost, and this page came over plain http.' : 'There is no WebGPU here.');
  }
  try {
    const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
    if (!adapter) return none('WebGPU found no adapter.');
    const { adapter: webgpu, software } = describeAdapter(adapter);
    return { webgpu, software, reason: null };
  } catch (error) {
    return none(`WebGPU gave no adapter (${error instanceof Error ? error.message : String(error)}).`);
  }
}

/**
 * @param request names as they come from a link or the command line
 * @throws LabError `usage` for unknown names, an impossible pair, or WebGPU where there is none
 */
export function chooseEngine(
  request: { readonly engine?: string | null; readonly backend?: string | null },
  adapters: Adapters,
): EngineChoice {
  const engine = named(engineNames, 'engine', request.engine);
  const backend = named(backendNames, 'backend', request.backend);
  if (engine === 'fused' && backend && backend !== 'webgpu') {
    throw new LabError(
      'usage',
      `The fused engine runs on webgpu only, not on ${backend}.`,
      'Choose the portable engine, or the webgpu backend.',
    );
  }
  const wantsWebGpu = engine === 'fused' || backend === 'webgpu';
  if (wantsWebGpu && !adapters.webgpu) {
    throw new LabError(
      'usage',
      `The ${engine === 'fused' ? 'fused engine' : 'webgpu backend'} cannot be used: ${adapters.reason ?? 'there is no adapter.'}`,
      'Choose the wasm backend.',
    );
  }
  // On WebGPU the fused engine is the faster one on every adapter; elsewhere there is only the portable one.
  if (wantsWebGpu) {
    const chosen = engine ?? 'fused';
    return { engine: chosen, backend: 'webgpu', reason: `You asked for ${engine ? `the ${chosen} engine` : 'webgpu'}.` };
  }
  if (backend) return { engine: 'portable', backend, reason: `You asked for ${backend}.` };
  if (!adapters.webgpu)
    return {
      engine: 'portable',
      backend: 'wasm',
      reason: `${adapters.reason ?? 'There is no WebGPU here.'} The wasm backend runs everywhere.`,
    };
  if (adapters.software) {
    return {
      engine: 'portable',
      backend: 'wasm',
      reason: `The WebGPU adapter "${adapters.webgpu}" is a software one, and wasm is faster than that.`,
    };
  }
  const chosen = engine ?? 'fused';
  return { engine: chosen, backend: 'webgpu', reason: `WebGPU runs on "${adapters.webgpu}".` };
}

function named<Name extends string>(names: readonly Name[], what: string, request: string | null | undefined): Name | null {
  if (!request) return null;
  const found = names.find((name) => name === request);
  if (!found) throw new LabError('usage', `There is no ${what} "${request}".`, `Choose one of ${names.join(', ')}.`);
  return found;
}
