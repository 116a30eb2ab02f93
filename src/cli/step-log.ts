/**
 * Lines of JSON about the steps of a run (metrics.jsonl, heldout.jsonl), each on the disk before the next step begins. Every line is sealed
 * over the one before it (`sealed-lines.ts`), and has its step. It computes nothing.
 */
import { open, readFile, type FileHandle } from 'node:fs/promises';
import type { HeldOutEvaluation, HeldOutMetrics } from '../evaluate/held-out.ts';
import { maxFileBytes } from '../policy/source.ts';
import type { PersonaAccuracy, StepRow } from '../rl/events.ts';
import { readWhole, replaceFile } from './files.ts';
import { openLine, sealLine } from './sealed-lines.ts';

export type MetricsLine = { readonly step: number; readonly personas: PersonaAccuracy } & StepRow;
export type HeldOutLine = HeldOutEvaluation & HeldOutMetrics;

/** What a log holds, from its beginning to its end or to the first line that is not what was written. */
export interface LogRead<Line> {
  readonly lines: readonly Line[];
  /** The line that is not, from 1; null: all are. */
  readonly brokenLine: number | null;
  /** The broken line is the last and has no end, as when the process was killed while it wrote. */
  readonly cutOff: boolean;
}

/** Every step once, from this one on. */
export const everyStep = (first: number) => (step: number, before: number | null) => step === (before === null ? first : before + 1);
/** Some of the steps. */
export const risingSteps = (step: number, before: number | null) => step > (before ?? -1);

/** @param follows whether a line of that step may come after the one before  @throws where the file cannot be read; one that is not there is empty */
export async function readLog<Line extends { readonly step: number }>(
  file: string,
  follows: (step: number, before: number | null) => boolean,
): Promise<LogRead<Line>> {
  const lines: Line[] = [];
  let bytes: Buffer;
  try {
    bytes = await readWhole(file, maxFileBytes);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { lines, brokenLine: null, cutOff: false };
    throw error;
  }
  let seal = '';
  for (let start = 0; start < bytes.length;) {
    const end = bytes.indexOf(0x0a, start);
    const read = end < 0 ? null : await openLine(bytes.subarray(start, end), seal);
    const line = read?.value as Line | undefined;
    if (line === undefined || !follows(line.step, lines.at(-1)?.step ?? null))
      return { lines, brokenLine: lines.length + 1, cutOff: end < 0 };
    lines.push(line);
    seal = read!.seal;
    start = end + 1;
  }
  return { lines, brokenLine: null, cutOff: false };
}

/** A log while a run writes to it. */
export class StepLog<Line extends { readonly step: number }> {
  private constructor(
    private readonly handle: FileHandle,
    private seal: string,
  ) {}

  /** A log of exactly these lines, to be written on. */
  static async open<Line extends { readonly step: number }>(file: string, lines: readonly Line[]): Promise<StepLog<Line>> {
    let [text, seal] = ['', ''];
    for (const line of lines) {
      const sealed = await sealLine(line, seal);
      text += sealed.text;
      seal = sealed.seal;
    }
    if ((await readFile(file, 'utf8').catch(() => null)) !== text) await replaceFile(file, text);
    return new StepLog<Line>(await open(file, 'a'), seal);
  }

  /** Resolves when the line is on the disk. */
  async append(line: Line): Promise<void> {
    const { text, seal } = await sealLine(line, this.seal);
    await this.handle.appendFile(text);
    await this.handle.datasync();
    this.seal = seal;
  }

  close(): Promise<void> {
    return this.handle.close();
  }
}
