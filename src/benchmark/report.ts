/**
 * What the benchmark says: rows of medians, the ratios between engines, the table and the JSON. Nothing is measured here.
 * Times of a software adapter are those of a rasteriser on the CPU: they go into ratios within one run and are not shown as results.
 */
import type { PolicyConfig } from '../policy/config.ts';
import type { Weights } from '../policy/weights.ts';
import type { KernelTime } from './gpu-profile.ts';
import { realPolicies, type RealPolicy } from './real-policies.ts';

export const engines = ['fused', 'portable', 'wasm', 'jax-js'] as const;
export type EngineLabel = (typeof engines)[number];
/** Those that have a GPU, of which a row is where it says nothing else. */
export const gpuEngines = ['fused', 'portable', 'jax-js'] as const satisfies readonly EngineLabel[];
export type GpuEngine = (typeof gpuEngines)[number];
/** Speed of the first over speed of the second. */
const pairs = [
  ['fused', 'portable'],
  ['fused', 'jax-js'],
  ['jax-js', 'portable'],
  ['wasm', 'portable'],
  ['wasm', 'jax-js'],
] as const;

export type Unit =
  'dispatches' | 'ms' | 'JavaScript ms' | 'tokens/s' | 'µs/token' | '%' | 'MiB' | 'MB' | 'GB' | 'ms estimated' | '×' | 'GFLOP/s' | 's';
/** Units in which a software adapter has only ratios to say. */
const timed: Readonly<Partial<Record<Unit, 'less' | 'more'>>> = { ms: 'less', 'tokens/s': 'more', 'µs/token': 'less' };

export interface RowSpec {
  readonly name: string;
  readonly what: string;
  readonly unit: Unit;
  readonly target: string;
  /** Says nothing on a software adapter, or takes too long there. */
  readonly hardware?: true;
  /** `gpuEngines`, unless it is about some alone. */
  readonly engines?: readonly EngineLabel[];
}

const speed = '≥ 5× portable, ≥ 2× jax-js';
/** Policies of real shapes that are run. A software adapter takes ten minutes for the second, and lavapipe binds too little for it. */
export const realRuns: readonly { readonly policy: RealPolicy; readonly hardware?: true }[] = [
  { policy: 'SmolLM2-135M' },
  { policy: 'Qwen2.5-0.5B', hardware: true },
];
export const growthSizes = [1024, 2048, 4096, 8192, 16384] as const;

