/**
 * Persona files of this project and of other tools: what kind each is, told by its fields; the personas in them; the entries that are none, and
 * why; and what was passed over, in sentences. Nothing is left out without a word, and whether entries may be is the reader's choice (`takeAll`).
 */
import { LabError, noSuch } from '../../errors.ts';
import { parseFrame, readPersona, type PersonaLibrary } from '../file.ts';
import type { OwnLibrary } from '../library-names.ts';
import { contentOf, isObject, isText, type Content, type Entry, type NamedText } from './entries.ts';
import { formatWords, type PersonaFormat } from './formats.ts';
import { Gathering, type Unusable } from './gathering.ts';
import {
  axisRole,
  expertsOf,
  isExpertLevels,
  isPersonaGymTasks,
  isPersonaHub,
  isPrincipled,
  isRole,
  listed,
  personaGym,
  personaHub,
  principledPersonas,
} from './others.ts';
import { isOwnTable, ownTable } from './own-csv.ts';

export interface PersonaImport {
  /** Of the file, or of several that belong together: for the reader. */
  readonly name: string;
  readonly format: PersonaFormat;
  /** Entries that were looked at. */
  readonly entries: number;
  /** Of those that can be used; there may be none. */
  readonly library: PersonaLibrary;
  readonly unusable: readonly Unusable[];
  readonly notes: readonly string[];
}

/**
 * @param files one, or several of one kind, as Assistant Axis and PersonaGym have them
 * @param name what they are called together
 * @throws LabError 'format' for a file that is broken as a whole, or of no kind that is known
 */
export function readPersonas(files: readonly NamedText[], name: string): PersonaImport {
  const into = new Gathering();
  const found = files.map((file) => ({ file, ...readFile(file, files.length > 1 ? `${file.name}, ` : '', into) }));
  const [first] = found;
  if (!first) throw new LabError('format', `${name} has no persona file in it.`, `Give ${recognised}.`);
  const other = found.find(({ format }) => format !== first.format);
  if (other) {
    throw new LabError(
      'format',
      `${first.file.name} is of ${formatWords[first.format].title} and ${other.file.name} of ${formatWords[other.format].title}.`,
      'Give files of one kind at a time.',
    );
  }
  if (found.length > 1 && first.format === 'permix') {
    throw new LabError('format', `${name} has ${found.length} files of PerMix Lab's own kind.`, 'Give one at a time.');
  }
  const { source, licence } = formatWords[first.format];
  const about = {
    ...(source === null ? {} : { source }),
    ...(licence === null ? {} : { licence }),
    ...first.about,
  };
  const { personas, unusable, notes } = into;
  return {
    name,
    format: first.format,
    entries: personas.length + unusable.length,
    library: { voices: first.voices, personas, ...about },
    unusable,
    notes,
  };
}

/**
 * The personas as a library of the reader's own.
 * @param skip whether entries that cannot be used are left out; else there may be none
 * @param how what to do to leave them out, the end of a sentence
 * @throws LabError 'format' for entries that cannot be used, by place and reason, and where nothing is left
 */
export function takeAll({ name, library, unusable, entries }: PersonaImport, skip: boolean, how: string): OwnLibrary {
  if (library.personas.length === 0) {
    const why = unusable.length === 0 ? '' : ` (${reasonsOf(unusable)})`;
    throw new LabError(
      'format',
      `${name}: there is no persona in it that can be used${why}.`,
      'Correct the file; docs/evaluation.md shows one.',
    );
  }
  if (!skip && unusable.length > 0) {
    throw new LabError(
      'format',
      `${name}: ${count(unusable.length)} of ${count(entries)} entries cannot be used (${reasonsOf(unusable)}).`,
      `Correct the file, or ${how}.`,
    );
  }
  return { name, ...library };
}

