/** Runs the built command line as a process of its own, and makes policy folders for it. */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { toHuggingFaceConfig, parameterShapes, type PolicyConfig } from '../../src/policy/config.ts';
import { writeSafetensors } from '../../src/policy/safetensors.ts';
import type { Weights } from '../../src/policy/weights.ts';
import { endId, trainTokenizer } from '../../src/pretrain/bpe.ts';
import { dialogue } from '../../src/pretrain/corpus.ts';
import { livelyWeights } from './reference-decoder.ts';

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

const bundle = resolve(import.meta.dirname, '../../dist-cli/permix.js');

/** @param onLine called with every line of standard output as it comes */
export function permix(args: readonly string[], onLine?: (line: string, child: ChildProcess) => void): Promise<Finished> {
  return permixProcess(args, onLine).finished;
}

export function permixProcess(
  args: readonly string[],
  onLine?: (line: string, child: ChildProcess) => void,
): { readonly child: ChildProcess; readonly finished: Promise<Finished> } {
  const child = spawn(process.execPath, [bundle, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const finished = new Promise<Finished>((done, fail) => {
    let [stdout, stderr, seen] = ['', '', 0];
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      stdout += chunk;
      for (let end = stdout.indexOf('\n', seen); end >= 0; end = stdout.indexOf('\n', seen)) {
        onLine?.(stdout.slice(seen, end), child);
        seen = end + 1;
      }
    });
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => (stderr += chunk));
    child.on('error', fail);
    child.on('close', (code) => done({ code, stdout, stderr }));
  });
  return { child, finished };
}

/** Every line of standard output, parsed: it must be JSON and nothing else. */
export function jsonLines(stdout: string): Record<string, unknown>[] {
  return stdout
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

export function scratchFolder(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'permix-test-'));
}

/** A decoder so small that a step takes a moment. */
export const miniature: PolicyConfig = {
  family: 'llama',
  vocabSize: 384,
  hiddenSize: 24,
  intermediateSize: 40,
  layers: 2,
  heads: 3,
  kvHeads: 1,
  headDim: 8,
  maxPositions: 192,
  rmsNormEps: 1e-5,
  ropeTheta: 10_000,
  ropeScaling: null,
  tied: true,
  qkvBias: false,
  qkNorm: false,
  bosId: null,
  eosIds: [endId],
  padId: 0,
};

/** Writes config.json and model.safetensors: random weights, no tokenizer. @param change what is to be different about them */
export async function writePolicy(
  folder: string,
  config: PolicyConfig,
  seed: number,
  change: (weights: Weights) => void = () => {},
): Promise<Weights> {
  const weights = livelyWeights(config, seed);
  change(weights);
  const tensors = parameterShapes(config).map(({ name, shape }) => ({ name, shape: [...shape], data: weights[name]! }));
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'config.json'), JSON.stringify(toHuggingFaceConfig(config)));
  await writeFile(join(folder, 'model.safetensors'), writeSafetensors(tensors));
  return weights;
}

/** Adds the tokenizer files: a small vocabulary learned from a few dialogues of the persona world. */
export async function writeTokenizer(folder: string, vocabSize: number): Promise<void> {
  const texts = Array.from({ length: 60 }, (_, n) => dialogue(1, n)).flatMap(({ system, question, reply }) => [
    system ?? '',
    question,
    reply,
  ]);
  const { tokenizer, config } = trainTokenizer(texts, vocabSize);
  await writeFile(join(folder, 'tokenizer.json'), JSON.stringify(tokenizer));
  await writeFile(join(folder, 'tokenizer_config.json'), JSON.stringify(config));
}