export const rowSpecs = [
  { name: 'trainStep.dispatches', what: 'dispatches per training step, 4 layers', unit: 'dispatches', target: '≤ 150' },
  { name: 'decodeToken.dispatches', what: 'dispatches per decoded token', unit: 'dispatches', target: '≤ 36' },
  {
    name: 'trainStep.encode',
    what: 'JavaScript to encode one training step',
    unit: 'JavaScript ms',
    target: '≤ 1 ms',
    engines: ['fused'],
  },
  {
    name: 'selfCheck',
    what: 'self-check at the first use of an adapter, shaders compiled in it',
    unit: 'ms',
    target: '≤ 1000 ms',
    hardware: true,
    engines: ['fused', 'portable'],
  },
  {
    name: 'heldOut.share',
    what: 'held-out questions of a run of 100 steps, of all its time (bundled policy, WebAssembly)',
    unit: '%',
    target: '≤ 10 %',
    engines: ['portable'],
  },
  {
    name: 'host.step',
    what: 'training step of the bundled policy on WebAssembly: 128 rollouts, reference, update',
    unit: 'ms',
    target: 'wasm: ≥ 4× portable',
    engines: ['portable', 'wasm'],
  },
  {
    name: 'host.distinct',
    what: 'places computed in an update of the bundled policy over those that are different, PerMix',
    unit: '×',
    target: '1.00',
    engines: ['fused', 'wasm'],
  },
  {
    name: 'host.threads',
    what: 'the same step on one thread of the wasm engine over that on one for each core (eight at most)',
    unit: '×',
    target: '≥ 1.75 on two cores',
    engines: ['wasm'],
  },
  {
    name: 'host.decode1',
    what: 'a token of one row, SmolLM2-135M’s shape in bf16, one thread',
    unit: 's',
    target: '≤ 0.05 s',
    engines: ['wasm'],
  },
  { name: 'host.decode32', what: 'a token of 32 rows, the same', unit: 's', target: '≤ 0.4 s', engines: ['wasm'] },
  {
    name: 'host.loraStep',
    what: 'LoRA step of rank 16 of that shape, 4 questions × 8 replies of 32 tokens, rollouts and update, a thread for each core',
    unit: 's',
    target: '≤ 60 s on two cores',
    engines: ['wasm'],
  },
  {
    name: 'host.longStep',
    what: 'the same of 4 questions × 4 replies, 120 tokens each',
    unit: 's',
    target: '≤ 60 s on two cores',
    engines: ['wasm'],
  },
  {
    name: 'host.longMemory',
    what: 'memory of the process in that step, weights of all threads included',
    unit: 'GB',
    target: '≤ 3.5 GiB',
    engines: ['wasm'],
  },
  {
    name: 'host.products',
    what: 'products on WebAssembly, 1024 × 96 → 448, packing counted: forward, and the two of the way back',
    unit: 'GFLOP/s',
    target: '≥ 28',
    engines: ['wasm'],
  },
  {
    name: 'host.productShare',
    what: 'products inside a training step of the bundled policy, one thread, of what vectors of 128 bits do in registers',
    unit: '%',
    target: '≥ 55 %; ≥ 70 % with relaxed SIMD',
    engines: ['wasm'],
  },
  {
    name: 'host.stepShare',
    what: 'the whole step, rollouts, reference and update, by the operations of its products (attention’s not counted)',
    unit: '%',
    target: '≥ 45 %',
    engines: ['wasm'],
  },
  {
    name: 'host.train.d128',
    what: 'training on WebAssembly, one thread, d 128, 16 rows of 64 tokens with prompts of their own',
    unit: 'tokens/s',
    target: 'wasm: ≥ 1.5× the best of the others',
    engines: ['portable', 'wasm', 'jax-js'],
  },
  {
    name: 'host.train.d256',
    what: 'training on WebAssembly, one thread, d 256, 16 rows of 64 tokens with prompts of their own',
    unit: 'tokens/s',
    target: 'wasm: ≥ 1.5× the best of the others',
    engines: ['portable', 'wasm', 'jax-js'],
  },
  {
    name: 'page.mainThread',
    what: 'script, style and layout of the page’s main thread while it trains, of the time that passes (bundled policy, WebAssembly)',
    unit: '%',
    target: '≤ 5 %',
    engines: ['portable'],
  },
  { name: 'trainStep.javascript', what: 'JavaScript from the call of a step to its last submit', unit: 'JavaScript ms', target: '' },
  {
    name: 'trainStep.d128.256',
    what: 'training step, d 128, B·T 256',
    unit: 'ms',
    target: 'software: matrix products alone allow 2.3× (SwiftShader), 4.2× (lavapipe)',
  },
  { name: 'trainStep.d128.4096', what: 'training step, d 128, B·T 4096', unit: 'ms', target: speed, hardware: true },
  { name: 'trainStep.d512.4096', what: 'training step, d 512, B·T 4096', unit: 'ms', target: speed, hardware: true },
  { name: 'rollout.16', what: 'rollouts, d 128, 16 rows', unit: 'tokens/s', target: '' },
  {
    name: 'rollout.128',
    what: 'rollouts, d 128, 128 rows',
    unit: 'tokens/s',
    target: '≥ 10× portable, ≥ 4× jax-js',
    hardware: true,
  },
  {
    name: 'forms.decodeProduct',
    what: 'product of one row, 1536 → 576 in bf16: speed of the form it has here over the other (staged, or lanes along k)',
    unit: '×',
    target: '≥ 1',
    engines: ['fused'],
  },
  {
    name: 'forms.headInput',
    what: 'gradient of the head’s input, 16 cells, V 8192: its sums at once over one after the other',
    unit: '×',
    target: '≥ 1',
    engines: ['fused'],
  },
  {
    name: 'forms.sampler',
    what: 'drawing a token of one row, V 49152: speed of the form it has here over the other (one workgroup, or 16)',
    unit: '×',
    target: '≥ 1',
    engines: ['fused'],
  },
  {
    name: 'forms.attention',
    what: 'attention forward and backward, 256 places, heads of 128: speed of the form it has here over the other (a lane a query, or four)',
    unit: '×',
    target: '≥ 1',
    hardware: true,
    engines: ['fused'],
  },
  {
    name: 'forms.subgroups',
    what: 'drawing one of the 50 likeliest tokens, V 49152: speed with subgroups over every lane adding alone',
    unit: '×',
    target: '≥ 1',
    hardware: true,
    engines: ['fused'],
  },
  {
    name: 'trainStep.d512.matmulShare',
    what: 'share of the best measured matmul rate, d 512',
    unit: '%',
    target: '≥ 60 %',
    hardware: true,
  },
  {
    name: 'trainStep.memory.planned',
    what: 'planned GPU memory beyond 4 × weights + activations, d 512, B·T 8192, V 32768',
    unit: 'MiB',
    target: '≤ 128 MiB',
    engines: ['fused'],
  },
  {
    name: 'trainStep.memory',
    what: 'counted GPU memory beyond 4 × weights + activations, d 512, B·T 8192, V 32768',
    unit: 'MiB',
    target: '≤ 128 MiB',
    hardware: true,
    engines: ['fused'],
  },
  ...Object.entries(realPolicies).map(([policy, { most }]) => ({
    name: `planned.${policy as RealPolicy}` as const,
    what: `planned GPU memory of ${policy}, bf16, LoRA of rank 16`,
    unit: 'GB' as const,
    target: `≤ ${most / 1e9} GB`,
    engines: ['fused'] as const,
  })),
  ...realRuns.flatMap(({ policy, hardware }) => {
    const of = { engines: ['fused'] as const, ...(hardware ? { hardware } : {}) };
    return [
      {
        ...of,
        name: `hostMemory.${policy}` as const,
        what: `memory on the host, ${policy} loaded, trained with LoRA, a checkpoint made`,
        unit: 'MB' as const,
        target: '≤ 256 MB above before',
      },
      {
        ...of,
        name: `submit.${policy}` as const,
        what: `longest submit of several dispatches, ${policy}, rollouts and LoRA step, by the engine’s estimate`,
        unit: 'ms estimated' as const,
        target: '≤ 100 ms',
      },
    ];
  }),
  ...growthSizes.map((size) => ({
    name: `costPerToken.${size}`,
    what: `cost per token of a training step, d 512, B·T ${size}`,
    unit: 'µs/token' as const,
    target: '',
    hardware: true as const,
    engines: ['fused'] as const,
  })),
  {
    name: 'costPerToken.growth',
    what: 'dearest over cheapest token above the saturating size',
    unit: '×',
    target: '≤ 1.2',
    hardware: true,
    engines: ['fused'],
  },
] as const satisfies readonly RowSpec[];

