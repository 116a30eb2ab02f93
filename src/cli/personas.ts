/** `permix personas`: what a persona file holds and what of it cannot be used, and any of them as a file of this project (docs/evaluation.md). */
import { personaCsv } from '../exchange/persona-table.ts';
import { somePersonas } from '../persona/groups.ts';
import { formatWords } from '../persona/import/formats.ts';
import { libraryOf } from '../persona/libraries.ts';
import { personaJson } from '../persona/write.ts';
import type { Arguments } from './arguments.ts';
import { tryFile, writeFiles } from './output-files.ts';
import type { Output } from './output.ts';
import { namedLibrary, readPersonaPath } from './persona-files.ts';

/** Personas that are shown of a file, and entries that cannot be used. */
const [shown, named] = [5, 20];

export async function personasCommand(args: Arguments, out: Output): Promise<void> {
  const [path, form] = [args.text('check'), args.choice('export', ['json', 'csv'] as const)];
  if ((path === undefined) === (form === undefined)) throw args.wrong('Give --check FILE, or --export json or csv with --personas.');
  return path === undefined ? exportPersonas(args, form!) : check(args, path, out);
}

async function check(args: Arguments, path: string, out: Output): Promise<void> {
  const { name, format, entries, library, unusable, notes } = await readPersonaPath(args, 'check', path);
  const { personas, voices, source = null, licence = null } = library;
  const { title } = formatWords[format];
  out.object({
    name,
    format,
    source,
    licence,
    entries,
    personas: personas.length,
    voices: voices.length,
    unusable,
    notes,
    preview: personas.slice(0, shown),
  });
  out.line(`${name}: ${title}${source === null || source === title ? '' : `, ${source}`}, licence ${licence ?? 'not known'}`);
  out.line(`${personas.length} of ${entries} entries can be used${voices.length > 0 ? `, ${voices.length} voices` : ''}`);
  for (const { id, text } of personas.slice(0, shown)) out.line(`  ${id}: ${oneLine(text)}`);
  if (personas.length > shown) out.line(`  … and ${personas.length - shown} more`);
  for (const { where, reason } of unusable.slice(0, named)) out.line(`not used, ${where}: ${reason}`);
  if (unusable.length > named) out.line(`not used: ${unusable.length - named} more; --json lists them all`);
  for (const note of notes) out.line(note);
}

async function exportPersonas(args: Arguments, form: 'json' | 'csv'): Promise<void> {
  const library = libraryOf((await namedLibrary(args, 'personas')) ?? 'world');
  const count = args.integer('count', 1, 1_000_000);
  const personas = somePersonas(library.personas, count, args.integer('seed', 0, 0xffffffff) ?? 1);
  const chosen = { ...library, personas };
  const text = form === 'json' ? personaJson(chosen) : personaCsv(chosen);
  const file = args.text('out');
  if (file === undefined) {
    process.stdout.write(text);
    return;
  }
  await tryFile('out', file);
  await writeFiles([[file, text]]);
}

function oneLine(text: string): string {
  const line = text.replace(/\s+/g, ' ');
  return line.length > 100 ? `${line.slice(0, 99)}…` : line;
}
