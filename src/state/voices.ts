/** Who speaks in which colour. The colours themselves are tokens in `ui/app.css`; this is the order in which voices get them. */
import { voicePlace } from '../evaluate/picture.ts';
import type { Persona, Voice } from '../persona/persona.ts';

const colours = 8;

/** CSS colour of a voice by its place in the world's list; no voice (or one the reader wrote) is neutral. */
export function voiceColour(voices: readonly Voice[], voiceId: string | null): string {
  return colourAt(voicePlace(voices, voiceId));
}

export function colourAt(place: number | null): string {
  return place === null ? 'var(--voice-none)' : `var(--voice-${(place % colours) + 1})`;
}

export function voiceName(voices: readonly Voice[], voiceId: string | null): string {
  return voices.find((voice) => voice.id === voiceId)?.name ?? (voiceId && voiceId !== 'none' ? voiceId : 'No persona');
}

export function personaById(personas: readonly Persona[], id: string | null): Persona | null {
  return personas.find((persona) => persona.id === id) ?? null;
}
