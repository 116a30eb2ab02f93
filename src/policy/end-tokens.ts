/**
 * Which tokens end a reply: those that the files give by id (`special-ids.ts`), the tokenizer's `eos_token`, and the token with which the
 * chat template closes an assistant's turn. A policy trained on that template says the last one, whatever its config.json says.
 */
import { labErrorCode } from '../errors.ts';
import type { Tokenizer } from './tokenizer.ts';

export interface EndTokens {
  /** In the order of the above, each once. */
  readonly ids: readonly number[];
  readonly notices: readonly string[];
}

/** @param ids of the files; @param vocabSize rows of the embedding */
export function endTokens(ids: readonly number[], tokenizer: Tokenizer | null, vocabSize: number): EndTokens {
  if (!tokenizer) return { ids, notices: [] };
  const notices: string[] = [];
  const all = new Set(ids);
  const named = tokenizer.tokens.eos_token;
  const byName = named === undefined ? null : tokenizer.idOf(named);
  if (named !== undefined && (byName === null || byName >= vocabSize)) {
    notices.push(`The eos_token ${JSON.stringify(named)} of tokenizer_config.json is no token of the vocabulary: it is left out.`);
  }
  for (const id of [byName, closingToken(tokenizer)]) if (id !== null && id < vocabSize) all.add(id);
  if (all.size === 0) notices.push('No file names a token that ends a reply, so every reply runs to the limit.');
  return { ids: [...all], notices };
}

/** The added token that the template writes right after an assistant's words; null where it writes none. */
export function closingToken(tokenizer: Tokenizer): number | null {
  const words = 'So it is 4 then';
  let text: string;
  try {
    text = tokenizer.chat([
      { role: 'user', content: 'What is 2 + 2' },
      { role: 'assistant', content: words },
    ]);
  } catch (error) {
    // A policy without a template, or one whose template takes no such chat, is no fault here.
    if (labErrorCode(error) === null) throw error;
    return null;
  }
  const at = text.lastIndexOf(words);
  if (at < 0) return null;
  const rest = text.slice(at + words.length).trimStart();
  const tokens = tokenizer.addedTokens.filter((token) => token !== '' && rest.startsWith(token));
  const longest = tokens.reduce((best, token) => (token.length > best.length ? token : best), '');
  return longest === '' ? null : tokenizer.idOf(longest);
}

/** What to say of replies none of which ended by itself. */
export function neverEnded(replies: number, ends: readonly string[], maxNewTokens: number): string {
  const named =
    ends.length === 0 ? 'The policy has no end token' : `The end token${ends.length > 1 ? 's' : ''} ${ends.join(', ')} never came`;
  return `${named}: all ${replies} replies were cut at ${maxNewTokens} tokens.`;
}
