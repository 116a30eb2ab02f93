/** What the page can ask of the benchmark. Types only. */
import type { Visit, VisitProgress } from '../benchmark/visit.ts';

/** Where it would be measured. */
export interface BenchmarkMachine {
  /** The adapter's own words; null without WebGPU. */
  readonly adapter: string | null;
  /** A rasteriser on the processor: its times are no results. */
  readonly software: boolean;
  /** Why no WebGPU is measured, a sentence; null: it is. */
  readonly without: string | null;
  /** GPU time by kernel can be told. */
  readonly timestamps: boolean;
  /** The browser's own words. */
  readonly runtime: string;
  readonly version: string;
  readonly threads: number;
}

export interface BenchmarkRequest {
  /** For all of it, about. */
  readonly seconds: number;
  /** GPU time by kernel, too. */
  readonly profile: boolean;
  /** False: what computes without WebGPU, alone. */
  readonly gpu: boolean;
}

export interface BenchmarkProgress extends VisitProgress {
  /** Nothing is measured while nobody sees the tab. */
  readonly waiting: boolean;
}

export interface BenchmarkApi {
  benchmarkMachine(gpu: boolean): Promise<BenchmarkMachine>;
  /**
   * Resolves when all is measured, or `cancelBenchmark` was called. Meanwhile nothing else uses the engine: who asks is told. Nothing is stored or sent.
   * @throws LabError 'usage' while something trains or another benchmark is under way, in this tab or another
   */
  benchmark(request: BenchmarkRequest, onProgress: (progress: BenchmarkProgress) => void): Promise<Visit>;
  /** After the sample that is being taken; what was measured counts. */
  cancelBenchmark(): Promise<void>;
  /** Whether the tab is in sight: nothing is measured while it is not. */
  seeBenchmark(seen: boolean): Promise<void>;
}
