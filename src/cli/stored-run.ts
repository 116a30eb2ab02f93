/**
 * What is in the folder of a run, read and checked: nothing that is not exactly what was written comes out of here. It writes nothing and
 * asks for no lock, so that a run can be looked at, or forked, while another process trains it; writing is `run-folder.ts`.
 *
 *   run.json           what was asked for, under a seal
 *   checkpoints/step-N all that a run needs to go on from step N
 *   metrics.jsonl      a line a step (step-log.ts)
 *   heldout.jsonl      what the held-out questions were answered, a line an evaluation
 *   rollouts/step-N    with --rollouts: those of the steps whose rollouts the page would keep too
 *   policy/            at the end: a Hugging Face folder
 *   lock               while a process works in it (folder-lock.ts)
 */
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { EngineInfo } from '../engine/engine.ts';
import { LabError, labErrorCode } from '../errors.ts';
import { parseRunConfig } from '../rl/check.ts';
import type { RunConfig } from '../rl/config.ts';
import type { Origin } from '../run/identity.ts';
import { readableRollouts } from '../storage/checked.ts';
import type { CheckpointContent, RolloutsRecord } from '../storage/records.ts';
import { readCheckpointFile } from './checkpoint-file.ts';
import { openSealedJson, readJson, readWhole } from './files.ts';
import { everyStep, readLog, risingSteps, type HeldOutLine, type LogRead, type MetricsLine } from './step-log.ts';

export const runFormat = 'permix-run';
/** 1 had no seal, one checkpoint and no format of its own. */
export const runVersion = 2;

export interface RunFile {
  readonly format: typeof runFormat;
  readonly version: typeof runVersion;
  readonly config: RunConfig;
  /** Path of the base policy, from this folder. */
  readonly model: string;
  /** Path of the policy it is distilled from, likewise; absent for every other recipe. */
  readonly teacher?: string;
  /** Paths of the files its questions come from, likewise, by the id of the source; absent: generated tasks alone. */
  readonly questions?: Readonly<Record<string, string>>;
  readonly engine: EngineInfo;
  /** What the base's chat template says by itself where there is no persona; null: nothing. */
  readonly ownPrompt?: string | null;
  /** What decides its numbers, and what of that the reader has changed on the way. */
  readonly origin: Origin;
  /** ISO time. */
  readonly created: string;
  /** The run (its path from this folder) and the step it was forked from; the steps up to there are that run's, and so are their metrics. */
  readonly from?: { readonly run: string; readonly step: number };
}

export const files = {
  run: 'run.json',
  checkpoints: 'checkpoints',
  metrics: 'metrics.jsonl',
  heldOut: 'heldout.jsonl',
  rollouts: 'rollouts',
  policy: 'policy',
} as const;

export class StoredRun {
  constructor(readonly path: string) {}

  in(...names: string[]): string {
    return join(this.path, ...names);
  }

  /** @param otherwise what to do where there is none  @throws LabError 'usage' there, 'format' for one that is damaged or of another version */
  async readRun(otherwise: string): Promise<RunFile> {
    const file = this.in(files.run);
    if (!existsSync(file)) {
      const above = dirname(this.path);
      const next = existsSync(join(above, files.run)) ? `It is a part of the run in ${above}: give that folder.` : otherwise;
      throw new LabError('usage', `There is no run in ${this.path}: it has no run.json.`, next);
    }
    const text = (await readWhole(file)).toString('utf8');
    const run = (await openSealedJson(text)) as RunFile | null;
    if (!run) throw this.#unsealed(text);
    if (run.format !== runFormat || run.version !== runVersion) {
      const written = `was written by another version of permix (format ${run.version}; this one reads ${runVersion})`;
      throw new LabError('format', `The run in ${this.path} ${written}.`, 'Use that version, or start another run in another folder.');
    }
    return { ...run, config: parseRunConfig(run.config) };
  }

  /** Steps there is a checkpoint of, the newest first. */
  async steps(): Promise<number[]> {
    return (await stepsIn(this.in(files.checkpoints))).reverse();
  }

  /** Ascending steps; what is no list of rollouts is left out. */
  async rollouts(): Promise<Omit<RolloutsRecord, 'runId'>[]> {
    const kept: Omit<RolloutsRecord, 'runId'>[] = [];
    for (const step of await stepsIn(this.in(files.rollouts))) {
      const rollouts = await readJson(this.rolloutsFile(step)).catch((error: unknown) => {
        if (labErrorCode(error) === 'format') return null;
        throw error;
      });
      const record = readableRollouts({ step, rollouts });
      if (record) kept.push(record);
    }
    return kept;
  }

  rolloutsFile(step: number): string {
    return this.in(files.rollouts, `step-${step}`);
  }

  checkpointFile(step: number): string {
    return this.in(files.checkpoints, `step-${step}`);
  }

  /** @throws LabError 'format' for a checkpoint that is damaged, or another run's, naming the file */
  async checkpoint(step: number, { config }: Pick<RunFile, 'config'>): Promise<CheckpointContent> {
    const file = this.checkpointFile(step);
    const content = await readCheckpointFile(file);
    if (content.trainer.step !== step || !sameRun(parseRunConfig(content.config), config)) {
      throw new LabError('format', `The checkpoint ${file} belongs to another run, or to another step of this one.`, '');
    }
    return content;
  }

  metrics({ from }: Pick<RunFile, 'from'>): Promise<LogRead<MetricsLine>> {
    return readLog(this.in(files.metrics), everyStep((from?.step ?? 0) + 1));
  }

  heldOut(): Promise<LogRead<HeldOutLine>> {
    return readLog(this.in(files.heldOut), risingSteps);
  }

  damaged(name: string, next: string): LabError {
    return new LabError('format', `${this.in(name)} is damaged, or was changed by hand: it is not what was written.`, next);
  }

  /** The folders of before had no seal at all. */
  #unsealed(text: string): LabError {
    const stays = 'Start it again in another folder; what is in this one stays as it is';
    const old = /^\{\s*"config"/.test(text) && !text.includes('"seal"') && existsSync(this.in('checkpoint'));
    if (!old) return this.damaged(files.run, `${stays}.`);
    const what = `The run in ${this.path} is of an older version, whose files had no seal; it cannot be continued.`;
    return new LabError('format', what, `${stays}, and its policy/ can be used as before.`);
  }
}

/** Of the files step-N in a folder, ascending. */
export async function stepsIn(folder: string): Promise<number[]> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  return names
    .flatMap((name) => /^step-(0|[1-9]\d*)$/.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b);
}

/** The same but for its length, which may change from session to session. */
function sameRun({ steps: _, ...one }: RunConfig, { steps: __, ...other }: RunConfig): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
