/**
 * The files a command is asked to leave behind: tried before the hours of work, written after them. What keeps a piece of work that can be
 * continued is in `run-folder.ts` and `eval-folder.ts`.
 */
import { constants } from 'node:fs';
import { access, mkdir, mkdtemp, open, rmdir, stat, unlink, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { LabError } from '../errors.ts';
import type { Arguments } from './arguments.ts';

/**
 * Tries the files of --json and --csv, and of the reports in --out; folders that are missing are made.
 * @param inputs options whose files are read, none of which may be written over
 * @throws LabError 'usage' that names the option whose file cannot be written
 */
export async function tryReportFiles(args: Arguments, inputs: readonly string[]): Promise<void> {
  const taken = new Map(inputs.flatMap((name) => (args.text(name) === undefined ? [] : [[resolve(args.text(name)!), `--${name}`]])));
  const folder = args.text('out');
  const kept = folder === undefined ? [] : ['evaluation.json', 'cells.jsonl', 'report.json', 'report.csv'];
  for (const name of kept) taken.set(resolve(folder!, name), `${name} of --out`);
  if (folder !== undefined) await tryFolder('out', folder);
  for (const name of kept.slice(2)) await tryFile('out', join(folder!, name));
  for (const name of ['json', 'csv']) {
    const file = args.text(name);
    if (file === undefined) continue;
    const other = taken.get(resolve(file));
    if (other) throw args.wrong(`--${name} and ${other} are the same file, ${file}.`);
    taken.set(resolve(file), `--${name}`);
    await tryFile(name, file);
  }
}

/** Where a report goes: the files of --json and --csv, and its own two in --out. */
export function reportFiles(
  args: Arguments,
  folder: string | null,
  report: { readonly json: string; readonly csv: string },
): readonly (readonly [file: string, content: string])[] {
  return (['json', 'csv'] as const).flatMap((kind) =>
    [args.text(kind), folder && join(folder, `report.${kind}`)].flatMap((file) => (file ? [[file, report[kind]] as const] : [])),
  );
}

/** @throws LabError 'usage' where the file could not be written; what is in it stays */
export async function tryFile(option: string, file: string): Promise<void> {
  try {
    await makeFolder(dirname(resolve(file)));
    const found = await stat(file).catch(() => null);
    if (found?.isDirectory()) throw new Error('it is a folder');
    if (found && !found.isFile()) return await access(file, constants.W_OK);
    await (await open(file, found ? 'r+' : 'wx')).close();
    if (!found) await unlink(file);
  } catch (error) {
    throw unwritable(`--${option}`, file, error, `Choose another --${option}, or make room for it there.`);
  }
}

/**
 * The same of a file that is to hold something new, as a folder is: what is in another file is not written over.
 * @throws LabError 'usage' also where something is in it
 */
export async function tryNewFile(args: Arguments, option: string, file: string): Promise<void> {
  const found = await stat(file).catch(() => null);
  if (found?.isFile() && found.size > 0) throw args.wrong(`${file} is not empty. Choose another --${option}.`);
  await tryFile(option, file);
}

/** Makes the folder where it is missing. @throws LabError 'usage' where nothing could be written into it */
export async function tryFolder(option: string, folder: string): Promise<void> {
  try {
    await makeFolder(resolve(folder));
    await rmdir(await mkdtemp(join(folder, '.permix-')));
  } catch (error) {
    throw unwritable(`--${option}`, folder, error, `Choose another --${option}, or make room for it there.`);
  }
}

/**
 * Writes them all, whatever becomes of one; the result has been printed before, so that hours are not lost with a file.
 * @throws LabError 'storage' that names those that could not be written
 */
export async function writeFiles(files: readonly (readonly [file: string, content: string])[]): Promise<void> {
  const failed: LabError[] = [];
  for (const [file, content] of files) {
    await writeFile(file, content).catch((error: unknown) => failed.push(unwritable('The file', file, error, '')));
  }
  if (failed.length > 0) {
    throw new LabError(
      'storage',
      failed.map(({ message }) => message).join(' '),
      'What it was to hold is printed above; with --out the same command writes it again.',
    );
  }
}

/** With the folders above it. Not mkdir's `recursive`, which in Node 20 never returns where a folder takes none (/proc). */
async function makeFolder(folder: string): Promise<void> {
  if ((await stat(folder).catch(() => null))?.isDirectory()) return;
  const above = dirname(folder);
  if (above !== folder) await makeFolder(above);
  await mkdir(folder).catch((error: NodeJS.ErrnoException) => {
    // Somebody else made it meanwhile; a file in its place shows at the first use.
    if (error.code !== 'EEXIST') throw error;
  });
}

function unwritable(what: string, path: string, error: unknown, next: string): LabError {
  const why = error instanceof Error ? error.message : String(error);
  return new LabError('usage', `${what} ${path} cannot be written (${why}).`, next, { cause: error });
}
