/**
 * An evaluation or a judging on disk: evaluation.json (what decides it), cells.jsonl (a line per finished cell, so that a stopped one
 * goes on), and at the end report.json and report.csv.
 */
import type { Cell } from '../evaluate/request.ts';
import { existsSync, readdirSync } from 'node:fs';
import { appendFile, mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LabError } from '../errors.ts';
import { begun, continued, examinationMayDiffer, type Identity, type Origin } from '../run/identity.ts';
import { nextStep } from './accept.ts';
import { readJson, replaceFile } from './files.ts';
import { isLockFile } from './folder-lock.ts';

/** evaluation.json. Versions before 2 recorded some settings and short hashes, which say too little of what they were made with. */
interface EvaluationFile {
  readonly format: typeof folderFormat;
  readonly version: typeof folderVersion;
  readonly origin: Origin;
}

const folderFormat = 'permix-evaluation-folder';
const folderVersion = 2;

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
    const cells = await readCells<C>(join(path, 'cells.jsonl'));
    const stored = await readJson<Partial<EvaluationFile> | null>(file);
    const origin = continued({
      what: `The ${how.called ?? 'evaluation'} in ${path}`,
      origin: stored?.format === folderFormat ? stored.origin : null,
      now: identity,
      accept: how.accept ?? [],
      mayDiffer: examinationMayDiffer,
      at: cells.size === 1 ? '1 cell' : `${cells.size} cells`,
      next: (parts) => nextStep(how.otherwise ?? 'choose another --out', parts),
    });
    const folder = new EvaluationFolder<C>(path, origin);
    for (const [key, cell] of cells) folder.#cells.set(key, cell);
    await folder.#writeOrigin();
    // What is appended next must begin on a line of its own.
    await endLastLine(folder.#file);
    return folder;
  }

  /** Finished before, in an earlier sitting; then all that were written since. */
  get finished(): number {
    return this.#cells.size;
  }

  read(key: string): C | undefined {
    return this.#cells.get(key);
  }

  async write(key: string, cell: C): Promise<void> {
    this.#cells.set(key, cell);
    await appendFile(this.#file, `${JSON.stringify({ key, ...cell })}\n`);
  }

  get #file(): string {
    return join(this.path, 'cells.jsonl');
  }

  #writeOrigin(): Promise<void> {
    const content: EvaluationFile = { format: folderFormat, version: folderVersion, origin: this.origin };
    return replaceFile(join(this.path, 'evaluation.json'), `${JSON.stringify(content, null, 2)}\n`);
  }
}

async function readCells<C extends object>(file: string): Promise<Map<string, C>> {
  const cells = new Map<string, C>();
  if (!existsSync(file)) return cells;
  for (const line of (await readFile(file, 'utf8')).split('\n')) {
    try {
      const { key, ...cell } = JSON.parse(line) as { key: string } & C;
      cells.set(key, cell as unknown as C);
    } catch {
      // The end, or a line that was cut off.
    }
  }
  return cells;
}

async function endLastLine(file: string): Promise<void> {
  if (existsSync(file) && !(await readFile(file, 'utf8')).endsWith('\n')) await appendFile(file, '\n');
}
