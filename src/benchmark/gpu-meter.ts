/**
 * Counts what a program asks of WebGPU, for all contenders the same way: the methods of the API's own prototypes are wrapped.
 * It changes nothing of what is computed. A GPUDevice's buffers count as long as nobody destroyed them.
 */

export interface Usage {
  readonly dispatches: number;
  readonly submits: number;
  /** Most bytes of buffers that lived at once. */
  readonly peakBytes: number;
  /**
   * Milliseconds of JavaScript from the start to the return of the last submit, the time in which it waited for the GPU
   * (a buffer to be mapped, work to be done) left out.
   */
  readonly javaScriptMs: number;
}

let dispatches = 0;
let submits = 0;
let liveBytes = 0;
let peakBytes = 0;
let waiting = 0;
let waitingSince = 0;
let waited = 0;
let started = 0;
let javaScriptMs = 0;
/** Puts the methods back. */
let installed: (() => void)[] | null = null;

/** What `work` asked of the GPU. One at a time. */
export async function metered<T>(work: () => Promise<T>): Promise<{ result: T; usage: Usage }> {
  install();
  dispatches = submits = waited = javaScriptMs = 0;
  peakBytes = liveBytes;
  started = performance.now();
  const result = await work();
  return { result, usage: { dispatches, submits, peakBytes, javaScriptMs } };
}

/** Bytes of buffers that live now, as far as they were made since the first call of this file. */
export function liveBufferBytes(): number {
  install();
  return liveBytes;
}

/** Calls `before` whenever a method of a prototype is called, and `after` with what it returned. */
function wrap(
  prototype: object,
  method: string,
  before: (self: object) => void,
  after: (result: unknown, self: object) => void = () => {},
) {
  const original = Reflect.get(prototype, method) as (...args: unknown[]) => unknown;
  const put = (value: unknown) => Object.defineProperty(prototype, method, { configurable: true, writable: true, value });
  put(function (this: object, ...args: unknown[]) {
    before(this);
    const result = original.apply(this, args);
    after(result, this);
    return result;
  });
  installed!.push(() => put(original));
}

/** The API is as it was; buffers that are made from now on do not count. */
export function uninstall(): void {
  for (const putBack of installed ?? []) putBack();
  installed = null;
}

/** Before the first contender is made. */
export function install(): void {
  if (installed) return;
  installed = [];
  liveBytes = 0;
  const count = () => {
    dispatches++;
  };
  wrap(GPUComputePassEncoder.prototype, 'dispatchWorkgroups', count);
  wrap(GPUComputePassEncoder.prototype, 'dispatchWorkgroupsIndirect', count);
  wrap(
    GPUQueue.prototype,
    'submit',
    () => {},
    () => {
      submits++;
      javaScriptMs = performance.now() - started - waited - (waiting > 0 ? performance.now() - waitingSince : 0);
    },
  );
  const wait = (result: unknown) => {
    if (waiting++ === 0) waitingSince = performance.now();
    const over = () => {
      if (--waiting === 0) waited += performance.now() - waitingSince;
    };
    void (result as Promise<unknown>).then(over, over);
  };
  wrap(GPUBuffer.prototype, 'mapAsync', () => {}, wait);
  wrap(GPUQueue.prototype, 'onSubmittedWorkDone', () => {}, wait);

  const living = new WeakMap<object, number>();
  wrap(
    GPUDevice.prototype,
    'createBuffer',
    () => {},
    (buffer) => {
      const { size } = buffer as GPUBuffer;
      living.set(buffer as object, size);
      liveBytes += size;
      peakBytes = Math.max(peakBytes, liveBytes);
    },
  );
  wrap(GPUBuffer.prototype, 'destroy', (buffer) => {
    liveBytes -= living.get(buffer) ?? 0;
    living.delete(buffer);
  });
}
