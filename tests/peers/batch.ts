/** One batch of GRPO: our engine's loss and gradient norm, and those of TRL's own `_compute_loss`. */
import { readPolicy, wasmPath } from '../../src/cli/engine.ts';
import { createEngine } from '../../src/engine/create.ts';
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
    const moved = (by: number) => rollouts.logprobs.map((value, i) => (mask[i] === 0 ? 0 : value + by * Math.sin(1.7 * i)));
    const [old, reference] = [moved(0.4), moved(0.7)];
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
      const width = rollouts.completionWidth;
      const theirs = await peer.ask<{ loss: number; gradientNorm: number }>('batch', {
        folder: bundled,
        settings: settingsOf(run),
        rows: rows.map((_, row) => {
          const completion = [...completionOf(rollouts, row)];
          const start = row * rollouts.width;
          const part = (values: Float32Array) => [...values.subarray(row * width, row * width + completion.length)];
          return {
            prompt: [...rollouts.tokens.subarray(start, start + rollouts.promptLengths[row]!)],
            completion,
            advantage: advantages[row],
            old: part(old),
            reference: objective.beta > 0 ? part(reference) : null,
          };
        }),
      });
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
