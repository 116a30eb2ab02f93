/** What a persona's words may be. How they come before a question is `prompt.ts`; the words of the lab's own personas are `world.ts`. */

/** A longer system prompt is a pasted document rather than a persona. */
export const maxPersonaCharacters = 4000;

/** What is wrong with a persona's system prompt, a sentence; null when nothing is. */
export function checkPersonaText(text: string): string | null {
  if (text.length <= maxPersonaCharacters) return null;
  const count = (n: number) => n.toLocaleString('en-US');
  return `The persona text has ${count(text.length)} characters; at most ${count(maxPersonaCharacters)} are allowed.`;
}
