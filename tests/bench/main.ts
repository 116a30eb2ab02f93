/**
 * `npm run bench`: the engines against each other and against jax-js, in Node through Dawn, on one adapter in one run.
 * Here are the options and the order of the rows; suite.ts measures, src/benchmark/report.ts says it. Figures that were kept are in docs/benchmarks.md.
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { allowRelaxedSimd } from '../../src/cli/relaxed-simd.ts';
import { enableProdMode } from '@tensorflow/tfjs';
import { describeAdapter } from '../../src/engine/gpu/adapter.ts';
import { version } from '../../package.json';
import { install } from '../../src/benchmark/gpu-meter.ts';
import type { KernelTime } from '../../src/benchmark/gpu-profile.ts';
import { planPolicies } from '../../src/benchmark/planned.ts';
import {
  makeReport,
  realRuns,
  table,
  type EngineLabel,
  type Occasion,
  type Report,
  type Row,
  type RowName,
  type RowSpec,
} from '../../src/benchmark/report.ts';
import { benchConfig } from '../../src/benchmark/workload.ts';
import { earlierLines, measureAgainst } from './earlier.ts';
import { verifierLines, verifierRows } from './verifier.ts';
import { startJax } from './jax-contender.ts';
import { measurePolicy, measurePolicyAlone } from './policies.ts';
import { CommandSuite } from './suite.ts';

const help = `Usage: npm run bench -- [OPTIONS]

  --json FILE  also writes the figures to a file
  --quick      small shapes only: d 128, B·T ≤ 256
  --all        also what says nothing on a software adapter
  --profile    GPU time by kernel of one training step
  --verifier   only what verdicts cost, on one core
  --host       only what the wasm engine takes, on one thread and on all
  --against C  only training steps of the bundled policy, beside those of an earlier commit
  --policy P   only a policy of a real one's shape: ${realRuns.map(({ policy }) => policy).join(', ')}
`;

/**
 * Under --quick the whole stays below three minutes: milliseconds from the start until one repeat will do for our engines, until the peer must have
 * compiled, and until one will do for all together.
 */
const quick = { hurry: 75_000, compiled: 130_000, together: 150_000 };

