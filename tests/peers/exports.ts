/**
 * What leaves here and what comes from there: a trained run as a Hugging Face folder, as adapters and as GGUF, written by `permix export` and
 * read by transformers, peft and gguf; adapters that peft made, read here.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { run } from '../../scripts/install.mjs';
import { policySource } from '../../src/cli/folder.ts';
import { parameterShapes } from '../../src/policy/config.ts';
import { ggufName } from '../../src/policy/gguf-tensors.ts';
import { loadPolicy } from '../../src/policy/policy.ts';
import type { Row } from './main.ts';
import { answerRows, bundled, folderRows } from './policies.ts';
import type { Python } from './python.ts';

const permix = async (...args: string[]) => {
  const code = await run(process.execPath, ['scripts/permix.mjs', ...args], { stdio: ['ignore', 'ignore', 2] });
  if (code !== 0) throw new Error(`permix ${args.join(' ')} failed.`);
};

/** Trains a few steps, so that there is something to leave. */
export async function* exportRows(peer: Python): AsyncGenerator<Row> {
  const scratch = mkdtempSync(join(tmpdir(), 'permix-peers-'));
  const at = (name: string) => join(scratch, name);
  try {
    writeFileSync(at('few.json'), JSON.stringify({ recipe: 'permix', steps: 3, heldOut: { questions: 0 } }));
    const training = ['train', '--config', at('few.json'), '--model', bundled, '--backend', 'wasm'];
    await permix(...training, '--out', at('whole'));
    await permix(...training, '--out', at('lora'), '--lora-rank', '4', '--lora-targets', 'q_proj,v_proj,down_proj', '--lora-layers', '0,2');

    await permix('export', at('whole'), '--to', 'hf', '--out', at('whole-hf'));
    yield* answerRows(peer, 'trained permix-tiny, as a folder', at('whole/policy'), { folder: at('whole-hf') });
    await permix('export', at('lora'), '--to', 'hf', '--out', at('lora-hf'));
    yield* answerRows(peer, 'LoRA of permix-tiny, merged, as a folder', at('lora/policy'), { folder: at('lora-hf') });
    await permix('export', at('lora'), '--to', 'hf', '--dtype', 'bf16', '--out', at('lora-bf16'));
    yield* answerRows(peer, 'the same in bf16', at('lora-bf16'), { folder: at('lora-bf16') });
    await permix('export', at('lora'), '--to', 'peft', '--base', bundled, '--out', at('lora-peft'));
    yield* answerRows(peer, 'LoRA of permix-tiny, as adapters', at('lora/policy'), { folder: bundled, adapters: at('lora-peft') });
    for (const format of ['f16', 'q8_0']) {
      const file = at(`${format}.gguf`);
      await permix('export', at('lora'), '--to', 'gguf', '--dtype', format, '--out', file);
      yield* answerRows(peer, `LoRA of permix-tiny, merged, as GGUF ${format}`, file, { folder: scratch, gguf: basename(file) });
      yield* quantisedRow(peer, format, file, at('lora-hf'));
    }
    yield* adapterRows(peer, 'permix-tiny', bundled, scratch);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** Adapters of random numbers, which peft makes and saves on a base. */
export async function* adapterRows(peer: Python, name: string, base: string, scratch: string): AsyncGenerator<Row> {
  const kinds = [
    { said: 'q and v of some layers', targets: ['q_proj', 'v_proj'], layers: [0, 2], rank: 4, alpha: 8 },
    { said: 'all linear layers', targets: 'all-linear', layers: null, rank: 8, alpha: 12 },
  ];
  for (const [i, { said, ...kind }] of kinds.entries()) {
    const out = join(scratch, `peft-${i}`);
    await peer.ask('adapt', { folder: base, out, ...kind });
    yield* answerRows(peer, `peft’s adapters of ${name}, ${said}`, out, { folder: base, adapters: out });
  }
}

/** Whether the bits of a GGUF are those that gguf makes of the folder's numbers. Rows of queries and keys lie in another order there. */
async function* quantisedRow(peer: Python, format: string, gguf: string, folder: string): AsyncGenerator<Row> {
  const { config } = await loadPolicy(await policySource(folder));
  const names = parameterShapes(config).flatMap(({ name }) => (/\.[qk]_proj\./.test(name) ? [] : [[ggufName(config, name), name]]));
  const job = { gguf, safetensors: join(folder, 'model.safetensors'), names: Object.fromEntries(names) as Record<string, string> };
  const { tensors, different } = await peer.ask<{ tensors: number; different: string[] }>('quantised', job);
  yield { what: 'other bits than gguf.quants', of: `${tensors} tensors of ${format}`, difference: different.length, tolerance: 0 };
}

export const isGguf = (path: string): boolean => path.endsWith('.gguf');

/** The Hugging Face folder of a policy: itself, or what a GGUF is exported as. */
export async function folderOf(path: string, scratch: string): Promise<string> {
  if (!isGguf(path)) return resolve(path);
  const folder = join(scratch, 'folder');
  await permix('export', resolve(path), '--to', 'hf', '--out', folder);
  return folder;
}

/** A real policy: its own folder, and what becomes of it as GGUF and under adapters. @param path a folder or a GGUF file */
export async function* realRows(peer: Python, path: string): AsyncGenerator<Row> {
  const scratch = mkdtempSync(join(tmpdir(), 'permix-peers-'));
  try {
    const given = resolve(path);
    if (isGguf(given)) yield* answerRows(peer, 'SmolLM2, the GGUF', given, { folder: dirname(given), gguf: basename(given) });
    const folder = await folderOf(given, scratch);
    yield* folderRows(peer, 'SmolLM2', folder);
    const file = join(scratch, 'f16.gguf');
    await permix('export', folder, '--to', 'gguf', '--out', file);
    yield* answerRows(peer, 'SmolLM2, as GGUF f16', file, { folder: scratch, gguf: basename(file) });
    yield* adapterRows(peer, 'SmolLM2', folder, scratch);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}
