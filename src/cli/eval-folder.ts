/**
 * An evaluation or a judging on disk: evaluation.json (what was asked for), cells.jsonl (a line per finished cell, so that a stopped one
 * goes on), and at the end report.json and report.csv.
 */
import { existsSync, readdirSync } from 'node:fs';
import { appendFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LabError } from '../errors.ts';
import type { Cell } from '../evaluate/evaluate.ts';
import { readJson } from './run-folder.ts';

/** Everything that decides what the cells are, by the name of its option. */
export type Settings = Readonly<Record<string, string | number | boolean | null>>;

export class EvaluationFolder<C extends object = Cell> {
  readonly #cells = new Map<string, C>();

  private constructor(readonly path: string) {}

  /**
   * Opens a new or empty folder, or one whose evaluation is the same.
   * @throws LabError 'usage' for a folder that holds anything else
   */
  static async open<C extends object = Cell>(path: string, settings: Settings): Promise<EvaluationFolder<C>> {
    const folder = new EvaluationFolder<C>(path);
    const file = join(path, 'evaluation.json');
    if (!existsSync(file)) {
      if (existsSync(path) && readdirSync(path).length > 0) {
        throw new LabError('usage', `${path} is not empty and holds no evaluation.`, 'Choose another --out.');
      }
      await mkdir(path, { recursive: true });
      await writeFile(file, `${JSON.stringify(settings, null, 2)}\n`);
      return folder;
    }
    const earlier = await readJson<Settings>(file);
    const names = Object.keys({ ...earlier, ...settings }).filter((name) => earlier[name] !== settings[name]);
    if (names.length > 0) {
      const was = names.map(
        (name) => `${name} was ${JSON.stringify(earlier[name] ?? null)}, now ${JSON.stringify(settings[name] ?? null)}`,
      );
      throw new LabError('usage', `${path} holds another evaluation: ${was.join('; ')}.`, 'Ask for the same, or choose another --out.');
    }
    await folder.#readCells();
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

  async #readCells(): Promise<void> {
    if (!existsSync(this.#file)) return;
    const text = await readFile(this.#file, 'utf8');
    const lines = text.split('\n');
    for (const line of lines) {
      try {
        const { key, ...cell } = JSON.parse(line) as { key: string } & C;
        this.#cells.set(key, cell as unknown as C);
      } catch {
        // The end, or a line that was cut off.
      }
    }
    // What is appended next must begin on a line of its own.
    if (lines.at(-1) !== '') await appendFile(this.#file, '\n');
  }
}
