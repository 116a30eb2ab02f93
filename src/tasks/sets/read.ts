/**
 * A data set read from its first byte to its last: what it was recognised as, how many of its rows can be asked, which cannot and why, and its
 * hash. It holds no text itself: whoever wants the questions takes them as they come.
 */
import { LabError } from '../../errors.ts';
import { growingSha256 } from '../../policy/sha256.ts';
import { hash53 } from '../hash.ts';
import { textOf, type SetFile } from './bytes.ts';
import { chosen, recognised, type Columns, type Reader, type SetKind } from './columns.ts';
import { plainQuestion } from './imported.ts';
import type { Fields, SetFormat } from './row.ts';
import { rowsOf } from './rows.ts';

/** What is asked and what is right. */
export interface SetQuestion {
  readonly line: number;
  readonly asked: string;
  /** As it is in the file. */
  readonly gold: string;
}

export interface ReadOptions {
  /** The reader's choice; absent: recognised by the names of the fields. */
  readonly columns?: Columns;
  /** Whether a gold answer is one that can be compared; countdown's are another thing, and not asked about. */
  checkable(gold: string): Promise<boolean>;
  /** Of every one that can be used, in the order of the file. */
  onQuestion?(question: SetQuestion): void;
  readonly signal?: AbortSignal;
  /** Bytes read so far. */
  onProgress?(bytes: number): void;
}

/** Rows that cannot be used, of one reason. */
export interface LeftOut {
  readonly count: number;
  /** Of the first of them. */
  readonly lines: readonly number[];
}

export interface SetSummary {
  readonly name: string;
  /** Of the bytes of the file, as sha256sum prints it. */
  readonly sha256: string;
  readonly bytes: number;
  readonly format: SetFormat;
  /** Null: the names of its fields say nothing, and no columns were chosen. */
  readonly kind: SetKind | null;
  /** Of the rows that were looked at first, in order. */
  readonly columns: readonly string[];
  /** Those of them that hold question and answer. */
  readonly reads: readonly string[];
  readonly rows: number;
  /** Rows that can be used. */
  readonly questions: number;
  /** By reason. */
  readonly leftOut: Readonly<Record<string, LeftOut>>;
  /** Rows that are no rows at all, or ask nothing; they are among those left out. The first of them. */
  readonly broken: { readonly line: number; readonly fault: string } | null;
  /** The first rows as they are, and what is read of them. */
  readonly preview: readonly PreviewRow[];
}

export interface PreviewRow {
  readonly line: number;
  readonly fields: Readonly<Record<string, string>>;
  readonly asked: string | null;
  readonly gold: string | null;
}

export const twice = 'asked twice';
const noAnswer = 'no answer';
const uncheckable = 'gold answer cannot be checked';

/** More lines of one reason are counted, and not kept. */
export const keptLines = 10_000;
const previewed = 5;
/** Of a cell of the preview. */
const shown = 300;

