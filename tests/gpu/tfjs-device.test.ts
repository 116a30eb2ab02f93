/** tfjs on the shared device: order and lifetime between tfjs's operations and ours, its backend's comings and goings. */
import * as tf from '@tensorflow/tfjs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { labErrorCode } from '../../src/errors.ts';
import { acquireGpu } from '../../src/engine/gpu/device.ts';
import type { Shader } from '../../src/engine/gpu/shader.ts';
import { acquireTfjsGpu, type TfjsContext } from '../../src/engine/portable/gpu/acquire.ts';
import { dispatch } from '../../src/engine/portable/gpu/dispatch.ts';

/** out = in + params.add, 64 a workgroup. */
const adder: Shader = {
  label: 'test/adder',
  code: `
const FACTOR = 1.0;
    struct Params { size: u32, add: f32 }
    @group(0) @binding(0) var<uniform> params: Params;
    @group(0) @binding(1) var<storage, read> source: array<f32>;
    @group(0) @binding(2) var<storage, read_write> result: array<f32>;
        @compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {
      if (id.x < params.size) { result[id.x] = FACTOR * source[id.x] + params.add; }
    }`,
  entries: {
    main: {
      bindings: [
        { name: 'params', binding: 0, type: 'uniform' },
        { name: 'source', binding: 1, type: 'read-only-storage' },
        { name: 'result', binding: 2, type: 'storage' },
      ],
      params: [
        { name: 'size', offset: 0, type: 'u32' },
        { name: 'add', offset: 4, type: 'f32' },
      ],
    },
  },
  constants: { FACTOR: 1 },
};

let gpu: TfjsContext;
beforeEach(async () => {
  gpu = await acquireTfjsGpu();
});
afterEach(() => gpu.release());

function add(source: tf.Tensor, amount: number, factor = 1): tf.Tensor {
  const result = gpu.backend.makeTensorInfo(source.shape, 'float32');
  dispatch(gpu.backend, {
    shader: adder,
    entry: 'main',
    constants: { FACTOR: `${factor}.0` },
    tensors: { source, result },
    params: { size: source.size, add: amount },
    groups: Math.ceil(source.size / 64),
  });
  return tf.engine().makeTensorFromTensorInfo(result);
}

describe('a dispatch among tfjs operations', () => {
  it('sees what came before and is seen by what comes after, each with its own uniforms', async () => {
    const out = tf.tidy(() => {
      let x: tf.Tensor = tf.tensor1d([1, 2, 3]);
      for (let i = 0; i < 200; i++) x = add(x.add(1), 2);
      return add(x.mul(2), 0.5, 3);
    });
    expect(Array.from(await out.data())).toEqual([1, 2, 3].map((x) => (x + 600) * 6 + 0.5));
    gpu.check();
  });

  it('keeps a buffer whose tensor is disposed before the submit', async () => {
    const x = tf.tensor1d([7, 7, 7]).add(0);
    const y = add(x, 1);
    x.dispose();
    const other = tf.tidy(() => tf.fill([3], 1).add(0).add(0)); // would be given x's buffer
    expect(Array.from(await y.data())).toEqual([8, 8, 8]);
    tf.dispose([y, other]);
    gpu.check();
  });

  it('gives the GPU its memory back', async () => {
    const work = async () => {
      const y = tf.tidy(() => add(add(tf.ones([1000]), 1), 2));
      await y.data();
      y.dispose();
    };
    await work();
    const { numBytesAllocatedInGPU } = gpu.backend.memory();
    for (let i = 0; i < 5; i++) await work();
    expect(gpu.backend.memory().numBytesAllocatedInGPU).toBe(numBytesAllocatedInGPU);
  });
});

describe('the backend', () => {
  it('an invalid dispatch, which WebGPU only mentions to nobody, fails the next check, once', async () => {
    const broken: Shader = { ...adder, label: 'test/broken', code: adder.code.replace('source[id.x] +', 'nothing +') };
    const result = gpu.backend.makeTensorInfo([3], 'float32');
    const source = tf.tensor1d([1, 2, 3]);
    dispatch(gpu.backend, { shader: broken, entry: 'main', tensors: { source, result }, params: { size: 3, add: 1 }, groups: 1 });
    await gpu.device.queue.onSubmittedWorkDone();
    gpu.backend.flush();
    await gpu.device.queue.onSubmittedWorkDone();
    const failed = () => {
      try {
        gpu.check();
        return null;
      } catch (error) {
        return labErrorCode(error);
      }
    };
    await expect.poll(() => gpu.errors.length).toBeGreaterThan(0);
    expect(failed()).toBe('webgpu');
    expect(failed()).toBeNull();
  });

  it('moves to a new device when its own is lost', async () => {
    gpu.device.destroy();
    expect(await gpu.lost).toMatchObject({ expected: false });
    const again = await acquireTfjsGpu();
    expect(again.device).not.toBe(gpu.device);
    gpu.release();
    expect(Array.from(await tf.tensor1d([1, 2]).add(1).data())).toEqual([2, 3]);
    again.check();
    again.release();
  });

  it('is shared by engines at the same time, and taken away with the last of them', async () => {
    const second = await acquireTfjsGpu();
    expect([second.device, second.backend]).toEqual([gpu.device, gpu.backend]);
    const x = tf.tensor1d([1, 2]).add(1);
    second.release();
    expect(Array.from(await x.add(1).data())).toEqual([3, 4]);
    gpu.release();
    expect(tf.findBackendFactory('webgpu')).toBeNull();
    expect(await gpu.lost).toMatchObject({ expected: true });
  });

  it('leaves the device to those who compute without tfjs, and finds it again', async () => {
    const plain = await acquireGpu();
    expect(plain.device).toBe(gpu.device);
    gpu.release();
    expect(tf.findBackendFactory('webgpu')).toBeNull();
    await plain.device.queue.onSubmittedWorkDone();
    plain.check();
    const again = await acquireTfjsGpu();
    expect(again.device).toBe(plain.device);
    plain.release();
    expect(Array.from(await tf.tensor1d([1, 2]).add(1).data())).toEqual([2, 3]);
    again.check();
    again.release();
  });
});
