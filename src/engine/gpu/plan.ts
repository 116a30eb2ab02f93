/**
 * A list of dispatches made ready once and encoded many times: pipelines compiled, bind groups made, all uniforms in one
 * buffer. Encoding costs a fraction of a microsecond a dispatch, where tfjs spends tens. It does not know what is computed.
 */
import type { Pace } from './pace.ts';
import { packParams, pipelineFor } from './pipeline.ts';
import type { Param } from './shader.ts';
import { align, layoutGroups, operationsOf, type Work } from './work.ts';

interface Ready {
  readonly label: string;
  readonly pipeline: GPUComputePipeline;
  readonly bindGroup: GPUBindGroup;
  readonly groups: readonly [number, number, number];
  /** Byte offset of its uniform; -1: it has none. */
  readonly uniform: number;
  readonly params: readonly Param[];
  readonly operations: number;
}

export class Plan {
  private constructor(
    private readonly device: GPUDevice,
    private readonly uniforms: GPUBuffer | null,
    private readonly ready: readonly Ready[],
    /** What is in the uniforms. */
    private readonly values: Uint8Array<ArrayBuffer>,
  ) {}

  /** Compiles what is not compiled yet, all at once. Errors of the shaders come as the device's uncaptured errors. */
  static async create(device: GPUDevice, works: readonly Work[], label: string): Promise<Plan> {
    const compiled = await Promise.all(works.map((work) => pipelineFor(device, work)));
    let bytes = 0;
    const offsets = works.map((work) => {
      const params = entryPoint(work).params;
      if (params.length === 0) return -1;
      const offset = bytes;
      bytes = align(offset + packParams(params, work.params).byteLength);
      return offset;
    });
    const uniforms =
      bytes > 0
        ? device.createBuffer({ label: `${label} uniforms`, size: bytes, usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST })
        : null;
    const values = new Uint8Array(bytes);
    const ready = works.map((work, index): Ready => {
      const entry = entryPoint(work);
      const { pipeline, layout } = compiled[index]!;
      const uniform = offsets[index]!;
      let size = 0;
      if (uniform >= 0) {
        const packed = new Uint8Array(packParams(entry.params, work.params));
        values.set(packed, uniform);
        size = packed.byteLength;
      }
      const entries = entry.bindings.map(({ binding, name, type }): GPUBindGroupEntry => {
        if (type === 'uniform') return { binding, resource: { buffer: uniforms!, offset: uniform, size } };
        const view = work.buffers[name];
        if (!view) throw new Error(`${work.shader.label}.${work.entry}: no buffer for ${name}`);
        return { binding, resource: { buffer: view.buffer, offset: view.offset, size: view.size } };
      });
      const groups =
        typeof work.groups === 'number'
          ? ([...layoutGroups(work.groups, device.limits.maxComputeWorkgroupsPerDimension), 1] as const)
          : work.groups;
      const label = `${work.shader.label}.${work.entry}`;
      const bindGroup = device.createBindGroup({ label, layout, entries });
      return { label, pipeline, bindGroup, groups, uniform, params: entry.params, operations: operationsOf(work) };
    });
    if (uniforms) device.queue.writeBuffer(uniforms, 0, values);
    return new Plan(device, uniforms, ready, values);
  }

  /** Dispatches. */
  get size(): number {
    return this.ready.length;
  }

  /** What a dispatch runs, `folder/file.entry`. */
  labelOf(index: number): string {
    return this.ready[index]!.label;
  }

  /** Other values for the uniform of dispatch `index`, from the next submit on. Most stay as they are, and cost no write. */
  setParams(index: number, values: Readonly<Record<string, number>>): void {
    const { uniform, params } = this.ready[index]!;
    const bytes = new Uint8Array(packParams(params, values));
    const known = this.values.subarray(uniform, uniform + bytes.length);
    if (bytes.every((byte, i) => byte === known[i])) return;
    known.set(bytes);
    this.device.queue.writeBuffer(this.uniforms!, uniform, bytes);
  }

  /**
   * How many dispatches from `first` on stay within so many estimated operations, at least one.
   * @returns the end of them, and their operations
   */
  upTo(most: number, first = 0): { readonly last: number; readonly operations: number } {
    let last = first;
    let operations = 0;
    do operations += this.ready[last++]!.operations;
    while (last < this.ready.length && operations + this.ready[last]!.operations <= most);
    return { last, operations };
  }

