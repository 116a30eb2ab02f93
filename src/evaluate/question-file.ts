/**
 * A data set as JSON lines, read row by row: what is asked and its gold answer. What cannot be asked or judged is left out, counted and named
 * by its lines; which questions are asked in the end is `questions.ts` and `plan.ts`.
 */
import { LabError } from '../errors.ts';
import { parseJson } from '../json.ts';
import { isCheckable } from '../verify/verify.ts';
import { numberAsWritten } from './json-digits.ts';

export interface QuestionRow {
  readonly asked: string;
  readonly gold: string;
}

export interface QuestionFile {
  readonly rows: readonly QuestionRow[];
  /** Numbers of the lines that were left out, by reason. */
  readonly leftOut: Readonly<Record<string, readonly number[]>>;
}

/**
 * Every line is a JSON object with `question` or `problem`, and `answer` (a number, LaTeX, GSM8K's `… #### 42`) or, where that is missing or
 * null, a `solution` that boxes its answer, as in MATH.
 * @param file its name, for the reader
 * @throws LabError 'format' naming file and line where a line is none of that, or where no row is left
 */
export async function parseQuestions(text: string, file: string): Promise<QuestionFile> {
  const leftOut: Record<string, number[]> = {};
  const rows = new Map<string, QuestionRow>();
  for (const [index, line] of text
    .replace(/^\ufeff/, '')
    .split('\n')
    .entries()) {
    if (line.trim() === '') continue;
    const { asked, gold } = parseLine(line, file, index + 1);
    const why =
      gold === null ? 'no answer' : rows.has(asked) ? 'asked twice' : (await isCheckable(gold)) ? null : 'gold answer cannot be checked';
    if (why !== null) (leftOut[why] ??= []).push(index + 1);
    else if (gold !== null) rows.set(asked, { asked, gold });
  }
  if (rows.size === 0) {
    const why = Object.entries(leftOut).map(([reason, lines]) => `${lines.length}: ${reason}, ${linesOf(lines)}`);
    throw new LabError(
      'format',
      `${file} has no question with an answer that can be checked${why.length > 0 ? ` (${why.join('; ')})` : ''}.`,
      'Give JSON lines with "question" or "problem", and "answer".',
    );
  }
  return { rows: [...rows.values()], leftOut };
}

/** The first lines by number, the others counted. */
const namedLines = 20;

/** `line 3`; `lines 3, 8 and 12`; `lines 3, 8, … and 40 more` */
export function linesOf(lines: readonly number[]): string {
  if (lines.length === 1) return `line ${lines[0]}`;
  const [named, more] = [lines.slice(0, namedLines), lines.length - namedLines];
  return more > 0 ? `lines ${named.join(', ')} and ${more} more` : `lines ${named.slice(0, -1).join(', ')} and ${named.at(-1)}`;
}

/** `gold` is null where there is no answer, or one that is neither a text nor a number. */
function parseLine(text: string, file: string, line: number): { asked: string; gold: string | null } {
  const next = 'Every line is a JSON object with "question" or "problem", and "answer".';
  const wrong = (what: string) => new LabError('format', `${file}, line ${line}: ${what}.`, next);
  const json = parseJson(text, { file, next, line, anyNumber: true });
  if (typeof json !== 'object' || json === null || Array.isArray(json)) throw wrong('this is not a JSON object');
  const entry = new Map(Object.entries(json));
  const askedName =
    ['question', 'problem'].find((name) => (entry.get(name) ?? null) !== null) ?? ['question', 'problem'].find((name) => entry.has(name));
  if (askedName === undefined) throw wrong('there is neither "question" nor "problem"');
  const asked: unknown = entry.get(askedName);
  if (typeof asked !== 'string' || asked.trim() === '') throw wrong(`"${askedName}" is not a text`);
  for (const name of ['answer', 'solution']) {
    const gold: unknown = entry.get(name);
    if (typeof gold === 'number') return { asked, gold: numberAsWritten(text, name) };
    if (typeof gold === 'string' && gold.trim() !== '') return { asked, gold };
  }
  return { asked, gold: null };
}
