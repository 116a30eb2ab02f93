/** Logs of another trainer that were chosen or dropped: told from other files, read, and laid over the charts. How they are read is `exchange/trainer-log.ts`. */
import { errorSentence, LabError } from '../errors.ts';
import { sha256 } from '../policy/sha256.ts';
import type { NoticeLevel } from '../worker/api.ts';
import type { Pinned } from './pinned.svelte.ts';

/** What tells one begins in here. */
const beginning = 65_536;

/** Whether all of them may be logs, by their beginnings. */
export async function areLogs(files: readonly File[]): Promise<boolean> {
  const some = files.filter(({ name }) => /\.(json|jsonl|ndjson)$/i.test(name));
  if (files.length === 0 || some.length < files.length) return false;
  const { mayBeTrainerLog } = await import('../exchange/trainer-log.ts');
  // A folder cannot be read: it is somebody else's.
  const begins = await Promise.all(files.map((file) => file.slice(0, beginning).text())).catch(() => null);
  return begins?.every((text, i) => mayBeTrainerLog(files[i]!.name, text)) ?? false;
}

interface Charts {
  readonly pinned: Pick<Pinned, 'addLog'>;
  /** The run on view; null: there is none. */
  readonly viewed: string | null;
  notify(level: NoticeLevel, text: string): void;
}

/** One after the other; none keeps another out. */
export async function layLogs(charts: Charts, files: readonly File[]): Promise<void> {
  for (const file of files) {
    try {
      charts.notify('info', await layLog(charts, file));
    } catch (error) {
      const sentence = errorSentence(error);
      charts.notify('error', sentence.includes(file.name) ? sentence : `${file.name}: ${sentence}`);
    }
  }
}

/** @returns what became of it, a few sentences */
async function layLog({ pinned, viewed }: Charts, file: File): Promise<string> {
  const { logSentences, maxLogBytes, readTrainerLog } = await import('../exchange/trainer-log.ts');
  if (file.size > maxLogBytes) {
    throw new LabError(
      'format',
      `${file.name} has ${Math.round(file.size / 1e6)} MB; logs of at most ${maxLogBytes / 1e6} MB are read here.`,
      'Give a shorter one.',
    );
  }
  const text = await file.text();
  const log = readTrainerLog(text, file.name);
  if (!pinned.addLog(`log ${await sha256(text)}`, log)) return `${file.name} is laid over the charts already.`;
  const where = viewed === null ? 'will be laid over the charts of the next run' : 'is laid over the charts';
  return `${file.name} ${where}: ${logSentences(log).join(' ')}`;
}
