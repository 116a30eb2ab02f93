/**
 * Safetensors files of a policy in one dtype, piece after piece: one file, or shards with the index that Hugging Face's readers look for.
 * What is small enough to be in memory, adapters say, `writeSafetensors` of `safetensors.ts` writes.
 */
import { jsonFile, type WrittenFile } from './file.ts';
import { bytesOf, encoded, type WrittenFormat } from './tensor-encoding.ts';
import { safetensorsHeader } from './safetensors.ts';
import type { Tensor } from './tensor.ts';

/** Several browsers and file systems hold no larger one. */
const shardBytes = 2e9;

/** The dtypes that safetensors has a word for. */
export type SafetensorsFormat = Exclude<WrittenFormat, 'q8_0'>;
const dtypes: Readonly<Record<SafetensorsFormat, string>> = { f32: 'F32', bf16: 'BF16', f16: 'F16' };

/** In the order of `tensors`. @param limit bytes of a shard; a tensor of more has one of its own */
export function safetensorsFiles(tensors: Iterable<Tensor>, format: SafetensorsFormat, limit = shardBytes): WrittenFile[] {
  const shards: Tensor[][] = [[]];
  let [filled, total] = [0, 0];
  for (const tensor of tensors) {
    const bytes = bytesOf(tensor, format);
    if (filled > 0 && filled + bytes > limit) {
      shards.push([]);
      filled = 0;
    }
    shards.at(-1)!.push(tensor);
    filled += bytes;
    total += bytes;
  }
  if (shards.length === 1) return [safetensorsFile('model.safetensors', shards[0]!, format)];
  const digits = (n: number) => String(n).padStart(5, '0');
  const nameOf = (shard: number) => `model-${digits(shard + 1)}-of-${digits(shards.length)}.safetensors`;
  const map = shards.flatMap((shard, i) => shard.map(({ name }) => [name, nameOf(i)] as const));
  return [
    ...shards.map((shard, i) => safetensorsFile(nameOf(i), shard, format)),
    jsonFile('model.safetensors.index.json', { metadata: { total_size: total }, weight_map: Object.fromEntries(map) }),
  ];
}

function safetensorsFile(name: string, tensors: readonly Tensor[], format: SafetensorsFormat): WrittenFile {
  const entries = tensors.map((tensor) => ({ name: tensor.name, shape: tensor.shape, bytes: bytesOf(tensor, format) }));
  const header = safetensorsHeader(entries, dtypes[format]);
  return {
    name,
    size: header.length + entries.reduce((total, { bytes }) => total + bytes, 0),
    async *bytes() {
      yield header;
      for (const tensor of tensors) yield* encoded(tensor, format);
    },
  };
}
