/**
 * The fused engine with less memory than it would like: the same numbers from inputs that are kept alone, bit for bit; keys and values in
 * float16 close to those in float32; and a GPU that refuses an allocation is asked for half.
 */
import { afterEach, expect, it, vi } from 'vitest';
import type { Sampling } from '../../src/engine/engine.ts';
import { placeBucket } from '../../src/engine/fused/batch.ts';
import type { FusedEngine } from '../../src/engine/fused/engine.ts';
import { tuningFor } from '../../src/engine/fused/kernels/tuning.ts';
import { adapterLayout, policyLayout } from '../../src/engine/fused/layout.ts';
import { fitGeneration, fitPass } from '../../src/engine/fused/memory-plan.ts';
import { batchTokens } from '../../src/engine/segments.ts';
import type { LoraSetup } from '../../src/policy/adapters.ts';
import type { PolicyConfig } from '../../src/policy/config.ts';
import { createEngine } from '../helpers/engine.ts';
import { forcedBatch, forcedObjective, forcedOptim } from '../helpers/forced-run.ts';
import { expectClose } from '../helpers/numbers.ts';
import { livelyWeights } from '../helpers/reference-decoder.ts';
import { tinyConfig } from '../helpers/tiny-policy.ts';

const config: PolicyConfig = { ...tinyConfig, layers: 3, hiddenSize: 32, heads: 2, kvHeads: 1, headDim: 16, intermediateSize: 64 };
const lora: LoraSetup = { rank: 2, alpha: 8, seed: 5 };
const optim = { ...forcedOptim, microBatchRows: 0 };
const gemma: PolicyConfig = {
  ...config,
  family: 'gemma3_text',
  qkNorm: true,
  window: { size: 4, sliding: [true, false, true], ropeTheta: 100 },
};
const machineFor = (config: PolicyConfig) => ({ config, software: true, tuning: tuningFor({ adapter: '', software: true }) });
const machine = machineFor(config);
const bindable = 2 ** 30;

afterEach(() => vi.restoreAllMocks());

/** The largest budget, by tenths, at which this holds. */
function budgetWhere(holds: (budget: number) => boolean): number {
  let budget = 2 ** 28;
  while (!holds(budget)) budget *= 0.9;
  return budget;
}

const open = async (setup: LoraSetup | null, gpuMemory?: number, of = config) =>
  (await createEngine({
    config: of,
    weights: livelyWeights(of, 5),
    engine: 'fused',
    backend: 'webgpu',
    lora: setup,
    ...(gpuMemory === undefined ? {} : { gpuMemory }),
  })) as FusedEngine;

it.each([
  ['all parameters', null, config],
  ['adapters', lora, config],
  ['all parameters of Gemma 3', null, gemma],
  ['adapters of Gemma 3', lora, gemma],
])('%s: what is made again is what was not kept', async (_, setup, config) => {
  const layouts = { layout: policyLayout(config, bindable), adapters: setup && adapterLayout(config, { rank: setup.rank }, bindable) };
  const asked = { rows: 8, tokens: batchTokens(forcedBatch(0, config.vocabSize)), width: 24, completionWidth: 8 };
  const fit = (budget: number) => fitPass(machineFor(config), layouts, asked, 'train', { bindable, budget });
  const budget = budgetWhere((bytes) => fit(bytes).keep === 'inputs');
  expect(fit(budget).tokens).toBe(asked.tokens);
  const results = [];
  for (const gpuMemory of [undefined, budget]) {
    const engine = await open(setup, gpuMemory, config);
    const metrics = [];
    for (let step = 0; step < 3; step++) metrics.push(await engine.step(forcedBatch(step, config.vocabSize), forcedObjective, optim));
    results.push({ metrics, state: await engine.exportState(), passes: engine.memory.passes });
    engine.dispose();
  }
  const [kept, again] = results;
  expect(again!.metrics).toEqual(kept!.metrics);
  expect(again!.state).toEqual(kept!.state);
  expect(again!.passes).toBeLessThan(0.8 * kept!.passes);
});

it.each([
  ['all parameters', null],
  ['adapters', lora],
])('the plan is what is held, of a policy with the vocabulary of Gemma 3: %s', async (_, setup) => {
  const wordy: PolicyConfig = { ...tinyConfig, vocabSize: 262_144, hiddenSize: 8, heads: 1, headDim: 8, intermediateSize: 8, tied: true };
  const engine = await open(setup, undefined, wordy);
  const [rows, prompt, maxNewTokens] = [10, 3, 8];
  const shape = { rows, groups: 2, width: prompt + maxNewTokens, completionWidth: maxNewTokens, microBatchRows: 0, withReference: true };
  const planned = engine.planMemory(shape);
  await engine.setReference();
  const rollouts = await engine.generate({
    prompts: [Int32Array.of(1, 2, 3), Int32Array.of(9, 8, 262_143)],
    repeats: rows / 2,
    sampling: { ...sampling, maxNewTokens },
  });
  const { logprobs } = await engine.score(rollouts, { temperature: 1, policy: 'reference' });
  expectClose(logprobs, rollouts.logprobs, 'sampled and scored', { absolute: 1e-4 });
  const cells = rows * maxNewTokens;
  const batch = {
    ...rollouts,
    mask: new Uint8Array(cells).fill(1),
    advantages: Float32Array.from({ length: rows }, (_, row) => (row % 2 ? 1 : -1)),
    rowWeights: new Float32Array(rows).fill(0.1),
    oldLogprobs: rollouts.logprobs,
    refLogprobs: logprobs,
  };
  const metrics = await engine.step(batch, forcedObjective, { ...optim, learningRate: 0, weightDecay: 0 });
  expect(metrics.gradNorm).toBeGreaterThan(0);
  // A prompt is computed once for all its replies. The head has two chunks of cells, and one where each prompt is a pass.
  expect(engine.lastStep.places).toBe(placeBucket(2 * prompt + rows * (maxNewTokens - 1)));
  const apart = await engine.step(batch, forcedObjective, { ...optim, microBatchRows: rows / 2 });
  expect(engine.lastStep.places).toBe(2 * placeBucket(prompt + (rows / 2) * (maxNewTokens - 1)));
  expectClose([apart.loss, apart.gradNorm], [metrics.loss, metrics.gradNorm], 'prompts apart', { relative: 1e-4, absolute: 1e-6 });
  const held = Object.values(engine.memory).reduce((sum, bytes) => sum + bytes, 0);
  expect(held).toBeLessThanOrEqual(planned.total);
  expect(held).toBeGreaterThan(0.9 * planned.total);
  // 80 cells by the vocabulary are 80 MiB.
  for (const { name, bytes } of planned.passes) expect(bytes, name).toBeLessThanOrEqual(64 * 2 ** 20);
  engine.dispose();
});

