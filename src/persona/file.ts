/** Reads a persona file: JSON with personas, and optionally the voices they speak in. It is not the bundled world (`world.ts`). */
import { LabError } from '../errors.ts';
import { lineAt, parseJson } from '../json.ts';
import { z } from '../schema.ts';
import { personaKinds, type Persona, type Voice } from './persona.ts';
import { checkPersonaText } from './text.ts';

/** A hundred thousand personas; what is larger is another file. */
export const maxPersonaFileBytes = 20_000_000;

export interface PersonaLibrary {
  readonly voices: readonly Voice[];
  readonly personas: readonly Persona[];
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
const personaSchema = z.strictObject(
  {
    id: filled,
    name: z.optional(filled),
    text: filled,
    voice: optionalName,
    trait: optionalName,
    kind: z._default(z.enum(personaKinds, `must be one of ${personaKinds.map((kind) => `"${kind}"`).join(', ')}`), 'neutral'),
    heldOut: z._default(z.boolean('must be true or false'), false),
  },
  object,
);
const personaList = z.array(personaSchema, 'must be a list');
const librarySchema = z.strictObject(
  { description: z.optional(filled), voices: z._default(z.array(voiceSchema, 'must be a list'), []), personas: personaList },
  object,
);

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
  // In one order, whatever was left out: a library is known by what it is written as.
  const personas = entries.map(({ id, name = id, ...others }): Persona => ({ id, name, ...others }));
  for (const list of [voices, personas]) {
    const seen = new Set<string>();
    const twice = list.find(({ id }) => seen.size === seen.add(id).size);
    if (twice) throw wrong(file, `the id "${twice.id}" is there twice${lineOf(twice.id, text, true)}`);
  }
  const known = new Set(voices.map(({ id }) => id));
  for (const { id, voice, text: prompt } of personas) {
    if (id === 'none') throw wrong(file, `"none" is no persona and cannot be the id of one${lineOf(id, text)}`);
    if (voice !== null && !known.has(voice)) {
      throw wrong(file, `the persona "${id}"${lineOf(id, text)} has the voice "${voice}", which is not among its voices`);
    }
    const complaint = checkPersonaText(prompt);
    if (complaint) throw wrong(file, `the persona "${id}"${lineOf(id, text)}: ${complaint.replace(/\.$/, '')}`);
  }
  return { voices, personas };
}

/** `personas[3].kind ("someone", line 12)` */
function where(path: readonly PropertyKey[], json: unknown, text: string): string {
  let name = '';
  let id: unknown;
  let at: unknown = Array.isArray(json) ? { personas: json } : json;
  for (const key of path) {
    name += typeof key === 'number' ? `[${key + 1}]` : `${name ? '.' : ''}${String(key)}`;
    at = (at as Record<PropertyKey, unknown> | null | undefined)?.[key];
    const own: unknown = typeof at === 'object' && at !== null && 'id' in at ? at.id : undefined;
    if (typeof own === 'string') id = own;
  }
  return `${name || 'it'}${typeof id === 'string' ? ` ("${id}"${lineOf(id, text)})` : ''}`;
}

/** Where an id is written, as far as it can be found. */
function lineOf(id: string, text: string, last = false): string {
  const written = JSON.stringify(id);
  const position = last ? text.lastIndexOf(written) : text.indexOf(written);
  return position < 0 ? '' : `, line ${lineAt(text, position)}`;
}

function wrong(file: string, what: string): LabError {
  return new LabError('format', `${file}: ${what}.`, 'Correct the file; docs/evaluation.md shows one.');
}
