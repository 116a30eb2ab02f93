/**
 * LoRA of the fused engine on SmolLM2-135M-Instruct against peft in float64: log-probs, loss and gradients of one step. Half a minute on
 * a software adapter and a large folder, so it runs only where SMOLLM2_FOLDER names the policy's Hugging Face folder in bf16 and ../shared is there.
 */
import { expect, it } from 'vitest';
import { readPolicy } from '../../src/cli/engine.ts';
import { createEngine } from '../helpers/engine.ts';
import { untrained, type ObjectiveSpec } from '../../src/engine/engine.ts';
import { adaptedMatrices } from '../../src/policy/adapters.ts';
import { supervisedBatch } from '../../src/rl/batch.ts';
import { recipes } from '../../src/rl/recipes.ts';
import { gradientsOf } from '../helpers/gradients.ts';
import { expectClose } from '../helpers/numbers.ts';
import { sharedJson } from '../helpers/shared.ts';
import { provideSoftwareWebGpu } from '../helpers/software-vulkan.ts';

interface Reference {
  readonly prompt_ids: readonly number[];
  readonly completions: readonly { readonly ids: readonly number[]; readonly advantage: number; readonly logprobs: readonly number[] }[];
  readonly loss: number;
  readonly gradient: Readonly<
    Record<string, { shape: [number, number]; norm: number; first: number; largest: [row: number, column: number, value: number] }>
  >;
  readonly gradient_norm: number;
}

const folder = process.env['SMOLLM2_FOLDER'];
const reference = folder ? sharedJson<Reference>('assets/reference/smollm2-135m-instruct.lora.json') : null;
const projections = ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj'];
const lora = { rank: 8, alpha: 16, seed: 1 };
const objective: ObjectiveSpec = {
  term: 'clip',
  ratio: 'token',
  epsilonLow: 0.2,
  epsilonHigh: 0.2,
  beta: 0,
  kl: 'none',
  entropyCoef: 0,
  temperature: 1,
};

it.skipIf(!reference)(
  'has the gradients that peft has (skipped without SMOLLM2_FOLDER and ../shared)',
  { timeout: 3_600_000 },
  async () => {
    await provideSoftwareWebGpu();
    const { prompt_ids: prompt, completions, loss, gradient, gradient_norm } = reference!;
    const { config, weights } = await readPolicy(folder!);
    const engine = await createEngine({ config, weights, engine: 'fused', backend: 'webgpu', lora });
    const fill = (rows: number, columns: number, of: (i: number, j: number) => number) =>
      Float32Array.from({ length: rows * columns }, (_, at) => of(Math.floor(at / columns), at % columns));
    const adapters: Record<string, Float32Array> = {};
    for (const { name, out, in: inside, a, b } of adaptedMatrices(config)) {
      const phase = Number(/layers\.(\d+)\./.exec(name)![1]) + 0.5 * projections.findIndex((projection) => name.includes(projection));
      adapters[a] = fill(lora.rank, inside, (i, j) => 0.02 * Math.sin(0.37 * i + 0.11 * j + phase));
      adapters[b] = fill(out, lora.rank, (i, j) => 0.01 * Math.cos(0.23 * i - 0.41 * j + phase));
    }
    await engine.importState({ ...untrained, adapters: { ...lora, tensors: adapters } });

    const rows = completions.length;
    const pairs = completions.map(({ ids }) => ({ prompt: Int32Array.from(prompt), reply: Int32Array.from(ids) }));
    const advantages = Float32Array.from(completions, ({ advantage }) => advantage);
    const batch = { ...supervisedBatch(pairs, recipes.rlvr), advantages };
    const { logprobs } = await engine.score(batch, { temperature: 1, policy: 'current' });
    completions.forEach((completion, row) => {
      const own = logprobs.subarray(row * batch.completionWidth, row * batch.completionWidth + completion.ids.length);
      expectClose(own, completion.logprobs, `log-probs of completion ${row}`, { relative: 1e-3, absolute: 1e-3 });
    });
    const { metrics, gradients } = await gradientsOf(engine, batch, objective);
    // The reference writes its loss as the weighted log-prob, whose gradient at ratio 1 is the clipped loss's.
    const weighted = completions.reduce((sum, { advantage, ids }, row) => {
      const own = logprobs.subarray(row * batch.completionWidth, row * batch.completionWidth + ids.length);
      return sum - (advantage * own.reduce((all, value) => all + value, 0)) / (rows * ids.length);
    }, 0);
    expect(Math.abs(weighted - loss)).toBeLessThan(1e-3);
    expect(Math.abs(metrics.gradNorm / gradient_norm - 1)).toBeLessThan(1e-3);
    for (const [name, { shape, norm, first, largest }] of Object.entries(gradient)) {
      const [row, column, value] = largest;
      const own = gradients[`base_model.model.${name}`]!;
      const ownNorm = Math.sqrt(own.reduce((sum, one) => sum + one * one, 0));
      const wrong = Math.max(Math.abs(ownNorm - norm), Math.abs(own[0]! - first), Math.abs(own[row * shape[1] + column]! - value)) / norm;
      expect(wrong, name).toBeLessThan(1e-3);
    }
    engine.dispose();
  },
);
