/**
 * What a policy takes on the WebAssembly backend before anything is uploaded: the module multiplies by a packed copy of every matrix, so
 * weights count twice inside its heap, and a tied embedding three times (itself, turned, packed). Only what every use of the policy
 * needs is counted; activations, gradients and moments come on top, and where those do not fit the module says so (`wasm.ts`).
 */
import { LabError } from '../../errors.ts';
import { parameterShapes, type PolicyConfig } from '../../policy/config.ts';
import { wasmMemoryLimit } from './wasm.ts';

/** Bytes in the heap once the policy has answered for the first time. */
export function wasmPolicyBytes(config: PolicyConfig): number {
  let bytes = 0;
  for (const { name, shape } of parameterShapes(config)) {
    const size = shape.reduce((total, n) => total * n, 4);
    const embedding = name === 'model.embed_tokens.weight';
    const copies = embedding ? (config.tied ? 3 : 1) : shape.length === 2 ? 2 : 1;
    bytes += copies * size;
  }
  return bytes;
}

/** @throws LabError `memory` naming the need, the limit and what to do */
export function checkWasmMemory(config: PolicyConfig, limit = wasmMemoryLimit): void {
  const need = wasmPolicyBytes(config);
  if (need <= limit) return;
  throw new LabError(
    'memory',
    `On WebAssembly this policy needs ${gigabytes(need)} GB for its weights and their packed copies, and the module has ${gigabytes(limit)} GB.`,
    'Use a smaller policy, or a GPU (--engine fused, ?engine=fused); plain JavaScript (--backend cpu, ?backend=cpu) has no such limit, and is slow.',
  );
}

function gigabytes(bytes: number): string {
  return (bytes / 1e9).toFixed(2);
}
