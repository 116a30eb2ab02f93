/** A persona library as CSV, for a spreadsheet and back (`persona/import/own-csv.ts`). */
import { csvTable } from '../evaluate/csv.ts';
import type { PersonaLibrary } from '../persona/file.ts';
import { ownColumns, ownRows } from '../persona/import/own-csv.ts';

export const personaCsv = (library: PersonaLibrary): string => csvTable(ownColumns, ownRows(library));
