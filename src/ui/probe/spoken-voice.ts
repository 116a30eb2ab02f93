/** In whose voice a reply speaks, in words. */
import { plainVoice, voiceOf } from '../../persona/world.ts';
import type { Voice } from '../../persona/persona.ts';
import { voiceName } from '../../state/voices.ts';

/** Null for a reply without words. */
export function spokenVoice(voices: readonly Voice[], reply: string): string | null {
  if (!reply) return null;
  const voice = voiceOf(reply);
  if (voice === null) return 'several voices';
  return voice === plainVoice ? 'plain voice' : `${voiceName(voices, voice)}’s voice`;
}
