/**
 * The measurements that need nothing but WebGPU: who computes the same, and then how fast and with what. Contenders take turns within one run, so
 * that what else the machine does meets all of them. A contender that fails or computes something else is out, with the reason. What is measured in
 * which order, and how long, is its callers': `npm run bench` (tests/bench/main.ts, with peers) and the page (`visit.ts`).
 */
import { createEngine } from '../engine/create.ts';
import type { TrainBatch } from '../engine/engine.ts';
import { tuningFor } from '../engine/fused/kernels/tuning.ts';
import { policyLayout } from '../engine/fused/layout.ts';
import { planMemory } from '../engine/fused/memory-plan.ts';
import { acquireGpu } from '../engine/gpu/device.ts';
import { checkSentence, selfCheck } from '../engine/self-check.ts';
import { labErrorCode } from '../errors.ts';
import type { PolicyConfig } from '../policy/config.ts';
import { initialWeights, tensorsOf, type Weights } from '../policy/weights.ts';
import { clockTick, readable } from './clock.ts';
import { EngineContender, type Contender, type DrawnTokens } from './contender.ts';
import { liveBufferBytes, metered, type Usage } from './gpu-meter.ts';
import { profiled, type KernelTime } from './gpu-profile.ts';
import { subgroupsOn } from '../engine/gpu/subgroups.ts';
import { measureForms } from './forms.ts';
import { matmulRates, type ProductChain } from './matmul-rate.ts';
import {
  gpuEngines,
  growthAboveSaturation,
  growthSizes,
  median,
  relativeDistance,
  Rows,
  type EngineLabel,
  type GpuEngine,
  type Profile,
  type RowName,
} from './report.ts';
import { alwaysSeen, type Watch } from './watch.ts';
import { activationBytes, benchConfig, learnedBytes, objective, optim, request, trainBatch, trainStepFlops } from './workload.ts';

/** Largest relative difference from the portable engine that is rounding: of losses, of parameters, of log-probs in nats. */
const tolerance = 1e-4;

const warmSteps = 10;
const encodedSteps = 20;

/** How much is measured, after what compiles. */
export interface Effort {
  repeats: number;
  /** Milliseconds after which a row has enough at three repeats. */
  patience: number;
  /** From then on (`Watch.now()`) one repeat is enough. */
  hurry: number;
}

interface TwoSteps {
  /** loss, norm, loss, norm */
  readonly numbers: readonly number[];
  readonly weights: Weights;
}

/** Why something is not measured, where that is no failure: what it needs is not there. */
export class LeftOut extends Error {}

export class Suite {
  readonly rows = new Rows();
  /** Why an engine is not measured. */
  readonly out = new Map<EngineLabel, string>();
  /** Why a row is not measured. */
  readonly left = new Map<RowName, string>();
  /** Failures of what should have worked. */
  readonly failures: string[] = [];
  private contenders = new Map<EngineLabel, Contender>();
  /** What the portable engine's two first steps gave. */
  private expected: TwoSteps | null = null;

  /** @param say one line of progress or finding */
  constructor(
    readonly effort: Effort,
    readonly say: (line: string) => void,
    readonly watch: Watch = alwaysSeen,
  ) {}

  /** A contender with these weights; peers are those of whoever knows them. */
  protected make(name: GpuEngine, config: PolicyConfig, weights: Weights): Promise<Contender> | Contender {
    if (name === 'jax-js') throw new LeftOut('A peer that is measured in development only: npm run bench.');
    return EngineContender.create(name, config, weights, objective, optim);
  }

  /** What a contender compiles in its first steps may be limited in time. */
  protected firstSteps<T>(_name: EngineLabel, steps: () => Promise<T>): Promise<T> {
    return steps();
  }

  /** Products of matrices by others than this project's engines. */
  protected get peerChains(): Readonly<Record<string, (size: number) => ProductChain>> {
    return {};
  }

  /** The check that comes before an engine is used; before anything else has compiled its shaders. */
  async selfCheck(adapter: string): Promise<void> {
    for (const engine of ['fused', 'portable'] as const) {
      const backend = 'webgpu';
      const check = await selfCheck({ engine, backend, adapter }, (config, weights) =>
        createEngine({ config, weights: tensorsOf(config, weights), engine, backend }),
      );
      this.say(checkSentence(check));
      if (check.passed) this.rows.add('selfCheck', engine, [check.milliseconds]);
      else this.failures.push(checkSentence(check));
    }
  }

  /** Makes contenders with the same weights. */
  async open(config: PolicyConfig, names: readonly GpuEngine[] = gpuEngines): Promise<void> {
    const weights = initialWeights(config, 1);
    for (const name of names) {
      await this.watch.next();
      await this.attempt(name, async () => void this.contenders.set(name, await this.make(name, config, weights)));
    }
  }

