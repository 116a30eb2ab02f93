/** A GPU that binds less than the one that is there, for what is to be done on it: nothing larger is allocated, or the test fails. */
import { expect, vi } from 'vitest';

/**
 * No engine may be alive before or afterwards: they share their device.
 * @param bytes of one buffer, and of one binding
 * @returns what the work gave, and the labels of the buffers that it made
 */
export async function onDeviceThatBinds<T>(
  bytes: number,
  work: () => Promise<T>,
): Promise<{ readonly result: T; readonly buffers: string[] }> {
  const buffers: string[] = [];
  const make = GPUDevice.prototype.createBuffer;
  vi.spyOn(GPUDevice.prototype, 'createBuffer').mockImplementation(function (this: GPUDevice, descriptor) {
    if (descriptor.usage & GPUBufferUsage.STORAGE) {
      expect(descriptor.size, descriptor.label).toBeLessThanOrEqual(bytes);
      buffers.push(descriptor.label ?? '');
    }
    return make.call(this, descriptor);
  });
  const request = GPUAdapter.prototype.requestDevice;
  vi.spyOn(GPUAdapter.prototype, 'requestDevice').mockImplementation(async function (this: GPUAdapter, descriptor) {
    const device = await request.call(this, descriptor);
    const { limits } = device;
    const get = (_: object, name: keyof GPUSupportedLimits) => (name === 'maxBufferSize' ? bytes : Reflect.get(limits, name, limits));
    Object.defineProperty(device, 'limits', { value: new Proxy({}, { get: get as never }) });
    return device;
  });
  try {
    return { result: await work(), buffers };
  } finally {
    vi.restoreAllMocks();
  }
}
