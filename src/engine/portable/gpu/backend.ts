/**
 * tfjs's WebGPU backend, opened up so that this project's shaders run between tfjs's own operations: in the same compute
 * pass, on the buffers of ordinary tensors, in the order of the calls. It adds no operation of its own.
 *
 * tfjs defers its dispatches and hands freed buffers to the next tensor of the same size, so a pass of ours beside tfjs's
 * could read a buffer that has already been given away. Recording into tfjs's own pass, and telling it which tensors
 * the pass still needs, makes order and lifetime its business. The private fields used here are those of 4.22.0, which
 * is pinned; tests/gpu/device.test.ts holds them.
 */
import * as tf from '@tensorflow/tfjs';
import { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';

interface Internals {
  commandEncoder: GPUCommandEncoder | null;
  computePassEncoder: GPUComputePassEncoder | null;
  commandQueueOwnedIds: WeakSet<object>;
  dispatchCountInPass: number;
  uniformPendingDisposal: GPUBuffer[];
}

export class SharedBackend extends WebGPUBackend {
  #internals(): Internals {
    return this as unknown as Internals;
  }

  /** The buffer behind a tensor; uploads what is still on the host. A fresh output's contents are undefined. */
  bufferOf(tensor: tf.TensorInfo): GPUBuffer {
    this.uploadToGPU(tensor.dataId);
    return this.tensorMap.get(tensor.dataId).resource as GPUBuffer;
  }

  /** A uniform buffer with these bytes, reused after the next submit. */
  uniform(bytes: ArrayBuffer): GPUBuffer {
    const buffer = this.bufferManager.acquireBuffer(bytes.byteLength, GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST);
    this.queue.writeBuffer(buffer, 0, bytes);
    this.#internals().uniformPendingDisposal.push(buffer);
    return buffer;
  }

  /** Appends one dispatch to the open pass. `tensors`: all that it reads or writes. */
  record(
    pipeline: GPUComputePipeline,
    bindGroup: GPUBindGroup,
    tensors: readonly tf.TensorInfo[],
    groups: readonly [number, number],
  ): void {
    const internals = this.#internals();
    this.ensureCommandEncoderReady();
    internals.computePassEncoder ??= internals.commandEncoder!.beginComputePass();
    internals.computePassEncoder.setPipeline(pipeline);
    internals.computePassEncoder.setBindGroup(0, bindGroup);
    internals.computePassEncoder.dispatchWorkgroups(groups[0], groups[1]);
    for (const tensor of tensors) internals.commandQueueOwnedIds.add(tensor.dataId);
    if (++internals.dispatchCountInPass >= tf.env().getNumber('WEBGPU_DEFERRED_SUBMIT_BATCH_SIZE')) this.flush();
  }

  /** Submits everything recorded so far. */
  flush(): void {
    this.endComputePassEncoder();
    this.ensureCommandEncoderReady();
    this.submitQueue();
  }
}
