/**
 * Training tokens a second without a GPU, on one thread: our engines on WebAssembly and jax-js on its own, the same optimiser steps from the same
 * weights on rows of different prompts. Who computes another loss is not timed.
 */
import { defaultDevice, init } from '@jax-js/jax';
import { EngineContender, type Contender } from '../../src/benchmark/contender.ts';
import type { EngineLabel, RowName } from '../../src/benchmark/report.ts';
import type { Suite } from '../../src/benchmark/suite.ts';
import { benchConfig, objective, optim, trainBatch } from '../../src/benchmark/workload.ts';
import type { PolicyConfig } from '../../src/policy/config.ts';
import { initialWeights, type Weights } from '../../src/policy/weights.ts';
import { JaxContender } from './jax-contender.ts';

const shape = { rows: 16, width: 64 };
const rounds = 5;
/** Of the first steps' losses. */
const tolerance = 1e-4;

/** Peers that cannot be measured here, and why: looked at in the version that is named. */
const leftOut = [
  '@genai-fi/nanogpt 1.3.0 is left out: the tfjs it brings along has no WebAssembly (cpu, webgl and webgpu alone), and does not load in Node.',
];

/** @param say a line for the reader */
export async function measureHostPeers(book: Pick<Suite, 'rows' | 'left' | 'failures'>, say: (line: string) => void): Promise<void> {
  leftOut.forEach(say);
  for (const d of [128, 256] as const) await measureAt(`host.train.d${d}`, benchConfig(d), book, say);
}

async function measureAt(
  name: RowName,
  config: PolicyConfig,
  book: Pick<Suite, 'rows' | 'left' | 'failures'>,
  say: (line: string) => void,
): Promise<void> {
  const weights = initialWeights(config, 1);
  const batch = trainBatch(config, shape.rows, shape.width);
  const there: { readonly label: EngineLabel; readonly contender: Contender }[] = [];
  let expected: readonly number[] | null = null;
  for (const label of ['portable', 'wasm', 'jax-js'] as const) {
    try {
      const contender = await make(label, config, weights);
      const losses = [(await contender.step(batch)).loss, (await contender.step(batch)).loss];
      expected ??= losses;
      const apart = Math.max(...losses.map((loss, i) => Math.abs(loss - expected![i]!)));
      // Not a number is apart from everything.
      if (apart <= tolerance) there.push({ label, contender });
      else book.failures.push(`${label} is out of ${name}: its losses are ${apart.toPrecision(2)} from the portable engine’s.`);
    } catch (error) {
      say(`${name}: ${label} is left out: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  for (let round = 0; round < rounds; round++) {
    for (const { label, contender } of there) {
      const start = performance.now();
      await contender.step(batch);
      book.rows.add(name, label, [(1000 * shape.rows * shape.width) / (performance.now() - start)]);
    }
  }
  for (const { contender } of there) contender.dispose();
}

async function make(label: 'portable' | 'wasm' | 'jax-js', config: PolicyConfig, weights: Weights): Promise<Contender> {
  if (label !== 'jax-js') return EngineContender.create(label, config, weights, objective, optim, 'wasm');
  if (!(await init('wasm')).includes('wasm')) throw new Error('jax-js found no WebAssembly');
  defaultDevice('wasm');
  return new JaxContender(config, weights, objective, optim);
}
