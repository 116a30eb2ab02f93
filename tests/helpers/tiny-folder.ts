/** The tiny policy as a Hugging Face folder, for whole commands. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parameterShapes, toHuggingFaceConfig } from '../../src/policy/config.ts';
import { writeSafetensors } from '../../src/policy/safetensors.ts';
import { initialWeights } from '../../src/policy/weights.ts';
import { tinyConfig, tinyTokenizerFiles } from './tiny-policy.ts';

/** @param seed of the weights */
export async function writeTinyPolicy(folder: string, seed = 3): Promise<void> {
  await mkdir(folder, { recursive: true });
  const json = (name: string, content: object) => writeFile(join(folder, name), JSON.stringify(content));
  await json('config.json', toHuggingFaceConfig(tinyConfig));
  await json('generation_config.json', { eos_token_id: tinyConfig.eosIds[0] });
  await json('tokenizer.json', tinyTokenizerFiles.json);
  await json('tokenizer_config.json', tinyTokenizerFiles.config);
  await writeTinyWeights(folder, seed);
}

export async function writeTinyWeights(folder: string, seed: number): Promise<void> {
  const weights = initialWeights(tinyConfig, seed);
  const tensors = parameterShapes(tinyConfig).map(({ name, shape }) => ({ name, shape: [...shape], data: weights[name]! }));
  await writeFile(join(folder, 'model.safetensors'), writeSafetensors(tensors, { format: 'pt' }));
}