  close(): void {
    for (const contender of this.contenders.values()) contender.dispose();
    this.contenders.clear();
  }

  /** Whether it can be measured. */
  isIn(name: EngineLabel): boolean {
    return this.contenders.has(name) && !this.out.has(name);
  }

  /** Two steps on one batch of those who have not taken any, compared with the portable engine's: losses, norms, parameters. */
  async compareSteps(config: PolicyConfig, rows: number, width: number, names: readonly EngineLabel[]): Promise<void> {
    const batch = trainBatch(config, rows, width);
    for (const name of names) {
      await this.watch.next();
      await this.attempt(name, async (contender) => {
        const start = performance.now();
        const found = await this.firstSteps(name, () => twoSteps(contender, batch));
        const took = `${((performance.now() - start) / 1000).toFixed(1)} s with compiling`;
        if (name === 'portable') {
          this.expected = found;
          this.say(`${name}: two steps, loss ${found.numbers[0]!.toFixed(6)} then ${found.numbers[2]!.toFixed(6)} (${took})`);
          return;
        }
        if (!this.expected) throw new Error('there is no portable engine to compare it with');
        const numbers = Math.max(...this.expected.numbers.map((value, i) => Math.abs(found.numbers[i]! - value) / Math.abs(value)));
        const parameters = relativeDistance(found.weights, this.expected.weights);
        this.say(
          `${name}: losses and norms within ${numbers.toExponential(1)} of portable's, parameters within ${parameters.toExponential(1)} (${took})`,
        );
        if (!(numbers <= tolerance && parameters <= tolerance))
          throw new Error(`two steps differ from portable's by more than ${tolerance}`);
      });
    }
  }

  async trainStep(name: RowName, config: PolicyConfig, rows: number, width: number, details: boolean): Promise<Map<EngineLabel, number>> {
    const batch = trainBatch(config, rows, width);
    const runs = await this.inTurn((contender) => contender.step(batch), !details);
    const medians = new Map<EngineLabel, number>();
    for (const [engine, samples] of runs) {
      const times = samples.map(({ ms }) => ms);
      medians.set(engine, median(times));
      this.rows.add(name, engine, times);
      if (!details) continue;
      this.rows.add(
        'trainStep.dispatches',
        engine,
        samples.map(({ usage }) => usage.dispatches),
      );
      this.rows.add(
        'trainStep.javascript',
        engine,
        samples.map(({ usage }) => usage.javaScriptMs),
      );
    }
    return medians;
  }

  /**
   * Encoding alone, as the fused engine counts it. The number of dispatches does not depend on the batch, so it is a small
   * one: a software rasteriser shares the CPU with the JavaScript that is measured.
   */
  async encoding(config: PolicyConfig, tick = clockTick()): Promise<void> {
    const batch = trainBatch(config, 1, 16);
    await this.attempt('fused', async (contender) => {
      const samples: number[] = [];
      // V8 compiles what runs often.
      for (let i = -warmSteps; i < encodedSteps; i++) {
        await this.watch.next();
        const { encodeMs } = await contender.step(batch);
        if (i >= 0 && encodeMs !== null && this.watch.undisturbed()) samples.push(encodeMs);
      }
      if (samples.length > 0) this.rows.add('trainStep.encode', 'fused', readable(samples, tick));
    });
  }

  async rollouts(
    name: RowName,
    config: PolicyConfig,
    rows: number,
    promptWidth: number,
    length: number,
    names: readonly EngineLabel[] = gpuEngines,
  ) {
    const ask = request(config, rows, promptWidth, length);
    const short = request(config, rows, promptWidth, length / 4);
    const shortDispatches = new Map<EngineLabel, number>();
    for (const engine of names) {
      await this.watch.next();
      await this.attempt(engine, async (contender) => {
        const drawn = await contender.rollouts(ask);
        await this.compareLogprobs(contender, drawn, ask.prompts, ask.repeats);
        shortDispatches.set(engine, (await metered(() => contender.rollouts(short))).usage.dispatches);
      });
    }
    const runs = await this.inTurn((contender) => contender.rollouts(ask), false, names);
    for (const [engine, samples] of runs) {
      this.rows.add(
        name,
        engine,
        samples.map(({ ms }) => (rows * length) / (ms / 1000)),
      );
      this.rows.add(
        'decodeToken.dispatches',
        engine,
        samples.map(({ usage }) => (usage.dispatches - shortDispatches.get(engine)!) / (length - length / 4)),
      );
    }
  }

