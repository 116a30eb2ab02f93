/** The shared device: order and lifetime between tfjs's operations and ours, failures that are noticed, layouts from the WGSL. */
import * as tf from '@tensorflow/tfjs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import lossShader from '../../shaders/rl/clipped-loss.wgsl';
import { LabError, labErrorCode } from '../../src/errors.ts';
import { acquireGpu, type GpuContext } from '../../src/engine/gpu/device.ts';
import { dispatch, packParams } from '../../src/engine/gpu/pipeline.ts';
import type { Shader } from '../../src/engine/gpu/shader.ts';
import { layoutGroups } from '../../src/engine/gpu/work.ts';

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

let gpu: GpuContext;
beforeEach(async () => {
  gpu = await acquireGpu();
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

describe('failures', () => {
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

  it('a lost device says so, and another one can be had', async () => {
    gpu.device.destroy();
    expect(await gpu.lost).toMatchObject({ expected: false });
    expect(() => gpu.check()).toThrow(LabError);
    const again = await acquireGpu();
    expect(Array.from(await tf.tensor1d([1, 2]).add(1).data())).toEqual([2, 3]);
    again.check();
    again.release();
  });

  it('engines at the same time share one device; the last one to go ends it', async () => {
    const second = await acquireGpu();
    expect(second.device).toBe(gpu.device);
    const x = tf.tensor1d([1, 2]).add(1);
    second.release();
    expect(Array.from(await x.add(1).data())).toEqual([3, 4]);
    gpu.release();
    expect(await gpu.lost).toMatchObject({ expected: true });
  });

  it('a release is a loss that was expected', async () => {
    gpu.release();
    expect(await gpu.lost).toMatchObject({ expected: true });
  });
});

describe('layouts', () => {
  it('come from the WGSL: names, kinds, offsets, and only what the entry point touches', () => {
    const { measure, total } = lossShader.entries;
    expect(measure.bindings.map(({ name }) => name)).toEqual([
      'params',
      'logprob',
      'old',
      'ref_logprob',
      'mask',
      'advantage',
      'row_weight',
      'entropy',
      'rows',
    ]);
    expect(total.bindings).toEqual([
      { name: 'params', binding: 0, type: 'uniform' },
      { name: 'measured', binding: 9, type: 'read-only-storage' },
      { name: 'loss', binding: 10, type: 'storage' },
    ]);
    expect(measure.params.slice(-2)).toEqual([
      { name: 'beta', offset: 36, type: 'f32' },
      { name: 'entropy_weight', offset: 40, type: 'f32' },
    ]);
    for (const { bindings } of Object.values(lossShader.entries)) expect(bindings.length - 1).toBeLessThanOrEqual(8);
  });

  it('uniforms are packed by type', () => {
    const bytes = new DataView(packParams(adder.entries['main']!.params, { size: 3_000_000_000, add: 0.5 }));
    expect([bytes.byteLength, bytes.getUint32(0, true), bytes.getFloat32(4, true)]).toEqual([16, 3_000_000_000, 0.5]);
    expect(() => packParams(adder.entries['main']!.params, { size: 1 })).toThrow('params.add');
  });

  it('workgroups beyond one dimension are laid out in two', () => {
    expect(layoutGroups(65_535, 65_535)).toEqual([65_535, 1]);
    expect(layoutGroups(65_536, 65_535)).toEqual([32_768, 2]);
    const [x, y] = layoutGroups(1_000_001, 65_535);
    expect(x * y - 1_000_001).toBeLessThan(y);
  });
});

it('tells an allocation that failed from other errors, once', () => {
  const report = (error: GPUError) => gpu.device.dispatchEvent(new GPUUncapturedErrorEvent('uncapturederror', { error, cancelable: true }));
  const code = () => {
    try {
      gpu.check();
      return 'none';
    } catch (error) {
      return labErrorCode(error);
    }
  };
  report(new GPUValidationError('a wrong layout'));
  expect(code()).toBe('webgpu');
  report(new GPUOutOfMemoryError('no room'));
  expect([code(), code()]).toEqual(['memory', 'none']);
  report(new GPUValidationError('another one'));
  expect(code()).toBe('webgpu');
});

it('ends every wait for a lost device, and leaves what is done in time alone', async () => {
  const never = gpu.unlessLost(new Promise<never>(() => {}));
  const late = gpu.unlessLost(new Promise<string>((resolve) => setTimeout(() => resolve('done all the same'), 200)));
  const failing = gpu.unlessLost(Promise.reject(new Error('its own reason')));
  await expect(failing).rejects.toThrow('its own reason');
  gpu.device.destroy();
  expect(await late).toBe('done all the same');
  await expect(never).rejects.toThrow(/The GPU device was lost/);
  await expect(gpu.unlessLost(new Promise<never>(() => {}))).rejects.toThrow(/The GPU device was lost/);
});
