/**
 * The number of a JSON member as it is written: `JSON.parse` rounds 9007199254740993 to …992 and makes 1e400 infinite. It reads text that
 * `parseJson` has accepted, and replaces no parser.
 */
import { unescaped } from '../../json.ts';

/** Strings whole, so that no brace or comma in them counts; then what gives a text its structure; then everything else. */
const anyToken = /"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\],:]|[^\s"{}[\],:]+/g;

/** @param json a valid JSON object @param name of a member that is a number @returns its digits, sign and exponent; of several members of this name the last */
export function numberAsWritten(json: string, name: string): string {
  let depth = 0;
  let key = '';
  let before = '';
  let written = '';
  for (const [token] of json.matchAll(anyToken)) {
    if (depth === 1 && before === ':' && key === name) written = token;
    if (token === '{' || token === '[') depth++;
    else if (token === '}' || token === ']') depth--;
    else if (depth === 1 && token.startsWith('"') && before !== ':') key = unescaped(token);
    before = token;
  }
  return written;
}
