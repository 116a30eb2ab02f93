/**
 * How this project's operations become tfjs kernels: one name, one gradient, and one implementation per backend.
 * On `cpu` and `wasm` that is the *twin*, a composition of tf ops which also serves as the oracle in tests; on
 * `webgpu` it is WGSL (src/engine/portable/gpu/kernels.ts). Nothing is computed here.
 */
import * as tf from '@tensorflow/tfjs';

type Inputs = Record<string, tf.Tensor>;
type Attributes = Record<string, number | string>;

export type Twin = (inputs: Inputs, attributes: Attributes) => tf.Tensor[];

/** Registers a composition of tf ops for the backends without shaders. Inner ops are not taped: tfjs sees one kernel. */
export function registerTwin(kernelName: string, twin: Twin): void {
  for (const backendName of ['cpu', 'wasm']) {
    tf.registerKernel({
      kernelName,
      backendName,
      kernelFunc: ({ inputs, attrs }) => tf.tidy(() => twin(inputs as Inputs, (attrs ?? {}) as Attributes)),
    });
  }
}

/** Runs a registered kernel with several outputs on the current backend. */
export function runKernel(kernelName: string, inputs: Inputs, attributes: object): tf.Tensor[] {
  const out = tf.engine().runKernel(kernelName, inputs, attributes as tf.NamedAttrMap) as tf.Tensor | tf.Tensor[];
  return Array.isArray(out) ? out : [out];
}
