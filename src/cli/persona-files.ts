/** Persona files as options name them: one of the lab's libraries, a file of any kind that is read (`persona/import/read.ts`), or a folder of several. */
import { existsSync, statSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { LabError } from '../errors.ts';
import { maxPersonaFileBytes } from '../persona/file.ts';
import { formatWords } from '../persona/import/formats.ts';
import { readPersonas, reasonsOf, takeAll, type PersonaImport } from '../persona/import/read.ts';
import { libraryNames, type Library } from '../persona/library-names.ts';
import type { Arguments } from './arguments.ts';
import { readText } from './candidate.ts';
import { notice } from './progress.ts';

/** The option of every command that takes personas. */
export const skipRows = 'skip-rows';

/** What an option says of whose personas. What was passed over is said on standard error. @throws LabError 'usage', 'format' */
export async function namedLibrary(args: Arguments, option: string): Promise<Library | undefined> {
  const given = args.text(option);
  if (given === undefined) return undefined;
  const named = libraryNames.find((name) => name === given);
  if (named) return named;
  if (!existsSync(given))
    throw args.wrong(`--${option} takes ${libraryNames.join(', ')} or a file of personas, and there is no file ${given}.`);
  const found = await readPersonaPath(args, option, given);
  const library = takeAll(found, args.flag(skipRows), `leave them out with --${skipRows}`);
  for (const note of found.notes) notice(note);
  if (found.unusable.length > 0) notice(`Left out of ${found.name}: ${reasonsOf(found.unusable)}.`);
  if (found.format !== 'permix')
    notice(
      `${found.name}: ${library.personas.length.toLocaleString('en-US')} personas of ${formatWords[found.format].title}${licenceOf(found)}.`,
    );
  return library;
}

/** ` (MIT)`; nothing where it is not known. */
export const licenceOf = ({ library: { licence } }: PersonaImport): string => (licence === undefined ? '' : ` (${licence})`);

/** @throws LabError 'format' */
export async function readPersonaPath(args: Arguments, option: string, path: string): Promise<PersonaImport> {
  const name = basename(resolve(path));
  if (!existsSync(path)) throw args.wrong(`There is no file ${path} for --${option}.`);
  if (!statSync(path).isDirectory()) return readPersonas([{ name, text: await readText(args, option, path, maxPersonaFileBytes) }], name);
  const names = (await readdir(path)).filter((one) => /\.(json|jsonl|csv)$/i.test(one)).sort();
  const files: { name: string; text: string }[] = [];
  let characters = 0;
  for (const one of names) {
    files.push({ name: one, text: await readText(args, option, join(path, one), maxPersonaFileBytes) });
    characters += files.at(-1)!.text.length;
    if (characters > maxPersonaFileBytes) {
      const next = 'Give a folder with fewer files.';
      throw new LabError('format', `The files in ${path} have more than ${maxPersonaFileBytes / 1e6} MB together.`, next);
    }
  }
  return readPersonas(files, name);
}
