/**
 * How much memory a program takes on the host: JavaScript's heap, array buffers and WebAssembly's memories, with the garbage that nobody has
 * collected yet. It is looked at whenever bytes go to the GPU or come from it, and two hundred times a second between. What a driver, or a
 * processor that plays GPU, takes for itself is not in it.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

const lookMs = 5;
/** While the GPU is waited for, Dawn asks it again and again and leaves garbage in Node that no browser has: so often it is collected. */
const pollingMs = 1000;
/** Bytes of such garbage that are worth it. */
const pollingBytes = 8e6;

export interface HostPeak {
  /** Bytes above those before it began. */
  readonly bytes: number;
  /** What was being done then: the newest `during`. */
  readonly at: string;
}

export class HostMeter {
  private readonly collect: () => void;
  private readonly before: number;
  private readonly restore: (() => void)[] = [];
  private readonly timer: NodeJS.Timeout;
  private peak: HostPeak = { bytes: 0, at: '' };
  private doing = '';
  private collected: { at: number; heap: number };

  constructor() {
    setFlagsFromString('--expose-gc');
    this.collect = runInNewContext('gc') as () => void;
    this.collect();
    this.before = held();
    this.collected = { at: performance.now(), heap: process.memoryUsage().heapUsed };
    this.watch(GPUQueue.prototype, 'writeBuffer');
    this.watch(GPUBuffer.prototype, 'getMappedRange');
    this.timer = setInterval(() => this.look(true), lookMs);
  }

  /** One after the other. */
  async during<T>(doing: string, work: () => Promise<T>): Promise<T> {
    this.doing = doing;
    const result = await work();
    this.look();
    return result;
  }

  stop(): HostPeak {
    clearInterval(this.timer);
    for (const restore of this.restore) restore();
    return this.peak;
  }

  private look(waiting = false): void {
    const bytes = held() - this.before;
    if (bytes > this.peak.bytes) this.peak = { bytes, at: this.doing };
    if (!waiting || performance.now() - this.collected.at < pollingMs) return;
    if (process.memoryUsage().heapUsed > this.collected.heap + pollingBytes) this.collect();
    this.collected = { at: performance.now(), heap: process.memoryUsage().heapUsed };
  }

  private watch(prototype: object, method: string): void {
    const original = Reflect.get(prototype, method) as (...args: unknown[]) => unknown;
    const look = () => this.look();
    const put = (value: unknown) => Object.defineProperty(prototype, method, { configurable: true, writable: true, value });
    put(function (this: object, ...args: unknown[]) {
      const result = original.apply(this, args);
      look();
      return result;
    });
    this.restore.push(() => put(original));
  }
}

/** Array buffers and WebAssembly's memories are among what V8 calls external. */
function held(): number {
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
