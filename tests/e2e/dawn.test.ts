/**
 * The fused engine outside a browser: the command line on Dawn, which needs a Vulkan driver. Chromium brings a software one,
 * SwiftShader; where it or the system's Vulkan loader is not found, these tests are skipped (`permix doctor` names the package).
 */
import { existsSync, realpathSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findChromium } from '../../scripts/browser.ts';
import { vulkanLoader } from '../../src/cli/vulkan.ts';
import type { Weights } from '../../src/policy/weights.ts';
import { expectClose } from '../helpers/numbers.ts';
import { jsonLines, miniature, permix, scratchFolder, writePolicy } from '../helpers/permix.ts';
import { referenceLogits } from '../helpers/reference-decoder.ts';
import { sharedJson } from '../helpers/shared.ts';

const chromium = findChromium();
const driver = [chromium && dirname(realpathSync(chromium)), '/usr/lib/chromium', '/usr/lib/chromium-browser', '/opt/google/chrome']
  .map((folder) => folder && join(folder, 'vk_swiftshader_icd.json'))
  .find((file) => file && existsSync(file));
const onGpu = ['--engine', 'fused', '--backend', 'webgpu', '--json'];

let scratch = '';
let folder = '';
let weights: Weights;

beforeAll(async () => {
  if (driver) process.env['VK_ICD_FILENAMES'] = driver;
  scratch = await scratchFolder();
  folder = join(scratch, 'policy');
  weights = await writePolicy(folder, miniature, 5);
});
afterAll(() => rm(scratch, { recursive: true, force: true }));

async function one(...args: string[]): Promise<Record<string, unknown>> {
  const { code, stdout, stderr } = await permix([...args, ...onGpu]);
  expect(code, stderr).toBe(0);
  return jsonLines(stdout)[0]!;
}

interface Reference {
  prompt_ids: number[];
  greedy_new_token_ids: number[];
  greedy_top1_minus_top2_logit_gap: number[];
  last_position_logits_first16: number[];
}

describe.skipIf(!driver || !vulkanLoader())('permix on Dawn', () => {
  it('computes the logits of the reference', async () => {
    const tokens = [7, 300, 0, 12, 12, 383, 41];
    const report = await one('logits', '--model', folder, '--tokens', tokens.join(','));
    expectClose(report['logits'] as number[], referenceLogits(miniature, weights, tokens).at(-1)!, 'logits', {
      relative: 0,
      absolute: 1e-4,
    });
  });

  it('draws the tokens that wasm draws', async () => {
    const asked = ['generate', '--model', folder, '--tokens', '5,6,7', '--max-new', '12', '--seed', '3'];
    const fused = await one(...asked);
    const { stdout } = await permix([...asked, '--backend', 'wasm', '--json']);
    const [wasm] = jsonLines(stdout);
    expect(fused['tokens']).toEqual(wasm!['tokens']);
    expectClose(fused['logprobs'] as number[], wasm!['logprobs'] as number[], 'log-probs', { relative: 1e-4, absolute: 1e-4 });
  });

  it.each(
    [
      ['stories260K.once', 'stories260K-hf'],
      ['synthetic-qwen2', 'synthetic-qwen2'],
      ['synthetic-smollm2', 'synthetic-smollm2'],
      ['tiny-random-llama-digits', 'tiny-random-llama-digits'],
    ].filter(([name]) => sharedJson(`assets/reference/${name}.json`)),
  )('%s: the logits and greedy tokens of an independent implementation', async (name, model) => {
    const reference = sharedJson<Reference>(`assets/reference/${name}.json`)!;
    const path = resolve(import.meta.dirname, '../../../shared/assets/models', model);
    const ids = reference.prompt_ids.join(',');
    const logits = (await one('logits', '--model', path, '--tokens', ids))['logits'] as number[];
    expectClose(logits.slice(0, 16), reference.last_position_logits_first16, 'logits', { relative: 0, absolute: 1e-4 });
    // As far as no tie could turn the other way.
    const close = reference.greedy_top1_minus_top2_logit_gap.findIndex((gap) => gap < 0.01);
    const sure = reference.greedy_new_token_ids.slice(0, close < 0 ? undefined : close);
    const made = (await one('generate', '--model', path, '--tokens', ids, '--greedy', '--max-new', '32'))['tokens'] as number[];
    expect(made.slice(0, sure.length)).toEqual(sure.slice(0, made.length));
    expect(made.length).toBeGreaterThanOrEqual(Math.min(sure.length, 1));
  });
});
