/**
 * An evaluation or a judging on disk: evaluation.json (what decides it), cells.jsonl (a line per finished cell, so that a stopped one
 * goes on), and at the end report.json and report.csv. The first is sealed whole, the second by lines: one that is damaged stays where it
 * is, and its cell is made again.
 */
import type { Cell } from '../evaluate/request.ts';
import { existsSync, readdirSync } from 'node:fs';
import { appendFile, mkdir, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { LabError } from '../errors.ts';
import { parseJsonBytes } from '../json.ts';
import { maxFileBytes } from '../policy/source.ts';
import { begun, continued, examinationMayDiffer, type Identity, type Origin } from '../run/identity.ts';
import { nextStep } from './accept.ts';
import { readJson, readSealed, readWhole, replaceFile, sealedJson } from './files.ts';
import { isLockFile } from './folder-lock.ts';
import { notice } from './progress.ts';
import { openLine, sealLine } from './sealed-lines.ts';

/**
 * evaluation.json. Versions before 2 recorded some settings and short hashes, which say too little of what they were made with; those before
 * 3 had no seals.
 */
interface EvaluationFile {
  readonly format: typeof folderFormat;
  readonly version: typeof folderVersion;
  readonly origin: Origin;
}

const folderFormat = 'permix-evaluation-folder';
const folderVersion = 3;

export class EvaluationFolder<C extends object = Cell> {
  readonly #cells = new Map<string, C>();

  private constructor(
    readonly path: string,
    readonly origin: Origin,
  ) {}

  /**
   * Opens a new or empty folder, or one whose evaluation is the same.
   * @param how.accept parts in which it may differ  @param how.otherwise what begins it anew  @param how.called in sentences
   * @throws LabError 'usage' for a folder that holds anything else, 'format' for one whose evaluation.json is damaged
   */
  static async open<C extends object = Cell>(
    path: string,
    identity: Identity,
    how: { readonly accept?: readonly string[]; readonly otherwise?: string; readonly called?: string } = {},
  ): Promise<EvaluationFolder<C>> {
    const file = join(path, 'evaluation.json');
    if (!existsSync(file)) {
      // The first file may have been cut off while it was written.
      if (existsSync(path) && readdirSync(path).some((name) => name !== 'evaluation.json.new' && !isLockFile(name))) {
        throw new LabError('usage', `${path} is not empty and holds no evaluation.`, 'Choose another --out.');
      }
      await mkdir(path, { recursive: true });
      const folder = new EvaluationFolder<C>(path, begun(identity));
      await folder.#writeOrigin();
      return folder;
    }
    const stored = await readOrigin(file, how.otherwise ?? 'choose another --out');
    const read = await readCells<C>(join(path, 'cells.jsonl'), stored.seals);
    const { cells } = read;
    const origin = continued({
      what: `The ${how.called ?? 'evaluation'} in ${path}`,
      origin: stored.origin,
      now: identity,
      accept: how.accept ?? [],
      mayDiffer: examinationMayDiffer,
      at: cells.size === 1 ? '1 cell' : `${cells.size} cells`,
      next: (parts) => nextStep(how.otherwise ?? 'choose another --out', parts),
    });
    const folder = new EvaluationFolder<C>(path, origin);
    for (const [key, cell] of cells) folder.#cells.set(key, cell);
    if (read.broken.length > 0) {
      const lines = `line${read.broken.length === 1 ? '' : 's'} ${read.broken.slice(0, 10).join(', ')}`;
      notice(`${folder.#file} is damaged in ${lines}${read.broken.length > 10 ? ' and others' : ''}; what stood there is made again.`);
    }
    if (!stored.seals) await folder.#sealCells();
    // What is appended next must begin on a line of its own.
    else if (existsSync(folder.#file)) await truncate(folder.#file, read.whole);
    if (!stored.seals || JSON.stringify(origin) !== JSON.stringify(stored.origin)) await folder.#writeOrigin();
    return folder;
  }

  /** Finished before, in an earlier session; then all that were written since. */
  get finished(): number {
    return this.#cells.size;
  }

  read(key: string): C | undefined {
    return this.#cells.get(key);
  }

  async write(key: string, cell: C): Promise<void> {
    this.#cells.set(key, cell);
    await appendFile(this.#file, (await sealLine({ key, ...cell })).text);
  }

  get #file(): string {
    return join(this.path, 'cells.jsonl');
  }

  async #writeOrigin(): Promise<void> {
    const content: EvaluationFile = { format: folderFormat, version: folderVersion, origin: this.origin };
    await replaceFile(join(this.path, 'evaluation.json'), await sealedJson(content));
  }

  /** Those of before there were seals. */
  async #sealCells(): Promise<void> {
    const lines = await Promise.all([...this.#cells].map(async ([key, cell]) => (await sealLine({ key, ...cell })).text));
    if (lines.length > 0) await replaceFile(this.#file, ...lines);
  }
}

/** @returns null for the origin where none was recorded  @throws LabError 'format' for a file that is damaged */
async function readOrigin(file: string, otherwise: string): Promise<{ readonly origin: Origin | null; readonly seals: boolean }> {
  const sealed = (await readSealed(file)) as EvaluationFile | null;
  if (sealed?.format === folderFormat && sealed.version === folderVersion) return { origin: sealed.origin, seals: true };
  const json = await readJson(file).catch(() => null);
  const plain: Partial<EvaluationFile> | null = typeof json === 'object' ? json : null;
  const version: number | undefined = plain?.version;
  if (plain === null || 'seal' in plain || version === folderVersion) {
    const what = `${file} is damaged, or of another version: it is not what this one wrote.`;
    throw new LabError('format', what, `Restore it, or ${otherwise}; what is in the folder stays as it is.`);
  }
  if (plain.format !== folderFormat) return { origin: null, seals: false };
  const identity: unknown = plain.origin?.identity;
  return { origin: typeof identity === 'object' && Array.isArray(plain.origin?.takenOver) ? (plain.origin ?? null) : null, seals: false };
}

interface ReadCells<C> {
  readonly cells: ReadonlyMap<string, C>;
  /** Lines that are not what was written, from 1. */
  readonly broken: readonly number[];
  /** Bytes up to the end of the last whole line; what follows was cut off. */
  readonly whole: number;
}

/** @param seals whether the lines have them: those of before version 3 have none */
async function readCells<C extends object>(file: string, seals: boolean): Promise<ReadCells<C>> {
  const cells = new Map<string, C>();
  const broken: number[] = [];
  let whole = 0;
  if (!existsSync(file)) return { cells, broken, whole };
  const bytes = await readWhole(file, maxFileBytes);
  for (let line = 1, end; (end = bytes.indexOf(0x0a, whole)) >= 0; line++, whole = end + 1) {
    const row = bytes.subarray(whole, end);
    const value = seals ? (await openLine(row))?.value : unsealed(row, line);
    if (value && 'key' in value && typeof value.key === 'string') {
      const { key, ...cell } = value;
      cells.set(key, cell as unknown as C);
    } else broken.push(line);
  }
  return { cells, broken, whole };
}

function unsealed(row: Uint8Array, line: number): object | null {
  try {
    const value = parseJsonBytes(row, { file: 'cells.jsonl', line });
    return typeof value === 'object' ? value : null;
  } catch {
    return null;
  }
}