/** @returns the exit code: 0 done, 1 a contender failed or computed something else, 2 wrong usage */
export async function bench(argv: readonly string[]): Promise<number> {
  allowRelaxedSimd();
  let options;
  try {
    const flag = { type: 'boolean', default: false } as const;
    options = parseArgs({
      args: [...argv],
      options: {
        json: { type: 'string' },
        policy: { type: 'string' },
        against: { type: 'string' },
        quick: flag,
        all: flag,
        profile: flag,
        host: flag,
        verifier: flag,
        help: flag,
      },
    }).values;
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n\n${help}`);
    return 2;
  }
  if (options.help) {
    console.log(help);
    return 0;
  }
  if (options.verifier) {
    const rows = await verifierRows();
    console.log(verifierLines(rows).join('\n'));
    if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify({ verifier: rows }, null, 2)}\n`);
    return 0;
  }
  if (options.against !== undefined) {
    const rows = measureAgainst(options.against, console.log);
    console.log(`\n${earlierLines(rows).join('\n')}`);
    if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify({ against: rows }, null, 2)}\n`);
    return 0;
  }
  enableProdMode();
  const gpu = await navigator.gpu.requestAdapter({ powerPreference: 'high-performance' });
  if (!gpu) {
    console.error('WebGPU found no adapter. Dawn needs a Vulkan, Metal or D3D12 driver; VK_ICD_FILENAMES chooses one.');
    return 1;
  }
  const { adapter, software } = describeAdapter(gpu);
  const occasion: Occasion = {
    adapter,
    software,
    runtime: `Node ${process.version.slice(1)} on ${process.platform} ${process.arch}`,
    version,
    date: new Date().toISOString(),
  };
  console.log(`Adapter  ${adapter}${software ? ' (software: only ratios within this run are results, its times are not)' : ''}`);
  const save = (report: Report) => {
    if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(report, null, 2)}\n`);
  };
  if (options.policy !== undefined)
    return onePolicy(options.policy, software, (rows) => save(makeReport(occasion, benchConfig(128), rows)));
  if (options.host) return hostOnly((rows) => makeReport(occasion, benchConfig(128), rows), save);
  const large = options.quick ? false : !software || options.all;

  install();
  const now = performance.now();
  const hurry = options.quick ? now + quick.hurry : Infinity;
  const effort = { ...(software ? { repeats: 5, patience: 15_000 } : { repeats: 20, patience: 30_000 }), hurry };
  const suite = new CommandSuite(effort, console.log, options.quick ? now + quick.compiled : Infinity);
  try {
    await startJax();
  } catch (error) {
    suite.out.set('jax-js', `jax-js did not start: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (large) await suite.selfCheck(adapter);
  await suite.heldOutShare();
  await suite.hostSteps();
  await suite.hostProducts();
  if (!options.quick) await suite.hostPolicy();
  const small = benchConfig(128);
  const ours = ['portable', 'fused'] as const;
  await suite.open(small, ours);
  await suite.compareSteps(small, 8, 32, ours);
  await suite.trainStep('trainStep.d128.256', small, 8, 32, true);
  await suite.encoding(small);
  await suite.rollouts('rollout.16', small, 16, 16, 8, ours);
  // What jax-js compiles takes a while, and must not run beside what is measured.
  await suite.open(small, ['jax-js']);
  await suite.compareSteps(small, 8, 32, ['jax-js']);
  if (!suite.out.has('jax-js')) {
    // Once more with everybody, in turn: what was measured without it was measured at another time.
    if (options.quick) effort.hurry = now + quick.together;
    suite.rows.clear('trainStep.d128.256');
    await suite.trainStep('trainStep.d128.256', small, 8, 32, true);
    // Decoding is as much to compile again.
    if (!options.quick) await suite.rollouts('rollout.16', small, 16, 16, 8);
  }
  const profile = options.profile ? await suite.profile(small, 8, 32) : null;
  if (large) {
    await suite.trainStep('trainStep.d128.4096', small, 32, 128, false);
    await suite.rollouts('rollout.128', small, 128, 64, 64);
  }
  suite.close();
  await suite.forms();
  if (large) {
    const wide = benchConfig(512);
    await suite.open(wide);
    const medians = await suite.trainStep('trainStep.d512.4096', wide, 32, 128, false);
    await suite.matmulShare(medians, wide, 32, 128, software ? 512 : 4096);
    suite.close();
    await suite.memory();
    await suite.costPerToken();
  }

  suite.plannedMemory();
  planPolicies(suite.rows);
  for (const { policy, hardware } of realRuns) if (large || !hardware) await measurePolicyAlone(suite, policy);
  // What was measured is told even where there is no browser.
  await suite.pageShare();
  const rows = suite.rows.list((spec: RowSpec, engine: EngineLabel) => {
    const left = suite.left.get(spec.name as RowName);
    if (left !== undefined) return left;
    const out = suite.out.get(engine);
    if (out !== undefined) return out;
    if (options.quick) return 'Left out by --quick.';
    return spec.hardware && software ? 'Needs a hardware adapter; --all measures it all the same.' : 'Not measured in this run.';
  });
  const report = makeReport(occasion, small, rows, profile ?? undefined);
  console.log(`\n${table(report)}`);
  console.log(`\nVerdicts, on one core\n${verifierLines(await verifierRows()).join('\n')}`);
  for (const [engine, times] of Object.entries(profile ?? {})) console.log(`\n${profileTable(engine as EngineLabel, times, software)}`);
  if (options.profile && !profile) console.log('\nNo profile: the adapter has no timestamps.');
  save(report);
  for (const failure of suite.failures) console.error(`\nFailed: ${failure}`);
  return suite.failures.length > 0 ? 1 : 0;
}

async function hostOnly(report: (rows: readonly Row[]) => Report, save: (report: Report) => void): Promise<number> {
  const suite = new CommandSuite({ repeats: 1, patience: 0, hurry: Infinity }, console.log, Infinity);
  await suite.hostSteps();
  await suite.hostProducts();
  await suite.hostPeers();
  await suite.hostPolicy();
  const rows = suite.rows.list((spec) => suite.left.get(spec.name as RowName) ?? '');
  const found = report(rows.filter(({ median, reason }) => median !== null || reason !== ''));
  console.log(`\n${table(found)}`);
  save(found);
  return 0;
}

/** In a process that has nothing else in memory. */
async function onePolicy(name: string, software: boolean, save: (rows: readonly Row[]) => void): Promise<number> {
  const run = realRuns.find(({ policy }) => policy === name);
  if (!run) {
    console.error(`There is no policy ${name} to measure.\n\n${help}`);
    return 2;
  }
  const suite = new CommandSuite({ repeats: 1, patience: 0, hurry: Infinity }, console.log, Infinity);
  await measurePolicy(suite, run.policy, software && run.hardware === true);
  for (const why of new Set(suite.left.values())) console.log(`${name}: ${why}`);
  for (const failure of suite.failures) console.error(`Failed: ${failure}`);
  const rows = suite.rows.list((spec) => suite.left.get(spec.name as RowName) ?? '');
  save(rows.filter(({ median, reason }) => median !== null || reason !== ''));
  return suite.failures.length > 0 ? 1 : 0;
}

function profileTable(engine: EngineLabel, times: readonly KernelTime[], software: boolean): string {
  const total = times.reduce((sum, { microseconds }) => sum + microseconds, 0);
  const lines = times.map(({ kernel, dispatches, microseconds }) => {
    const share = `${((100 * microseconds) / total).toFixed(1)} %`.padStart(7);
    return `${share}${software ? '' : `${microseconds.toFixed(0).padStart(9)} µs`}${String(dispatches).padStart(6)} ×  ${kernel}`;
  });
  return [`GPU time of a training step by kernel, ${engine}, each dispatch in a pass of its own`, ...lines].join('\n');
}
