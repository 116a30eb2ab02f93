/**
 * From a shader (shader.ts) to what a dispatch of it is made of: pipelines, their layouts, the bytes of uniforms, by the names the WGSL
 * itself gives them. It knows nothing of what shaders compute, nor of who binds which buffers.
 */
import type { EntryPoint, Param } from './shader.ts';
import { subgroupsOn, withSubgroups } from './subgroups.ts';
import { specialise, type Work } from './work.ts';

interface Compiled {
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
}

const pipelines = new WeakMap<GPUDevice, Map<string, Compiled>>();
const pending = new WeakMap<GPUDevice, Map<string, Promise<Compiled>>>();

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
  const key = keyOf(device, work);
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

/** The same at once, for callers that cannot wait; compiles on the calling thread where it is new. */
export function pipelineNow(
  device: GPUDevice,
  work: Pick<Work, 'shader' | 'entry' | 'constants'>,
): Compiled & { readonly entry: EntryPoint } {
  const entry = entryOf(work);
  const cache = cacheOf(pipelines, device);
  const key = keyOf(device, work);
  const known = cache.get(key);
  if (known) return { ...known, entry };
  const { layout, descriptor } = describe(device, work);
  const compiled = { pipeline: device.createComputePipeline(descriptor), layout };
  cache.set(key, compiled);
  return { ...compiled, entry };
}

function keyOf(device: GPUDevice, work: Pick<Work, 'shader' | 'entry' | 'constants'>): string {
  return `${subgroupsOn(device).size} ${work.shader.label}.${work.entry} ${JSON.stringify(work.constants ?? {})}`;
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
      module: device.createShaderModule({ label, code: withSubgroups(specialise(work.shader.code, work.constants), subgroupsOn(device)) }),
      entryPoint: work.entry,
    },
  };
  return { layout, descriptor };
}
