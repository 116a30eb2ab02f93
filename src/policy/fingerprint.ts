/**
 * A policy told apart from every other, part by part: its numbers, and the files that decide how it is asked and when it stops. Where the
 * folder lies and how the weights are cut into files decides nothing and is not in it.
 */
import { parseJson } from '../json.ts';
import { sha256 } from './sha256.ts';
import type { PolicySource } from './source.ts';
import type { Tensor } from './tensor.ts';
import type { PolicyTensors } from './weights.ts';

/** The parts that are files, or pieces of them. */
type FilePart = 'config' | 'generation-config' | 'tokenizer' | 'tokenizer-config' | 'special-tokens' | 'template';

/** SHA-256 by part; `none` where the policy has no such file. */
export type PolicyFiles = Readonly<Record<FilePart, string>>;
export type PolicyFingerprint = { readonly weights: string } & PolicyFiles;

export const absent = 'none';

/** Of a policy that came from no files: made from a seed, or by a test. */
export const noFiles: PolicyFiles = {
  config: absent,
  'generation-config': absent,
  tokenizer: absent,
  'tokenizer-config': absent,
  'special-tokens': absent,
  template: absent,
};
/** Where there might be a policy and is none. */
export const noPolicy: PolicyFingerprint = { weights: absent, ...noFiles };

/** The parts of this policy. Its weights are read through once: seconds for a gigabyte, so only where it is needed. */
export async function fingerprintOf(policy: { readonly weights: PolicyTensors; readonly files: PolicyFiles }): Promise<PolicyFingerprint> {
  return { weights: await weightsFingerprint(policy.weights), ...policy.files };
}

const known = new WeakMap<PolicyTensors, Promise<string>>();

/** Of the numbers as they are stored, by name; remembered for as long as the tensors are. */
export function weightsFingerprint(weights: PolicyTensors): Promise<string> {
  let print = known.get(weights);
  if (!print) {
    print = hashTensors(weights);
    known.set(weights, print);
  }
  return print;
}

async function hashTensors(weights: PolicyTensors): Promise<string> {
  const lines: string[] = [];
  for (const [name, tensor] of [...weights].sort(([a], [b]) => (a < b ? -1 : 1))) {
    // Of float32 the name says nothing, so that runs on policies stored so know them again.
    lines.push(`${name}${tensor.format === 'f32' ? '' : ` ${tensor.format}`} ${await hashTensor(tensor)}`);
  }
  return sha256(lines.join('\n'));
}

/** Bytes hashed at once, because `crypto.subtle` copies what it is given. */
const hashedBytes = 64 * 2 ** 20;

/** Of its bytes; of a long tensor, of the hashes of its pieces. */
async function hashTensor(tensor: Tensor): Promise<string> {
  const hashes: string[] = [];
  for (let at = 0; at < tensor.byteLength; at += hashedBytes) {
    hashes.push(await sha256(await tensor.read(at, Math.min(tensor.byteLength, at + hashedBytes))));
  }
  return hashes.length === 1 ? hashes[0]! : sha256(hashes.join('\n'));
}

/** The same source, keeping the small files that are read from it. */
export function keepingFiles(source: PolicySource): PolicySource & { readonly files: ReadonlyMap<string, Uint8Array> } {
  const files = new Map<string, Uint8Array>();
  return {
    ...source,
    files,
    async read(path) {
      const bytes = await source.read(path);
      if (bytes && !path.endsWith('.safetensors')) files.set(path, bytes);
      return bytes;
    },
  };
}

/** @param files whole files by name, of a policy that could be loaded */
export async function hashFiles(files: ReadonlyMap<string, Uint8Array>): Promise<PolicyFiles> {
  const whole = (name: string) => (files.has(name) ? sha256(files.get(name)!) : Promise.resolve(absent));
  const { template, rest } = tokenizerSettings(files);
  return {
    config: await whole('config.json'),
    'generation-config': await whole('generation_config.json'),
    tokenizer: await whole('tokenizer.json'),
    'tokenizer-config': rest === null ? absent : await sha256(rest),
    'special-tokens': await whole('special_tokens_map.json'),
    template: template === null ? absent : await sha256(template),
  };
}

/** The chat template is a part of its own, wherever it stands: mostly in tokenizer_config.json. */
function tokenizerSettings(files: ReadonlyMap<string, Uint8Array>): { readonly template: string | null; readonly rest: string | null } {
  const text = (name: string) => (files.has(name) ? new TextDecoder().decode(files.get(name)) : null);
  const beside = text('chat_template.jinja');
  const settings = text('tokenizer_config.json');
  if (settings === null) return { template: beside, rest: null };
  const { chat_template: inside, ...rest } = parseJson(settings, { file: 'tokenizer_config.json' }) as Record<string, unknown>;
  const templates = [inside, beside].filter((template) => template !== undefined && template !== null);
  return { template: templates.length > 0 ? JSON.stringify(templates) : null, rest: JSON.stringify(rest) };
}
