/**
 * Seconds of a training step: our wasm engine and TRL's GRPOTrainer on the same cores, one after the other, with the same settings and questions. Rewards
 * and draws are each side's own, and so are the lengths of replies; both are at their first steps. Times say something on a quiet machine only.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { readPolicy } from '../../src/cli/engine.ts';
import { createEngine } from '../../src/engine/create.ts';
import { libraryOf } from '../../src/persona/libraries.ts';
import type { Persona } from '../../src/persona/persona.ts';
import { loraSetup, type RunConfig } from '../../src/rl/config.ts';
import { GroupSource } from '../../src/rl/data.ts';
import { policyDefaults } from '../../src/rl/policy-defaults.ts';
import { recipes } from '../../src/rl/recipes.ts';
import { suited } from '../../src/rl/suited.ts';
import { initialTrainerState, train } from '../../src/rl/trainer.ts';
import { startThread } from '../bench/host-policy.ts';
import { folderOf } from './exports.ts';
import type { Row, Skipped } from './main.ts';
import { bundled } from './policies.ts';
import type { Python } from './python.ts';
import { settingsOf } from './settings.ts';

const cores = Math.min(8, availableParallelism());

/** @param smollm2 a folder or GGUF file of SmolLM2; absent: only the bundled policy */
export async function* speedRows(peer: Python, smollm2?: string): AsyncGenerator<Row | Skipped> {
  if (!startThread)
    return yield { skipped: 'speed: there is no dist-cli/engine-thread.js to start threads with; npm run -s permix builds it.' };
  for (const threads of new Set([1, cores])) {
    yield* compared(peer, 'permix-tiny, RLVR’s settings', bundled, { ...recipes.rlvr, steps: 6 }, threads);
  }
  if (smollm2 === undefined) return yield { skipped: 'speed, the row of SmolLM2; --smollm2 DIR|FILE.gguf names one.' };
  const scratch = mkdtempSync(join(tmpdir(), 'permix-peers-'));
  try {
    const folder = await folderOf(smollm2, scratch);
    const { config } = await readPolicy(folder);
    const run = suited({ ...recipes.permix, steps: 3 }, policyDefaults(config));
    yield* compared(peer, 'SmolLM2, LoRA of rank 16, 4 × 8, personas in half of the prompts', folder, run, cores);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

async function* compared(peer: Python, what: string, folder: string, config: RunConfig, threads: number): AsyncGenerator<Row> {
  const { personas } = libraryOf(config.library);
  const here = median(await ownSeconds(folder, config, personas, threads));
  const there = median(await peerSeconds(peer, folder, config, personas, threads));
  yield {
    what: 'seconds of a step, here over there',
    of: `${what}, ${threads === 1 ? 'one thread' : `${threads} threads`}, median of ${config.steps}`,
    difference: here / there,
    // What it should be is in docs/benchmarks.md; here nothing may be slower.
    tolerance: 1,
    said: `${here.toPrecision(2)} s here, ${there.toPrecision(2)} s there: ${(there / here).toFixed(1)}×`,
  };
}

async function ownSeconds(folder: string, config: RunConfig, personas: readonly Persona[], threads: number): Promise<number[]> {
  const policy = await readPolicy(folder);
  const engine = await createEngine({
    ...{ config: policy.config, weights: policy.weights, engine: 'wasm', backend: 'wasm', lora: loraSetup(config) },
    ...{ threads, startThread: startThread! },
  } as const);
  await engine.setReference();
  const seconds: number[] = [];
  const setup = { engine, tokenizer: policy.tokenizer!, eosIds: policy.config.eosIds, personas, config, state: initialTrainerState };
  for await (const { report } of train(setup)) seconds.push(report.metrics.step_time!);
  engine.dispose();
  return seconds;
}

function peerSeconds(peer: Python, folder: string, config: RunConfig, personas: readonly Persona[], threads: number): Promise<number[]> {
  const groups = new GroupSource(config, personas, 0).take(config.promptsPerStep * config.steps);
  const questions = groups.map(({ question, personas: [persona] }) => ({
    prompt: [...(persona ? [{ role: 'system', content: persona.text }] : []), { role: 'user', content: question.text }],
    answer: question.answer,
  }));
  const lora = config.lora ? { lora: { r: config.lora.rank, lora_alpha: config.lora.alpha } } : {};
  return peer.ask('speed', { folder, settings: settingsOf(config), questions, steps: config.steps, seed: config.seed, threads, ...lora });
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
}
