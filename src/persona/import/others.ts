/**
 * The persona files of other tools, entry by entry: PersonaGym, PersonaHub, Assistant Axis, principled-personas, and plain lists. Each is known
 * by its fields, and a field that is not known is named. Nothing of these data sets is part of this project.
 */
import { personaPrompt } from '../describe.ts';
import type { Expected, PersonaKind } from '../persona.ts';
import { isObject, isText, type Entry } from './entries.ts';
import type { Gathering } from './gathering.ts';

/** As PersonaGym's files call them; `evaluate/judge/tasks.ts` asks their questions. */
export const personaGymTasks: readonly string[] = [
  'Expected Action',
  'Action Justification',
  'Linguistic Habits',
  'Persona Consistency',
  'Toxicity',
];

const isTask = (name: string): boolean => personaGymTasks.some((task) => task.toLowerCase() === name.trim().toLowerCase());

/** A file of one persona: task → questions. Its name says whose. */
export const isPersonaGymTasks = (value: unknown): boolean =>
  isObject(value) && Object.entries(value).some(([name, list]) => isTask(name) && Array.isArray(list));

/** @param value task → questions */
export function personaGym(where: string, description: string, value: unknown, into: Gathering): void {
  if (!isObject(value) || !Object.values(value).some(Array.isArray)) return into.refuse(where, 'it has no tasks with lists of questions');
  into.unread(Object.keys(value).filter((name) => !isTask(name)));
  into.note('The questions of PersonaGym are for permix judge and are not kept with its personas.');
  if (description.trim() === '') return into.refuse(where, 'its description is empty');
  into.describe(where, { description, text: personaPrompt(description.trim()) });
}

const hubFields = ['persona', 'input persona'] as const;

export const isPersonaHub = (value: unknown): boolean => isObject(value) && hubFields.some((name) => name in value);

export function personaHub({ where, value }: Entry, into: Gathering): void {
  const fields = isObject(value) ? value : {};
  const name = hubFields.find((field) => field in fields);
  if (name === undefined) return into.refuse(where, 'it has no field "persona"');
  const persona = fields[name];
  into.unread(Object.keys(fields).filter((field) => field !== name));
  if (!isText(persona)) return into.refuse(where, `its "${name}" is not a text`);
  into.describe(where, { description: persona, text: personaPrompt(persona.trim()) });
}

export const isRole = (value: unknown): boolean => isObject(value) && 'instruction' in value;

/** The role or the trait of a file: several prompts, of which the first is asked and the others are kept. */
export function axisRole(where: string, role: string, value: unknown, into: Gathering): void {
  if (!isObject(value) || !('instruction' in value)) return into.refuse(where, 'it has no "instruction"');
  const { instruction, questions, eval_prompt: rubric, ...unknown } = value;
  into.unread(Object.keys(unknown));
  const list = Array.isArray(instruction) ? (instruction as readonly unknown[]) : [instruction];
  const prompts: string[] = [];
  for (const one of list) {
    if (isText(one)) prompts.push(one.trim());
    else if (isObject(one)) {
      const { pos, neg, ...more } = one;
      into.unread(Object.keys(more).map((field) => `instruction.${field}`));
      if (neg !== undefined) into.note('Assistant Axis traits have an opposite ("neg") to each prompt; it is not read.');
      if (isText(pos)) prompts.push(pos.trim());
    }
  }
  const [text, ...wordings] = [...new Set(prompts)];
  if (text === undefined) return into.refuse(where, 'its "instruction" has no text called "pos"');
  if (wordings.length > 0) {
    into.note('Assistant Axis has several prompts to a role: the first is what a policy is told, the others are kept as its wordings.');
  }
  if (questions !== undefined)
    into.note('The questions of Assistant Axis are for permix judge --rubric role and are not kept with its roles.');
  if (rubric !== undefined)
    into.note('The eval_prompt of Assistant Axis is not read; permix judge --rubric role asks in words of its own.');
  into.describe(where, { description: role.replaceAll('_', ' '), text, wordings });
}

/** The lists of `data/personas.py` of principled-personas, and what they say of accuracy. */
const principledLists: Readonly<Record<string, { readonly kind: PersonaKind; expected(place: number): Expected | undefined }>> = {
  EDUCATION_PERSONAS: { kind: 'neutral', expected: (place) => ({ order: 'education', rank: place + 1 }) },
  NAMES: { kind: 'neutral', expected: () => 'same' },
  COLOR_PERSONAS: { kind: 'neutral', expected: () => 'same' },
  EXPERTS: { kind: 'expert', expected: () => undefined },
};

