/** `permix doctor`: what this machine can compute with, whether it computes rightly, which engine would be chosen, and why. */
import { checkEngine, instead } from '../engine/checked.ts';
import { chooseEngine, type Adapters } from '../engine/choose.ts';
import type { EngineInfo } from '../engine/engine.ts';
import { checkSentence, type SelfCheck } from '../engine/self-check.ts';
import { hasRelaxedSimd, hasWasmSimd } from '../engine/wasm/simd.ts';
import type { Arguments } from './arguments.ts';
import { checkSetup } from './checks.ts';
import { wasmPath } from './engine.ts';
import type { Output } from './output.ts';
import { findAdapters } from './webgpu.ts';

/** The limits that a compute program runs into; --json has all of them. */
const telling = /Buffer(Size|BindingSize)$|StorageBuffersPerShaderStage|^maxCompute/;

/** @returns 1 where an engine computes what it should not */
export async function doctor(args: Arguments, out: Output): Promise<number> {
  const found = await findAdapters();
  let choice = chooseEngine(args.engineRequest, found);
  const checks = await checkAll(args.engineRequest, found);
  for (;;) {
    const check = checks.find((one) => one.engine === choice.engine && one.backend === choice.backend);
    const next = !check || check.passed ? null : instead(choice, check);
    if (!next) break;
    choice = next;
  }
  const { engine, backend, reason } = choice;
  const wasm = { simd: hasWasmSimd(), relaxedSimd: hasRelaxedSimd() };
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
    selfChecks: checks,
  });

  out.line(`Node      ${process.versions.node} on ${process.platform}-${process.arch}`);
  out.line(`wasm      ${wasm.simd ? 'with' : 'without'} SIMD${wasm.relaxedSimd ? ', products and sums in one go' : ''}`);
  out.line(`WebGPU    ${adapter ? `${adapter.description}${adapter.software ? ' (software: correct, slow)' : ''}` : found.reason}`);
  if (adapter) {
    out.line(`features  ${adapter.features.join(', ') || 'none beyond the core'}`);
    for (const [name, value] of Object.entries(adapter.limits)) {
      if (telling.test(name)) out.line(`          ${name} ${value.toLocaleString('en-US')}`);
    }
  }
  for (const check of checks) out.line(`check     ${checkSentence(check)}`);
  if (adapter && !checks.some((check) => check.adapter)) {
    out.line('check     WebGPU was not checked, because a software adapter takes minutes; with --backend webgpu it is.');
  }
  out.line(`engine    ${engine} on ${backend}: ${reason}`);
  return checks.every(({ passed }) => passed) ? 0 : 1;
}

/**
 * Every pair there is here, asked anew; what it finds is remembered for the other commands. A software adapter takes minutes and is
 * never chosen unasked, so there it is done where WebGPU is asked for.
 */
async function checkAll(engineRequest: Arguments['engineRequest'], { webgpu: adapter, software }: Adapters): Promise<SelfCheck[]> {
  const gpu = adapter !== null && (!software || engineRequest.backend === 'webgpu' || engineRequest.engine === 'fused');
  const pairs: Pick<EngineInfo, 'engine' | 'backend' | 'adapter'>[] = [
    ...(gpu ? [{ engine: 'fused' as const, backend: 'webgpu' as const, adapter }] : []),
    ...(gpu ? [{ engine: 'portable' as const, backend: 'webgpu' as const, adapter }] : []),
    ...(hasWasmSimd() ? [{ engine: 'wasm' as const, backend: 'wasm' as const, adapter: null }] : []),
    { engine: 'portable', backend: 'wasm', adapter: null },
    { engine: 'portable', backend: 'cpu', adapter: null },
  ];
  const checks: SelfCheck[] = [];
  for (const pair of pairs) checks.push(await checkEngine(pair, checkSetup, true, wasmPath));
  return checks;
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
