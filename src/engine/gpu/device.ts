/**
 * The one GPU device of this project: asked for with the adapter's own limits, shared by all engines of a process, and watched. WebGPU
 * reports a failed dispatch or an allocation that did not fit only to an event nobody waits for, and what was to be computed reads as
 * zeros; `check` turns that into an error at the next step boundary. A lost device takes everything on it along: the owner acquires a
 * new one and starts from its last checkpoint. tfjs is not needed for it; src/engine/portable/gpu/acquire.ts puts it on the same device.
 *
 * Runs in a browser worker and in Node, where the caller has put Dawn's `navigator.gpu` and globals in place beforehand.
 */
import { LabError } from '../../errors.ts';
import { describeAdapter, type AdapterDescription } from './adapter.ts';
import { giveSubgroups, subgroupsOf } from './subgroups.ts';

export interface GpuContext extends AdapterDescription {
  readonly device: GPUDevice;
  readonly adapterInfo: GPUAdapterInfo;
  readonly features: readonly string[];
  readonly limits: Readonly<Record<string, number>>;
  /** Resolves once, when the device is lost; `expected` where `release` destroyed it. */
  readonly lost: Promise<{ readonly expected: boolean; readonly message: string }>;
  /** Errors of the device so far. */
  readonly errors: readonly string[];
  /** @throws LabError 'webgpu' when the device is lost or an error was seen since the last check, 'memory' where that was an allocation */
  check(): void;
  /**
   * The work's result, or what `check` says as soon as the device is lost: what waits for a lost device may wait for ever.
   * @throws LabError 'webgpu' when the device is lost before the work is done
   */
  unlessLost<T>(work: Promise<T>): Promise<T>;
  /** The last user's release destroys the device, with everything on it. */
  release(): void;
}

/** Asked for where the adapter has them. Nothing requires them. */
const wantedFeatures = ['timestamp-query', 'shader-f16', 'subgroups', 'subgroup-size-control'] as GPUFeatureName[];
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

/** What waits for a device that is about to be lost has this long to say so itself, in milliseconds. */
const patience = 2000;

/** A device, and what has been heard of it. */
interface Shared {
  readonly device: GPUDevice;
  readonly adapterInfo: GPUAdapterInfo;
  readonly description: AdapterDescription;
  readonly errors: string[];
  /** The first of those that was an allocation, by its place. */
  outOfMemory: number | null;
  readonly lost: Promise<{ readonly expected: boolean; readonly message: string }>;
  /** Set once lost. */
  loss: string | null;
  users: number;
  /** Told when the device is lost. */
  readonly waiting: Set<() => void>;
}

let current: Shared | null = null;

/**
 * Engines that live at the same time share a device; it is destroyed with its last user. One that was lost or has failed is never handed
 * out again: the next call makes another. One call at a time.
 */
export async function acquireGpu(): Promise<GpuContext> {
  if (!current || current.loss !== null || current.errors.length > 0) current = await start();
  const shared = current;
  shared.users++;
  let checked = shared.errors.length;
  let released = false;
  const check = () => {
    if (shared.loss !== null) {
      throw new LabError('webgpu', `The GPU device was lost (${shared.loss || 'no reason given'}).`, 'Continue from the last checkpoint.');
    }
    const first = shared.errors[checked];
    const short = shared.outOfMemory !== null && shared.outOfMemory >= checked;
    checked = shared.errors.length;
    if (short) {
      throw new LabError(
        'memory',
        `The GPU has no memory left for what is computed, so the last results are not to be trusted: ${shared.errors[shared.outOfMemory!]}`,
        'Use fewer rows a pass (optim.microBatchRows) or fewer and shorter replies, or close other pages that use the GPU.',
      );
    }
    if (first !== undefined) {
      throw new LabError(
        'webgpu',
        `The GPU reported an error, so the last results are not to be trusted: ${first}`,
        'Continue from the last checkpoint; if it comes again, use smaller batches or the wasm backend.',
      );
    }
  };
  return {
    device: shared.device,
    adapterInfo: shared.adapterInfo,
    ...shared.description,
    features: [...shared.device.features],
    limits: Object.fromEntries(wantedLimits.map((name) => [name, shared.device.limits[name]])),
    lost: shared.lost,
    errors: shared.errors,
    check,
    unlessLost: <T>(work: Promise<T>) =>
      new Promise<T>((resolve, reject) => {
        const give = () => {
          try {
            check();
          } catch (error) {
            reject(error as Error);
          }
        };
        // A set of waiters, because a promise as old as the device would keep every one of them.
        shared.waiting.add(give);
        if (shared.loss !== null) setTimeout(give, patience);
        work.then(resolve, reject).finally(() => shared.waiting.delete(give));
      }),
    release() {
      if (released) return;
      released = true;
      if (--shared.users === 0) stop(shared);
    },
  };
}

async function start(): Promise<Shared> {
  const adapter = await requestAdapter();
  const device = await requestDevice(adapter);
  const description = describeAdapter(adapter);
  // A processor that plays GPU has nothing of them but the instructions.
  if (!description.software) giveSubgroups(device, subgroupsOf(adapter.info, device.features));
  const errors: string[] = [];
  device.addEventListener('uncapturederror', (event) => {
    const { error } = event as GPUUncapturedErrorEvent;
    if (error instanceof globalThis.GPUOutOfMemoryError) shared.outOfMemory ??= errors.length;
    errors.push(error.message);
  });
  const shared: Shared = {
    device,
    adapterInfo: adapter.info,
    description,
    errors,
    lost: device.lost.then(({ message }) => {
      shared.loss = message;
      setTimeout(() => shared.waiting.forEach((give) => give()), patience);
      return { expected: shared.users === 0, message };
    }),
    outOfMemory: null,
    loss: null,
    users: 0,
    waiting: new Set(),
  };
  return shared;
}

function stop(shared: Shared): void {
  if (current === shared) current = null;
  shared.device.destroy();
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
