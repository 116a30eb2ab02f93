/** In whose voice a reply speaks, in words. */
import { StyleScorer } from '../../evaluate/style.ts';
import type { PersonaLibrary } from '../../persona/file.ts';
import { voiceName } from '../../state/voices.ts';

/** Null for a reply without words, and where there is nothing to say: a plain reply is worth a word only where every persona has a voice. */
export function spokenVoice({ voices, personas }: PersonaLibrary, reply: string): string | null {
  if (!reply) return null;
  const heard = new StyleScorer(voices).heard(reply);
  if (heard.length > 1) return 'several voices';
  if (heard.length === 1) return `${voiceName(voices, heard[0]!)}’s voice`;
  return voices.length > 0 && personas.every(({ voice }) => voice !== null) ? 'plain voice' : null;
}
