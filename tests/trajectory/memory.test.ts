/** Training keeps no tensors: after the first step, which makes the moments, their number and their bytes stay as they are. */
import * as tf from '@tensorflow/tfjs';
import { expect, it } from 'vitest';
import { createEngine } from '../helpers/engine.ts';
import { initialWeights } from '../../src/policy/weights.ts';
import { initialTrainerState, train } from '../../src/rl/trainer.ts';
import { smallRun } from '../helpers/lab-session.ts';
import { tinyConfig, tinyEosIds, tinyPersonas, tinyTokenizer } from '../helpers/tiny-policy.ts';

it.each(['wasm', 'cpu'] as const)('is flat over thirty steps on %s', async (backend) => {
  const engine = await createEngine({ config: tinyConfig, weights: initialWeights(tinyConfig, 3), engine: 'portable', backend });
  await engine.setReference();
  const counts: number[] = [];
  const bytes: number[] = [];
  const tokenizer = tinyTokenizer();
  const config = { ...smallRun, steps: 30 };
  for await (const _ of train({ engine, tokenizer, eosIds: tinyEosIds, personas: tinyPersonas, config, state: initialTrainerState })) {
    counts.push(tf.memory().numTensors);
    bytes.push(tf.memory().numBytes);
  }
  expect(counts).toHaveLength(30);
  expect(new Set(counts)).toEqual(new Set([counts[0]]));
  expect(new Set(bytes)).toEqual(new Set([bytes[0]]));

  // Neither do exporting, importing and a new reference.
  for (let i = 0; i < 3; i++) {
    await engine.importState(await engine.exportState());
    await engine.setReference();
  }
  expect(tf.memory().numTensors).toBe(counts[0]);
  const before = tf.memory().numTensors;
  engine.dispose();
  expect(tf.memory().numTensors).toBeLessThan(before);
});
