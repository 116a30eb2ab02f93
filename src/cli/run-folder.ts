/**
 * A run on disk: run.json (what was asked for), metrics.jsonl (a line a step), checkpoint (all that a resumed run needs),
 * evaluation.json and, at the end, policy/ (a Hugging Face folder).
 */
import { existsSync, readdirSync } from 'node:fs';
import { appendFile, mkdir, open, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { EngineInfo } from '../engine/engine.ts';
import { LabError } from '../errors.ts';
import type { RunConfig } from '../rl/config.ts';
import { parseRunConfig } from '../rl/check.ts';
import type { PersonaAccuracy, StepRow } from '../rl/events.ts';
import { packCheckpoint, unpackCheckpoint } from '../storage/pack.ts';
import type { CheckpointContent } from '../storage/records.ts';

export interface RunFile {
  readonly config: RunConfig;
  /** Absolute path of the base policy. */
  readonly model: string;
  /** Absolute path of the policy it is distilled from; absent for every other recipe. */
  readonly teacher?: string;
  readonly engine: EngineInfo;
  readonly created: string;
}

export type MetricsLine = { readonly step: number; readonly personas: PersonaAccuracy } & StepRow;

export interface Evaluation {
  readonly when: 'before' | 'after';
  readonly step: number;
  readonly task: string;
  /** Questions per persona. */
  readonly problems: number;
  /** Over the personas; "none" is not one. */
  readonly mean: number;
  readonly worst: number;
  /** Accuracy by persona id, "none" included. */
  readonly personas: Readonly<Record<string, number>>;
}

export class RunFolder {
  constructor(readonly path: string) {}

  get empty(): boolean {
    return !existsSync(this.path) || readdirSync(this.path).length === 0;
  }

  async readRun(): Promise<RunFile> {
    const file = join(this.path, 'run.json');
    if (!existsSync(file)) {
      throw new LabError('usage', `There is no run to resume in ${this.path}: it has no run.json.`, 'Leave out --resume to start one.');
    }
    const run = await readJson<RunFile>(file);
    return { ...run, config: parseRunConfig(run.config) };
  }

  async writeRun(run: RunFile): Promise<void> {
    await mkdir(this.path, { recursive: true });
    await this.#replace('run.json', `${JSON.stringify(run, null, 2)}\n`);
  }

  /** Null before the first checkpoint. */
  async readCheckpoint(): Promise<CheckpointContent | null> {
    const file = join(this.path, 'checkpoint');
    if (!existsSync(file)) return null;
    const bytes = await readFile(file);
    return unpackCheckpoint(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer);
  }

  async writeCheckpoint(content: CheckpointContent): Promise<void> {
    await this.#replace('checkpoint', new Uint8Array(packCheckpoint(content)));
  }

  /** Steps after the checkpoint will be done again, so their lines go. */
  async keepMetrics(upTo: number): Promise<void> {
    const file = join(this.path, 'metrics.jsonl');
    if (!existsSync(file)) return;
    const lines = (await readFile(file, 'utf8')).split('\n').filter((line) => {
      try {
        return (JSON.parse(line) as MetricsLine).step <= upTo;
      } catch {
        return false; // the end, or a line that was cut off
      }
    });
    await this.#replace('metrics.jsonl', lines.map((line) => `${line}\n`).join(''));
  }

  appendMetrics(line: MetricsLine): Promise<void> {
    return appendFile(join(this.path, 'metrics.jsonl'), `${JSON.stringify(line)}\n`);
  }

  async readEvaluations(): Promise<Evaluation[]> {
    const file = join(this.path, 'evaluation.json');
    return existsSync(file) ? readJson<Evaluation[]>(file) : [];
  }

  writeEvaluations(evaluations: readonly Evaluation[]): Promise<void> {
    return this.#replace('evaluation.json', `${JSON.stringify(evaluations, null, 2)}\n`);
  }

  #replace(name: string, data: string | Uint8Array): Promise<void> {
    return replaceFile(join(this.path, name), data);
  }
}

/** Written beside and moved over: whoever reads finds the old file or the new one, whole, even after a power cut. */
export async function replaceFile(file: string, data: string | Uint8Array): Promise<void> {
  const fresh = `${file}.new`;
  await writeFile(fresh, data);
  const handle = await open(fresh, 'r+');
  await handle.sync();
  await handle.close();
  await rename(fresh, file);
}

/** @throws LabError 'format' for a file that is not JSON */
export async function readJson<T>(file: string): Promise<T> {
  const text = await readFile(file, 'utf8');
  try {
    return JSON.parse(text) as T;
  } catch (cause) {
    throw new LabError('format', `${file} is not valid JSON.`, 'Correct it or restore it.', { cause });
  }
}
