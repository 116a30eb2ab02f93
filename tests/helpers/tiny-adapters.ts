/** PEFT's files of adapters of the tiny policy, or of another, as our exporter writes them: such that answers are others than the base's. */
import { Purpose, Stream } from '../../src/random/counter.ts';
import { initialAdapters, type LoraSpec } from '../../src/policy/adapters.ts';
import type { PolicyConfig } from '../../src/policy/config.ts';
import { peftFiles } from '../../src/policy/peft.ts';
import { tinyConfig } from './tiny-policy.ts';

/** @param base as the file names it */
export async function adapterFiles(
  base: string,
  { config = tinyConfig, ...lora }: Partial<LoraSpec> & { readonly config?: PolicyConfig } = {},
): Promise<Record<string, Uint8Array<ArrayBuffer>>> {
  const spec = { rank: 2, alpha: 4, ...lora };
  const stream = new Stream(7, Purpose.adapters, 0, 0);
  const tensors = Object.fromEntries(
    Object.entries(initialAdapters(config, { ...spec, seed: 5 })).map(([name, numbers]) => [
      name,
      name.includes('lora_B') ? numbers.map(() => stream.uniform() - 0.5) : numbers,
    ]),
  );
  const files: Record<string, Uint8Array<ArrayBuffer>> = {};
  for (const file of peftFiles(config, { ...spec, tensors, base })) {
    const parts: Uint8Array[] = [];
    for await (const part of file.bytes()) parts.push(part.slice());
    files[file.name] = new Uint8Array(Buffer.concat(parts));
  }
  return files;
}
