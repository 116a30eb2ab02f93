/** Personas of a run as the page knows them: the lab's libraries come from the worker, so that the page does not carry them twice. */
import type { PersonaLibrary } from '../persona/file.ts';
import type { Library } from '../persona/library-names.ts';
import type { Boot } from '../worker/api.ts';

const nobody: PersonaLibrary = { personas: [], voices: [] };

/** @param boot null: the worker has not answered yet, and nobody is there  @param library absent: the world */
export function libraryIn(boot: Pick<Boot, 'personas' | 'voices' | 'general'> | null, library: Library = 'world'): PersonaLibrary {
  if (typeof library !== 'string') return library;
  if (!boot) return nobody;
  return library === 'world' ? boot : boot.general;
}
