/** `permix doctor`: what this machine can compute with, which engine would be chosen, and why. */
import { chooseEngine } from '../engine/choose.ts';
import type { Arguments } from './arguments.ts';
import type { Output } from './output.ts';
import { findAdapters, hasWasmSimd } from './webgpu.ts';

/** The limits that a compute program runs into; --json has all of them. */
const telling = /Buffer(Size|BindingSize)$|StorageBuffersPerShaderStage|^maxCompute/;

export async function doctor(args: Arguments, out: Output): Promise<void> {
  const found = await findAdapters();
  const { engine, backend, reason } = chooseEngine(args.wish, found);
  const wasm = { simd: hasWasmSimd() };
  const adapter = found.webgpu === null ? null : { description: found.webgpu, software: found.software, ...(await abilities()) };
  out.object({
    node: process.versions.node,
    platform: `${process.platform}-${process.arch}`,
    wasm,
    webgpu: { available: adapter !== null, missing: found.reason },
    adapters: adapter ? [adapter] : [],
    engine,
    backend,
    reason,
  });

  out.line(`Node      ${process.versions.node} on ${process.platform}-${process.arch}`);
  out.line(`wasm      ${wasm.simd ? 'with' : 'without'} SIMD`);
  out.line(`WebGPU    ${adapter ? `${adapter.description}${adapter.software ? ' (software: correct, slow)' : ''}` : found.reason}`);
  if (adapter) {
    out.line(`features  ${adapter.features.join(', ') || 'none beyond the core'}`);
    for (const [name, value] of Object.entries(adapter.limits)) {
      if (telling.test(name)) out.line(`          ${name} ${value.toLocaleString('en-US')}`);
    }
  }
  out.line(`engine    ${engine} on ${backend}: ${reason}`);
}

async function abilities(): Promise<{ features: string[]; limits: Record<string, number> }> {
  const adapter = await navigator.gpu.requestAdapter({ powerPreference: 'high-performance' });
  const limits: Record<string, number> = {};
  // Limits are getters of the prototype, which Object.entries does not see.
  for (const name in adapter?.limits) {
    const value: unknown = adapter.limits[name as keyof GPUSupportedLimits];
    if (typeof value === 'number') limits[name] = value;
  }
  return { features: [...(adapter?.features ?? [])].sort(), limits };
}