const prompts = [Int32Array.of(1, 2, 3), Int32Array.of(4), Int32Array.of(9, 8, 7, 6, 5)];
const sampling: Sampling = { temperature: 1, topK: 0, topP: 1, minP: 0, maxNewTokens: 40, eosIds: [], seed: 1, step: 0, firstRow: 0 };

it('keys and values in float16: nearly the same log-probs, in half the memory', async () => {
  const layouts = { layout: policyLayout(config, bindable), adapters: null };
  const of = { groups: 3, longest: 5, shortest: 1, repeats: 4, sampling };
  const fit = (budget: number) => fitGeneration(machine, layouts, of, { bindable, budget });
  const budget = budgetWhere((bytes) => fit(bytes).cache === 'f16');
  expect(fit(budget).groups).toBe(3);
  const [plain, halves] = [await open(null), await open(null, budget)];
  const request = { prompts, repeats: 4, sampling: { ...sampling, temperature: 0 } };
  const [expected, actual] = [await plain.generate(request), await halves.generate(request)];
  expect(halves.memory.passes).toBeLessThan(plain.memory.passes);
  // Up to the first token that a tie turns the other way.
  const width = expected.completionWidth;
  let same = 0;
  for (let row = 0; row < 12; row++) {
    const first = (of: typeof expected) => row * of.width + of.promptLengths[row]!;
    let agreed = 0;
    while (agreed < width && expected.tokens[first(expected) + agreed] === actual.tokens[first(actual) + agreed]) agreed++;
    same += agreed;
    const [theirs, mine] = [expected, actual].map(({ logprobs }) => logprobs.slice(row * width, row * width + agreed));
    expectClose(mine!, theirs!, `row ${row}`, { relative: 5e-3, absolute: 5e-3 });
  }
  expect(same).toBeGreaterThan(0.5 * 12 * width);
  expect(actual.logprobs).not.toEqual(expected.logprobs);
  // The gate: what is trained on says nearly the same of what was drawn.
  const drawn = await halves.generate({ prompts, repeats: 4, sampling });
  const { logprobs } = await halves.score(drawn, { temperature: 1, policy: 'current' });
  expectClose(logprobs, drawn.logprobs, 'sampled and scored', { relative: 5e-3, absolute: 5e-3 });
  plain.dispose();
  halves.dispose();
});

it('what the GPU refuses is asked for by halves, and comes out as it would have', async () => {
  const batch = forcedBatch(1, config.vocabSize);
  const plain = await open(null);
  const expected = await plain.step(batch, forcedObjective, optim);
  const drawn = await plain.generate({ prompts, repeats: 2, sampling });
  plain.dispose();
  const engine = await open(null);
  const { device } = (engine as unknown as { gpu: { device: GPUDevice } }).gpu;
  const create = device.createBuffer.bind(device);
  const refused: string[] = [];
  // A GPU with no room for what a pass of all rows, or a generation of all prompts, has largest.
  const most = { '0.gateUp': 4 * 32 * 128, '0.cache': 4 * 4 * 40 * 32 } as Record<string, number>;
  let next: GPUError | null = null;
  vi.spyOn(device, 'createBuffer').mockImplementation((descriptor) => {
    if (descriptor.size > (most[descriptor.label ?? ''] ?? Infinity)) {
      refused.push(descriptor.label!);
      next = { message: 'no room' };
      return create({ ...descriptor, size: 256 });
    }
    return create(descriptor);
  });
  const pop = device.popErrorScope.bind(device);
  vi.spyOn(device, 'popErrorScope').mockImplementation(async () => {
    const error = next;
    next = null;
    return (await pop()) ?? error;
  });
  const metrics = await engine.step(batch, forcedObjective, optim);
  expectClose([metrics.loss, metrics.gradNorm], [expected.loss, expected.gradNorm], 'step', { relative: 1e-5, absolute: 1e-6 });
  const again = await engine.generate({ prompts, repeats: 2, sampling });
  expect(again.rows).toBe(drawn.rows);
  expect(refused).toContain('0.gateUp');
  engine.dispose();
});
