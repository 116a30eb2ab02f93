/**
 * tfjs's WebAssembly backend, with its module watched. A kernel of the module that fails prints a line to its standard error ("XNN
 * status … is not successful"), leaves its output as it was and goes on; a refused allocation returns address 0, over which the next
 * upload would write; an abort or an access out of bounds leaves the heap in the middle of a change. So the module is made here, not by
 * tfjs, and every call into it goes through `watched`: the first sign of any of these throws, at the call that failed, and from then on
 * the module computes nothing. The next engine gets a fresh module.
 *
 * It relies on the glue of 4.22.0, which is pinned (`printErr`, `asm`, `_malloc`); tests/unit/wasm-module.test.ts holds it.
 */
import * as tf from '@tensorflow/tfjs';
import type { BackendWasmModule } from '@tensorflow/tfjs-backend-wasm/wasm-out/tfjs-backend-wasm.js';
import { LabError } from '../../errors.ts';

/** A folder with a slash at its end; or, where a bundler renamed the binaries, the address of each by name. */
export type WasmPath = string | Readonly<Record<WasmBinary, string>>;
type WasmBinary = 'tfjs-backend-wasm.wasm' | 'tfjs-backend-wasm-simd.wasm' | 'tfjs-backend-wasm-threaded-simd.wasm';

/** What 32-bit addresses reach; emscripten grows the heap up to here. */
export const wasmMemoryLimit = 2 ** 32 - 2 ** 16;

type Exported = (...args: number[]) => number;
interface Module extends BackendWasmModule {
  readonly asm: Readonly<Record<string, Exported | object>>;
  readonly HEAPU8: Uint8Array;
  [name: `_${string}`]: Exported;
}

/** What tidies up. Of a module that failed there is nothing to tidy. */
const tidying = new Set(['free', 'dispose_data', 'dispose']);

export class WasmModule {
  #module: Module | null = null;
  #failure: string | null = null;
  /** Of the module: what it prints before it is ready is about its start and belongs to whoever reads the console. */
  #ready = false;

  /** @throws the reason why the binary could not be had */
  static async start(wasmPath?: WasmPath): Promise<WasmModule> {
    const { default: glue } = await import('@tensorflow/tfjs-backend-wasm/wasm-out/tfjs-backend-wasm.js');
    const simd = await tf.env().getAsync('WASM_HAS_SIMD_SUPPORT');
    const binary: WasmBinary = simd ? 'tfjs-backend-wasm-simd.wasm' : 'tfjs-backend-wasm.wasm';
    const watch = new WasmModule();
    const setup = {
      locateFile: (_: string, beside: string) => (typeof wasmPath === 'object' ? wasmPath[binary] : (wasmPath ?? beside) + binary),
      printErr: (line: string) => (watch.#ready ? watch.#fail(line) : console.warn(line)),
      onAbort: (what: unknown) => watch.#fail(`aborted ${String(what)}`.trim()),
    };
    const heard = listeners();
    watch.#adopt((await glue(setup)) as Module);
    // In Node it listens for every error of the process that nobody catches, for ever.
    for (const { event, listener } of listeners()) if (!heard.some((one) => one.listener === listener)) process.off(event, listener);
    return watch;
  }

  #adopt(module: Module): void {
    this.#module = module;
    const { cwrap } = module as unknown as { cwrap(name: string, result: 'number' | null, args: readonly string[]): Exported };
    for (const [name, call] of Object.entries(module.asm)) {
      if (typeof call === 'function' && !/^(__|stack|dynCall)/.test(name)) module[`_${name}`] = this.#watched(name, call as Exported);
    }
    module.tfjs = {
      init: cwrap('init', null, []),
      initWithThreadsCount: cwrap('init_with_threads_count', null, ['number']),
      getThreadsCount: cwrap('get_threads_count', 'number', []),
      registerTensor: cwrap('register_tensor', null, ['number', 'number', 'number']),
      disposeData: cwrap('dispose_data', null, ['number']),
      dispose: cwrap('dispose', null, []),
    };
    this.#ready = true;
  }

  #watched(name: string, call: Exported): Exported {
    return (...args) => {
      if (this.#failure !== null) {
        if (tidying.has(name)) return 0;
        this.check();
      }
      let result: number;
      try {
        result = call(...args);
      } catch (error) {
        this.#fail(error instanceof Error ? error.message : String(error));
        throw this.#error(error);
      }
      if (name === 'malloc' && result === 0 && args[0]! > 0) this.#fail(`no room for ${Math.ceil(args[0]! / 2 ** 20)} MiB more`);
      this.check();
      return result;
    };
  }

  #fail(why: string): void {
    this.#failure ??= why;
  }

  /** The first thing that went wrong is the reason of everything after it. */
  #error(cause?: unknown): LabError {
    return new LabError(
      'wasm',
      `The WebAssembly module failed with ${this.megabytes} MB in use (${this.#failure}), so what it was computing is not to be trusted.`,
      'Continue from what was saved last; if it comes again, use a smaller policy, shorter or fewer rows, or another backend.',
      { cause },
    );
  }

  get failed(): boolean {
    return this.#failure !== null;
  }

  /** @throws LabError 'wasm' once the module has failed, and from then on */
  check(): void {
    if (this.#failure !== null) throw this.#error();
  }

  /** The heap, which grows and never shrinks. */
  get megabytes(): number {
    return Math.round((this.#module?.HEAPU8.length ?? 0) / 1e6);
  }

  /** For tfjs. */
  get module(): BackendWasmModule {
    return this.#module!;
  }
}

function listeners(): { event: string; listener: () => void }[] {
  if (typeof process === 'undefined' || typeof process.listeners !== 'function') return [];
  return ['uncaughtException', 'unhandledRejection'].flatMap((event) =>
    process.listeners(event as NodeJS.Signals).map((listener) => ({ event, listener: listener as () => void })),
  );
}

let current: WasmModule | null = null;

/** A module that works, registered as tfjs's `wasm` backend. Engines that live at the same time share it. */
export async function acquireWasm(wasmPath?: WasmPath): Promise<WasmModule> {
  const { BackendWasm } = await import('@tensorflow/tfjs-backend-wasm');
  if (!current || current.failed) {
    // Helper threads gain nothing here, and hang minified builds on isolated pages.
    tf.env().set('WASM_HAS_MULTITHREAD_SUPPORT', false);
    let started: WasmModule;
    try {
      started = await WasmModule.start(wasmPath);
    } catch (cause) {
      // In practice its binary is not where it was looked for.
      throw new LabError('network', 'The wasm backend did not start.', 'Reload the page, or choose another backend.', { cause });
    }
    // tfjs's own, or one whose module failed; its tensors are gone with it.
    if (tf.findBackendFactory('wasm')) tf.removeBackend('wasm');
    tf.registerBackend('wasm', () => new BackendWasm(started.module), 2);
    current = started;
  }
  return current;
}
