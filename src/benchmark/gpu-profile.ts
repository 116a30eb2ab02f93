/**
 * GPU time by kernel, of any engine, without its help: while it runs, every dispatch becomes a compute pass of its own with
 * a timestamp at both ends. Kernels are told apart by the labels of their pipelines. What it costs to begin a pass makes the whole slower, so the
 * shares count, not the sum. The device needs the feature timestamp-query.
 */

export interface KernelTime {
  /** Label of the pipeline. */
  readonly kernel: string;
  readonly dispatches: number;
  readonly microseconds: number;
}

/** Dispatches whose timestamps fit in one query set: WebGPU allows 4096 timestamps. */
const perSet = 2048;

interface Times {
  readonly device: GPUDevice;
  readonly set: GPUQuerySet;
  readonly kernels: string[];
}

/** Runs `work`; the most expensive kernel comes first. */
export async function profiled(work: () => Promise<unknown>): Promise<KernelTime[]> {
  const devices = new WeakMap<object, GPUDevice>();
  const recorded = new WeakMap<object, Times[]>();
  const read: { readonly kernels: readonly string[]; readonly staging: GPUBuffer }[] = [];

  const timesOf = (encoder: GPUCommandEncoder): Times => {
    const list = recorded.get(encoder) ?? [];
    recorded.set(encoder, list);
    let times = list.at(-1);
    if (!times || times.kernels.length === perSet) {
      const device = devices.get(encoder)!;
      times = { device, set: device.createQuerySet({ type: 'timestamp', count: 2 * perSet }), kernels: [] };
      list.push(times);
    }
    return times;
  };

  const restore = [
    replace(GPUDevice.prototype, 'createCommandEncoder', (original) => {
      return function (this: GPUDevice, ...args) {
        const encoder = original.apply(this, args) as GPUCommandEncoder;
        devices.set(encoder, this);
        return encoder;
      };
    }),
    replace(GPUCommandEncoder.prototype, 'beginComputePass', (original) => {
      return function (this: GPUCommandEncoder) {
        if (!devices.get(this)?.features.has('timestamp-query')) return original.apply(this, []);
        return passPerDispatch((kernel) => {
          const { set, kernels } = timesOf(this);
          const at = 2 * kernels.push(kernel) - 2;
          const timestampWrites = { querySet: set, beginningOfPassWriteIndex: at, endOfPassWriteIndex: at + 1 };
          return original.apply(this, [{ timestampWrites }]) as GPUComputePassEncoder;
        });
      };
    }),
    replace(GPUCommandEncoder.prototype, 'finish', (original) => {
      return function (this: GPUCommandEncoder, ...args) {
        for (const { device, set, kernels } of recorded.get(this) ?? []) {
          const size = kernels.length * 16;
          const resolved = device.createBuffer({ size, usage: GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC });
          const staging = device.createBuffer({ size, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
          this.resolveQuerySet(set, 0, 2 * kernels.length, resolved, 0);
          this.copyBufferToBuffer(resolved, 0, staging, 0, size);
          read.push({ kernels, staging });
        }
        return original.apply(this, args);
      };
    }),
  ];
  try {
    await work();
  } finally {
    for (const undo of restore) undo();
  }

  const totals = new Map<string, { dispatches: number; nanoseconds: number }>();
  for (const { kernels, staging } of read) {
    await staging.mapAsync(GPUMapMode.READ);
    const stamps = new BigUint64Array(staging.getMappedRange());
    kernels.forEach((kernel, i) => {
      const total = totals.get(kernel) ?? { dispatches: 0, nanoseconds: 0 };
      total.dispatches++;
      total.nanoseconds += Number(stamps[2 * i + 1]! - stamps[2 * i]!);
      totals.set(kernel, total);
    });
    staging.destroy();
  }
  return [...totals]
    .map(([kernel, { dispatches, nanoseconds }]) => ({ kernel, dispatches, microseconds: nanoseconds / 1000 }))
    .sort((a, b) => b.microseconds - a.microseconds);
}

/** A pass that begins and ends a real one around each dispatch. */
function passPerDispatch(begin: (kernel: string) => GPUComputePassEncoder) {
  let pipeline: GPUComputePipeline | null = null;
  const groups = new Map<number, unknown[]>();
  const around = (dispatch: (pass: GPUComputePassEncoder) => void) => {
    const pass = begin(pipeline?.label || 'without a label');
    pass.setPipeline(pipeline!);
    for (const args of groups.values()) Reflect.apply(pass.setBindGroup, pass, args);
    dispatch(pass);
    pass.end();
  };
  return {
    setPipeline(next: GPUComputePipeline) {
      pipeline = next;
    },
    setBindGroup(...args: unknown[]) {
      groups.set(args[0] as number, args);
    },
    dispatchWorkgroups: (x: number, y = 1, z = 1) => around((pass) => pass.dispatchWorkgroups(x, y, z)),
    dispatchWorkgroupsIndirect: (buffer: GPUBuffer, offset: number) => around((pass) => pass.dispatchWorkgroupsIndirect(buffer, offset)),
    end() {},
  };
}

type Method = (this: never, ...args: unknown[]) => unknown;

/** @returns what puts the method back */
function replace<T extends object>(prototype: T, method: string, make: (original: (...args: unknown[]) => unknown) => Method): () => void {
  const original = Reflect.get(prototype, method) as (...args: unknown[]) => unknown;
  const set = (value: unknown) => Object.defineProperty(prototype, method, { value, configurable: true, writable: true });
  set(make(original));
  return () => set(original);
}
