/** Which engine may be used: the self-check of each, done once and remembered, and what comes after one that failed. */
import { createEngine, type WasmPath } from './create.ts';
import { tensorsOf } from '../policy/weights.ts';
import { onHost, type EngineChoice } from './choose.ts';
import type { EngineInfo } from './engine.ts';
import { checkSentence, selfCheck, type SelfCheck } from './self-check.ts';
import { hasWasmSimd } from './wasm/simd.ts';

/** Where results are kept. Neither may throw: a result that cannot be kept is found again. */
export interface CheckMemory {
  read(key: string): Promise<SelfCheck | null>;
  write(key: string, check: SelfCheck): Promise<void>;
}

export interface CheckSetup {
  /** Version or build of the program: another one is checked again. */
  readonly program: string;
  readonly memory: CheckMemory;
}

/** Until the process ends. */
export function processMemory(): CheckMemory {
  const checks = new Map<string, SelfCheck>();
  return {
    read: (key) => Promise.resolve(checks.get(key) ?? null),
    write: (key, check) => Promise.resolve(void checks.set(key, check)),
  };
}

/**
 * Whether an engine is checked before it is used. A software adapter spends minutes on the check, compiling shaders, and nobody gets one
 * unasked; so there it is done when it is asked for by name: `?selftest`, `permix doctor --backend webgpu`.
 */
export function checkedFirst({ backend }: Pick<EngineChoice, 'backend'>, software: boolean, asked = false): boolean {
  return asked || backend !== 'webgpu' || !software;
}

/**
 * The result of the self-check of this engine on this adapter.
 * @param again asks the machine whatever is remembered
 */
export async function checkEngine(
  { engine, backend, adapter }: Pick<EngineInfo, 'engine' | 'backend' | 'adapter'>,
  { program, memory }: CheckSetup,
  again = false,
  wasmPath?: WasmPath,
): Promise<SelfCheck> {
  const key = [program, engine, backend, adapter ?? ''].join(' | ');
  const known = again ? null : await memory.read(key);
  if (known) return known;
  const check = await selfCheck({ engine, backend, adapter }, (config, weights) =>
    createEngine({ config, weights: tensorsOf(config, weights), engine, backend, ...(wasmPath ? { wasmPath } : {}) }),
  );
  // What was thrown may have been a device that went away; numbers that are wrong stay wrong.
  if (check.failure === null) await memory.write(key, check);
  return check;
}

/** What computes instead; null after the last one. */
export function instead({ engine, backend }: EngineChoice, failed: SelfCheck, simd = hasWasmSimd()): EngineChoice | null {
  const so = (what: string) => `${checkSentence(failed)} So the policy runs on ${what}.`;
  if (backend === 'webgpu') return { ...onHost(simd), reason: so('WebAssembly') };
  if (engine === 'wasm') return { engine: 'portable', backend: 'wasm', reason: so('the portable engine') };
  return backend === 'cpu' ? null : { engine: 'portable', backend: 'cpu', reason: so('plain JavaScript') };
}

/** A result that was stored by whatever version, or none. */
export function readCheck(stored: unknown): SelfCheck | null {
  const { passed, findings, milliseconds, engine, backend } = (stored ?? {}) as Partial<SelfCheck>;
  const whole = typeof passed === 'boolean' && Array.isArray(findings) && typeof milliseconds === 'number' && engine && backend;
  return whole ? (stored as SelfCheck) : null;
}
