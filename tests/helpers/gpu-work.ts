/** Runs kernels of the fused engine on a device, for tests: numbers in, dispatches, numbers out. */
import { Plan } from '../../src/engine/gpu/plan.ts';
import { align, type BufferView, type Work } from '../../src/engine/gpu/work.ts';

/** What an output holds before anybody wrote to it. */
export const untouched = 777;

export class WorkBench {
  private readonly buffers: GPUBuffer[] = [];

  constructor(readonly device: GPUDevice) {}

  /** Floats by default; ids and lengths as Int32Array or Uint32Array. */
  input(values: readonly number[] | Float32Array | Int32Array | Uint32Array): BufferView {
    const data = ArrayBuffer.isView(values) ? values : Float32Array.from(values);
    const view = this.#make(data.length);
    this.device.queue.writeBuffer(view.buffer, 0, data as Float32Array<ArrayBuffer>);
    return view;
  }

  /** @param fill what is in it before; by default a number that no kernel would write */
  output(length: number, fill = untouched): BufferView {
    return this.input(new Float32Array(length).fill(fill));
  }

  async run(works: readonly Work[]): Promise<void> {
    const plan = await Plan.create(this.device, works, 'test');
    const encoder = this.device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    plan.encode(pass);
    pass.end();
    this.device.queue.submit([encoder.finish()]);
    await this.device.queue.onSubmittedWorkDone();
    plan.dispose();
  }

  async read(view: BufferView): Promise<Float32Array> {
    return new Float32Array(await this.#bytes(view));
  }

  async readIntegers(view: BufferView): Promise<Int32Array> {
    return new Int32Array(await this.#bytes(view));
  }

  dispose(): void {
    for (const buffer of this.buffers) buffer.destroy();
    this.buffers.length = 0;
  }

  #make(length: number): BufferView {
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC;
    const buffer = this.device.createBuffer({ size: align(Math.max(length, 1) * 4), usage });
    this.buffers.push(buffer);
    return { buffer, offset: 0, size: Math.max(length, 1) * 4 };
  }

  async #bytes(view: BufferView): Promise<ArrayBuffer> {
    const staging = this.device.createBuffer({ size: view.size, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
    const encoder = this.device.createCommandEncoder();
    encoder.copyBufferToBuffer(view.buffer, view.offset, staging, 0, view.size);
    this.device.queue.submit([encoder.finish()]);
    await staging.mapAsync(GPUMapMode.READ);
    const bytes = staging.getMappedRange().slice(0);
    staging.destroy();
    return bytes;
  }
}
