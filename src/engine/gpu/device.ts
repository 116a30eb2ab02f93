/**
 * The one GPU device of this project: asked for with the adapter's own limits, shared with tfjs as its `webgpu` backend,
 * and watched. WebGPU reports a failed dispatch or an allocation that did not fit only to an event nobody waits for, and
 * what was to be computed reads as zeros; `check` turns that into an error at the next step boundary. A lost device takes
 * all tensors with it: the owner acquires a new one and starts from its last checkpoint.
 *
 * Runs in a browser worker and in Node, where the caller has put Dawn's `navigator.gpu` and globals in place beforehand.
 */
import * as tf from '@tensorflow/tfjs';
import { LabError } from '../../errors.ts';
import { SharedBackend } from './backend.ts';
import { registerShaderKernels } from './kernels.ts';

export interface GpuContext {
  readonly device: GPUDevice;
  readonly backend: SharedBackend;
  /** The adapter's own description. */
  readonly adapter: string;
  /** A software rasteriser: correct, slow. */
  readonly software: boolean;
  readonly features: readonly string[];
  readonly limits: Readonly<Record<string, number>>;
  /** Resolves once, when the device is lost; `expected` where `release` destroyed it. */
  readonly lost: Promise<{ readonly expected: boolean; readonly message: string }>;
  /** Errors seen since acquisition. */
  readonly errors: readonly string[];
  /** @throws LabError 'webgpu' when the device is lost or an error was seen since the last check */
  check(): void;
  /** Takes the backend away from tfjs and destroys the device, with every tensor on it. */
  release(): void;
}

/** Asked for where the adapter has them. Nothing requires them. */
const wantedFeatures = ['timestamp-query', 'shader-f16', 'subgroups'] as GPUFeatureName[];
/** Raised from WebGPU's guaranteed minimum to what the adapter has. */
const wantedLimits = [
  'maxBufferSize',
  'maxStorageBufferBindingSize',
  'maxStorageBuffersPerShaderStage',
  'maxComputeWorkgroupStorageSize',
  'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupSizeX',
  'maxComputeWorkgroupSizeY',
  'maxComputeWorkgroupSizeZ',
  'maxComputeWorkgroupsPerDimension',
] as const;

/** Acquires a device and makes it tfjs's current backend; a device acquired before must have been released or lost. */
export async function acquireGpu(): Promise<GpuContext> {
  const adapter = await requestAdapter();
  const device = await requestDevice(adapter);
  const adapterInfo = describe(adapter);
  const errors: string[] = [];
  let unchecked = 0;
  let loss: string | null = null;
  let released = false;
  device.addEventListener('uncapturederror', (event) => {
    errors.push((event as GPUUncapturedErrorEvent).error.message);
    unchecked++;
  });
  const lost = device.lost.then(({ message }) => {
    loss = message;
    return { expected: released, message };
  });

  // Operations on host data must not run on the host in secret, and tfjs's split-K matmul is wrong for transposed factors.
  tf.env().set('WEBGPU_CPU_FORWARD', false);
  tf.env().set('WEBGPU_MATMUL_PROGRAM_TYPE', 3);
  tf.env().set('WEBGPU_DEFERRED_SUBMIT_BATCH_SIZE', 64);
  if (tf.findBackendFactory('webgpu')) tf.removeBackend('webgpu');
  const backend = new SharedBackend(device, adapter.info);
  tf.registerBackend('webgpu', () => backend, 3);
  registerShaderKernels();
  if (!(await tf.setBackend('webgpu'))) {
    throw new LabError('webgpu', 'The WebGPU backend did not start.', 'Reload the page, or choose the wasm backend.');
  }

  return {
    device,
    backend,
    ...adapterInfo,
    features: [...device.features],
    limits: Object.fromEntries(wantedLimits.map((name) => [name, device.limits[name]])),
    lost,
    errors,
    check() {
      if (loss !== null) {
        throw new LabError('webgpu', `The GPU device was lost (${loss || 'no reason given'}).`, 'Continue from the last checkpoint.');
      }
      if (unchecked > 0) {
        const first = errors[errors.length - unchecked];
        unchecked = 0;
        throw new LabError(
          'webgpu',
          `The GPU reported an error, so the last results are not to be trusted: ${first}`,
          'Continue from the last checkpoint; if it comes again, use smaller batches or the wasm backend.',
        );
      }
    },
    release() {
      if (released) return;
      released = true;
      if (tf.findBackend('webgpu') === backend) tf.removeBackend('webgpu');
      device.destroy();
    },
  };
}

async function requestAdapter(): Promise<GPUAdapter> {
  const gpu = (globalThis.navigator as Navigator | undefined)?.gpu;
  if (!gpu) {
    throw new LabError(
      'webgpu',
      'This browser offers no WebGPU here.',
      'Use the wasm backend, or open the page over https in a browser with WebGPU.',
    );
  }
  const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
  if (!adapter) throw new LabError('webgpu', 'WebGPU found no adapter.', 'Use the wasm backend, or update the graphics driver.');
  return adapter;
}

/** Drivers have refused devices with their own adapter's limits or features, so ask for less before giving up. */
async function requestDevice(adapter: GPUAdapter): Promise<GPUDevice> {
  const requiredFeatures = wantedFeatures.filter((name) => adapter.features.has(name));
  const requiredLimits = Object.fromEntries(wantedLimits.map((name) => [name, adapter.limits[name]]));
  let cause: unknown;
  for (const descriptor of [{ requiredFeatures, requiredLimits }, { requiredLimits }, {}]) {
    try {
      return await adapter.requestDevice(descriptor);
    } catch (error) {
      cause = error;
    }
  }
  throw new LabError('webgpu', 'The graphics driver gave no device.', 'Use the wasm backend, or update the graphics driver.', { cause });
}

function describe({ info }: GPUAdapter): { adapter: string; software: boolean } {
  const parts = [info.vendor, info.architecture, info.device, info.description].filter((part) => part);
  const adapter = [...new Set(parts)].join(' ') || 'unnamed adapter';
  return { adapter, software: info.isFallbackAdapter || /swiftshader|llvmpipe|lavapipe|softpipe|basic render/i.test(adapter) };
}
