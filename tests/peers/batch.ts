/** One batch of GRPO: our engine's loss and gradient norm, and those of TRL's own `_compute_loss`. */
import { readPolicy, wasmPath } from '../../src/cli/engine.ts';
import { createEngine } from '../../src/engine/create.ts';
import type { TrainBatch } from '../../src/engine/engine.ts';
import { personas } from '../../src/persona/world.ts';
import { completionMask, completionOf, policyBatch } from '../../src/rl/batch.ts';
import type { ObjectiveName, RunConfig } from '../../src/rl/config.ts';
import { GroupSource } from '../../src/rl/data.ts';
import { objectiveSpec, presetObjective } from '../../src/rl/objectives.ts';
import { PhaseClock } from '../../src/rl/phases.ts';
import { recipes } from '../../src/rl/recipes.ts';
import { sampleStep } from '../../src/rl/sample.ts';
import { initialTrainerState } from '../../src/rl/trainer.ts';
import type { Row } from './main.ts';
import { bundled } from './policies.ts';
import type { Python } from './python.ts';
import { settingsOf } from './settings.ts';

const names = ['grpo', 'dr_grpo', 'dapo'] as const satisfies readonly ObjectiveName[];

interface Trl {
  readonly loss: number;
  readonly gradientNorm: number;
}

/** @param policy where it lies: its folder; adapters on it, and the file that gradients go to  @returns what TRL makes of the batch */
export function askTrl<T extends Trl = Trl>(
  peer: Python,
  policy: Readonly<Record<string, string>>,
  batch: TrainBatch,
  run: RunConfig,
): Promise<T> {
  const { rows, width, completionWidth, tokens, promptLengths, advantages, oldLogprobs, refLogprobs } = batch;
  const one = (_: unknown, row: number) => {
    const completion = [...completionOf(batch, row)];
    const part = (values: Float32Array | null) =>
      values && [...values.subarray(row * completionWidth, row * completionWidth + completion.length)];
    const prompt = [...tokens.subarray(row * width, row * width + promptLengths[row]!)];
    return { prompt, completion, advantage: advantages[row], old: part(oldLogprobs), reference: part(refLogprobs) };
  };
  return peer.ask('batch', { ...policy, settings: settingsOf(run), rows: Array.from({ length: rows }, one) });
}

/** Log-probs that are nobody's: by up to so many nats away. */
export const moved = (logprobs: Float32Array, mask: Uint8Array, by: number): Float32Array =>
  logprobs.map((value, i) => (mask[i] === 0 ? 0 : value + by * Math.sin(1.7 * i)));

/** Old and reference log-probs are the sampler's, moved so far that ratios are clipped and the KL is none of 0. */
export async function* batchRows(peer: Python): AsyncGenerator<Row> {
  const policy = await readPolicy(bundled);
  const tokenizer = policy.tokenizer!;
  const { eosIds } = policy.config;
  const engine = await createEngine({ config: policy.config, weights: policy.weights, engine: 'portable', backend: 'wasm', wasmPath });
  await engine.setReference();
  try {
    const config: RunConfig = { ...recipes.permix, promptsPerStep: 8 };
    const setup = { engine, tokenizer, eosIds, personas, config, state: initialTrainerState };
    const { rows, rollouts } = await sampleStep(setup, new PhaseClock(), new GroupSource(config, personas, 0), 0);
    const rewards = Float32Array.from(rows, ({ reward }) => reward);
    const advantages = await engine.advantages(rewards, config.groupSize, 'group-std');
    const mask = completionMask(rollouts, eosIds, false);
    const [old, reference] = [0.4, 0.7].map((by) => moved(rollouts.logprobs, mask, by)) as [Float32Array, Float32Array];
    const begun = await engine.exportState();
    for (const name of names) {
      const objective = {
        ...presetObjective(name),
        beta: name === 'grpo' ? 0.04 : 0,
        kl: name === 'grpo' ? ('k3' as const) : ('none' as const),
        overlongBuffer: 0,
        dynamicSampling: 0,
      };
      const run = { ...config, objective };
      const batch = { ...policyBatch(rollouts, mask, advantages, objective.beta > 0 ? reference : null, run), oldLogprobs: old };
      const ours = await engine.step(batch, objectiveSpec(run), { ...config.optim, learningRate: 0 });
      await engine.importState(begun);
      const theirs = await askTrl(peer, { folder: bundled }, batch, run);
      const of = `permix-tiny, ${rows.length} rows, ${name}${objective.beta > 0 ? ' with KL' : ''}`;
      const values = (one: number, two: number) => `${one.toPrecision(6)} here, ${two.toPrecision(6)} there`;
      yield { what: 'loss', of, difference: Math.abs(ours.loss - theirs.loss), tolerance: 1e-5, said: values(ours.loss, theirs.loss) };
      yield {
        what: 'gradient norm',
        of,
        difference: Math.abs(ours.gradNorm / theirs.gradientNorm - 1),
        tolerance: 1e-4,
        said: values(ours.gradNorm, theirs.gradientNorm),
      };
    }
  } finally {
    engine.dispose();
  }
}
