/**
 * Whole runs: our trainer and TRL's GRPOTrainer from the same policy, with the RLVR recipe's settings and the same questions in the same
 * order. The draws are each side's own, so that only means over seeds can agree.
 */
import { availableParallelism } from 'node:os';
import { readPolicy, wasmPath } from '../../src/cli/engine.ts';
import { createEngine } from '../../src/engine/create.ts';
import { personas } from '../../src/persona/world.ts';
import type { RunConfig } from '../../src/rl/config.ts';
import { GroupSource } from '../../src/rl/data.ts';
import { recipes } from '../../src/rl/recipes.ts';
import { initialTrainerState, train } from '../../src/rl/trainer.ts';
import { mean } from '../../src/statistics/moments.ts';
import type { Row } from './main.ts';
import { bundled } from './policies.ts';
import type { Python } from './python.ts';
import { settingsOf } from './settings.ts';

const steps = 60;

export async function* curveRows(peer: Python, seeds: number): AsyncGenerator<Row> {
  const [ours, theirs]: [number[][], number[][]] = [[], []];
  for (let seed = 1; seed <= seeds; seed++) {
    const config: RunConfig = { ...recipes.rlvr, seed, steps };
    ours.push(await ownCurve(config));
    theirs.push(await peerCurve(peer, config));
    const ends = (curve: readonly number[]) => `${mean(curve.slice(0, 10)).toFixed(3)} → ${mean(curve.slice(-10)).toFixed(3)}`;
    console.error(`seed ${seed}: ${ends(ours.at(-1)!)} here, ${ends(theirs.at(-1)!)} there`);
  }
  for (const [first, last] of [
    [1, 10],
    [51, 60],
  ] as const) {
    const [one, two] = [ours, theirs].map((curves) => mean(curves.map((curve) => mean(curve.slice(first - 1, last))))) as [number, number];
    yield {
      what: `mean reward of steps ${first}–${last}`,
      of: `permix-tiny, RLVR’s settings, ${seeds} seeds`,
      difference: Math.abs(one - two),
      tolerance: 0.03,
      said: `${one.toFixed(3)} here, ${two.toFixed(3)} there`,
    };
  }
}

async function ownCurve(config: RunConfig): Promise<number[]> {
  const policy = await readPolicy(bundled);
  const engine = await createEngine({ config: policy.config, weights: policy.weights, engine: 'portable', backend: 'wasm', wasmPath });
  await engine.setReference();
  const rewards: number[] = [];
  const setup = { engine, tokenizer: policy.tokenizer!, eosIds: policy.config.eosIds, personas, config, state: initialTrainerState };
  for await (const { report } of train(setup)) rewards.push(report.metrics['reward']!);
  engine.dispose();
  return rewards;
}

function peerCurve(peer: Python, config: RunConfig): Promise<number[]> {
  const groups = new GroupSource(config, personas, 0).take(config.promptsPerStep * steps);
  const questions = groups.map(({ question }) => ({ prompt: [{ role: 'user', content: question.text }], answer: question.answer }));
  const threads = Math.max(1, Math.floor(availableParallelism() / 2));
  return peer.ask('curve', { folder: bundled, settings: settingsOf(config), questions, steps, seed: config.seed, threads });
}