  /** What a contender says its tokens' log-probs were, against the portable engine's teacher-forced ones. */
  private async compareLogprobs(contender: Contender, drawn: DrawnTokens, prompts: readonly Int32Array[], repeats: number): Promise<void> {
    const judge = (this.contenders.get('portable') as EngineContender | undefined)?.engine;
    if (!judge) return;
    const promptWidth = prompts[0]!.length;
    const { rows, completionWidth } = drawn;
    const width = promptWidth + completionWidth;
    const tokens = new Int32Array(rows * width);
    for (let row = 0; row < rows; row++) {
      tokens.set(prompts[Math.floor(row / repeats)]!, row * width);
      tokens.set(drawn.tokens.subarray(row * completionWidth, (row + 1) * completionWidth), row * width + promptWidth);
    }
    // They have taken different numbers of steps.
    const own = await judge.exportState();
    await judge.importState({ weights: await contender.weights(), adapters: null, moments: null, optimSteps: 0, skippedSteps: 0 });
    const { logprobs } = await judge.score(
      {
        rows,
        width,
        completionWidth,
        tokens,
        promptLengths: new Int32Array(rows).fill(promptWidth),
        lengths: new Int32Array(rows).fill(width),
      },
      { temperature: 1, policy: 'current' },
    );
    await judge.importState(own);
    const worst = drawn.logprobs.reduce((most, value, i) => Math.max(most, Math.abs(value - logprobs[i]!)), 0);
    this.say(`${contender.name}: log-probs of its rollouts within ${worst.toExponential(1)} nats of portable's`);
    if (!(worst <= tolerance)) throw new Error(`log-probs of its rollouts differ from portable's by ${worst} nats`);
  }

  /** The training step's products per second, as a share of the best rate any implementation reaches on a large product. */
  async matmulShare(medians: ReadonlyMap<EngineLabel, number>, config: PolicyConfig, rows: number, width: number, size: number) {
    const rates = await matmulRates(size, this.peerChains);
    const list = Object.entries(rates).map(([name, rate]) => `${name} ${(rate / 1e9).toPrecision(3)}`);
    this.say(`matrix products of ${size}: ${list.join(', ')} GFLOP/s`);
    const best = Math.max(...Object.values(rates));
    const flops = trainStepFlops(config, trainBatch(config, rows, width));
    for (const [engine, ms] of medians) this.rows.add('trainStep.d512.matmulShare', engine, [(100 * flops) / (ms / 1000) / best]);
  }

  /** The forms that kernels have here, beside the others. */
  async forms(): Promise<void> {
    if (this.out.has('fused')) return;
    const gpu = await acquireGpu();
    if (gpu.software) this.left.set('forms.attention', 'Needs a hardware adapter.');
    if (subgroupsOn(gpu.device).size === 1) this.left.set('forms.subgroups', 'Needs a hardware adapter with subgroups of one size.');
    try {
      await measureForms(
        gpu,
        (name, ratios) => this.rows.add(name, 'fused', ratios),
        (run) => this.repeat(run),
      );
    } finally {
      gpu.release();
    }
  }

  /** What the fused engine says it will take, which needs no step. */
  plannedMemory(): void {
    const config = benchConfig(512, 32768);
    const [rows, width] = [32, 256];
    const machine = { config, software: false, tuning: tuningFor({ adapter: '', software: false }) };
    const shape = { rows, width, completionWidth: width / 2, microBatchRows: 0, withReference: false };
    const limits = { bindable: Infinity, budget: Infinity };
    const { total, generation } = planMemory(machine, { layout: policyLayout(config, Infinity), adapters: null }, shape, limits);
    this.rows.add('trainStep.memory.planned', 'fused', [
      (total - generation - learnedBytes(config) - activationBytes(config, rows * width)) / 2 ** 20,
    ]);
  }

  /** Buffers that live during two steps of the fused engine, beyond weights, gradients, moments and activations. */
  async memory(): Promise<void> {
    const config = benchConfig(512, 32768);
    const [rows, width] = [32, 256];
    const before = liveBufferBytes();
    await this.alone('fused', config, async (contender, made) => {
      const batch = trainBatch(config, rows, width);
      await contender.step(batch);
      const { usage } = await metered(() => contender.step(batch));
      const most = Math.max(usage.peakBytes, made.peakBytes) - before;
      const planned = learnedBytes(config) + activationBytes(config, rows * width);
      this.say(`memory: ${mebibytes(most)} MiB in buffers, ${mebibytes(planned)} MiB of them 4 × weights and activations`);
      this.rows.add('trainStep.memory', 'fused', [(most - planned) / 2 ** 20]);
    });
  }

  async costPerToken(): Promise<void> {
    const config = benchConfig(512);
    const width = 256;
    await this.alone('fused', config, async (contender) => {
      const costs: number[] = [];
      for (const size of growthSizes) {
        const batch = trainBatch(config, size / width, width);
        await contender.step(batch);
        const samples: number[] = [];
        await this.repeat(async () => {
          const { ms } = await timed(() => contender.step(batch));
          return () => void samples.push(ms);
        });
        const perToken = samples.map((ms) => (1000 * ms) / size);
        costs.push(median(perToken));
        this.rows.add(`costPerToken.${size}`, 'fused', perToken);
      }
      this.rows.add('costPerToken.growth', 'fused', [growthAboveSaturation(costs)]);
    });
  }

