/**
 * What the fields of a row mean: what is asked, and what is right. Data sets that people have are recognised by the names of their fields;
 * of any other the reader says which columns hold the two.
 */
import type { Field, Fields } from './row.ts';

/** Question and answer of a set that is not recognised. */
export interface Columns {
  readonly question: string;
  readonly answer: string;
}

/** `questions`: a question and its answer by those names, of no set in particular; `columns`: chosen by the reader. */
export const setKinds = ['gsm8k', 'math', 'numinamath', 'svamp', 'countdown', 'questions', 'columns'] as const;
export type SetKind = (typeof setKinds)[number];

export const kindTitles: Readonly<Record<SetKind, string>> = {
  gsm8k: 'GSM8K',
  math: 'MATH',
  numinamath: 'NuminaMath',
  svamp: 'SVAMP',
  countdown: 'Countdown',
  questions: 'questions with answers',
  columns: 'chosen columns',
};

export interface Meaning {
  readonly asked: string;
  /** As it is in the file; null where there is none. */
  readonly gold: string | null;
}

/** How rows of one file are read. */
export interface Reader {
  readonly kind: SetKind;
  /** The fields that it reads, for the reader of a preview. */
  readonly reads: readonly string[];
  /** What a row asks; a text: what is wrong with it. */
  meaning(fields: Fields): Meaning | string;
}

/** Null where the names of the first row say nothing. */
export function recognised(fields: Fields): Reader | null {
  const has = (...names: readonly string[]) => names.every((name) => fields.has(name));
  if (has('Body', 'Question', 'Answer')) return svamp;
  if (has('input', 'output') && numbersOf(fields.get('input') ?? null)) return countdown('input', 'output');
  if (has('nums', 'target')) return countdown('nums', 'target');
  const [asked, golds] = [named(fields, askedNames), namesIn(fields, goldNames)];
  if (asked === null || golds.length === 0) return null;
  return questions(kindOf(fields), asked, golds);
}

/** @param columns that the reader chose */
export const chosen = (columns: Columns): Reader => questions('columns', columns.question, [columns.answer]);

const askedNames = ['question', 'problem', 'Question', 'Problem'];
/** A solution is read where there is no answer. */
const goldNames = ['answer', 'solution', 'Answer', 'Solution'];

const namesIn = (fields: Fields, names: readonly string[]) => names.filter((name) => fields.has(name));
/** The first that is filled, or else the first that is there. */
const named = (fields: Fields, names: readonly string[]): string | null =>
  names.find((name) => (fields.get(name) ?? null) !== null) ?? names.find((name) => fields.has(name)) ?? null;

function kindOf(fields: Fields): SetKind {
  const text = (name: string) => (typeof fields.get(name) === 'string' ? (fields.get(name) as string) : '');
  if (fields.has('question') && text('answer').includes('####')) return 'gsm8k';
  if (fields.has('problem') && fields.has('solution')) {
    return fields.has('source') || fields.has('messages') || fields.has('problem_type') ? 'numinamath' : 'math';
  }
  return 'questions';
}

/** Instead of an answer, in NuminaMath: there is none to be compared with. */
const noSingleAnswer: ReadonlySet<string> = new Set(['proof', 'notfound', 'not found']);

/** Row by row by their names, so that a file may have `question` in one and `problem` in another. */
function questions(kind: SetKind, asked: string, golds: readonly string[]): Reader {
  return {
    kind,
    reads: [asked, ...golds],
    meaning(fields) {
      const name = kind === 'columns' ? asked : named(fields, askedNames);
      if (name === null) return 'there is neither "question" nor "problem"';
      const text = fields.get(name);
      if (text === undefined) return `there is no ${JSON.stringify(name)}`;
      if (typeof text !== 'string' || text.trim() === '') return `${JSON.stringify(name)} is not a text`;
      for (const gold of kind === 'columns' ? golds : goldNames) {
        const found = fields.get(gold);
        if (typeof found !== 'string' || found.trim() === '') continue;
        if (kind === 'numinamath' && noSingleAnswer.has(found.trim().toLowerCase())) return { asked: text, gold: null };
        return { asked: text, gold: found };
      }
      return { asked: text, gold: null };
    },
  };
}

/** A story, and its question apart from it. */
const svamp: Reader = {
  kind: 'svamp',
  reads: ['Body', 'Question', 'Answer'],
  meaning(fields) {
    const [body, question, answer] = ['Body', 'Question', 'Answer'].map((name) => fields.get(name) ?? null);
    if (typeof body !== 'string' || typeof question !== 'string' || question.trim() === '') return '"Body" or "Question" is not a text';
    const story = body.trim();
    const asked = [story === '' || /[.,;:?!]$/.test(story) ? story : `${story}.`, question.trim()].filter(Boolean).join(' ');
    return { asked, gold: typeof answer === 'string' && answer.trim() !== '' ? answer : null };
  },
};

/** `{ input: "30,100,93", output: "23" }`, or `{ nums: [30, 100, 93], target: 23 }`: the numbers, and what they have to make. */
function countdown(numbers: string, target: string): Reader {
  return {
    kind: 'countdown',
    reads: [numbers, target],
    meaning(fields) {
      const given = numbersOf(fields.get(numbers) ?? null);
      if (!given) return `${JSON.stringify(numbers)} is not a list of at least two whole numbers`;
      const goal = fields.get(target);
      const asked = `Use ${given.slice(0, -1).join(', ')} and ${given.at(-1)} once each to make`;
      if (typeof goal !== 'string' || !/^\d+$/.test(goal.trim())) return { asked: `${asked} a number.`, gold: null };
      return { asked: `${asked} ${goal.trim()}.`, gold: `${goal.trim()} from ${given.join(', ')}` };
    },
  };
}

function numbersOf(field: Field): readonly string[] | null {
  const items = typeof field === 'string' ? field.split(',').map((item) => item.trim()) : field;
  return items && items.length >= 2 && items.every((item) => /^\d+$/.test(item)) ? items : null;
}
