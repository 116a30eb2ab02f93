/** The benchmark that the reader asks for: where it would be measured, what is measured, and what came out. Nothing of it is stored or sent. */
import type { Report } from '../benchmark/report.ts';
import type { Visit } from '../benchmark/visit.ts';
import { errorSentence } from '../errors.ts';
import type { TrainerApi } from '../worker/api.ts';
import type { BenchmarkMachine, BenchmarkProgress } from '../worker/benchmark-api.ts';
import { readRequest } from './address.ts';
import type { Lab } from './lab.svelte.ts';

export class Benchmark {
  machine = $state.raw<BenchmarkMachine | null>(null);
  running = $state(false);
  cancelling = $state(false);
  progress = $state.raw<BenchmarkProgress | null>(null);
  result = $state.raw<Visit | null>(null);
  /** Why it was not begun, or broke off, a sentence. */
  problem = $state<string | null>(null);
  profile = $state(false);
  readonly seconds: number;
  /** The address asks for an engine without it. */
  readonly #gpu: boolean;

  constructor(
    private readonly api: () => TrainerApi,
    search: string,
  ) {
    const { bench, request } = readRequest(search);
    this.seconds = bench?.seconds ?? readRequest('?bench').bench!.seconds;
    this.profile = bench?.profile ?? false;
    this.#gpu = request.engine !== 'wasm' && (request.backend === undefined || request.backend === 'webgpu');
  }

  /** What was measured last, or so far. */
  get report(): Report | null {
    return (this.running ? this.progress?.report : this.result?.report) ?? null;
  }

  /** What `npm run bench -- --json` would have written. */
  get json(): string {
    return this.result ? `${JSON.stringify(this.result.report, null, 2)}\n` : '';
  }

  async look(): Promise<void> {
    try {
      this.machine ??= await this.api().benchmarkMachine(this.#gpu);
    } catch (error) {
      this.problem = errorSentence(error);
    }
  }

  async start(): Promise<void> {
    if (this.running) return;
    [this.running, this.cancelling, this.progress, this.problem] = [true, false, null, null];
    const api = this.api();
    const see = () => void api.seeBenchmark(document.visibilityState === 'visible');
    document.addEventListener('visibilitychange', see);
    see();
    try {
      const request = { seconds: this.seconds, profile: this.profile && this.machine?.timestamps === true, gpu: this.#gpu };
      this.result = await api.benchmark(request, (progress) => (this.progress = progress));
    } catch (error) {
      this.problem = errorSentence(error);
    } finally {
      document.removeEventListener('visibilitychange', see);
      [this.running, this.progress] = [false, null];
    }
  }

  async cancel(): Promise<void> {
    this.cancelling = true;
    await this.api().cancelBenchmark();
  }
}

const ofLab = new WeakMap<Lab, Benchmark>();

/** One for each page, made when it is first looked at: leaving its view ends nothing. */
export function benchmarkOf(lab: Lab): Benchmark {
  const benchmark = ofLab.get(lab) ?? new Benchmark(() => lab.api, location.search);
  ofLab.set(lab, benchmark);
  return benchmark;
}
