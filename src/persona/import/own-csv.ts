/**
 * This project's personas as rows of a table, and back: what `permix personas --export csv` writes is read here without loss. Voices are rows of
 * their own, and so is where the personas come from. How cells become text is the caller's; a cell that a spreadsheet would compute has an
 * apostrophe before it there, which is taken away here.
 */
import { LabError } from '../../errors.ts';
import { parseJson } from '../../json.ts';
import type { PersonaLibrary } from '../file.ts';
import type { Entry } from './entries.ts';

export const ownColumns = [
  'row',
  'id',
  'name',
  'text',
  'voice',
  'trait',
  'kind',
  'heldOut',
  'expected',
  'rank',
  'wordings',
  'openers',
  'closers',
  'source',
  'licence',
] as const;
type Column = (typeof ownColumns)[number];

/** One row for each voice and persona; cells in the order of `ownColumns`. */
export function ownRows({ voices, personas, source, licence }: PersonaLibrary): (readonly string[])[] {
  const row = (cells: Partial<Record<Column, string>>) => ownColumns.map((column) => kept(cells[column] ?? ''));
  const list = (texts: readonly string[]) => (texts.length === 0 ? '' : JSON.stringify(texts));
  return [
    ...(source === undefined && licence === undefined ? [] : [row({ row: 'about', source: source ?? '', licence: licence ?? '' })]),
    ...voices.map(({ id, name, openers, closers }) => row({ row: 'voice', id, name, openers: list(openers), closers: list(closers) })),
    ...personas.map(({ voice, trait, heldOut, expected, wordings, ...others }) =>
      row({
        row: 'persona',
        ...others,
        voice: voice ?? '',
        trait: trait ?? '',
        heldOut: String(heldOut),
        ...(expected === undefined ? {} : expected === 'same' ? { expected } : { expected: expected.order, rank: String(expected.rank) }),
        wordings: list(wordings ?? []),
      }),
    ),
  ];
}

const computed = /^'+[=+\-@\t\r\n＝＋－＠]/;
/** What begins with apostrophes before such a sign keeps them all. */
const kept = (text: string): string => (computed.test(text) ? `'${text}` : text);
const asWritten = (cell: string): string => (computed.test(cell) ? cell.slice(1) : cell);

export const isOwnTable = (columns: readonly string[]): boolean => columns.includes('id') && columns.includes('text');

export interface OwnTable {
  readonly voices: readonly unknown[];
  readonly about: Readonly<Record<string, string>>;
  readonly personas: readonly Entry[];
  /** Columns that are not known. */
  readonly unread: readonly string[];
}

export function ownTable(columns: readonly string[], entries: readonly Entry[]): OwnTable {
  const voices: unknown[] = [];
  let about = {};
  const personas: Entry[] = [];
  for (const { where, value, fault } of entries) {
    const cells = Object.fromEntries(
      Object.entries(value as Readonly<Record<string, string>>).flatMap(([name, cell]) =>
        (ownColumns as readonly string[]).includes(name) ? [[name, asWritten(cell)]] : [],
      ),
    ) as Partial<Record<Column, string>>;
    const { row = 'persona', expected, rank, wordings, openers, closers, heldOut, source, licence, ...others } = cells;
    try {
      const lists = { ...listIn('openers', openers), ...listIn('closers', closers) };
      if (fault !== undefined) personas.push({ where, value: null, fault });
      else if (row === 'voice') voices.push({ ...others, ...lists });
      else if (row === 'about') about = { ...(source === undefined ? {} : { source }), ...(licence === undefined ? {} : { licence }) };
      else if (row !== 'persona') personas.push({ where, value: null, fault: `its "row" is "${row}"; there are persona, voice and about` });
      else {
        const awaited = expectedOf(expected, rank);
        personas.push({ where, value: { ...others, ...lists, ...truth(heldOut), ...awaited, ...listIn('wordings', wordings) } });
      }
    } catch (error) {
      if (!(error instanceof LabError)) throw error;
      personas.push({ where, value: null, fault: error.what });
    }
  }
  return { voices, about, personas, unread: columns.filter((name) => !(ownColumns as readonly string[]).includes(name)) };
}

function expectedOf(expected: string | undefined, rank: string | undefined): object {
  if (expected === undefined && rank === undefined) return {};
  if (rank === undefined) return { expected };
  return { expected: { order: expected, rank: /^\s*[-+]?[\d.]/.test(rank) ? Number(rank) : rank } };
}

/** As spreadsheets write it. */
function truth(cell: string | undefined): object {
  if (cell === undefined) return {};
  const said = cell.trim().toLowerCase();
  return { heldOut: said === 'true' || said === '1' ? true : said === 'false' || said === '0' ? false : cell };
}

/** A JSON list of texts; anything else is one text. @throws LabError for a list that is broken */
function listIn(name: string, cell: string | undefined): object {
  if (cell === undefined) return {};
  if (!cell.trimStart().startsWith('[')) return { [name]: [cell] };
  try {
    return { [name]: parseJson(cell, { file: name }) };
  } catch (error) {
    if (!(error instanceof LabError)) throw error;
    throw new LabError('format', `its "${name}" begins like a JSON list and is none`, '');
  }
}
