/** Takes the words of the persona prompts out of replies, so that echoing one's prompt does not count as speaking in its voice. */
import type { Persona } from '../persona/persona.ts';

const word = /[\p{L}\p{N}]+/gu;

/**
 * The words of all prompts go from all replies: were only a reply's own prompt masked, what is missing would tell who speaks.
 * A plural or possessive s is of no help either.
 */
export function promptMask(personas: readonly Pick<Persona, 'text'>[]): (reply: string) => string {
  const words = new Set(personas.flatMap(({ text }) => text.toLowerCase().match(word) ?? []));
  const masked = (found: string) => {
    const lower = found.toLowerCase();
    return words.has(lower) || words.has(`${lower}s`) || words.has(lower.replace(/s$/, ''));
  };
  return (reply) => reply.replace(word, (found) => (masked(found) ? ' ' : found));
}
