/**
 * The benchmark in the trainer's worker: the machine has to be its own for as long as it takes, so nothing trains meanwhile, here or in another tab, the
 * workbench lets go of its engine, and whoever else asks for one is told. What is measured is src/benchmark/visit.ts, loaded when it is asked for.
 */
import { probeAdapters } from '../engine/choose.ts';
import { threadsFor } from '../engine/parallel/cores.ts';
import { LabError } from '../errors.ts';
import type { Visit } from '../benchmark/visit.ts';
import type { RunRecord } from '../storage/records.ts';
import { version } from '../../package.json';
import { bundledPolicy, type Bench } from './bench.ts';
import type { BenchmarkApi, BenchmarkMachine, BenchmarkProgress, BenchmarkRequest } from './benchmark-api.ts';
import type { RunLocks } from './locks.ts';
import type { OpenRuns } from './open-runs.ts';
import { nextTask, type Turns } from './turns.ts';

interface Tools {
  readonly bench: Bench;
  readonly turns: Turns;
  readonly runs: OpenRuns;
  readonly locks: RunLocks;
  stored(): Promise<readonly RunRecord[]>;
  /** Ends what the page tries out by itself. */
  quiet(): void;
}

/** The page hears of it as often as it can show it, in milliseconds. */
const tellingMs = 250;
const cancelIt = 'Cancel it, or wait for its end.';

type Watched = InstanceType<(typeof import('../benchmark/watch.ts'))['TabWatch']>;

export class Benchmarks implements BenchmarkApi {
  #running = false;
  #watch: Watched | null = null;
  #seen = true;

  constructor(private readonly tools: Tools) {}

  async benchmarkMachine(gpu: boolean): Promise<BenchmarkMachine> {
    const { webgpu, software, reason, features } = await probeAdapters();
    return {
      adapter: gpu ? webgpu : null,
      software: gpu && software,
      without: gpu ? reason : 'The address asks for WebAssembly.',
      timestamps: gpu && features.includes('timestamp-query'),
      runtime: runtime(),
      version,
      threads: this.tools.bench.machinery.startThread ? threadsFor(this.tools.bench.machinery.threads) : 1,
    };
  }

  async benchmark(request: BenchmarkRequest, onProgress: (progress: BenchmarkProgress) => void): Promise<Visit> {
    const { runs, locks, stored } = this.tools;
    if (this.#running) throw new LabError('usage', 'The benchmark is under way already.', cancelIt);
    this.#running = true;
    let release: (() => void) | null = null;
    try {
      runs.refuseActive();
      await runs.refuseElsewhere(await stored(), locks);
      release = await locks.hold('benchmark');
      if (!release) throw new LabError('usage', 'Another tab of this page is measuring.', 'Wait for its end, or cancel it there.');
      return await this.#measure(request, onProgress);
    } finally {
      release?.();
      this.#watch = null;
      this.#running = false;
    }
  }

  async cancelBenchmark(): Promise<void> {
    this.#watch?.cancel();
  }

  async seeBenchmark(seen: boolean): Promise<void> {
    this.#seen = seen;
    this.#watch?.see(seen);
  }

  async #measure(request: BenchmarkRequest, onProgress: (progress: BenchmarkProgress) => void): Promise<Visit> {
    const { bench, turns, quiet } = this.tools;
    const [{ visit }, { TabWatch }] = await loaded();
    const watch = new TabWatch(nextTask);
    this.#watch = watch;
    watch.see(this.#seen);
    const machine = await this.benchmarkMachine(request.gpu);
    const { adapter, software, runtime, version, without } = machine;
    const policy = await bench.policy(bundledPolicy.id);
    let [told, doing] = [-Infinity, ''];
    let latest: BenchmarkProgress | null = null;
    watch.onWait = () => latest && onProgress({ ...latest, waiting: true });
    quiet();
    return turns.alone(new LabError('usage', 'The benchmark has this machine to itself.', cancelIt), async () => {
      bench.dispose();
      return visit({
        occasion: { adapter, software, runtime, version, date: new Date().toISOString() },
        machine: { policy, ...bench.machinery },
        gpu: without ?? true,
        seconds: request.seconds,
        profile: request.profile,
        watch,
        onProgress(progress) {
          latest = { ...progress, waiting: false };
          if (progress.doing === doing && performance.now() - told < tellingMs) return;
          [told, doing] = [performance.now(), progress.doing];
          onProgress(latest);
        },
      });
    });
  }
}

async function loaded() {
  try {
    return await Promise.all([import('../benchmark/visit.ts'), import('../benchmark/watch.ts')]);
  } catch (cause) {
    throw new LabError('network', 'The benchmark could not be loaded.', 'Check the connection and try again.', { cause });
  }
}

interface Brand {
  readonly brand: string;
  readonly version: string;
}

/** What the browser calls itself, where it does so in a word; else its whole sentence. Said, not decided by. */
function runtime(): string {
  const navigator = globalThis.navigator as
    (Navigator & { readonly userAgentData?: { readonly brands: readonly Brand[]; readonly platform: string } }) | undefined;
  const { brands = [], platform = '' } = navigator?.userAgentData ?? {};
  const named = brands.filter(({ brand }) => !/not.*brand/i.test(brand)).map(({ brand, version }) => `${brand} ${version}`);
  return named.length > 0 ? [named.join(', '), platform].filter(Boolean).join(' on ') : (navigator?.userAgent ?? 'no browser');
}