export type RowName = (typeof rowSpecs)[number]['name'];

export interface Row {
  readonly name: RowName;
  readonly engine: EngineLabel;
  /** Null: not measured, and `reason` says why. */
  readonly median: number | null;
  readonly unit: Unit;
  readonly repeats: number;
  readonly reason?: string;
}

export type Ratios = Readonly<Partial<Record<RowName, Readonly<Record<string, number | null>>>>>;

/** What was measured, where and when. */
export interface Occasion {
  /** The adapter's own words; null: no WebGPU was measured. */
  readonly adapter: string | null;
  readonly software: boolean;
  /** What ran it, "Node 20.20.2 on linux x64", or a browser's own words. */
  readonly runtime: string;
  /** Of this project. */
  readonly version: string;
  readonly date: string;
}

export interface Report extends Occasion {
  readonly model: Readonly<Record<string, number>>;
  readonly rows: readonly Row[];
  /** By row: 'a/b', how many times as fast as b a is. */
  readonly ratios: Ratios;
  /** Of the fused engine, null where it was not measured; the others' are in the rows. */
  readonly dispatches: { readonly trainStep: number | null; readonly decodeToken: number | null };
  /** Of the fused engine. */
  readonly encodeMs: number | null;
  /** GPU time by kernel of training steps, where it was asked for and the adapter has timestamps. */
  readonly profile?: Profile;
}

/** The dearest kernel first. */
export type Profile = Readonly<Partial<Record<EngineLabel, readonly KernelTime[]>>>;

