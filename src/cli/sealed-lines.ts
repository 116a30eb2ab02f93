/**
 * Lines of JSON that end in a seal over themselves, and over the line before where their order matters: a changed bit, a lost line and a
 * doubled one are found. It finds damage and is no protection against forgery; what the lines say is for others to know.
 */
import { parseJson } from '../json.ts';
import { fingerprint } from '../storage/hash.ts';

const joint = ',"seal":"';

export interface SealedLine {
  /** With its end. */
  readonly text: string;
  readonly seal: string;
}

/** @param before the seal of the line before; empty for the first, and where order does not matter */
export async function sealLine(value: object, before = ''): Promise<SealedLine> {
  const json = JSON.stringify(value);
  const seal = await sealOf(json, before);
  return { text: `${json.slice(0, -1)}${joint}${seal}"}\n`, seal };
}

/** Null where the bytes, without the end of the line, are not what `sealLine` wrote after a line with that seal. */
export async function openLine(bytes: Uint8Array, before = ''): Promise<{ readonly value: object; readonly seal: string } | null> {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    const at = text.lastIndexOf(joint);
    const json = `${text.slice(0, at)}}`;
    const seal = await sealOf(json, before);
    return at > 0 && text.slice(at) === `${joint}${seal}"}` ? { value: parseJson(json, { file: 'line' }) as object, seal } : null;
  } catch {
    return null;
  }
}

/** Enough of a hash to find damage. */
async function sealOf(json: string, before: string): Promise<string> {
  const print = await fingerprint(new TextEncoder().encode(`${before}${json}`).buffer as ArrayBuffer);
  return print.slice(print.indexOf(':') + 1).slice(0, 16);
}