  /** Appends dispatches [first, last). */
  encode(pass: GPUComputePassEncoder, first = 0, last = this.ready.length): void {
    let current: GPUComputePipeline | null = null;
    for (let i = first; i < last; i++) {
      const { pipeline, bindGroup, groups } = this.ready[i]!;
      if (pipeline !== current) pass.setPipeline((current = pipeline));
      pass.setBindGroup(0, bindGroup);
      pass.dispatchWorkgroups(groups[0], groups[1], groups[2]);
    }
  }

  /**
   * Runs the dispatches one at a time and waits for each: slow, and what it takes to say where the time goes.
   * @returns milliseconds of each dispatch: the GPU's own clock where the device has timestamps, else the host's
   */
  async runTimed(): Promise<{ readonly label: string; readonly milliseconds: number }[]> {
    const { device } = this;
    const stamps = device.features.has('timestamp-query') ? stampBuffers(device) : null;
    const times: { label: string; milliseconds: number }[] = [];
    for (let i = 0; i < this.ready.length; i++) {
      const encoder = device.createCommandEncoder();
      const timestampWrites = stamps ? { querySet: stamps.querySet, beginningOfPassWriteIndex: 0, endOfPassWriteIndex: 1 } : undefined;
      const pass = encoder.beginComputePass(timestampWrites && { timestampWrites });
      this.encode(pass, i, i + 1);
      pass.end();
      if (stamps) {
        encoder.resolveQuerySet(stamps.querySet, 0, 2, stamps.resolved, 0);
        encoder.copyBufferToBuffer(stamps.resolved, 0, stamps.staging, 0, 16);
      }
      const started = performance.now();
      device.queue.submit([encoder.finish()]);
      await device.queue.onSubmittedWorkDone();
      let milliseconds = performance.now() - started;
      if (stamps) {
        await stamps.staging.mapAsync(GPUMapMode.READ);
        const [begin, end] = new BigUint64Array(stamps.staging.getMappedRange());
        stamps.staging.unmap();
        milliseconds = Number(end! - begin!) / 1e6;
      }
      times.push({ label: this.ready[i]!.label, milliseconds });
    }
    if (stamps) for (const item of [stamps.querySet, stamps.resolved, stamps.staging]) item.destroy();
    return times;
  }

  /** Its buffers belong to whoever made them; only the uniforms go. */
  dispose(): void {
    this.uniforms?.destroy();
  }
}

/** Copies and clears on an encoder: a submit has its price, so they go along with a plan. */
export type Commands = (encoder: GPUCommandEncoder) => void;

/** Plans one after the other, in submits that are as long as they may be. Waits for nothing. */
export function submitPaced(device: GPUDevice, pace: Pace, plans: readonly Plan[], before?: Commands, after?: Commands): void {
  let encoder = device.createCommandEncoder();
  before?.(encoder);
  let pass = encoder.beginComputePass();
  let operations = 0;
  let dispatches = 0;
  let label = '';
  const submit = (last?: Commands) => {
    pass.end();
    last?.(encoder);
    device.queue.submit([encoder.finish()]);
    pace.submitted(operations, label, dispatches);
  };
  for (const plan of plans) {
    for (let first = 0; first < plan.size;) {
      let { last, operations: more } = plan.upTo(pace.most - operations, first);
      if (dispatches > 0 && operations + more > pace.most) {
        submit();
        encoder = device.createCommandEncoder();
        pass = encoder.beginComputePass();
        operations = dispatches = 0;
        ({ last, operations: more } = plan.upTo(pace.most, first));
      }
      plan.encode(pass, first, last);
      operations += more;
      dispatches += last - first;
      label = plan.labelOf(last - 1);
      first = last;
    }
  }
  submit(after);
}

function stampBuffers(device: GPUDevice) {
  return {
    querySet: device.createQuerySet({ type: 'timestamp', count: 2 }),
    resolved: device.createBuffer({ size: 16, usage: GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC }),
    staging: device.createBuffer({ size: 16, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST }),
  };
}

function entryPoint({ shader, entry }: Work) {
  const found = shader.entries[entry];
  if (!found) throw new Error(`${shader.label} has no entry point ${entry}`);
  return found;
}
