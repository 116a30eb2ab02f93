/** What a page measures, in stages: what each takes of the time beside the others, and what its least rounds would cost, as far as those before it tell. */
import { leastOfRollouts, leastOfSteps, leastRounds } from './allowance.ts';
import { productRates } from './host-rate.ts';
import { measureDistinct, measureHostSteps, measureThreads, type HostMachine } from './host-steps.ts';
import { chain } from './matmul-rate.ts';
import { growthSizes, median, type EngineLabel, type Profile, type RowName } from './report.ts';
import type { Suite } from './suite.ts';
import { benchConfig, trainBatch, trainStepFlops } from './workload.ts';

export interface Stage {
  /** As a reader says it. */
  readonly doing: string;
  /** Who is measured, or who is measured first. */
  readonly engine: EngineLabel;
  /** Of the time, beside the others'. */
  readonly weight: number;
  readonly names: readonly RowName[];
  /** Measured once even when the time is over. */
  readonly always?: true;
  /** Milliseconds of its least rounds, where it may be left out for them. */
  readonly least?: () => number;
  readonly run: () => Promise<unknown>;
}

/** A round is a step of 128 rollouts. */
const hostRepeats = 8;

/** Of the wasm engine. */
export function hostStages(suite: Suite, machine: HostMachine): readonly Stage[] {
  const { effort } = suite;
  const few = (run: () => Promise<unknown>) => async () => {
    const { repeats } = effort;
    effort.repeats = Math.min(hostRepeats, repeats);
    try {
      await run();
    } finally {
      effort.repeats = repeats;
    }
  };
  const engine = 'wasm' as const;
  return [
    {
      doing: 'Products on WebAssembly',
      engine,
      always: true,
      weight: 1,
      names: ['host.products'],
      run: async () => suite.rows.add('host.products', 'wasm', await productRates()),
    },
    {
      doing: 'Training step on WebAssembly, one thread',
      engine,
      always: true,
      weight: 3,
      names: ['host.step'],
      run: few(() => measureHostSteps(suite, machine)),
    },
    { doing: 'Places computed on WebAssembly', engine, weight: 1, names: ['host.distinct'], run: () => measureDistinct(suite, machine) },
    {
      doing: 'Training step on WebAssembly, all threads',
      engine,
      weight: 2,
      names: ['host.threads'],
      least: () => leastRounds * 2 * median(suite.rows.of('host.step', 'wasm') ?? [0]),
      run: few(() => measureThreads(suite, machine)),
    },
  ];
}

/** A submit that takes longer than this is what drivers end, and the device with it. */
const longestSubmit = 1000;
/** Steps whose GPU time is told by kernel, at most: a clock of the GPU that a browser rounds evens out over some. */
const profiledSteps = 10;

const flopsOf = (size: number, rows: number, width: number): number => {
  const config = benchConfig(size);
  return trainStepFlops(config, trainBatch(config, rows, width));
};

/** Of the engines on WebGPU: the small shapes, which every adapter is measured with, and the large ones of a real GPU. */
export class GpuStages {
  readonly #small = benchConfig(128);
  /** Of the training step at d 512. */
  #medians: ReadonlyMap<EngineLabel, number> = new Map();

  constructor(
    private readonly suite: Suite,
    private readonly tick: number,
    private readonly profiled: boolean,
    private readonly onProfile: (profile: Profile | null) => void,
  ) {}

