/**
 * A dispatch of one of this project's shaders on tfjs's tensors, among tfjs's own. The fused engine has no tensors and makes plans
 * (src/engine/gpu/plan.ts).
 */
import type { TensorInfo } from '@tensorflow/tfjs';
import { LabError } from '../../../errors.ts';
import { packParams, pipelineNow } from '../../gpu/pipeline.ts';
import type { BufferOf, ConstantsOf, EntryOf, ParamOf, Shader } from '../../gpu/shader.ts';
import { layoutGroups } from '../../gpu/work.ts';
import type { SharedBackend } from './backend.ts';

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

/** Records one dispatch behind everything tfjs has recorded so far. */
export function dispatch<S extends Shader, E extends EntryOf<S>>(backend: SharedBackend, work: Dispatch<S, E>): void {
  const { pipeline, layout, entry } = pipelineNow(backend.device, work);
  const tensors: Readonly<Record<string, TensorInfo>> = work.tensors;
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

function megabytes(bytes: number): number {
  return Math.round(bytes / 2 ** 20);
}
