/** Persona libraries by name: the lab's own, and the reader's. What is in the lab's is `libraries.ts`. */
import { noSuch } from '../errors.ts';
import type { PersonaLibrary } from './file.ts';

export const libraryNames = ['world', 'general'] as const;
export type LibraryName = (typeof libraryNames)[number];

/** More of them than this make a run too heavy to be kept, passed on and compared. */
export const mostOwnPersonas = 1000;

/** The reader's own. */
export interface OwnLibrary extends PersonaLibrary {
  /** For the reader: its file's. */
  readonly name: string;
}
export type Library = LibraryName | OwnLibrary;

/** What a reader calls it. */
export function libraryTitle(library: Library): string {
  if (typeof library !== 'string') return library.name;
  switch (library) {
    case 'world':
      return 'the bundled world';
    case 'general':
      return 'the general personas';
    default:
      return noSuch('persona library', library);
  }
}