/** Before files are read. @param bytes of all of them @throws LabError 'format' */
export function refuseSize(bytes: number, limit: number): void {
  if (bytes <= limit) return;
  const what = `That has ${count(Math.round(bytes / 1e6))} MB; persona files of at most ${limit / 1e6} MB are read here.`;
  throw new LabError('format', what, 'Give a smaller one, or a part of it.');
}

/** The first of them, and how many more there are. */
export function reasonsOf(unusable: readonly Unusable[], most = 3): string {
  const first = unusable.slice(0, most).map(({ where, reason }) => `${where}: ${reason}`);
  return `${first.join('; ')}${unusable.length > most ? `; and ${count(unusable.length - most)} more` : ''}`;
}

const count = (n: number): string => n.toLocaleString('en-US');

const recognised =
  'personas of PerMix Lab (entries with "id" and "text"), PersonaGym (persona → task → questions), PersonaHub ("persona"), Assistant Axis ("instruction"), principled-personas (its personas.py or experts’ CSV, or "personas": a list of texts), or a list of descriptions';

interface Found {
  readonly format: PersonaFormat;
  readonly voices: PersonaLibrary['voices'];
  readonly about?: Pick<PersonaLibrary, 'source' | 'licence'>;
}

/** @param before of every place, where there are several files */
function readFile(file: NamedText, before: string, into: Gathering): Found {
  const content = contentOf(file);
  const format = formatOf(content);
  if (format === null) throw unknown(file, content);
  const entries = entriesOf(content).map((entry) => ({ ...entry, where: `${before}${entry.where}` }));
  const each = (read: (entry: Entry) => void): void => {
    for (const entry of entries) {
      if (entry.fault === undefined) read(entry);
      else into.refuse(entry.where, entry.fault);
    }
  };
  const whole = content.kind === 'json' && isObject(content.json) ? content.json : null;
  const plainName = file.name.replace(/\.\w+$/, '');
  const at = before === '' ? '' : file.name;
  switch (format) {
    case 'permix':
      return readOwn(file, content, before, into);
    case 'personahub':
      each((entry) => personaHub(entry, into));
      break;
    case 'list':
      each((entry) => listed(entry, into));
      break;
    case 'principled-personas':
      if (whole) principledPersonas(whole, into);
      else expertsOf(entries, into);
      break;
    case 'assistant-axis':
      if (whole && isRole(whole)) axisRole(at || 'the file', plainName, whole, into);
      else if (whole) for (const [role, value] of Object.entries(whole)) axisRole(`${before}"${role}"`, role, value, into);
      else each(({ where, value }) => axisRole(where, roleName(value), value, into));
      break;
    case 'personagym':
      if (isPersonaGymTasks(whole)) personaGym(at || 'the file', plainName, whole, into);
      else for (const [who, tasks] of Object.entries(whole!)) personaGym(`${before}"${cut(who)}"`, who, tasks, into);
      break;
    default:
      return noSuch('persona format', format);
  }
  return { format, voices: [] };
}

function roleName(value: unknown): string {
  const named = isObject(value) ? (value['role'] ?? value['name'] ?? value['trait']) : undefined;
  return isText(named) ? named : 'role';
}

function readOwn(file: NamedText, content: Content, before: string, into: Gathering): Found {
  const table = content.kind === 'csv' ? ownTable(content.columns, content.entries) : null;
  if (table) into.unread(table.unread);
  const json = table
    ? { ...table.about, voices: table.voices, personas: [] }
    : content.kind === 'json'
      ? isObject(content.json) && !('personas' in content.json)
        ? [content.json]
        : content.json
      : [];
  const { voices, entries: listedEntries, ...about } = parseFrame(json, content.kind === 'json' ? file.text : '', file.name);
  const entries = table?.personas ?? (content.kind === 'lines' ? content.entries : listedEntries.map(numbered));
  const known = new Set(voices.map(({ id }) => id));
  const twice = voices.find(({ id }, i) => voices.findIndex((voice) => voice.id === id) < i);
  if (twice) throw new LabError('format', `${file.name}: the voice "${twice.id}" is there twice.`, 'Rename one of them.');
  for (const { where, value, fault } of entries) {
    const read = fault ?? readPersona(value, known);
    const named = isObject(value) && isText(value['id']) ? ` ("${cut(value['id'])}")` : '';
    if (typeof read === 'string') into.refuse(`${before}${where}${named}`, read);
    else into.keep(`${before}${where}`, read);
  }
  return { format: 'permix', voices, about };
}

