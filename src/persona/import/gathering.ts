/** What is gathered while files are read: personas, entries that are none and why, and what was passed over, in sentences. */
import { personaId, personaName } from '../describe.ts';
import type { Expected, Persona, PersonaKind } from '../persona.ts';
import { checkPersonaText } from '../text.ts';

/** An entry that is no persona. */
export interface Unusable {
  /** For the reader: `entry 3`, `line 3`, with the file where there are several. */
  readonly where: string;
  /** `it has no text` */
  readonly reason: string;
}

export interface Described {
  /** What id and name are made of, where the entry brings none. */
  readonly description: string;
  readonly text: string;
  readonly kind?: PersonaKind;
  readonly expected?: Expected;
  readonly wordings?: readonly string[];
}

export class Gathering {
  readonly personas: Persona[] = [];
  readonly unusable: Unusable[] = [];
  readonly #ids = new Set<string>();
  /** Where each text was first. */
  readonly #texts = new Map<string, string>();
  /** Entries that have each of the fields nobody reads. */
  readonly #unread = new Map<string, number>();
  readonly #notes: string[] = [];

  /** A persona that a file describes in its own way. */
  describe(where: string, { description, text, kind = 'neutral', expected, wordings = [] }: Described): void {
    const told = text.trim();
    const others = [...new Set(wordings.map((words) => words.trim()))].filter((words) => words !== '' && words !== told);
    const complaint = [told, ...others].map(checkPersonaText).find((sentence) => sentence !== null);
    const before = this.#texts.get(told);
    if (told === '') return this.refuse(where, 'it has no text');
    if (complaint) return this.refuse(where, `it is refused: ${complaint.replace(/\.$/, '')}`);
    if (before !== undefined) return this.refuse(where, `it has the same text as ${before}`);
    this.#texts.set(told, where);
    this.#keep({
      id: personaId(description, this.#ids),
      name: personaName(description),
      text: told,
      voice: null,
      trait: null,
      kind,
      heldOut: false,
      ...(expected === undefined ? {} : { expected }),
      ...(others.length > 0 ? { wordings: others } : {}),
    });
  }

  /** A persona with an id of its own, which must be new. */
  keep(where: string, persona: Persona): void {
    if (this.#ids.has(persona.id)) this.refuse(where, `its id "${persona.id}" is there already`);
    else this.#keep(persona);
  }

  #keep(persona: Persona): void {
    this.#ids.add(persona.id);
    this.personas.push(persona);
  }

  refuse(where: string, reason: string): void {
    this.unusable.push({ where, reason });
  }

  unread(fields: Iterable<string>): void {
    for (const field of fields) this.#unread.set(field, (this.#unread.get(field) ?? 0) + 1);
  }

  /** Said once, however often it is found. */
  note(sentence: string): void {
    if (!this.#notes.includes(sentence)) this.#notes.push(sentence);
  }

  get notes(): readonly string[] {
    const most = 8;
    const all = [...this.#unread].map(([field, count]) => `${JSON.stringify(cut(field))} (${count.toLocaleString('en-US')})`);
    if (all.length === 0) return this.#notes;
    const more = all.length > most ? ` and ${all.length - most} more` : '';
    return [
      ...this.#notes,
      `Fields that are not known here and not read, with the number of entries that have them: ${all.slice(0, most).join(', ')}${more}.`,
    ];
  }
}

const cut = (field: string): string => (field.length > 40 ? `${field.slice(0, 39)}…` : field);
