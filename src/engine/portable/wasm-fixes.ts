/**
 * tfjs-backend-wasm 4.22.0 writes the integers of `tf.oneHot` into a tensor that may say float32, where 1 reads as 1.4e-45.
 * This puts a right kernel in its place. To be deleted when tests/unit/portable-ops.test.ts says that the stock one is right.
 */
import * as tf from '@tensorflow/tfjs';
import { hostTensor, hostView } from './host.ts';

let applied = false;

/** Call once the wasm backend is the current one. */
export function fixWasmKernels(): void {
  if (applied) return;
  applied = true;
  const stock = tf.getKernel('OneHot', 'wasm');
  tf.unregisterKernel('OneHot', 'wasm');
  tf.registerKernel({
    ...stock,
    kernelFunc: (call) => {
      const { depth, onValue, offValue, dtype } = call.attrs as unknown as tf.OneHotAttrs;
      if (dtype !== 'float32') return stock.kernelFunc(call);
      const indices = call.inputs['indices'] as tf.TensorInfo;
      const output = hostTensor([...indices.shape, depth]);
      const [from, to] = [hostView(indices), hostView(output)];
      to.fill(offValue);
      for (let i = 0; i < from.length; i++) if (from[i]! >= 0 && from[i]! < depth) to[i * depth + from[i]!] = onValue;
      return output;
    },
  });
}
