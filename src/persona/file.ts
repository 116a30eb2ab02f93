/**
 * Reads a persona file in this project's own JSON: personas, and optionally the voices they speak in. It is not the bundled world (`world.ts`),
 * and files of other tools are `import/`.
 */
import { LabError } from '../errors.ts';
import { lineAt, parseJson } from '../json.ts';
import { z } from '../schema.ts';
import { personaKinds, type Persona, type Voice } from './persona.ts';
import { checkPersonaText } from './text.ts';

/** PersonaHub's 200,000 personas; what is larger is another file. */
export const maxPersonaFileBytes = 64_000_000;

export interface PersonaLibrary {
  readonly voices: readonly Voice[];
  readonly personas: readonly Persona[];
  /** Whose they are and under which licence, where that is known. */
  readonly source?: string;
  readonly licence?: string;
}

// zod/mini has no sentences of its own.
const filled = z.string('must be a text').check(z.trim(), z.minLength(1, 'must not be empty'));
const optionalName = z._default(z.nullable(filled), null);
const markers = z._default(z.array(filled, 'must be a list'), []);
const object = {
  error: (issue: { readonly code?: string; readonly keys?: readonly string[] }) =>
    issue.code === 'unrecognized_keys' ? `has "${issue.keys?.join('", "')}", which is none of its fields` : 'must be an object',
};

const voiceSchema = z.strictObject({ id: filled, name: filled, openers: markers, closers: markers }, object);
const expected = z.union(
  [z.literal('same'), z.strictObject({ order: filled, rank: z.number() })],
  'must be "same", or an object with an "order" and a number as "rank"',
);
const personaSchema = z.strictObject(
  {
    id: filled,
    name: z.optional(filled),
    text: filled,
    voice: optionalName,
    trait: optionalName,
    kind: z._default(z.enum(personaKinds, `must be one of ${personaKinds.map((kind) => `"${kind}"`).join(', ')}`), 'neutral'),
    heldOut: z._default(z.boolean('must be true or false'), false),
    expected: z.optional(expected),
    wordings: z.optional(markers),
  },
  object,
);
/** `license` is the same, as others write it. */
const about = {
  description: z.optional(filled),
  source: z.optional(filled),
  licence: z.optional(filled),
  license: z.optional(filled),
};
const voiceList = z._default(z.array(voiceSchema, 'must be a list'), []);
const librarySchema = z.strictObject({ ...about, voices: voiceList, personas: z.array(personaSchema, 'must be a list') }, object);
const frameSchema = z.strictObject({ ...about, voices: voiceList, personas: z.array(z.unknown(), 'must be a list') }, object);

/**
 * A persona needs an `id` and a `text`; the rest is optional: name (the id), voice and trait (none), kind (neutral), heldOut (false).
 * @param file its name, for the reader
 * @throws LabError 'format' naming the file, the entry and, where it can be told, the line
 */
export function parsePersonas(text: string, file: string): PersonaLibrary {
  const json = parseJson(text, { file, next: 'Correct the file.' });
  // The list of personas by itself will do.
  const result = librarySchema.safeParse(Array.isArray(json) ? { personas: json } : json);
  if (!result.success) {
    const { path, message } = result.error.issues[0]!;
    throw wrong(file, `${where(path, json, text)} ${message}`);
  }
  const { voices, personas: entries } = result.data;
  if (entries.length === 0) throw wrong(file, 'there is no persona in it');
  const personas = entries.map(whole);
  for (const [name, list] of [['voices', voices] as const, ['personas', personas] as const]) {
    const seen = new Set<string>();
    const twice = list.find(({ id }) => seen.size === seen.add(id).size);
    if (twice) throw wrong(file, `the id "${twice.id}" is there twice${bothLines(linesOf(twice.id, name, text))}`);
  }
  const known = new Set(voices.map(({ id }) => id));
  for (const persona of personas) {
    const complaint = senseOf(persona, known);
    if (complaint) throw wrong(file, `the persona "${persona.id}"${lineOf(persona.id, 'personas', text)}${complaint}`);
  }
  return { voices, personas, ...aboutOf(result.data) };
}

/** A library whose personas are not read yet: for who takes those that can be read. */
export interface LibraryFrame {
  readonly voices: readonly Voice[];
  readonly entries: readonly unknown[];
  readonly source?: string;
  readonly licence?: string;
}

/** @throws LabError 'format' as `parsePersonas`, but for what is wrong with personas */
export function parseFrame(json: unknown, text: string, file: string): LibraryFrame {
  const result = frameSchema.safeParse(Array.isArray(json) ? { personas: json } : json);
  if (!result.success) {
    const { path, message } = result.error.issues[0]!;
    throw wrong(file, `${where(path, json, text)} ${message}`);
  }
  const { voices, personas: entries } = result.data;
  return { voices, entries, ...aboutOf(result.data) };
}