/** Levels of education from the lowest, by the words that tell them; after Luz de Araujo et al. 2025. */
const education: readonly RegExp[] = [
  /\buneducated\b/i,
  /\bprimary school\b/i,
  /\bmiddle school\b/i,
  /\bhigh school\b/i,
  /\bcollege\b/i,
  /\bgraduate\b/i,
];

/** `{ "personas": ["an uneducated person", …] }`, or an object with the lists under their own names. */
export function isPrincipled(value: unknown): boolean {
  if (!isObject(value)) return false;
  const { personas } = value;
  if (Array.isArray(personas)) return personas.length > 0 && personas.some((one) => typeof one === 'string');
  return Object.keys(value).some((name) => name in principledLists);
}

export function principledPersonas(value: Readonly<Record<string, unknown>>, into: Gathering): void {
  const { personas, ...named } = value;
  if (Array.isArray(personas)) (personas as readonly unknown[]).forEach((one, i) => principled(`entry ${i + 1}`, one, into));
  for (const [name, list] of Object.entries(named)) {
    const known = Object.hasOwn(principledLists, name) ? principledLists[name] : undefined;
    if (!known) {
      if (name !== 'NO_PERSONA') into.unread([name]);
      continue;
    }
    // Experts are listed by data set.
    const lists = isObject(list) ? Object.values(list) : [list];
    const all = [...new Set(lists.flatMap((one): unknown[] => (Array.isArray(one) ? (one as unknown[]) : [one])))];
    all.forEach((one, i) => principled(`${name}, entry ${i + 1}`, one, into, { kind: known.kind, expected: known.expected(i) }));
  }
}

function principled(
  where: string,
  value: unknown,
  into: Gathering,
  said?: { readonly kind: PersonaKind; readonly expected: Expected | undefined },
): void {
  if (typeof value !== 'string') return into.refuse(where, 'it is not a text');
  const description = value.trim();
  if (description === '') return into.note('The empty entry is "no persona", which is always asked beside the others.');
  const colour = /\bfavou?rite colou?r is\b/i.test(description);
  const level = education.findIndex((pattern) => pattern.test(description));
  const expert = /^an expert in\b/i.test(description);
  const guessed: Expected | undefined =
    colour || /^\p{Lu}\p{L}*$/u.test(description) ? 'same' : level >= 0 ? { order: 'education', rank: level + 1 } : undefined;
  const { kind, expected } = said ?? { kind: expert ? ('expert' as const) : ('neutral' as const), expected: guessed };
  if (expected !== undefined) {
    into.note(
      'Levels of education are ranked, and names and favourite colours are expected to change nothing, as principled-personas has them.',
    );
  }
  const text = colour && !/^(you|your)\b/i.test(description) ? `Your ${description}.` : personaPrompt(description);
  into.describe(where, { description, text, kind, ...(expected === undefined ? {} : { expected }) });
}

/** `data/experts/*.csv` there: an expert of each of three levels for each question of a data set. */
const expertLevels = ['level1', 'level2', 'level3'] as const;

export const isExpertLevels = (columns: readonly string[]): boolean => expertLevels.every((name) => columns.includes(name));

/** Each text once. What its level says of accuracy holds for the question that it was written for, and for no other. */
export function expertsOf(entries: readonly Entry[], into: Gathering): void {
  const told = new Set<string>();
  for (const { where, value, fault } of entries) {
    if (fault !== undefined) into.refuse(where, fault);
    const fields = isObject(value) && fault === undefined ? value : {};
    into.unread(Object.keys(fields).filter((name) => !(expertLevels as readonly string[]).includes(name)));
    for (const name of expertLevels) {
      const text = fields[name];
      if (!isText(text) || told.has(text.trim())) continue;
      told.add(text.trim());
      into.describe(`${where}, ${name}`, { description: text.replace(/^You are /i, ''), text: personaPrompt(text.trim()), kind: 'expert' });
    }
  }
  into.note(
    'principled-personas wrote its experts for one question each; every text is taken once, and which question it was for is not kept.',
  );
}

/** A description by itself. */
export function listed({ where, value }: Entry, into: Gathering): void {
  if (!isText(value)) return into.refuse(where, 'it is not a text');
  into.describe(where, { description: value, text: personaPrompt(value.trim()) });
}
