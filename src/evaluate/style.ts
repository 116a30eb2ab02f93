/**
 * Style adherence: whether a reply carries its voice's markers. Deterministic scorers on text, in the manner of IFEval
 * (arXiv 2311.07911), which also scores strictly and loosely; which markers count is this project's choice. No judge, no model.
 */
import type { Voice } from '../persona/persona.ts';

export interface StyleVerdict {
  /** At least one marker of the voice as it is written (case aside, whole words), and none of another voice. This one counts. */
  readonly strict: boolean;
  /** At least one marker of the voice once case, punctuation and markup are gone; other voices are forgiven. */
  readonly loose: boolean;
}

export class StyleScorer {
  readonly #voices: readonly { readonly id: string; readonly patterns: readonly RegExp[]; readonly words: readonly string[] }[];

  /** @param voices all that are evaluated together; a voice without markers is no one's style */
  constructor(voices: readonly Voice[]) {
    this.#voices = voices
      .map(({ id, openers, closers }) => {
        const markers = [...openers, ...closers].filter((marker) => marker.trim() !== '');
        return { id, patterns: markers.map(wholeWords), words: markers.map(bare).filter((words) => words !== '') };
      })
      .filter(({ patterns }) => patterns.length > 0);
  }

  /** Whether there is anything to hear at all. */
  get hears(): boolean {
    return this.#voices.length > 0;
  }

  /** The voices whose markers a reply carries, as they are written. */
  heard(reply: string): readonly string[] {
    return this.#voices.filter(({ patterns }) => patterns.some((pattern) => pattern.test(reply))).map(({ id }) => id);
  }

  /** Null where the voice is unknown or has no markers: then there is nothing to adhere to. */
  score(reply: string, voice: string | null): StyleVerdict | null {
    const own = this.#voices.find(({ id }) => id === voice);
    if (!own) return null;
    const carries = ({ patterns }: { readonly patterns: readonly RegExp[] }) => patterns.some((pattern) => pattern.test(reply));
    const strict = carries(own) && this.#voices.every((other) => other === own || !carries(other));
    if (strict) return { strict, loose: true };
    const words = ` ${bare(reply)} `;
    return { strict, loose: carries(own) || own.words.some((marker) => words.includes(` ${marker} `)) };
  }
}

/** The marker, its spaces of any width, not inside a longer word. */
function wholeWords(marker: string): RegExp {
  const source = marker
    .trim()
    .split(/\s+/)
    .map((part) => part.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&'))
    .join('\\s+');
  return new RegExp(`(?<![\\p{L}\\p{N}])${source}(?![\\p{L}\\p{N}])`, 'iu');
}

/** Letters and digits, in lower case, with single spaces between words. */
function bare(text: string): string {
  return text
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, ' ')
    .trim();
}
