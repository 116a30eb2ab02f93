/**
 * A policy of a real one's shape, with random weights in bfloat16 and a tokenizer of its vocabulary's size, in a folder that is gone
 * afterwards; and what it takes to load it, to make LoRA training steps with it and to keep a checkpoint. For memory and submits, not for meaning.
 */
import { mkdtemp, rm, statfs, writeFile } from 'node:fs/promises';
import { freemem, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createEngine } from '../../src/engine/create.ts';
import type { FusedEngine } from '../../src/engine/fused/engine.ts';
import type { LongestSubmit } from '../../src/engine/gpu/pace.ts';
import { folderSource } from '../../src/cli/folder.ts';
import { writePieces } from '../../src/cli/files.ts';
import { parameterShapes, toHuggingFaceConfig, type PolicyConfig } from '../../src/policy/config.ts';
import { loadPolicy } from '../../src/policy/policy.ts';
import { safetensorsFiles } from '../../src/policy/safetensors-writer.ts';
import type { Tensor } from '../../src/policy/tensor.ts';
import { parameterCount } from '../../src/policy/weights.ts';
import { trainTokenizer } from '../../src/pretrain/bpe.ts';
import { Stream } from '../../src/random/counter.ts';
import { recipes } from '../../src/rl/recipes.ts';
import { initialTrainerState } from '../../src/rl/trainer.ts';
import { growingFingerprint } from '../../src/storage/hash.ts';
import { packedCheckpoint } from '../../src/storage/pack.ts';
import { realPolicies, type RealPolicy } from '../../src/benchmark/real-policies.ts';
import { HostMeter, type HostPeak } from './host-meter.ts';
import { objective, optim, request, trainBatch } from '../../src/benchmark/workload.ts';

const lora = { rank: 16, alpha: 32, seed: 1 };

export interface RealRun {
  readonly peak: HostPeak;
  /** After everything has been compiled, but for a brief one. */
  readonly submits: LongestSubmit;
}

/** Why this machine cannot; null: it can. A processor that plays GPU holds weights and passes in the same memory. */
export async function lacks(name: RealPolicy): Promise<string | null> {
  const { config, most } = realPolicies[name];
  const { bavail, bsize } = await statfs(tmpdir());
  const file = 2 * parameterCount(config) + 2e8;
  if (bavail * bsize < file) return `${name} needs ${gigabytes(file)} in ${tmpdir()}, which has ${gigabytes(bavail * bsize)}.`;
  if (freemem() < most + 1e9) return `${name} needs ${gigabytes(most + 1e9)} of memory, and ${gigabytes(freemem())} are free.`;
  return null;
}

const gigabytes = (bytes: number) => `${(bytes / 1e9).toFixed(1)} GB`;