/** One entry of a file; of one that is no persona, what is wrong with it, the end of a sentence. @param voices ids of those there are */
export function readPersona(entry: unknown, voices: ReadonlySet<string>): Persona | string {
  const result = personaSchema.safeParse(entry);
  if (!result.success) {
    const { path, message } = result.error.issues[0]!;
    return path.length === 0 ? `it ${message}` : `its ${where(path, entry, '')} ${message}`;
  }
  const persona = whole(result.data);
  const complaint = senseOf(persona, voices);
  return complaint === null ? persona : `it${complaint.replace(/^:/, ' is refused:')}`;
}

/** In one order, whatever was left out: a library is known by what it is written as. */
function whole({ id, name = id, expected: awaited, wordings, ...others }: z.infer<typeof personaSchema>): Persona {
  return {
    id,
    name,
    ...others,
    ...(awaited === undefined ? {} : { expected: awaited }),
    ...(wordings === undefined || wordings.length === 0 ? {} : { wordings }),
  };
}

function aboutOf({
  source,
  license,
  licence = license,
}: {
  source?: string | undefined;
  licence?: string | undefined;
  license?: string | undefined;
}): Pick<LibraryFrame, 'source' | 'licence'> {
  return { ...(source === undefined ? {} : { source }), ...(licence === undefined ? {} : { licence }) };
}

/** What no shape says, after the words `the persona "a"`; null: all is well. */
function senseOf({ id, voice, text, wordings = [] }: Persona, voices: ReadonlySet<string>): string | null {
  if (id === 'none') return ' cannot have that id: "none" is no persona';
  if (voice !== null && !voices.has(voice)) return ` has the voice "${voice}", which is not among its voices`;
  for (const words of [text, ...wordings]) {
    const complaint = checkPersonaText(words);
    if (complaint) return `: ${complaint.replace(/\.$/, '')}`;
  }
  return null;
}

/** `personas[3].kind ("someone", line 12)` */
function where(path: readonly PropertyKey[], json: unknown, text: string): string {
  let name = '';
  let named = '';
  let at: unknown = Array.isArray(json) ? { personas: json } : json;
  for (const key of path) {
    name += typeof key === 'number' ? `[${key + 1}]` : `${name ? '.' : ''}${String(key)}`;
    const list = at;
    at = (at as Record<PropertyKey, unknown> | null | undefined)?.[key];
    const id = idOf(at);
    if (id === null) continue;
    // Others of the same id may stand before it.
    const before = Array.isArray(list) ? list.slice(0, Number(key)).filter((other) => idOf(other) === id).length : 0;
    named = ` ("${id}"${lineOf(id, path[0] === 'voices' ? 'voices' : 'personas', text, before)})`;
  }
  return `${name || 'it'}${named}`;
}

function idOf(entry: unknown): string | null {
  const id: unknown = typeof entry === 'object' && entry !== null && 'id' in entry ? entry.id : null;
  return typeof id === 'string' ? id : null;
}

/** Where an id is written, as far as it can be found. @param nth of those that are alike */
function lineOf(id: string, list: 'voices' | 'personas', text: string, nth = 0): string {
  const line = linesOf(id, list, text)[nth];
  return line === undefined ? '' : `, line ${line}`;
}

/** ` in lines 3 and 7`, with a comma before it. */
function bothLines([one, other]: readonly number[]): string {
  if (one === undefined || other === undefined) return '';
  return one === other ? `, both in line ${one}` : `, in lines ${one} and ${other}`;
}

/** Lines of the entries of a list that have an id: a voice may be called as a persona is, and either as a text says. */
function linesOf(id: string, list: 'voices' | 'personas', text: string): readonly number[] {
  const written = JSON.stringify(id)
    .slice(1, -1)
    .replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
  const [own, other] = [list, list === 'voices' ? 'personas' : 'voices'].map((name) => text.search(new RegExp(`"${name}"\\s*:`)));
  const [from, to] = [Math.max(0, own!), other! > own! ? other! : text.length];
  return [...text.matchAll(new RegExp(`"id"\\s*:\\s*"\\s*${written}\\s*"`, 'g'))].flatMap(({ index }) =>
    index >= from && index < to ? [lineAt(text, index)] : [],
  );
}

function wrong(file: string, what: string): LabError {
  return new LabError('format', `${file}: ${what}.`, 'Correct the file; docs/evaluation.md shows one.');
}