/** @throws LabError 'format' for what is no data set at all, or no text; 'cancelled' */
export async function readSet(file: SetFile, options: ReadOptions): Promise<SetSummary> {
  const { columns: wanted, checkable, onQuestion, signal, onProgress } = options;
  const hash = await growingSha256();
  let bytes = 0;
  const text = textOf(file, {
    ...(signal ? { signal } : {}),
    onBytes: (piece) => {
      hash.update(piece);
      onProgress?.((bytes += piece.length));
    },
  });
  const { format, rows } = await rowsOf(text, file.name);
  const leftOut = new Map<string, { count: number; lines: number[] }>();
  const seen = new Set<number>();
  const names = new Set<string>();
  const preview: PreviewRow[] = [];
  let reader: Reader | null = wanted ? chosen(wanted) : null;
  let [total, questions] = [0, 0];
  let broken: SetSummary['broken'] = null;
  const leave = (reason: string, line: number) => {
    const found = leftOut.get(reason) ?? { count: 0, lines: [] };
    leftOut.set(reason, found);
    if (found.count++ < keptLines) found.lines.push(line);
  };
  for await (const row of rows) {
    total++;
    const { line } = row;
    if (row.fault !== undefined) {
      broken ??= { line, fault: row.fault };
      leave(row.fault, line);
      continue;
    }
    const { fields } = row;
    if (preview.length < previewed) for (const name of fields.keys()) names.add(name);
    reader ??= recognised(fields);
    const meaning = reader?.meaning(fields) ?? 'there is neither "question" nor "problem"';
    const read = typeof meaning === 'string' ? null : meaning;
    if (preview.length < previewed) preview.push({ line, fields: shortened(fields), asked: read?.asked ?? null, gold: read?.gold ?? null });
    if (!read) {
      broken ??= { line, fault: meaning as string };
      leave(meaning as string, line);
      continue;
    }
    const { asked, gold } = read;
    const key = hash53(plainQuestion(asked), 3);
    if (gold === null) leave(noAnswer, line);
    else if (seen.has(key)) leave(twice, line);
    else if (reader?.kind !== 'countdown' && !(await checkable(gold))) leave(uncheckable, line);
    else {
      seen.add(key);
      questions++;
      onQuestion?.({ line, asked, gold });
    }
  }
  return {
    name: file.name,
    sha256: hash.digest(),
    bytes,
    format,
    kind: reader?.kind ?? null,
    columns: [...names],
    reads: reader?.reads ?? [],
    rows: total,
    questions,
    leftOut: Object.fromEntries(leftOut),
    broken,
    preview,
  };
}

function shortened(fields: Fields): Record<string, string> {
  const text = (value: string) => (value.length > shown ? `${value.slice(0, shown)}…` : value);
  return Object.fromEntries(
    [...fields].map(([name, value]) => [name, value === null ? '' : text(typeof value === 'string' ? value : value.join(', '))]),
  );
}

/** @throws LabError 'format' where no question is left, or where a row is broken and that was not agreed to @param skip whether rows that are broken are left out like others */
export function refuseUnusable(summary: SetSummary, skip: boolean): void {
  const { name, broken, kind, columns, questions, leftOut } = summary;
  if (kind === null && columns.length > 0) {
    throw new LabError(
      'format',
      `${name}, line ${broken?.line ?? 1}: there is neither "question" nor "problem"; its columns are ${columns.join(', ')}.`,
      'Say which of them hold question and answer (--question-column, --answer-column), or rename them to "question" and "answer".',
    );
  }
  if (broken && !skip) {
    throw new LabError('format', `${name}, line ${broken.line}: ${broken.fault}.`, 'Correct it, or leave such rows out (--skip-rows).');
  }
  if (questions > 0) return;
  const why = Object.entries(leftOut).map(([reason, { count, lines }]) => `${count}: ${reason}, ${linesOf(lines, count)}`);
  throw new LabError(
    'format',
    `${name} has no question with an answer that can be checked${why.length > 0 ? ` (${why.join('; ')})` : ''}.`,
    'Give rows with "question" or "problem", and "answer".',
  );
}

/** For a run, which trains on some and asks others. @throws LabError 'config' */
export function refuseTooFew({ name, questions }: Pick<SetSummary, 'name' | 'questions'>): void {
  if (questions > 1) return;
  throw new LabError(
    'config',
    `${name} has one question that can be used; one to train on and one to hold out are needed.`,
    'Give a larger set.',
  );
}

/** The first lines by number, the others counted. */
const namedLines = 20;

/** `line 3`; `lines 3, 8 and 12`; `lines 3, 8, … and 40 more` @param count where more are meant than are named */
export function linesOf(lines: readonly number[], count = lines.length): string {
  if (count === 1) return `line ${lines[0]}`;
  const named = lines.slice(0, namedLines);
  const more = count - named.length;
  return more > 0 ? `lines ${named.join(', ')} and ${more} more` : `lines ${named.slice(0, -1).join(', ')} and ${named.at(-1)}`;
}
