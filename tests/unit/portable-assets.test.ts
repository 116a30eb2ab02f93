/** The portable engine against an independent float64 forward over real checkpoints, where ../shared is there. */
import { weightsOf } from '../../src/policy/weights.ts';
import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createEngine } from '../helpers/engine.ts';
import type { TrainBatch } from '../../src/engine/engine.ts';
import { parameterShapes } from '../../src/policy/config.ts';
import { loadPolicy, type Policy } from '../../src/policy/policy.ts';
import type { PolicySource } from '../../src/policy/source.ts';
import { expectClose } from '../helpers/numbers.ts';
import { referenceLogits } from '../helpers/reference-decoder.ts';
import { sharedJson } from '../helpers/shared.ts';

interface Reference {
  prompt_ids: number[];
  greedy_new_token_ids: number[];
  greedy_top1_minus_top2_logit_gap: number[];
  last_position_logits_first16: number[];
  last_position_logit_max: number;
  last_position_logsumexp: number;
  last_position_argmax: number;
  last_position_entropy_nats: number;
  prompt_token_logprobs: number[];
}

const cases = [
  ['stories260K.once', 'stories260K-hf'],
  ['stories260K.park', 'stories260K-hf'],
  ['stories260K.zoo', 'stories260K-hf'],
  ['synthetic-qwen2', 'synthetic-qwen2'],
  ['synthetic-smollm2', 'synthetic-smollm2'],
  ['tiny-random-llama-digits', 'tiny-random-llama-digits'],
] as const;

const models = resolve(import.meta.dirname, '../../../shared/assets/models');
function load(model: string): Promise<Policy> {
  const source: PolicySource = {
    id: model,
    read: (path) => {
      // The tokenizers of these folders are not what is tested, and one is incomplete.
      const file = resolve(models, model, path);
      return Promise.resolve(!path.startsWith('tokenizer') && existsSync(file) ? new Uint8Array(readFileSync(file)) : null);
    },
  };
  return loadPolicy(source);
}

const absolute = { relative: 0, absolute: 1e-4 };

describe.each(cases)('%s', (name, model) => {
  const reference = sharedJson<Reference>(`assets/reference/${name}.json`);

  it.skipIf(!reference)('agrees with the float64 reference of this project', async () => {
    const { config, weights } = await load(model);
    const logits = referenceLogits(config, await weightsOf(weights), reference!.prompt_ids).at(-1)!;
    expectClose(logits.slice(0, 16), reference!.last_position_logits_first16, 'logits', { relative: 0, absolute: 1e-5 });
  });

  it.skipIf(!reference).each(['cpu', 'wasm'] as const)('agrees on %s', async (backend) => {
    const { config, weights } = await load(model);
    const engine = await createEngine({ config, weights, engine: 'portable', backend });
    const prompt = Int32Array.from(reference!.prompt_ids);
    const logits = await engine.logits(prompt);
    expectClose(logits.subarray(0, 16), reference!.last_position_logits_first16, 'logits', absolute);
    expectClose([Math.max(...logits)], [reference!.last_position_logit_max], 'largest logit', absolute);
    expectClose([Math.log(logits.reduce((sum, z) => sum + Math.exp(z), 0))], [reference!.last_position_logsumexp], 'logsumexp', absolute);

    if (prompt.length > 1) {
      const n = prompt.length;
      const batch = {
        rows: 1,
        width: n,
        completionWidth: n - 1,
        tokens: prompt,
        promptLengths: Int32Array.of(1),
        lengths: Int32Array.of(n),
      };
      const { logprobs } = await engine.score(batch, { temperature: 1, policy: 'current' });
      expectClose(logprobs, reference!.prompt_token_logprobs, 'prompt log-probs', absolute);
    }

    // Greedy decoding through the cache, as far as no tie could turn the other way.
    const gaps = reference!.greedy_top1_minus_top2_logit_gap;
    const sure = gaps.findIndex((gap) => gap < 0.01);
    const count = sure < 0 ? gaps.length : sure;
    if (count > 0) {
      const sampling = { temperature: 0, topK: 0, topP: 1, minP: 0, maxNewTokens: count, eosIds: [], seed: 1, step: 0, firstRow: 0 };
      const { tokens } = await engine.generate({ prompts: [prompt], repeats: 1, sampling });
      expect([...tokens.subarray(prompt.length)]).toEqual(reference!.greedy_new_token_ids.slice(0, count));
    }
    engine.dispose();
  });
});

interface Gradients {
  ids: number[];
  value: number;
  grads: { tensor: string; index: number[]; grad: number }[];
}
const gradients = sharedJson<Gradients>('assets/reference/stories260K.grad.json');

it.skipIf(!gradients).each(['cpu', 'wasm'] as const)('the gradients of stories260K agree on %s', async (backend) => {
  const { config, weights } = await load('stories260K-hf');
  const engine = await createEngine({ config, weights, engine: 'portable', backend });
  const tokens = Int32Array.from(gradients!.ids);
  const n = tokens.length;
  const batch: TrainBatch = {
    rows: 1,
    width: n,
    completionWidth: n - 1,
    tokens,
    promptLengths: Int32Array.of(1),
    lengths: Int32Array.of(n),
    mask: new Uint8Array(n - 1).fill(1),
    advantages: Float32Array.of(1),
    rowWeights: Float32Array.of(1 / (n - 1)),
    oldLogprobs: null,
    refLogprobs: null,
  };
  const metrics = await engine.step(
    batch,
    { term: 'sft', ratio: 'token', epsilonLow: 0.2, epsilonHigh: 0.2, beta: 0, kl: 'none', entropyCoef: 0, temperature: 1 },
    { learningRate: 0, beta1: 0, beta2: 0.9, eps: 1e-8, weightDecay: 0, maxGradNorm: 0, microBatchRows: 0 },
  );
  expectClose([metrics.loss], [gradients!.value], 'loss', absolute);
  const { moments } = await engine.exportState();
  const shapes = new Map(parameterShapes(config).map(({ name, shape }) => [name, shape]));
  for (const { tensor, index, grad } of gradients!.grads) {
    const at = index.length === 2 ? index[0]! * shapes.get(tensor)![1]! + index[1]! : index[0]!;
    expectClose([moments!.first[tensor]![at]!], [grad], `${tensor}[${index.join()}]`, { relative: 1e-3, absolute: 1e-5 });
  }
  engine.dispose();
});
