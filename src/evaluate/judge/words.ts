/**
 * What a stranger's server says, before anybody stores, prints or reads it: no more of it than a limit, no characters that steer a terminal
 * or turn the direction of a line, and no key in it. What it means is `client.ts`.
 */
import { limitedBody } from '../../body.ts';

/** A completion of 2048 tokens has a hundredth of it. */
export const maxBodyBytes = 2 ** 20;

/** The whole body as text; null for one that is longer than the limit, of which no more is read. */
export async function limitedText(response: Response, limit = maxBodyBytes): Promise<string | null> {
  const body = await limitedBody(response, limit);
  return body && new TextDecoder().decode(body);
}

/** Line breaks and tabs stay. */
const steering = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g; // eslint-disable-line no-control-regex

/** Without control characters and marks of direction. */
export function plain(text: string): string {
  return text.replace(/\r\n?/g, '\n').replace(steering, '');
}

/** Characters of a key in a row that are taken for the key: servers like to repeat its beginning and its end. */
const tellingCharacters = 8;
const shortestKey = 4;

/** Takes a key out of a text: as it is, percent-encoded, in base64 (from any place) and in hexadecimal digits, in part too. */
export function withoutKey(text: string, key: string): string {
  // Such a short one is a word like any other.
  if (key.length < shortestKey) return text.split(key).join('…');
  const width = Math.min(tellingCharacters, key.length);
  const forms = [key, encodeURIComponent(key), ...base64Forms(key), hexadecimal(key)].map((form) => form.toLowerCase());
  const pieces = new Set(
    forms.flatMap((form) => Array.from({ length: Math.max(0, form.length - width + 1) }, (_, i) => form.slice(i, i + width))),
  );
  const lower = text.toLowerCase();
  // In the few scripts where small letters are more, places do not correspond.
  if (lower.length !== text.length) return withoutKey(lower, key);
  let out = '';
  let hidden = 0;
  for (let at = 0; at < text.length; at++) {
    if (pieces.has(lower.slice(at, at + width))) {
      if (at >= hidden) out += '…';
      hidden = at + width;
    }
    if (at >= hidden) out += text[at];
  }
  return out;
}

/** What does not depend on the characters before and behind. */
function base64Forms(key: string): string[] {
  return [0, 1, 2].map((before) => {
    const whole = btoa('\0'.repeat(before) + key).replace(/=+$/, '');
    const length = before + key.length;
    return whole.slice(before === 0 ? 0 : before + 1, length % 3 === 0 ? undefined : -1);
  });
}

function hexadecimal(key: string): string {
  return Array.from(key, (character) => character.charCodeAt(0).toString(16).padStart(2, '0')).join('');
}
