/**
 * Tensors whose numbers lie in host memory: on the `cpu` and `wasm` backends a kernel may be a plain loop over typed arrays.
 * It exists because tfjs-wasm has a fast path for little more than the plain matrix product: measured on one core for
 * [8192, 256], a transpose takes 36 ms and a column sum 38 ms, against 4 ms and 2 ms for loops over the wasm heap.
 * It is not for `webgpu`, where the same functions are composed from tf ops.
 */
import * as tf from '@tensorflow/tfjs';

interface WasmBackend {
  makeOutput(shape: number[], dtype: 'float32'): tf.TensorInfo;
  typedArrayFromHeap(info: tf.TensorInfo): Float32Array;
}

interface CpuBackend {
  makeTensorInfo(shape: number[], dtype: 'float32', values: Float32Array): tf.TensorInfo;
  data: { get(dataId: object): { values: Float32Array } };
}

/** True where `hostView` works. */
export function onHost(): boolean {
  const name = tf.getBackend();
  return name === 'wasm' || name === 'cpu';
}

/** A new float32 tensor, its numbers undefined: the caller writes all of them. Tracked by `tf.tidy`. */
export function hostTensor<T extends tf.Tensor>(shape: number[]): T {
  const backend: unknown = tf.backend();
  const info =
    tf.getBackend() === 'wasm'
      ? (backend as WasmBackend).makeOutput(shape, 'float32')
      : (backend as CpuBackend).makeTensorInfo(shape, 'float32', new Float32Array(tf.util.sizeFromShape(shape)));
  return tf.engine().makeTensorFromTensorInfo(info) as T;
}

/**
 * The numbers of a float32 tensor, not a copy. Take views only after every tensor of the computation has been allocated:
 * an allocation may grow the wasm memory, which empties earlier views.
 */
export function hostView(tensor: tf.TensorInfo): Float32Array {
  const backend: unknown = tf.backend();
  if (tf.getBackend() === 'wasm') return (backend as WasmBackend).typedArrayFromHeap(tensor);
  return (backend as CpuBackend).data.get(tensor.dataId).values;
}

/** Scratch of at least `size` doubles, kept between calls; its contents are undefined. */
export function scratch(size: number, slot: number): Float64Array {
  const have = buffers[slot];
  if (have && have.length >= size) return have;
  return (buffers[slot] = new Float64Array(size));
}
const buffers: Float64Array[] = [];
