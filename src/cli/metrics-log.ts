/**
 * metrics.jsonl: a line of JSON a step, on the disk before the next one begins. Every line is sealed
 * over the one before it (`sealed-lines.ts`), and numbered. It computes no metric.
 */
import { open, readFile, type FileHandle } from 'node:fs/promises';
import { maxFileBytes } from '../policy/source.ts';
import type { PersonaAccuracy, StepRow } from '../rl/events.ts';
import { readWhole, replaceFile } from './files.ts';
import { openLine, sealLine } from './sealed-lines.ts';

export type MetricsLine = { readonly step: number; readonly personas: PersonaAccuracy } & StepRow;

/** What a log holds, from its beginning to its end or to the first line that is not what was written. */
export interface MetricsRead {
  readonly lines: readonly MetricsLine[];
  /** The line that is not, from 1; null: all are. */
  readonly brokenLine: number | null;
  /** The broken line is the last and has no end, as when the process was killed while it wrote. */
  readonly cutOff: boolean;
}

/** @param firstStep of a whole log  @throws where the file cannot be read; one that is not there is empty */
export async function readMetrics(file: string, firstStep: number): Promise<MetricsRead> {
  const lines: MetricsLine[] = [];
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
    const line = read?.value as MetricsLine | undefined;
    if (line?.step !== firstStep + lines.length) return { lines, brokenLine: lines.length + 1, cutOff: end < 0 };
    lines.push(line);
    seal = read!.seal;
    start = end + 1;
  }
  return { lines, brokenLine: null, cutOff: false };
}

/** The log while a run writes to it. */
export class MetricsLog {
  private constructor(
    private readonly handle: FileHandle,
    private seal: string,
  ) {}

  /** A log of exactly these lines, to be written on. */
  static async open(file: string, lines: readonly MetricsLine[]): Promise<MetricsLog> {
    let [text, seal] = ['', ''];
    for (const line of lines) {
      const sealed = await sealLine(line, seal);
      text += sealed.text;
      seal = sealed.seal;
    }
    if ((await readFile(file, 'utf8').catch(() => null)) !== text) await replaceFile(file, text);
    return new MetricsLog(await open(file, 'a'), seal);
  }

  /** Resolves when the line is on the disk. */
  async append(line: MetricsLine): Promise<void> {
    const { text, seal } = await sealLine(line, this.seal);
    await this.handle.appendFile(text);
    await this.handle.datasync();
    this.seal = seal;
  }

  close(): Promise<void> {
    return this.handle.close();
  }
}
