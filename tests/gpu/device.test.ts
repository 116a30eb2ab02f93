/** The shared device: failures that are noticed, its comings and goings, layouts from the WGSL. tfjs on it is tfjs-device.test.ts. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import lossShader from '../../shaders/rl/clipped-loss.wgsl';
import { LabError, labErrorCode } from '../../src/errors.ts';
import { acquireGpu, type GpuContext } from '../../src/engine/gpu/device.ts';
import { packParams } from '../../src/engine/gpu/pipeline.ts';
import type { Param } from '../../src/engine/gpu/shader.ts';
import { layoutGroups } from '../../src/engine/gpu/work.ts';

let gpu: GpuContext;
beforeEach(async () => {
  gpu = await acquireGpu();
});
afterEach(() => gpu.release());

describe('failures', () => {
  it('an invalid call, which WebGPU only mentions to nobody, fails the next check, once', async () => {
    gpu.device.createBuffer({ size: 4, usage: 0 });
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
    expect(again.device).not.toBe(gpu.device);
    await again.device.queue.onSubmittedWorkDone();
    again.check();
    again.release();
  });

  it('engines at the same time share one device; the last one to go ends it', async () => {
    const second = await acquireGpu();
    expect(second.device).toBe(gpu.device);
    second.release();
    await gpu.device.queue.onSubmittedWorkDone();
    gpu.check();
    gpu.release();
    expect(await gpu.lost).toMatchObject({ expected: true });
  });

  it('a release is a loss that was expected', async () => {
    gpu.release();
    expect(await gpu.lost).toMatchObject({ expected: true });
  });
});

describe('limits', () => {
  it('are those of the adapter', async () => {
    const adapter = await navigator.gpu.requestAdapter({ powerPreference: 'high-performance' });
    expect(gpu.limits['maxBufferSize']).toBe(adapter!.limits.maxBufferSize);
    expect(gpu.limits['maxStorageBufferBindingSize']).toBe(adapter!.limits.maxStorageBufferBindingSize);
    expect(gpu.device.limits.maxStorageBufferBindingSize).toBe(adapter!.limits.maxStorageBufferBindingSize);
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
    const params: readonly Param[] = [
      { name: 'size', offset: 0, type: 'u32' },
      { name: 'add', offset: 4, type: 'f32' },
    ];
    const bytes = new DataView(packParams(params, { size: 3_000_000_000, add: 0.5 }));
    expect([bytes.byteLength, bytes.getUint32(0, true), bytes.getFloat32(4, true)]).toEqual([16, 3_000_000_000, 0.5]);
    expect(() => packParams(params, { size: 1 })).toThrow('params.add');
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
