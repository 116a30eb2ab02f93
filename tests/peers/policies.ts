/** Policies, adapters, tokenizers and templates: what transformers, peft and tokenizers make of the same files. */
import { resolve } from 'node:path';
import { readPolicy, wasmPath } from '../../src/cli/engine.ts';
import { createEngine } from '../../src/engine/create.ts';
import type { EngineName } from '../../src/engine/engine.ts';
import { personas } from '../../src/persona/world.ts';
import { renderPrompt } from '../../src/persona/prompt.ts';
import type { Policy } from '../../src/policy/policy.ts';
import { parameterCount } from '../../src/policy/weights.ts';
import { backendOf } from './contenders.ts';
import type { Row } from './main.ts';
import type { Python } from './python.ts';
import { chats, manyTexts } from './texts.ts';

const tolerance = 1e-3;
const greedy = 16;

export const bundled = resolve(import.meta.dirname, '../../public/models/permix-tiny');

interface Said {
  readonly logits: readonly number[];
  readonly tokens: readonly number[];
}

/** A Hugging Face folder: answers, chat template, token ids. */
export async function* folderRows(peer: Python, name: string, folder: string): AsyncGenerator<Row> {
  yield* answerRows(peer, name, folder, { folder });
  const { tokenizer } = await readPolicy(folder);
  const rendered = await peer.ask<string[]>('templates', { folder, chats });
  const others = chats.filter(({ messages, addGenerationPrompt }, i) => tokenizer!.chat(messages, { addGenerationPrompt }) !== rendered[i]);
  yield { what: 'chat template', of: `${name}, ${chats.length} chats`, difference: others.length, tolerance: 0 };
  const texts = manyTexts(2000);
  const ids = await peer.ask<number[][]>('tokens', { folder, texts });
  const different = texts.filter((text, i) => tokenizer!.encode(text).join() !== ids[i]!.join());
  if (different.length > 0)
    console.error(
      `cut otherwise: ${different
        .slice(0, 5)
        .map((text) => JSON.stringify(text))
        .join(', ')}`,
    );
  yield { what: 'token ids', of: `${name}, ${texts.length} texts of many scripts`, difference: different.length, tolerance: 0 };
}

/** Logits after some prompts, and greedy tokens. @param path of the policy here  @param theirs what the job says of where it lies there */
export async function* answerRows(peer: Python, name: string, path: string, theirs: Readonly<Record<string, string>>): AsyncGenerator<Row> {
  const policy = await readPolicy(path);
  const prompts = promptsOf(policy);
  const ours = await answersOf(policy, prompts, 'portable');
  yield* answersCompared(name, ours, await askAnswers(peer, theirs, policy, prompts));
}

export function askAnswers(
  peer: Python,
  theirs: Readonly<Record<string, string>>,
  { config }: Policy,
  prompts: readonly Int32Array[],
): Promise<Said[]> {
  return peer.ask('logits', { ...theirs, prompts: prompts.map((ids) => [...ids]), greedy, ends: config.eosIds });
}

export function* answersCompared(name: string, ours: readonly Said[], theirs: readonly Said[]): Generator<Row> {
  const difference = Math.max(...ours.flatMap(({ logits }, i) => logits.map((value, id) => Math.abs(value - theirs[i]!.logits[id]!))));
  yield { what: 'logits', of: `${name}, ${ours.length} prompts`, difference, tolerance };
  const others = ours.filter(({ tokens }, i) => tokens.join() !== theirs[i]!.tokens.join()).length;
  yield { what: 'greedy tokens', of: `${name}, ${ours.length} prompts, up to ${greedy}`, difference: others, tolerance: 0 };
}

function promptsOf({ tokenizer, config }: Policy): Int32Array[] {
  const asked = ['What is 17 + 25?', 'What is 40 + 8?', 'Write the number after 99.'];
  const limit = config.maxPositions - greedy;
  const prompts = [null, ...personas.slice(0, 2)].flatMap((persona) =>
    asked.map((question) => renderPrompt(tokenizer!, persona?.text ?? null, question, limit).tokens),
  );
  // A policy of a hundred million parameters takes a minute for each.
  return parameterCount(config) < 1e7 ? prompts : [prompts[0]!, prompts[4]!];
}

export async function answersOf({ config, weights }: Policy, prompts: readonly Int32Array[], name: EngineName): Promise<Said[]> {
  const engine = await createEngine({ config, weights, engine: name, backend: backendOf(name), wasmPath });
  try {
    const answers: Said[] = [];
    for (const prompt of prompts) {
      const logits = [...(await engine.logits(prompt))];
      const draw = { temperature: 0, topK: 0, topP: 1, minP: 0, seed: 0, step: 0, firstRow: 0 };
      const sampling = { ...draw, maxNewTokens: greedy, eosIds: config.eosIds };
      const { tokens, lengths } = await engine.generate({ prompts: [prompt], repeats: 1, sampling });
      answers.push({ logits, tokens: [...tokens.subarray(prompt.length, lengths[0])] });
    }
    return answers;
  } finally {
    engine.dispose();
  }
}
