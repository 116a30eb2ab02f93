/**
 * tfjs's WebGPU backend on the device that all engines share (src/engine/gpu/device.ts), with this project's kernels registered. The
 * device's limits, losses and errors are watched there; here is only what tfjs has to be told.
 */
import * as tf from '@tensorflow/tfjs';
import { LabError } from '../../../errors.ts';
import { acquireGpu, type GpuContext } from '../../gpu/device.ts';
import { SharedBackend } from './backend.ts';
import { registerShaderKernels } from './kernels.ts';

export interface TfjsContext extends GpuContext {
  readonly backend: SharedBackend;
}

/** tfjs knows one backend of a name: this one, on this device, for so many engines. */
let current: { readonly device: GPUDevice; readonly backend: SharedBackend; users: number } | null = null;

/**
 * Makes the shared device tfjs's current backend. A new device takes the place of one that was lost or has failed, in tfjs too. The last
 * user's release takes the backend away from tfjs. One call at a time.
 */
export async function acquireTfjsGpu(): Promise<TfjsContext> {
  const gpu = await acquireGpu();
  const mine = current?.device === gpu.device ? current : (current = start(gpu));
  mine.users++;
  let released = false;
  const release = () => {
    if (released) return;
    released = true;
    if (--mine.users === 0 && current === mine) {
      current = null;
      tf.removeBackend('webgpu');
    }
    gpu.release();
  };
  if (!(await tf.setBackend('webgpu'))) {
    release();
    throw new LabError('webgpu', 'The WebGPU backend did not start.', 'Reload the page, or choose the wasm backend.');
  }
  return { ...gpu, backend: mine.backend, release };
}

function start({ device, adapterInfo }: GpuContext) {
  // Operations on host data must not run on the host in secret, and tfjs's split-K matmul is wrong for transposed factors.
  tf.env().set('WEBGPU_CPU_FORWARD', false);
  tf.env().set('WEBGPU_MATMUL_PROGRAM_TYPE', 3);
  tf.env().set('WEBGPU_DEFERRED_SUBMIT_BATCH_SIZE', 64);
  if (tf.findBackendFactory('webgpu')) tf.removeBackend('webgpu');
  const backend = new SharedBackend(device, adapterInfo);
  tf.registerBackend('webgpu', () => backend, 3);
  registerShaderKernels();
  return { device, backend, users: 0 };
}
