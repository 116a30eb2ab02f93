/** Adapters on their base as the source of one policy, merged while its tensors are read. Which base, and where it lies, is for others. */
import { LabError } from '../errors.ts';
import { weightsFingerprint } from './fingerprint.ts';
import { answeringTensors } from './merged.ts';
import { readPeft, type PeftAdapters } from './peft.ts';
import type { Policy } from './policy.ts';
import type { PolicySource } from './source.ts';

export interface AdaptedSource extends PolicySource {
  readonly adapters: PeftAdapters;
}

/**
 * Tokenizer and template are those that lie beside the adapters, where trainers put them, or else the base's.
 * @throws LabError 'format' for adapters that are not read, or of another base
 */
export async function adaptedSource(base: Policy, from: PolicySource): Promise<AdaptedSource> {
  const adapters = await readAdapters(base, from);
  const tensors = answeringTensors(base.config, base.weights, { weights: null, adapters });
  return { ...retold(base, from), adapters, tensors: () => Promise.resolve(tensors) };
}

/** @throws LabError 'format' for adapters that are not read, of another shape, or of other weights than they say */
export async function readAdapters(base: Policy, from: PolicySource): Promise<PeftAdapters> {
  const adapters = await readPeft(from, base.config);
  const { baseWeights } = adapters;
  if (baseWeights === undefined || baseWeights === (await weightsFingerprint(base.weights))) return adapters;
  throw new LabError(
    'format',
    `The adapters in ${from.id} were trained on other weights than those of ${base.id}.`,
    adapters.base === null
      ? 'Choose the policy that they were trained on.'
      : `They are of ${JSON.stringify(adapters.base)}: choose that one.`,
  );
}

/** The base, asked with the tokenizer and the template that lie beside its adapters: what can be known before a number of them is read. */
export function retold(base: Policy, from: PolicySource): PolicySource {
  return {
    id: from.id,
    local: from.local === true,
    read: async (path) =>
      (/^(tokenizer|special_tokens|chat_template)/.test(path) ? await from.read(path) : null) ?? base.texts.get(path) ?? null,
    tensors: () => Promise.resolve(base.weights),
  };
}
