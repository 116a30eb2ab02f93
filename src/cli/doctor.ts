/** `permix doctor`: what this machine can compute with, which engine would be chosen, and why. */
import { chooseEngine, probeAdapters } from '../engine/choose.ts';
import type { Arguments } from './arguments.ts';
import type { Output } from './output.ts';
import { hasWasmSimd, provideWebGpu } from './webgpu.ts';

interface AdapterReport {
  readonly description: string;
  readonly vendor: string;
  readonly architecture: string;
  readonly software: boolean;
  readonly features: readonly string[];
  readonly limits: Readonly<Record<string, number>>;
}

export async function doctor(args: Arguments, out: Output): Promise<void> {
  const missing = await provideWebGpu();
  const adapter = missing ? null : await describeAdapter();
  const webgpu = adapter
    ? null
    : (missing ?? 'WebGPU is there, but no adapter: this machine has no Vulkan, Metal or D3D12 driver that Dawn accepts.');
  const choice = chooseEngine(args.wish, await probeAdapters());
  const wasm = { simd: hasWasmSimd() };
  const { engine, backend, reason } = choice;
  out.object({
    node: process.versions.node,
    platform: `${process.platform}-${process.arch}`,
    wasm,
    webgpu: { available: adapter !== null, missing: webgpu },
    adapters: adapter ? [adapter] : [],
    engine,
    backend,
    reason,
  });

  out.line(`Node      ${process.versions.node} on ${process.platform}-${process.arch}`);
  out.line(`wasm      ${wasm.simd ? 'with' : 'without'} SIMD`);
  out.line(`WebGPU    ${adapter ? `${adapter.description}${adapter.software ? ' (software: correct, slow)' : ''}` : webgpu}`);
  if (adapter) {
    out.line(`features  ${adapter.features.join(', ') || 'none beyond the core'}`);
    for (const [name, value] of Object.entries(adapter.limits)) out.line(`          ${name} ${value.toLocaleString('en-US')}`);
  }
  out.line(`engine    ${engine} on ${backend}: ${reason}`);
}

async function describeAdapter(): Promise<AdapterReport | null> {
  const adapter = await navigator.gpu.requestAdapter({ powerPreference: 'high-performance' }).catch(() => null);
  if (!adapter) return null;
  const { vendor, architecture, device, description } = adapter.info;
  const names = [vendor, architecture, device, description].filter(Boolean).join(' ');
  // Limits are getters of the prototype.
  const limits: Record<string, number> = {};
  for (const name in adapter.limits) {
    const value: unknown = adapter.limits[name as keyof GPUSupportedLimits];
    if (typeof value === 'number') limits[name] = value;
  }
  return {
    description: names || 'unnamed adapter',
    vendor,
    architecture,
    software: adapter.info.isFallbackAdapter || /swiftshader|llvmpipe|lavapipe/i.test(names),
    features: [...adapter.features].sort(),
    limits,
  };
}