  /** Milliseconds of a round of all contenders; Infinity where nobody was measured. */
  #round(name: RowName, milliseconds: (median: number) => number = (ms) => ms): number {
    const engines = ['fused', 'portable'] as const;
    const found = engines.flatMap((engine) => this.suite.rows.of(name, engine) ?? []);
    if (found.length === 0) return Infinity;
    return engines.reduce((sum, engine) => {
      const samples = this.suite.rows.of(name, engine);
      return samples ? sum + milliseconds(median(samples)) : sum;
    }, 0);
  }

  small(): readonly Stage[] {
    const { suite } = this;
    const small = this.#small;
    const engine = 'fused' as const;
    const stages: readonly Stage[] = [
      {
        doing: 'Compiling shaders, and comparing two training steps',
        engine,
        always: true,
        weight: 2,
        names: [],
        async run() {
          await suite.open(small);
          await suite.compareSteps(small, 8, 32, ['portable', 'fused']);
        },
      },
      {
        doing: 'Training step, d 128',
        engine,
        always: true,
        weight: 3,
        names: ['trainStep.d128.256'],
        run: () => suite.trainStep('trainStep.d128.256', small, 8, 32, true),
      },
      {
        doing: 'JavaScript of a training step',
        engine,
        weight: 1,
        names: ['trainStep.encode'],
        run: () => suite.encoding(small, this.tick),
      },
      {
        doing: 'Replies, d 128, 16 rows',
        engine,
        weight: 3,
        names: ['rollout.16', 'decodeToken.dispatches'],
        run: () => suite.rollouts('rollout.16', small, 16, 16, 8),
      },
      {
        doing: 'Forms of kernels',
        engine,
        weight: 1,
        names: ['forms.decodeProduct', 'forms.headInput', 'forms.sampler', 'forms.attention', 'forms.subgroups'],
        run: () => suite.forms(),
      },
    ];
    if (!this.profiled) return stages;
    const profile = async () => {
      const fitting = Math.floor(suite.effort.patience / (2 * this.#round('trainStep.d128.256')));
      this.onProfile(await suite.profile(small, 8, 32, Math.max(1, Math.min(profiledSteps, fitting))));
    };
    return [...stages, { doing: 'GPU time by kernel', engine, always: true, weight: 1, names: [], run: profile }];
  }

  /** Nothing of them is said on a software adapter. */
  large(): readonly Stage[] {
    const { suite } = this;
    const small = this.#small;
    const wide = benchConfig(512);
    const wideFlops = flopsOf(512, 32, 128);
    const fused = () => this.#medians.get('fused') ?? Infinity;
    const of = { engine: 'fused' } as const;
    return [
      {
        ...of,
        doing: 'Training step, d 128, 4096 tokens',
        weight: 3,
        names: ['trainStep.d128.4096'],
        least: () => leastOfSteps(this.#round('trainStep.d128.256'), flopsOf(128, 8, 32), flopsOf(128, 32, 128)),
        run: () => suite.trainStep('trainStep.d128.4096', small, 32, 128, false),
      },
      {
        ...of,
        doing: 'Replies, d 128, 128 rows',
        weight: 3,
        names: ['rollout.128'],
        least: () =>
          leastOfRollouts(
            this.#round('rollout.16', (rate) => (1000 * 16 * 8) / rate),
            16 * 8,
            128 * 64,
          ),
        run: () => suite.rollouts('rollout.128', small, 128, 64, 64),
      },
      {
        ...of,
        doing: 'Training step, d 512, 4096 tokens',
        weight: 4,
        names: ['trainStep.d512.4096'],
        least: () => leastOfSteps(this.#round('trainStep.d128.4096'), flopsOf(128, 32, 128), wideFlops),
        run: async () => {
          suite.close();
          await suite.open(wide);
          this.#medians = await suite.trainStep('trainStep.d512.4096', wide, 32, 128, false);
          suite.close();
        },
      },
      {
        ...of,
        doing: 'Large matrix products',
        weight: 2,
        names: ['trainStep.d512.matmulShare'],
        least() {
          const once = (chain * 2 * 4096 ** 3 * fused()) / wideFlops;
          return once > longestSubmit ? Infinity : 2 * 6 * once;
        },
        run: () => suite.matmulShare(this.#medians, wide, 32, 128, 4096),
      },
      {
        ...of,
        doing: 'Memory of a training step',
        weight: 1,
        names: ['trainStep.memory'],
        // Two steps of twice the places, with a head that is larger than all the rest.
        least: () => 2 * 2 * 3 * fused(),
        run: () => suite.memory(),
      },
      {
        ...of,
        doing: 'Cost of a token by the size of the batch',
        weight: 3,
        names: [...growthSizes.map((size) => `costPerToken.${size}` as const), 'costPerToken.growth'],
        least: () => (leastRounds * fused() * growthSizes.reduce((sum, size) => sum + size, 0)) / 4096,
        run: () => suite.costPerToken(),
      },
    ];
  }
}
