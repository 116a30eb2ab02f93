/** The tiny policy as a Hugging Face folder: on disk, for whole commands, and as files by name. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parameterShapes, toHuggingFaceConfig } from '../../src/policy/config.ts';
import { writeSafetensors } from '../../src/policy/safetensors.ts';
import { initialWeights } from '../../src/policy/weights.ts';
import { tinyConfig, tinyTokenizerFiles } from './tiny-policy.ts';

/** @param seed of the weights */
export async function writeTinyPolicy(folder: string, seed = 3): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const [name, bytes] of Object.entries(tinyPolicyFiles(seed))) await writeFile(join(folder, name), bytes);
}

export async function writeTinyWeights(folder: string, seed: number): Promise<void> {
  await writeFile(join(folder, 'model.safetensors'), tinyWeights(seed));
}

export function tinyPolicyFiles(seed = 3): Record<string, Uint8Array<ArrayBuffer>> {
  const json = (content: object) => new TextEncoder().encode(JSON.stringify(content));
  return {
    'config.json': json(toHuggingFaceConfig(tinyConfig)),
    'generation_config.json': json({ eos_token_id: tinyConfig.eosIds[0] }),
    'tokenizer.json': json(tinyTokenizerFiles.json),
    'tokenizer_config.json': json(tinyTokenizerFiles.config),
    'model.safetensors': tinyWeights(seed),
  };
}

/** @param scale of all numbers: NaN makes no policy of it */
export function tinyWeights(seed: number, scale = 1): Uint8Array<ArrayBuffer> {
  const weights = initialWeights(tinyConfig, seed);
  const tensors = parameterShapes(tinyConfig).map(({ name, shape }) => ({
    name,
    shape: [...shape],
    data: weights[name]!.map((value) => value * scale),
  }));
  return new Uint8Array(writeSafetensors(tensors, { format: 'pt' }));
}