export function median(values: readonly number[]): number {
  if (values.length === 0) throw new Error('no median of nothing');
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  return sorted.length % 2 === 1 ? sorted[Math.floor(middle)]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Collects rows in any order; what nobody measured is there with its reason. */
export class Rows {
  private readonly samples = new Map<string, readonly number[]>();

  /** More of the same row join what it has. */
  add(name: RowName, engine: EngineLabel, samples: readonly number[]): void {
    const key = `${name} ${engine}`;
    this.samples.set(key, [...(this.samples.get(key) ?? []), ...samples]);
  }

  /** What a row has so far; null: nothing. */
  of(name: RowName, engine: EngineLabel): readonly number[] | null {
    return this.samples.get(`${name} ${engine}`) ?? null;
  }

  /** Forgets a row that is about to be measured again, with more contenders. */
  clear(name: RowName): void {
    for (const engine of engines) this.samples.delete(`${name} ${engine}`);
  }

  /** @param reason of a row that has none yet, a sentence */
  list(reason: (spec: RowSpec, engine: EngineLabel) => string): Row[] {
    return rowSpecs.flatMap((spec: RowSpec) =>
      (spec.engines ?? gpuEngines).map((engine): Row => {
        const name = spec.name as RowName;
        const samples = this.samples.get(`${name} ${engine}`);
        if (!samples) return { name, engine, median: null, unit: spec.unit, repeats: 0, reason: reason(spec, engine) };
        return { name, engine, median: median(samples), unit: spec.unit, repeats: samples.length };
      }),
    );
  }
}

export function ratiosOf(rows: readonly Row[]): Ratios {
  const ratios: Partial<Record<RowName, Record<string, number | null>>> = {};
  for (const { name, unit, engines: own } of rowSpecs as readonly RowSpec[]) {
    const better = timed[unit];
    if (!better) continue;
    const of = (engine: EngineLabel) => rows.find((row) => row.name === name && row.engine === engine)?.median ?? null;
    const there: readonly EngineLabel[] = own ?? gpuEngines;
    ratios[name as RowName] = Object.fromEntries(
      pairs
        .filter(([a, b]) => there.includes(a) && there.includes(b))
        .map(([a, b]) => {
          const [x, y] = [of(a), of(b)];
          return [`${a}/${b}`, x === null || y === null ? null : better === 'less' ? y / x : x / y];
        }),
    );
  }
  return ratios;
}

export function makeReport(occasion: Occasion, config: PolicyConfig, rows: readonly Row[], profile?: Profile): Report {
  const { layers, hiddenSize, intermediateSize, vocabSize, heads, kvHeads } = config;
  const fused = (name: RowName) => rows.find((row) => row.name === name && row.engine === 'fused')?.median ?? null;
  return {
    ...occasion,
    model: { layers, hiddenSize, intermediateSize, vocabSize, heads, kvHeads },
    rows,
    ratios: ratiosOf(rows),
    dispatches: { trainStep: fused('trainStep.dispatches'), decodeToken: fused('decodeToken.dispatches') },
    encodeMs: fused('trainStep.encode'),
    ...(profile ? { profile } : {}),
  };
}

/** The table for a person. On a software adapter times are shown as multiples of the portable engine's speed. */
export function table({ rows, software, ratios }: Report): string {
  const cell = (name: RowName, engine: EngineLabel): string => {
    const row = rows.find((candidate) => candidate.name === name && candidate.engine === engine);
    if (!row) return '';
    if (row.median === null) return 'not measured';
    if (!software || !timed[row.unit]) return figureOf(row.median, row.unit);
    if (engine === 'portable') return '1×';
    const ratio = ratios[name]?.[`${engine}/portable`];
    return ratio == null ? 'no ratio' : `${short(ratio)}×`;
  };
  const lines = rowSpecs.map(({ name, what, target }) => [what, ...engines.map((engine) => cell(name, engine)), target]);
  const all = [[software ? 'times as multiples of portable’s speed' : '', ...engines, 'target of fused'], ...lines];
  const widths = all[0]!.map((_, column) => Math.max(...all.map((line) => line[column]!.length)));
  const text = all.map((line) =>
    line
      .map((value, column) => value.padEnd(widths[column]!))
      .join('  ')
      .trimEnd(),
  );
  const reasons = new Map<string, string[]>();
  for (const { name, engine, reason } of rows) {
    if (reason) reasons.set(reason, [...(reasons.get(reason) ?? []), `${name} (${engine})`]);
  }
  const why = [...reasons].map(([reason, names]) => `${reason}\n    ${names.join(', ')}`);
  return [...text, '', ...(why.length > 0 ? ['Not measured:', ...why.map((line) => `  ${line}`)] : [])].join('\n');
}

/** Units in which a software adapter has only ratios to say. */
export const onlyRatios = (unit: Unit): boolean => timed[unit] !== undefined;

const bare: Readonly<Partial<Record<Unit, string>>> = { dispatches: '', '×': '×', 'JavaScript ms': ' ms' };

/** As the tables write it. */
export const figureOf = (value: number, unit: Unit): string => `${short(value)}${bare[unit] ?? ` ${unit}`}`;

export function short(value: number): string {
  return value >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(3)));
}

/** |a - b| / |b| over all numbers of the weights, in the Euclidean norm. */
export function relativeDistance(a: Weights, b: Weights): number {
  let difference = 0;
  let size = 0;
  for (const [name, values] of Object.entries(b)) {
    const others = a[name];
    if (others?.length !== values.length) throw new Error(`${name} has ${others?.length} numbers, not ${values.length}`);
    values.forEach((value, i) => {
      difference += (others[i]! - value) ** 2;
      size += value * value;
    });
  }
  return Math.sqrt(difference / size);
}

/**
 * Costs per token from the smallest batch to the largest: the dearest over the cheapest from the saturating size on, the
 * first whose cost is within a fifth of the cheapest.
 */
export function growthAboveSaturation(costs: readonly number[]): number {
  const cheapest = Math.min(...costs);
  const saturating = costs.findIndex((cost) => cost <= 1.2 * cheapest);
  return Math.max(...costs.slice(saturating)) / cheapest;
}
