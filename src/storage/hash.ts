/**
 * The fingerprint a checkpoint is checked with when it is read back: it finds damage, it is no protection against forgery.
 * SHA-256 where the page runs in a secure context; elsewhere (plain http over a LAN) there is no `crypto.subtle` and FNV-1a takes its place.
 */
import { LabError } from '../errors.ts';
import { growingSha256 } from '../policy/sha256.ts';

type HashKind = 'sha256' | 'fnv1a64';
type Hashed = ArrayBuffer | Uint8Array<ArrayBuffer>;

/** `sha256:…` or `fnv1a64:…`, hexadecimal. */
export async function fingerprint(bytes: Hashed): Promise<string> {
  return hashWith(secureHash() ? 'sha256' : 'fnv1a64', bytes);
}

/** The same, always by SHA-256, of what comes piece by piece. */
export async function growingFingerprint(): Promise<{ update(bytes: Uint8Array): void; digest(): string }> {
  const hash = await growingSha256();
  return { update: (bytes) => hash.update(bytes), digest: () => `sha256:${hash.digest()}` };
}

/** Whether the bytes are those the fingerprint was taken of. */
export async function matches(bytes: Hashed, expected: string): Promise<boolean> {
  const kind = expected.slice(0, expected.indexOf(':'));
  if (kind !== 'sha256' && kind !== 'fnv1a64') return false;
  if (kind === 'sha256' && !secureHash()) {
    throw new LabError('storage', 'This page cannot check SHA-256 here.', 'Open it over https or on localhost, where it was saved.');
  }
  return (await hashWith(kind, bytes)) === expected;
}

function secureHash(): boolean {
  return typeof globalThis.crypto?.subtle?.digest === 'function';
}

async function hashWith(kind: HashKind, bytes: Hashed): Promise<string> {
  if (kind === 'fnv1a64') return `fnv1a64:${fnv1a64(bytes instanceof Uint8Array ? bytes : new Uint8Array(bytes))}`;
  const digest = new Uint8Array(await globalThis.crypto.subtle.digest('SHA-256', bytes));
  return `sha256:${Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('')}`;
}

/**
 * FNV-1a, 64 bits (Fowler, Noll, Vo), in two 32-bit halves: BigInt would take a second for a few megabytes.
 * The prime is 2^40 + 0x1b3, so hash * prime = hash * 0x1b3 + (low half << 8) in the high half.
 */
export function fnv1a64(bytes: Uint8Array): string {
  let high = 0xcbf29ce4;
  let low = 0x84222325;
  for (let i = 0; i < bytes.length; i++) {
    const mixed = (low ^ bytes[i]!) >>> 0;
    const product = mixed * 0x1b3; // below 2^41: exact
    low = product >>> 0;
    high = (Math.imul(high, 0x1b3) + Math.floor(product / 0x1_0000_0000) + (mixed << 8)) >>> 0;
  }
  return high.toString(16).padStart(8, '0') + low.toString(16).padStart(8, '0');
}
