/**
 * Which engine runs on what: the fastest pair that this machine and this version have, or what the reader asked for, with the reason
 * in a sentence. It only looks; starting is `create.ts`.
 */
import { LabError, noSuch } from '../errors.ts';
import { backendNames, engineNames, type BackendName, type EngineName, type EngineRequest } from './engine.ts';
import { describeAdapter } from './gpu/adapter.ts';
import { hasWasmSimd } from './wasm/simd.ts';

export interface Adapters {
  /** The adapter's own description, null without WebGPU. */
  readonly webgpu: string | null;
  /** It is a software rasteriser. */
  readonly software: boolean;
  /** Why there is none, a sentence; null where there is one. */
  readonly reason: string | null;
  /** Of the adapter. */
  readonly features: readonly string[];
}

export interface EngineChoice {
  readonly engine: EngineName;
  readonly backend: BackendName;
  /** Why, a sentence for the reader. */
  readonly reason: string;
}

/** What WebGPU there is; never rejects. */
export async function probeAdapters(): Promise<Adapters> {
  const none = (reason: string): Adapters => ({ webgpu: null, software: false, reason, features: [] });
  const gpu = (globalThis.navigator as Navigator | undefined)?.gpu;
  if (!gpu) {
    const insecure = globalThis.isSecureContext === false;
    return none(insecure ? 'WebGPU needs https or localhost, and this page came over plain http.' : 'There is no WebGPU here.');
  }
  try {
    const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
    if (!adapter) return none('WebGPU found no adapter.');
    const { adapter: webgpu, software } = describeAdapter(adapter);
    return { webgpu, software, reason: null, features: [...adapter.features] };
  } catch (error) {
    return none(`WebGPU gave no adapter (${error instanceof Error ? error.message : String(error)}).`);
  }
}

/** What computes where no GPU does. */
export const onHost = (simd = hasWasmSimd()): Omit<EngineChoice, 'reason'> => ({ engine: simd ? 'wasm' : 'portable', backend: 'wasm' });

/**
 * @param request names as they come from a link or the command line  @param simd whether WebAssembly here knows vectors
 * @throws LabError `usage` for unknown names, an impossible pair, or what is not here
 */
export function chooseEngine(
  request: { readonly engine?: string | null; readonly backend?: string | null },
  adapters: Adapters,
  simd = hasWasmSimd(),
): EngineChoice {
  const engine = named(engineNames, 'engine', request.engine);
  const backend = named(backendNames, 'backend', request.backend);
  const only = engine && onlyBackend[engine];
  if (only && backend && backend !== only) {
    throw new LabError(
      'usage',
      `The ${engine} engine runs on ${only} only, not on ${backend}.`,
      `Choose the portable engine, or the ${only} backend.`,
    );
  }
  const reason = `You asked for ${engine && !(engine === 'portable' && backend) ? `the ${engine} engine` : backend}.`;
  const asked = only ?? backend;
  switch (asked) {
    case 'webgpu':
      if (!adapters.webgpu) {
        const what = engine === 'fused' ? 'fused engine' : 'webgpu backend';
        throw new LabError('usage', `The ${what} cannot be used: ${adapters.reason ?? 'there is no adapter.'}`, 'Choose the wasm backend.');
      }
      return { engine: engine ?? 'fused', backend: asked, reason };
    case 'wasm':
      if (engine === 'wasm' && !simd) {
        const what = 'The wasm engine cannot be used: WebAssembly is without SIMD here.';
        throw new LabError('usage', what, 'Choose the portable engine.');
      }
      return { ...(engine ? { engine } : onHost(simd)), backend: asked, reason };
    case 'cpu':
      return { engine: 'portable', backend: asked, reason };
    case null:
      return fastest(engine ?? null, adapters, simd);
    default:
      return noSuch('backend', asked);
  }
}

/** The backend that a request names, by itself or by an engine that runs on one only; undefined: it is left to be chosen. */
export const askedBackend = ({ engine, backend }: EngineRequest): BackendName | undefined =>
  backend ?? (engine && onlyBackend[engine]) ?? undefined;

/** Engines that are written for one backend. */
const onlyBackend: Readonly<Record<EngineName, BackendName | null>> = { portable: null, fused: 'webgpu', wasm: 'wasm' };

/** @param engine portable, where it was asked for */
function fastest(engine: EngineName | null, { webgpu, software, reason }: Adapters, simd: boolean): EngineChoice {
  if (webgpu && !software) return { engine: engine ?? 'fused', backend: 'webgpu', reason: `WebGPU runs on "${webgpu}".` };
  const host = { ...onHost(simd), ...(engine ? { engine } : {}) };
  if (webgpu) return { ...host, reason: `The WebGPU adapter "${webgpu}" is a software one, and wasm is faster than that.` };
  return { ...host, reason: `${reason ?? 'There is no WebGPU here.'} The wasm backend runs everywhere.` };
}

function named<Name extends string>(names: readonly Name[], what: string, request: string | null | undefined): Name | null {
  if (!request) return null;
  const found = names.find((name) => name === request);
  if (!found) throw new LabError('usage', `There is no ${what} "${request}".`, `Choose one of ${names.join(', ')}.`);
  return found;
}
