/**
 * A policy as the files that other programs run: a Hugging Face folder, adapters as PEFT has them, or a GGUF for llama.cpp. Adapters are
 * merged while the files are written, a piece of the base at a time. Where the files go, a folder or an archive, is for others.
 */
import { LabError, noSuch } from '../errors.ts';
import { parseJsonBytes } from '../json.ts';
import { personas } from '../persona/world.ts';
import type { LoraSpec } from '../policy/adapters.ts';
import { toHuggingFaceConfig, type PolicyConfig } from '../policy/config.ts';
import { heldFile, jsonFile, type WrittenFile } from '../policy/file.ts';
import { ggufOf, type GgufFormat, type TokenizerParts } from '../policy/gguf-export.ts';
import { answeringTensors } from '../policy/merged.ts';
import { peftFiles } from '../policy/peft.ts';
import { safetensorsFiles, type SafetensorsFormat } from '../policy/safetensors-writer.ts';
import { templateOf, type Tokenizer } from '../policy/tokenizer.ts';
import type { PolicyTensors, Weights } from '../policy/weights.ts';
import { Stream, Purpose } from '../random/counter.ts';
import { tasks } from '../tasks/index.ts';
import { folderFormats, type PolicyForm } from './policy-forms.ts';

export interface PolicyToWrite {
  /** What it is called there. */
  readonly name: string;
  readonly config: PolicyConfig;
  /** Of the base, under its Hugging Face names. */
  readonly base: PolicyTensors;
  /** Their fingerprint, where it is known. */
  readonly baseWeights?: string;
  /** The base's files but its weights, by name. */
  readonly texts: ReadonlyMap<string, Uint8Array>;
  readonly tokenizer: Tokenizer | null;
  /** All parameters as they were trained; null: those of the base. */
  readonly weights: Weights | null;
  /** On top of them. */
  readonly adapters: (LoraSpec & { readonly tensors: Weights }) | null;
}

export interface FormOptions {
  /** How numbers are stored; absent: as the base stores them, or the trained ones as they were trained. */
  readonly format?: string | undefined;
  /** PEFT: the base's id on the hub, or its folder. */
  readonly base?: string | undefined;
}

/** Tokenizer and generation files, which stay as they are beside new weights. */
export const companions = [
  ...['tokenizer.json', 'tokenizer_config.json', 'generation_config.json', 'special_tokens_map.json', 'chat_template.jinja'],
];

/**
 * One file for gguf, a folder's for the others.
 * @throws LabError 'usage' for a policy that has no such form, 'format' for a tokenizer that has none
 */
export function policyFiles(form: PolicyForm, policy: PolicyToWrite, options: FormOptions = {}): WrittenFile[] {
  switch (form) {
    case 'hf':
      return folderFiles(policy, options.format as SafetensorsFormat | undefined);
    case 'peft':
      return adapterFiles(policy, options.base);
    case 'gguf':
      return [ggufFileOf(policy, (options.format as GgufFormat | undefined) ?? 'f16')];
    default:
      return noSuch('form of a policy', form);
  }
}

/** As the base stores its matrices: one format for all, bf16 for one that is quantised, f32 where they differ. What was trained whole was so in f32. */
export function ownFormat({ base, weights }: Pick<PolicyToWrite, 'base' | 'weights'>): SafetensorsFormat {
  if (weights !== null) return 'f32';
  const formats = new Set([...base.values()].filter(({ shape }) => shape.length > 1).map(({ format }) => format));
  const plain = folderFormats.filter((format) => formats.has(format));
  if (plain.length < formats.size) return 'bf16';
  return plain.length === 1 ? plain[0]! : 'f32';
}

const dtypes: Readonly<Record<SafetensorsFormat, string>> = { f32: 'float32', bf16: 'bfloat16', f16: 'float16' };

function folderFiles(policy: PolicyToWrite, format = ownFormat(policy)): WrittenFile[] {
  const kept = companions.flatMap((name) => (policy.texts.has(name) ? [heldFile(name, policy.texts.get(name)!)] : []));
  return [
    jsonFile('config.json', { ...toHuggingFaceConfig(policy.config), torch_dtype: dtypes[format] }),
    ...kept,
    ...safetensorsFiles(answeringTensors(policy.config, policy.base, policy).values(), format),
  ];
}

function adapterFiles({ config, adapters, weights, baseWeights }: PolicyToWrite, base: string | undefined): WrittenFile[] {
  if (!adapters || weights !== null) {
    throw new LabError(
      'usage',
      'This policy holds whole weights, and no adapters of its own, so that there is nothing for PEFT.',
      'Save it as a Hugging Face folder (--to hf). Where it was trained with LoRA, its run still has the adapters: export that.',
    );
  }
  if (base === undefined || base.trim() === '') {
    throw new LabError(
      'usage',
      'PEFT asks which policy the adapters are of.',
      'Name it as on the hub, owner/name, or by its folder (--base NAME).',
    );
  }
  return peftFiles(config, { ...adapters, base: base.trim(), ...(baseWeights === undefined ? {} : { baseWeights }) });
}

function ggufFileOf(policy: PolicyToWrite, format: GgufFormat): WrittenFile {
  const { name, config, tokenizer } = policy;
  const parts = tokenizer && tokenizerParts(policy, tokenizer);
  const file = `${name.replace(/[^\w.-]+/g, '-')}-${format.toUpperCase()}.gguf`;
  return ggufOf(
    file,
    { name, config, tensors: answeringTensors(policy.config, policy.base, policy), tokenizer: parts },
    format,
    tokenizer ? asked(tokenizer) : [],
  );
}

function tokenizerParts({ name, texts }: PolicyToWrite, tokenizer: Tokenizer): TokenizerParts {
  const read = (file: string) => {
    const bytes = texts.get(file);
    return bytes && (parseJsonBytes(bytes, { file: `${file} of ${name}`, next: 'Repair the file.' }) as Record<string, unknown>);
  };
  const settings = read('tokenizer_config.json') ?? {};
  const beside = texts.get('chat_template.jinja');
  return {
    json: read('tokenizer.json')!,
    settings,
    template: beside ? new TextDecoder().decode(beside) : templateOf(settings['chat_template']),
    tokenizer,
  };
}

/** What a policy is asked here and would say: a question of each task under each persona. */
function asked(tokenizer: Tokenizer): string[] {
  return [null, ...personas]
    .flatMap((persona, row) =>
      tasks.map((task) => {
        const question = task.generate(new Stream(1, Purpose.question, 0, row), 'train');
        return [persona?.text ?? '', question.text, task.solution(question)].join(' ');
      }),
    )
    .filter((text) => {
      try {
        tokenizer.encode(text);
        return true;
      } catch {
        return false;
      }
    });
}
