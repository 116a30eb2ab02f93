/**
 * A GGUF (llama.cpp's one file) as the source of a policy: what its metadata say as the files of a Hugging Face folder, so that from here
 * on it is read, hashed, trained and saved as one; its tensors in the formats they have. Its header is `gguf-header.ts`.
 */
import { LabError } from '../errors.ts';
import { cardName } from './card.ts';
import { parsePolicyConfig } from './config.ts';
import type { PolicyFile } from './file.ts';
import { ggufConfig } from './gguf-config.ts';
import { readGgufHeader } from './gguf-header.ts';
import { GgufMetadata } from './gguf-metadata.ts';
import { embeddingName, ggufTensors, headName, ropeFactorsName } from './gguf-tensors.ts';
import { ggufTokenizer } from './gguf-tokenizer.ts';
import type { PolicySource } from './source.ts';
import { numbersOf } from './tensor.ts';

/** More than any head has; what is read before the shapes are compared is no larger. */
const maxRopeFactors = 2 ** 16;

/** @throws LabError `format` naming the file, the place in it and what is wrong with it */
export async function ggufSource(id: string, file: PolicyFile): Promise<PolicySource> {
  const header = await readGgufHeader(file);
  const metadata = new GgufMetadata(file.name, header.metadata);
  const embedding = header.tensors.get(embeddingName);
  if (!embedding) return metadata.refuse(`it has no tensor ${embeddingName}`);
  const factors = header.tensors.get(ropeFactorsName);
  if (factors && factors.byteLength > maxRopeFactors) metadata.refuse(`the tensor ${ropeFactorsName} has ${factors.byteLength} bytes`);
  const json = ggufConfig(metadata, {
    vocabSize: embedding.shape[0]!,
    tied: !header.tensors.has(headName),
    ropeFactors: factors ? await numbersOf(factors) : null,
  });
  const config = named(file.name, () => parsePolicyConfig(json));
  const tensors = ggufTensors(config, header, metadata);
  const tokenizer = ggufTokenizer(metadata, config.vocabSize, config.maxPositions);
  const files = new Map<string, unknown>([
    ['config.json', json],
    ...(tokenizer
      ? ([
          ['tokenizer.json', tokenizer.json],
          ['tokenizer_config.json', tokenizer.config],
        ] as const)
      : []),
  ]);
  const card = ggufCard(metadata);
  return {
    id,
    local: true,
    read: (path) => {
      const text = path === cardName ? card : files.has(path) ? JSON.stringify(files.get(path)) : null;
      return Promise.resolve(text === null ? null : new TextEncoder().encode(text));
    },
    tensors: () => Promise.resolve(tensors),
  };
}

/** Of its licence, which is all of a card that its metadata are read for; null where they name none. */
function ggufCard(metadata: GgufMetadata): string | null {
  // A stranger's note and no part of the computation: one that is no text is none.
  const said = (key: string) => {
    const value = metadata.values.get(`general.${key}`);
    return typeof value === 'string' ? value.replace(/\s+/g, ' ').trim() : '';
  };
  const lines = [
    ['license', said('license')],
    ['license_name', said('license.name')],
  ].flatMap(([field, value]) => (value ? [`${field}: ${value}`] : []));
  return lines.length === 0 ? null : `---\n${lines.join('\n')}\n---\n`;
}

/** What is wrong with the config.json that was made of it is wrong with the file. */
function named<T>(file: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof LabError)) throw error;
    throw new LabError(error.code, `${file}, its metadata as ${error.what}`, error.next, { cause: error });
  }
}
