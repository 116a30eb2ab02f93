/**
 * LoRA of the fused engine on SmolLM2-135M-Instruct against peft in float64: log-probs, loss and gradients of one step. Minutes on a
 * software adapter, so it runs only where SMOLLM2_FOLDER names the policy's Hugging Face folder in bf16 and ../shared is there.
 */
import { existsSync } from 'node:fs';
import { expect, it } from 'vitest';
import { readPolicy } from '../../src/cli/engine.ts';
import { provideWebGpu } from '../../src/cli/webgpu.ts';
import { createEngine } from '../helpers/engine.ts';
import { untrained, type ObjectiveSpec, type OptimSpec } from '../../src/engine/engine.ts';
import { adaptedMatrices } from '../../src/policy/adapters.ts';
import { expectClose } from '../helpers/numbers.ts';
import { sharedJson } from '../helpers/shared.ts';

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
/** Nothing is clipped, so that the first moment is a tenth of the gradient. */
const optim: OptimSpec = { learningRate: 1e-4, beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0, maxGradNorm: 0, microBatchRows: 0 };

it.skipIf(!reference)(
  'has the gradients that peft has (skipped without SMOLLM2_FOLDER and ../shared)',
  { timeout: 3_600_000 },
  async () => {
    const software = ['/usr/share/vulkan/icd.d/lvp_icd.json', '/usr/lib/chromium/vk_swiftshader_icd.json'].find(existsSync);
    if (software) process.env['VK_ICD_FILENAMES'] ??= software;
    await provideWebGpu();
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
    const completionWidth = Math.max(...completions.map(({ ids }) => ids.length));
    const width = prompt.length + completionWidth;
    const tokens = new Int32Array(rows * width);
    const mask = new Uint8Array(rows * completionWidth);
    completions.forEach(({ ids }, row) => {
      tokens.set([...prompt, ...ids], row * width);
      mask.fill(1, row * completionWidth, row * completionWidth + ids.length);
    });
    const lengths = Int32Array.from(completions, ({ ids }) => prompt.length + ids.length);
    const batch = { rows, width, completionWidth, tokens, promptLengths: new Int32Array(rows).fill(prompt.length), lengths };
    const { logprobs } = await engine.score(batch, { temperature: 1, policy: 'current' });
    completions.forEach((completion, row) => {
      const own = logprobs.subarray(row * completionWidth, row * completionWidth + completion.ids.length);
      expectClose(own, completion.logprobs, `log-probs of completion ${row}`, { relative: 1e-3, absolute: 1e-3 });
    });
    const step = await engine.step(
      {
        ...batch,
        mask,
        advantages: Float32Array.from(completions, ({ advantage }) => advantage),
        rowWeights: Float32Array.from(completions, ({ ids }) => 1 / (rows * ids.length)),
        oldLogprobs: null,
        refLogprobs: null,
      },
      objective,
      optim,
    );
    // The reference writes its loss as the weighted log-prob, whose gradient at ratio 1 is the clipped loss's.
    const weighted = completions.reduce((sum, { advantage, ids }, row) => {
      const own = logprobs.subarray(row * completionWidth, row * completionWidth + ids.length);
      return sum - (advantage * own.reduce((all, value) => all + value, 0)) / (rows * ids.length);
    }, 0);
    expect(Math.abs(weighted - loss)).toBeLessThan(1e-3);
    expect(Math.abs(step.gradNorm / gradient_norm - 1)).toBeLessThan(1e-3);
    const { moments } = await engine.exportState();
    for (const [name, { shape, norm, first, largest }] of Object.entries(gradient)) {
      const [row, column, value] = largest;
      const own = moments!.first[`base_model.model.${name}`]!.map((moment) => 10 * moment);
      const ownNorm = Math.sqrt(own.reduce((sum, one) => sum + one * one, 0));
      const wrong = Math.max(Math.abs(ownNorm - norm), Math.abs(own[0]! - first), Math.abs(own[row * shape[1] + column]! - value)) / norm;
      expect(wrong, name).toBeLessThan(1e-3);
    }
    engine.dispose();
  },
);