/** @param brief one step of four tokens, for a processor that plays GPU  @throws LabError 'webgpu' where the adapter binds less than a pass needs at once */
export async function runReal(name: RealPolicy, brief: boolean): Promise<RealRun> {
  const folder = await mkdtemp(join(tmpdir(), 'permix-bench-'));
  try {
    await writePolicy(folder, realPolicies[name].config);
    return await run(folder, brief);
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function run(folder: string, brief: boolean): Promise<RealRun> {
  const meter = new HostMeter();
  let engine: FusedEngine | null = null;
  try {
    const policy = await meter.during('loading', async () => loadPolicy(await folderSource(folder)));
    const { config, weights } = policy;
    const create = () => createEngine({ config, weights, engine: 'fused', backend: 'webgpu', lora });
    const fused = (engine = (await meter.during('uploading', create)) as FusedEngine);
    await fused.setReference();
    const batch = brief ? trainBatch(config, 1, 4) : trainBatch(config, 2, 16);
    const work = async () => {
      if (!brief) await fused.generate(request(config, 4, 8, 8));
      await fused.step(batch, objective, { ...optim, microBatchRows: 1 });
    };
    await meter.during('compiling and training', work);
    if (!brief) {
      fused.pace.reset();
      await meter.during('training', work);
    }
    const submits = fused.pace.longest;
    await meter.during('keeping a checkpoint', async () => {
      const content = { config: recipes.permix, trainer: initialTrainerState, state: await fused.exportState() };
      // As `storage/payload-files.ts` does with one of this size.
      const hash = await growingFingerprint();
      for (const piece of packedCheckpoint(content).pieces()) hash.update(piece);
      hash.digest();
    });
    return { peak: meter.stop(), submits };
  } finally {
    meter.stop();
    engine?.dispose();
  }
}

async function writePolicy(folder: string, config: PolicyConfig): Promise<void> {
  const json = (file: string, content: object) => writeFile(join(folder, file), JSON.stringify(content));
  const [file] = safetensorsFiles(randomTensors(config), 'bf16', Infinity);
  await writePieces(join(folder, file!.name), file!);
  await json('config.json', toHuggingFaceConfig(config));
  const { tokenizer, settings } = largeTokenizer(config.vocabSize);
  await json('tokenizer.json', tokenizer);
  await json('tokenizer_config.json', settings);
}

/** Bytes of normals that matrices are read from, each from a place of its own on. */
const blockBytes = 2 ** 21;

/** Normal with deviation 0.02; norms 1, biases 0. */
export function randomTensors(config: PolicyConfig): Tensor[] {
  const stream = new Stream(1, 0xbe7e, 0, 0);
  const normals = Float32Array.from({ length: blockBytes / 2 }, () => 0.02 * stream.normal());
  const block = bytesOfBf16(normals);
  return parameterShapes(config).map(({ name, shape }, index): Tensor => {
    const byteLength = 2 * shape.reduce((product, n) => product * n, 1);
    const constant = shape.length === 1 ? bytesOfBf16(new Float32Array(byteLength / 2).fill(name.endsWith('.bias') ? 0 : 1)) : null;
    const from = (index * 4096) % blockBytes;
    return {
      name,
      shape,
      dtype: 'BF16',
      format: 'bf16',
      byteLength,
      async read(first, last) {
        if (constant) return constant.subarray(first, last);
        const bytes = new Uint8Array(last - first);
        for (let at = 0; at < bytes.length;) {
          const start = (from + first + at) % blockBytes;
          const piece = block.subarray(start, Math.min(blockBytes, start + bytes.length - at));
          bytes.set(piece, at);
          at += piece.length;
        }
        return bytes;
      },
    };
  });
}

/** Cut, not rounded. */
function bytesOfBf16(numbers: Float32Array<ArrayBuffer>): Uint8Array {
  return new Uint8Array(Uint16Array.from(new Uint32Array(numbers.buffer), (word) => word >>> 16).buffer);
}

/** As large in memory as a real one: all bytes, then all pairs of them, then pairs with a third. */
function largeTokenizer(vocabSize: number): { readonly tokenizer: object; readonly settings: object } {
  const { tokenizer, config: settings } = trainTokenizer([], 0) as { tokenizer: { model: object }; config: object };
  const { vocab: small } = tokenizer.model as { vocab: Record<string, number> };
  const tokens = Object.entries(small)
    .sort(([, a], [, b]) => a - b)
    .map(([token]) => token);
  const bytes = tokens.filter((token) => [...token].length === 1);
  const merges: [string, string][] = [];
  // A list that grows while it is read.
  const longer = [...bytes];
  for (const left of longer) {
    for (const right of bytes) {
      if (tokens.length === vocabSize) break;
      merges.push([left, right]);
      longer.push(left + right);
      tokens.push(left + right);
    }
    if (tokens.length === vocabSize) break;
  }
  const vocab = Object.fromEntries(tokens.map((token, id) => [token, id]));
  return { tokenizer: { ...tokenizer, model: { ...tokenizer.model, vocab, merges } }, settings };
}