  /** GPU time by kernel of so many training steps, of our engines: jax-js gives its kernels no names. Null: the adapter has no timestamps. */
  async profile(config: PolicyConfig, rows: number, width: number, steps = 1): Promise<Profile | null> {
    const batch = trainBatch(config, rows, width);
    const found: Partial<Record<EngineLabel, readonly KernelTime[]>> = {};
    for (const name of ['fused', 'portable'] as const) {
      await this.watch.next();
      await this.attempt(name, async (contender) => {
        const times = await profiled(async () => {
          for (let step = 0; step < steps; step++) await contender.step(batch);
        });
        if (times.length > 0) found[name] = times;
      });
    }
    return Object.keys(found).length > 0 ? found : null;
  }

  /** A contender of its own, for what the others cannot or need not do. */
  private async alone(name: 'fused', config: PolicyConfig, work: (contender: Contender, made: Usage) => Promise<void>): Promise<void> {
    if (this.out.has(name)) return;
    const { result: contender, usage } = await metered(async () => this.make(name, config, initialWeights(config, 1)));
    try {
      await work(contender, usage);
    } catch (error) {
      this.drop(name, error);
    } finally {
      contender.dispose();
    }
  }

  private async inTurn<T>(
    work: (contender: Contender) => Promise<T>,
    compiles: boolean,
    asked: readonly EngineLabel[] = gpuEngines,
  ): Promise<Map<EngineLabel, Sample<T>[]>> {
    const samples = new Map<EngineLabel, Sample<T>[]>();
    const names = asked.filter((name) => this.contenders.has(name));
    if (compiles) for (const name of names) await this.attempt(name, work);
    await this.repeat(async () => {
      const round = new Map<EngineLabel, Sample<T>>();
      for (const name of names) {
        await this.attempt(name, async (contender) => void round.set(name, await timed(() => work(contender))));
      }
      return () => {
        for (const [name, sample] of round) samples.set(name, [...(samples.get(name) ?? []), sample]);
      };
    });
    for (const name of samples.keys()) if (this.out.has(name)) samples.delete(name);
    return samples;
  }

  /** Rounds of something until there are enough. @param run a round; what it returns keeps it, where it was measured undisturbed */
  async repeat(run: () => Promise<() => void>): Promise<void> {
    const { watch } = this;
    const start = watch.now();
    let found = 0;
    const enough = () => {
      const { repeats, patience, hurry } = this.effort;
      const now = watch.now();
      return found >= repeats || (found >= 3 && now - start > patience) || (found >= 1 && now > hurry);
    };
    while (!enough()) {
      await watch.next();
      const keep = await run();
      if (!watch.undisturbed()) continue;
      keep();
      found++;
    }
  }

  /** Does something with a contender that is still in; whatever goes wrong puts it out. */
  private async attempt(name: EngineLabel, work: (contender: Contender) => Promise<unknown>): Promise<void> {
    if (this.out.has(name)) return;
    try {
      await work(this.contenders.get(name)!);
    } catch (error) {
      this.drop(name, error);
    }
  }

  /** @throws the error again where it is the reader who ended it */
  private drop(name: EngineLabel, error: unknown): void {
    if (labErrorCode(error) === 'cancelled') throw error;
    const why = error instanceof Error ? error.message : String(error);
    this.out.set(name, why);
    const contender = this.contenders.get(name);
    this.contenders.delete(name);
    if (error instanceof LeftOut) this.say(`${name}: ${why}`);
    // An engine that this version does not have is no failure of the benchmark.
    else if (labErrorCode(error) === 'usage' && !contender) this.say(`${name}: ${why}`);
    else {
      this.failures.push(`${name}: ${error instanceof Error ? (error.stack ?? why) : why}`);
      contender?.dispose();
    }
  }
}

async function twoSteps(contender: Contender, batch: TrainBatch): Promise<TwoSteps> {
  const first = await contender.step(batch);
  const second = await contender.step(batch);
  return { numbers: [first.loss, first.gradNorm, second.loss, second.gradNorm], weights: await contender.weights() };
}

interface Sample<T> {
  readonly result: T;
  readonly ms: number;
  readonly usage: Usage;
}

async function timed<T>(work: () => Promise<T>): Promise<Sample<T>> {
  const start = performance.now();
  const measured = await metered(work);
  return { ...measured, ms: performance.now() - start };
}

function mebibytes(bytes: number): number {
  return Math.round(bytes / 2 ** 20);
}
