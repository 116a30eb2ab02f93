/**
 * From a shader (shader.ts) to a dispatch: pipelines, bind groups and uniforms, by the names the WGSL itself gives them.
 * It knows nothing of what shaders compute.
 */
import type { TensorInfo } from '@tensorflow/tfjs';
import { LabError } from '../../errors.ts';
import type { SharedBackend } from './backend.ts';
import type { BufferOf, ConstantsOf, EntryOf, EntryPoint, Param, ParamOf, Shader } from './shader.ts';
import { layoutGroups, specialise, type Work } from './work.ts';

export interface Dispatch<S extends Shader, E extends EntryOf<S>> {
  readonly shader: S;
  readonly entry: E;
  readonly constants?: ConstantsOf<S>;
  /** One tensor for every storage binding, by name. */
  readonly tensors: Readonly<Record<BufferOf<S, E>, TensorInfo>>;
  /** One number for every field of the uniform struct, by name. */
  readonly params: Readonly<Record<ParamOf<S, E>, number>>;
  /** Workgroups. Beyond the limit of one dimension they are laid out in two, and the shader checks its bounds. */
  readonly groups: number;
}

interface Compiled {
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
}

const pipelines = new WeakMap<GPUDevice, Map<string, Compiled>>();
const pending = new WeakMap<GPUDevice, Map<string, Promise<Compiled>>>();

/** Records one dispatch behind everything tfjs has recorded so far. */
export function dispatch<S extends Shader, E extends EntryOf<S>>(backend: SharedBackend, work: Dispatch<S, E>): void {
  const entry = entryOf(work);
  const tensors: Readonly<Record<string, TensorInfo>> = work.tensors;
  const { pipeline, layout } = pipelineOf(backend.device, work);
  const limit = backend.device.limits.maxStorageBufferBindingSize;
  const touched: TensorInfo[] = [];
  const entries = entry.bindings.map(({ binding, name, type }): GPUBindGroupEntry => {
    if (type === 'uniform') return { binding, resource: { buffer: backend.uniform(packParams(entry.params, work.params)) } };
    const tensor = tensors[name];
    if (!tensor) throw new Error(`${work.shader.label}.${work.entry}: no tensor for ${name}`);
    const buffer = backend.bufferOf(tensor);
    if (buffer.size > limit) {
      throw new LabError(
        'webgpu',
        `A tensor of ${megabytes(buffer.size)} MB (${name} of ${work.shader.label}) is larger than this GPU binds at once (${megabytes(limit)} MB).`,
        'Use fewer rows per micro-batch.',
      );
    }
    touched.push(tensor);
    return { binding, resource: { buffer } };
  });
  const bindGroup = backend.device.createBindGroup({ label: work.shader.label, layout, entries });
  backend.record(pipeline, bindGroup, touched, layoutGroups(work.groups, backend.device.limits.maxComputeWorkgroupsPerDimension));
}

/** The uniform struct's bytes. */
export function packParams(params: readonly Param[], values: Readonly<Record<string, number>>): ArrayBuffer {
  const last = params.at(-1);
  // uniform buffers are bound in multiples of 16 bytes
  const bytes = new DataView(new ArrayBuffer(last ? Math.ceil((last.offset + 4) / 16) * 16 : 0));
  for (const { name, offset, type } of params) {
    const value = values[name];
    if (value === undefined) throw new Error(`no value for params.${name}`);
    if (type === 'f32') bytes.setFloat32(offset, value, true);
    else if (type === 'u32') bytes.setUint32(offset, value, true);
    else bytes.setInt32(offset, value, true);
  }
  return bytes.buffer;
}

function entryOf({ shader, entry }: Pick<Work, 'shader' | 'entry'>): EntryPoint {
  const found = shader.entries[entry];
  if (!found) throw new Error(`${shader.label} has no entry point ${entry}`);
  return found;
}

/** Compiles beside the calling thread, once per shader, entry point and constants. */
export async function pipelineFor(device: GPUDevice, work: Pick<Work, 'shader' | 'entry' | 'constants'>): Promise<Compiled> {
  const key = keyOf(work);
  const known = cacheOf(pipelines, device).get(key);
  if (known) return known;
  const waiting = cacheOf(pending, device);
  let promise = waiting.get(key);
  if (!promise) {
    const { layout, descriptor } = describe(device, work);
    promise = device.createComputePipelineAsync(descriptor).then((pipeline) => {
      const compiled = { pipeline, layout };
      cacheOf(pipelines, device).set(key, compiled);
      return compiled;
    });
    waiting.set(key, promise);
  }
  return promise;
}

function pipelineOf(device: GPUDevice, work: Pick<Work, 'shader' | 'entry' | 'constants'>): Compiled {
  const cache = cacheOf(pipelines, device);
  const key = keyOf(work);
  const known = cache.get(key);
  if (known) return known;
  const { layout, descriptor } = describe(device, work);
  const compiled = { pipeline: device.createComputePipeline(descriptor), layout };
  cache.set(key, compiled);
  return compiled;
}

function keyOf(work: Pick<Work, 'shader' | 'entry' | 'constants'>): string {
  return `${work.shader.label}.${work.entry} ${JSON.stringify(work.constants ?? {})}`;
}

function cacheOf<T>(caches: WeakMap<GPUDevice, Map<string, T>>, device: GPUDevice): Map<string, T> {
  const cache = caches.get(device) ?? new Map<string, T>();
  caches.set(device, cache);
  return cache;
}

function describe(device: GPUDevice, work: Pick<Work, 'shader' | 'entry' | 'constants'>) {
  const label = `${work.shader.label}.${work.entry}`;
  const layout = device.createBindGroupLayout({
    label,
    entries: entryOf(work).bindings.map(({ binding, type }) => ({ binding, visibility: GPUShaderStage.COMPUTE, buffer: { type } })),
  });
  const descriptor: GPUComputePipelineDescriptor = {
    label,
    layout: device.createPipelineLayout({ bindGroupLayouts: [layout] }),
    compute: {
      module: device.createShaderModule({ label, code: specialise(work.shader.code, work.constants) }),
      entryPoint: work.entry,
    },
  };
  return { layout, descriptor };
}

function megabytes(bytes: number): number {
  return Math.round(bytes / 2 ** 20);
}
