/**
 * A look at a policy before anything of it is kept: its configuration, the headers, names and shapes of its weights, its tokenizer and template;
 * and what a chooser shows of it. No number of it is read beyond what its loader needs.
 */
import { LabError } from '../errors.ts';
import { noPlace, ownPromptNote, personaPlace } from '../persona/place.ts';
import { adaptedSource, retold } from '../policy/adapted.ts';
import { specOf, type LoraSpec } from '../policy/adapters.ts';
import { cardName, licenceOf } from '../policy/card.ts';
import { baseName, isGguf, type PolicyFile } from '../policy/file.ts';
import { filesSource, notingFiles, type FolderFiles } from '../policy/folder.ts';
import type { Hub } from '../policy/hub.ts';
import { peftFileNames, peftWeights } from '../policy/peft.ts';
import { openPolicy, type Policy } from '../policy/policy.ts';
import type { PolicySource } from '../policy/source.ts';
import { parameterCount } from '../policy/weights.ts';
import type { PolicyFacts } from '../storage/policies.ts';

export interface Looked {
  readonly facts: PolicyFacts;
  /** What it consists of. */
  readonly sizes: ReadonlyMap<string, number>;
  readonly bytes: number;
}

export async function look(name: string, files: FolderFiles): Promise<Looked> {
  const { source, sizes } = notingFiles(await filesSource(name, files));
  const policy = await checkedPolicy(source);
  const gguf = [...files.keys()].find((path) => isGguf(path) && !files.has('config.json'));
  const all = new Map(gguf === undefined ? sizes : [[gguf, (await files.get(gguf)!()).size]]);
  const card = await cardAmong(files);
  // Of a GGUF file no part; what it says itself goes before what lies beside it.
  if (card && gguf === undefined) all.set(cardName, card.size);
  const own = gguf === undefined ? null : licenceOf(await source.read(cardName));
  return lookedAt(policy, all, own ?? (card && licenceOf(await card.read(0, card.size))));
}

/** The same of PEFT's adapters on their base. @throws LabError as `readPeft` */
export async function lookAtAdapters(name: string, files: FolderFiles, base: Policy): Promise<Looked & { readonly lora: LoraSpec }> {
  const { source, sizes } = notingFiles(await filesSource(name, files));
  const adapted = await adaptedSource(base, source);
  const policy = await checkedPolicy(adapted);
  const card = await cardAmong(files);
  const all = card ? new Map(sizes).set(cardName, card.size) : sizes;
  const { facts, bytes } = lookedAt(policy, all, card && licenceOf(await card.read(0, card.size)));
  const lora = specOf(adapted.adapters);
  return { facts: { ...facts, format: `LoRA of rank ${lora.rank}` }, sizes: all, bytes, lora };
}

/** What adapters at a hub consist of, and that the base can be asked with what lies beside them; they are looked at once they are here. */
export async function lookAtHubAdapters(hub: Hub, base: Policy): Promise<Pick<Looked, 'sizes' | 'bytes'>> {
  const { source, sizes } = notingFiles(hub.source());
  await source.read(peftFileNames.config);
  await peftWeights(source);
  await checkedPolicy(retold(base, source));
  await source.read(cardName);
  return { sizes, bytes: sum(sizes) };
}

async function cardAmong(files: FolderFiles): Promise<PolicyFile | null> {
  const beside = await files.get(cardName)?.();
  return beside && beside.size < 1e7 ? beside : null;
}

export async function lookAtHub(name: string, hub: Hub): Promise<Looked> {
  const { file } = hub.policy;
  if (file === null) {
    const { source, sizes } = notingFiles(hub.source());
    const policy = await checkedPolicy(source);
    const card = await source.read(cardName);
    return lookedAt(policy, sizes, licenceOf(card));
  }
  const found = await hub.open(file);
  if (!found) throw new LabError('network', `There is no ${hub.title(file)}.`, 'Check the name of the file.');
  const source = await filesSource(name, new Map([[baseName(file), () => Promise.resolve(found)]]));
  const policy = await checkedPolicy(source);
  return lookedAt(policy, new Map([[file, found.size]]), licenceOf(await source.read(cardName)));
}

/** The page asks in words, so that a policy without a tokenizer is of no use to it. */
export async function checkedPolicy(source: PolicySource): Promise<Policy> {
  const policy = await openPolicy(source);
  if (policy.tokenizer) return policy;
  throw new LabError(
    'format',
    `${policy.id} has no tokenizer.json, so that nothing can be asked of it in words.`,
    'Add that file to its folder.',
  );
}

function lookedAt(policy: Policy, sizes: ReadonlyMap<string, number>, licence: string | null): Looked {
  const bytes = sum(sizes);
  return { facts: factsOf(policy, bytes, licence), sizes, bytes };
}

const sum = (sizes: ReadonlyMap<string, number>): number => [...sizes.values()].reduce((total, one) => total + one, 0);

export function factsOf(policy: Policy, bytes: number, licence: string | null): PolicyFacts {
  const { config, tokenizer, weights } = policy;
  const { family, layers, hiddenSize, vocabSize, maxPositions } = config;
  const formats = new Set([...weights.values()].filter(({ shape }) => shape.length > 1).map(({ dtype }) => dtype));
  const place = tokenizer && personaNotice(policy, tokenizer);
  return {
    ...{ family, parameters: parameterCount(config), layers, hiddenSize, vocabSize, maxPositions },
    ...{ format: [...formats].join(', '), bytes, licence },
    notices: [...policy.notices, ...(place ? [place] : [])],
  };
}

/** What its chat template does with personas, where that is not what they are for. */
function personaNotice({ id }: Policy, tokenizer: NonNullable<Policy['tokenizer']>): string | null {
  try {
    const { obstacle, ownPrompt } = personaPlace(tokenizer);
    return obstacle !== null ? noPlace(obstacle).what : ownPrompt === null ? null : ownPromptNote(ownPrompt, id);
  } catch (error) {
    if (error instanceof LabError) return error.message;
    throw error;
  }
}
