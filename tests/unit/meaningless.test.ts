/** Numbers that are none: weights that are not saved, logits and rollouts that are refused. */
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { writePolicyFolder } from '../../src/cli/folder.ts';
import { checkChoice, checkLogits } from '../../src/engine/check.ts';
import { createEngine } from '../helpers/engine.ts';
import { initialWeights, tensorsOf } from '../../src/policy/weights.ts';
import { tinyConfig } from '../helpers/tiny-policy.ts';

const prompts = [Int32Array.of(5, 6, 7)];
const sampling = { temperature: 1, topK: 0, topP: 1, minP: 0, maxNewTokens: 3, eosIds: [], seed: 1, step: 0, firstRow: 0 };
const weights = initialWeights(tinyConfig, 1);

it.each([NaN, Infinity, -Infinity])('weights with %s in them are not saved', async (value) => {
  const folder = join(tmpdir(), `permix-never-${process.pid}`);
  const name = 'model.norm.weight';
  const broken = { ...weights, [name]: weights[name]!.map((w, i) => (i === 3 ? value : w)) };
  const base = tensorsOf(tinyConfig, weights);
  const policy = {
    name: 'x',
    config: tinyConfig,
    base,
    texts: new Map<string, Uint8Array>(),
    tokenizer: null,
    weights: broken,
    adapters: null,
  };
  await expect(writePolicyFolder(folder, policy)).rejects.toThrow(/not saved to .*: number 3 of model\.norm\.weight is/);
  expect(existsSync(folder)).toBe(false);
});

it.each(['cpu', 'wasm'] as const)('%s: a policy that says nothing is said to', async (backend) => {
  const zero = { ...weights, 'model.norm.weight': new Float32Array(tinyConfig.hiddenSize) };
  const silent = await createEngine({ config: tinyConfig, weights: zero, engine: 'portable', backend });
  expect(() => checkLogits(new Float32Array([1, 2]))).not.toThrow();
  const logits = await silent.logits(prompts[0]!);
  expect(() => checkLogits(logits)).toThrow(/^All logits are 0, so the policy says nothing/);
  const rollouts = await silent.generate({ prompts, repeats: 2, sampling });
  expect(() => checkChoice(rollouts, tinyConfig.vocabSize)).toThrow(/as likely as any other/);
  silent.dispose();

  // So large that what comes after it is no number.
  const lost = { ...weights, 'model.norm.weight': new Float32Array(tinyConfig.hiddenSize).fill(3e38) };
  const broken = await createEngine({ config: tinyConfig, weights: lost, engine: 'portable', backend });
  await expect(broken.generate({ prompts, repeats: 2, sampling })).rejects.toThrow(/log-prob of NaN/);
  broken.dispose();

  const none = { ...weights, 'model.norm.weight': new Float32Array(tinyConfig.hiddenSize).fill(NaN) };
  const made = createEngine({ config: tinyConfig, weights: none, engine: 'portable', backend });
  await expect(made).rejects.toThrow(/number 1 of the tensor model\.norm\.weight is NaN/);
});
