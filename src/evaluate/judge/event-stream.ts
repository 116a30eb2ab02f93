/**
 * A completion that comes as a stream of server-sent events (OpenAI's `stream: true`): its pieces put together again. Read when it is whole, so a
 * stream that was cut off is known by its missing end.
 */
import { parseJson } from '../../json.ts';

export interface StreamedCompletion {
  readonly text: string;
  /** What the judge says instead of an answer; empty: it does not decline. */
  readonly refusal: string;
  readonly finish: string | null;
  /** It came to its end: a reason to stop, or the mark that closes it. */
  readonly ended: boolean;
  /** An event that is an error of the server's: the event itself. */
  readonly error: unknown;
}

/** @returns null for what has no event in it at all */
export function readStream(body: string): StreamedCompletion | null {
  if (body.trim() !== '' && !/^(data|event|id|retry|):/m.test(body)) return null;
  let [text, refusal, ended] = ['', '', false];
  let finish: string | null = null;
  for (const event of body.split(/\r\n\r\n|\n\n|\r\r/)) {
    const data = event
      .split(/\r\n|\n|\r/)
      .flatMap((line) => (line.startsWith('data:') ? [line.slice(5).replace(/^ /, '')] : []))
      .join('\n');
    if (data === '') continue;
    if (data.trim() === '[DONE]') {
      ended = true;
      break;
    }
    const chunk = parsed(data);
    // The last event may be half there.
    if (chunk === undefined) break;
    if (at(chunk, 'error') !== undefined) return { text, refusal, finish, ended, error: chunk };
    const choice = at(at(chunk, 'choices'), 0);
    const [content, declined, reason] = [
      at(at(choice, 'delta'), 'content'),
      at(at(choice, 'delta'), 'refusal'),
      at(choice, 'finish_reason'),
    ];
    if (typeof content === 'string') text += content;
    if (typeof declined === 'string') refusal += declined;
    if (typeof reason === 'string') [finish, ended] = [reason, true];
  }
  return { text, refusal, finish, ended, error: undefined };
}

function parsed(text: string): unknown {
  try {
    return parseJson(text, { file: 'answer', anyNumber: true });
  } catch {
    return undefined;
  }
}

function at(value: unknown, key: string | number): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string | number, unknown>)[key] : undefined;
}