const numbered = (value: unknown, i: number): Entry => ({ where: `entry ${i + 1}`, value });

/** Lists, lines and tables have entries; an object is read as a whole. */
function entriesOf(content: Content): readonly Entry[] {
  if (content.kind !== 'json') return content.entries;
  const { json } = content;
  return (Array.isArray(json) ? (json as readonly unknown[]) : isPersonaHub(json) ? [json] : []).map(numbered);
}

/** The first entry that tells. */
function formatOf(content: Content): PersonaFormat | null {
  if (content.kind === 'csv') {
    if (isOwnTable(content.columns)) return 'permix';
    if (isExpertLevels(content.columns)) return 'principled-personas';
    return isPersonaHub(Object.fromEntries(content.columns.map((name) => [name, '']))) ? 'personahub' : null;
  }
  const values = content.kind === 'lines' ? content.entries.map(({ value }) => value) : Array.isArray(content.json) ? content.json : null;
  if (values) {
    for (const value of values as readonly unknown[]) {
      const format = isText(value)
        ? 'list'
        : isRole(value)
          ? 'assistant-axis'
          : isPersonaHub(value)
            ? 'personahub'
            : isOwn(value)
              ? 'permix'
              : null;
      if (format) return format;
    }
    return null;
  }
  const json = (content as Extract<Content, { kind: 'json' }>).json;
  if (!isObject(json)) return null;
  const { personas } = json;
  if (isPrincipled(json)) return 'principled-personas';
  if (Array.isArray(personas)) return personas.length === 0 || (personas as readonly unknown[]).some(isOwn) ? 'permix' : null;
  if (isRole(json)) return 'assistant-axis';
  if (isPersonaHub(json)) return 'personahub';
  if (isOwn(json) && !isObject(json['id'])) return 'permix';
  if (isPersonaGymTasks(json)) return 'personagym';
  const inside = Object.values(json);
  if (inside.some(isPersonaGymTasks)) return 'personagym';
  return inside.some(isRole) ? 'assistant-axis' : null;
}

const isOwn = (value: unknown): boolean => isObject(value) && ('id' in value || 'text' in value);

function unknown({ name }: NamedText, content: Content): LabError {
  const value =
    content.kind === 'json'
      ? Array.isArray(content.json)
        ? (content.json as readonly unknown[]).find(isObject)
        : content.json
      : content.kind === 'lines'
        ? content.entries.find((entry) => isObject(entry.value))?.value
        : null;
  const fields = content.kind === 'csv' ? content.columns : isObject(value) ? Object.keys(value) : [];
  const has = fields.length === 0 ? 'it has no entries with fields' : `its fields are ${listing(fields)}`;
  const broken = content.kind === 'lines' ? content.entries.find((entry) => entry.fault !== undefined) : undefined;
  const why = broken ? ` (${broken.where}: ${broken.fault})` : '';
  return new LabError('format', `${name} is no persona file that is known here: ${has}${why}.`, `Give ${recognised}.`);
}

function listing(fields: readonly string[]): string {
  const most = 6;
  const named = fields.slice(0, most).map((field) => `"${cut(field)}"`);
  return `${named.join(', ')}${fields.length > most ? ` and ${fields.length - most} more` : ''}`;
}

function cut(text: string): string {
  return text.length > 60 ? `${text.slice(0, 59)}…` : text;
}
