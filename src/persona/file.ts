/** Reads a persona file: JSON with personas, and optionally the voices they speak in. It is not the bundled world (`world.ts`). */
import * as z from 'zod/mini';
import { LabError } from '../errors.ts';
import type { Persona, Voice } from './persona.ts';
import { checkPersonaText } from './prompt.ts';

export interface PersonaLibrary {
  readonly voices: readonly Voice[];
  readonly personas: readonly Persona[];
}

const filled = z.string().check(z.trim(), z.minLength(1));
const optionalName = z._default(z.nullable(filled), null);

const voiceSchema = z.strictObject({
  id: filled,
  name: filled,
  openers: z._default(z.array(filled), []),
  closers: z._default(z.array(filled), []),
});
const personaSchema = z.strictObject({
  id: filled,
  name: z.optional(filled),
  text: filled,
  voice: optionalName,
  trait: optionalName,
  kind: z._default(z.enum(['expert', 'neutral', 'harmful']), 'neutral'),
  heldOut: z._default(z.boolean(), false),
});
/** `personas`, and `voices` if they have any; or the list of personas by itself. */
const librarySchema = z.union([
  z.strictObject({ description: z.optional(z.string()), voices: z._default(z.array(voiceSchema), []), personas: z.array(personaSchema) }),
  z.array(personaSchema),
]);

/**
 * A persona needs an `id` and a `text`; the rest is optional: name (the id), voice and trait (none), kind (neutral), heldOut (false).
 * @param file its name, for the reader
 * @throws LabError 'format' naming the file, the entry and, where it can be told, the line
 */
export function parsePersonas(text: string, file: string): PersonaLibrary {
  const json = parseJson(text, file);
  const result = (Array.isArray(json) ? librarySchema.def.options[1] : librarySchema.def.options[0]).safeParse(json);
  if (!result.success) {
    const { path, message } = result.error.issues[0]!;
    throw wrong(file, `${where(path, json, text)}: ${message}`);
  }
  const { voices, personas: entries } = Array.isArray(result.data) ? { voices: [], personas: result.data } : result.data;
  if (entries.length === 0) throw wrong(file, 'there is no persona in it');
  const personas = entries.map((entry): Persona => ({ ...entry, name: entry.name ?? entry.id }));
  for (const list of [voices, personas]) {
    const twice = list.find(({ id }, i) => list.findIndex((other) => other.id === id) < i);
    if (twice) throw wrong(file, `the id "${twice.id}" is there twice${lineOf(twice.id, text, true)}`);
  }
  for (const { id, voice, text: prompt } of personas) {
    if (id === 'none') throw wrong(file, `"none" is no persona and cannot be the id of one${lineOf(id, text)}`);
    if (voice !== null && voices.every((other) => other.id !== voice)) {
      throw wrong(file, `the persona "${id}"${lineOf(id, text)} has the voice "${voice}", which is not among its voices`);
    }
    const complaint = checkPersonaText(prompt);
    if (complaint) throw wrong(file, `the persona "${id}"${lineOf(id, text)}: ${complaint.replace(/\.$/, '')}`);
  }
  return { voices, personas };
}

function parseJson(text: string, file: string): unknown {
  try {
    return JSON.parse(text.replace(/^\ufeff/, ''));
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    const position = /position (\d+)/.exec(message)?.[1];
    const line = position === undefined ? '' : `, line ${lineNumber(text, Number(position))}`;
    throw new LabError('format', `${file}${line}: this is not valid JSON.`, 'Correct the file.', { cause });
  }
}

/** `personas[3].kind ("someone", line 12)` */
function where(path: readonly PropertyKey[], json: unknown, text: string): string {
  let name = '';
  let id: unknown;
  let at: unknown = json;
  for (const key of path) {
    name += typeof key === 'number' ? `[${key + 1}]` : `${name ? '.' : ''}${String(key)}`;
    at = (at as Record<PropertyKey, unknown> | null | undefined)?.[key];
    const own: unknown = typeof at === 'object' && at !== null && 'id' in at ? at.id : undefined;
    if (typeof own === 'string') id = own;
  }
  return `${name || 'the file'}${typeof id === 'string' ? ` ("${id}"${lineOf(id, text)})` : ''}`;
}

/** Where an id is written, as far as it can be found. */
function lineOf(id: string, text: string, last = false): string {
  const written = JSON.stringify(id);
  const position = last ? text.lastIndexOf(written) : text.indexOf(written);
  return position < 0 ? '' : `, line ${lineNumber(text, position)}`;
}

function lineNumber(text: string, position: number): number {
  return text.slice(0, position).split('\n').length;
}

function wrong(file: string, what: string): LabError {
  return new LabError('format', `${file}: ${what}.`, 'Correct the file; docs/evaluation.md shows one.');
}
