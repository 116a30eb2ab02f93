/**
 * Whose personas a run trains under, and which it is asked under on the way: the bundled world, the general library for policies that do not
 * know that world, or the reader's own. A run carries the name of one of the lab's, and the reader's own whole, so that it can go on anywhere.
 */
import general from '../../public/personas/general.json' with { type: 'json' };
import { noSuch } from '../errors.ts';
import { parsePersonas, type PersonaLibrary } from './file.ts';
import type { Library, OwnLibrary } from './library-names.ts';
import { personas, voices } from './world.ts';

const world: PersonaLibrary = { personas, voices };
let parsed: PersonaLibrary | null = null;

/** @param library absent: the world */
export function libraryOf(library: Library = 'world'): PersonaLibrary {
  if (typeof library !== 'string') return library;
  switch (library) {
    case 'world':
      return world;
    case 'general':
      return (parsed ??= parsePersonas(JSON.stringify(general), 'general.json'));
    default:
      return noSuch('persona library', library);
  }
}

/** A persona file as a library of the reader's own. @throws LabError 'format' */
export const ownLibrary = (text: string, file: string): OwnLibrary => ({ name: file, ...parsePersonas(text, file) });
