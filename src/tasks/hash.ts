/**
 * Where a question belongs and what it is called, both by hash: the same on every machine and in every run.
 * It is not a cryptographic hash.
 */
import type { Split } from './question.ts';

/** 53-bit string hash of UTF-16 code units, after bryc's public-domain cyrb53; `seed` gives independent hashes. */
export function hash53(text: string, seed: number): number {
  let high = 0xdeadbeef ^ seed;
  let low = 0x41c6ce57 ^ seed;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    high = Math.imul(high ^ unit, 2654435761);
    low = Math.imul(low ^ unit, 1597334677);
  }
  high = Math.imul(high ^ (high >>> 16), 2246822507) ^ Math.imul(low ^ (low >>> 13), 3266489909);
  low = Math.imul(low ^ (low >>> 16), 2246822507) ^ Math.imul(high ^ (high >>> 13), 3266489909);
  return 4294967296 * (2097151 & low) + (high >>> 0);
}

/** Every fifth problem, more or less, is kept for evaluation. */
const evaluationShare = 0.2;

/**
 * The split of a problem, from what it asks rather than from how it is worded: `content` names the operation and its
 * operands (`17+25`), so that no wording of an evaluation problem is ever trained on.
 */
export function splitOf(content: string): Split {
  return hash53(content, 1) / 2 ** 53 < evaluationShare ? 'evaluation' : 'train';
}

/** 14 hexadecimal digits; the same question has the same id everywhere. */
export function questionId(task: string, text: string): string {
  return hash53(`${task}\n${text}`, 2).toString(16).padStart(14, '0');
}
