/** Files as damage, haste and malice leave them: bytes flipped, cut, doubled and put in, and values of JSON in each other's places. Seeded. */
import type { Stream } from '../../src/random/counter.ts';

const pieces = [
  ...['1e9', '-1', '1e400', '9007199254740993', '2147483648', '1e-400', 'NaN', 'null', 'true', '[]', '{}', '[['.repeat(3000)],
  ...['"x"', '"(a+)+$"', '"{% for i in range(1000000000) %}x{% endfor %}"', '"a":1,"a":2', '{"__proto__":{"a":1}}', '"\\ud800"', '\u0000'],
];
const values: readonly unknown[] = [
  ...[null, true, -1, 0, 1.5, 1e300, 2 ** 31, 2 ** 53, '', 'x', '(a+)+$', '\u0000', '{{ raise_exception("no") }}'],
  ...[[], {}, [[]], [null], { type: 'Sequence', pretokenizers: [] }],
];

const below = (draw: Stream, n: number) => Math.floor(draw.uniform() * n);
const one = <T>(draw: Stream, list: readonly T[]): T => list[below(draw, list.length)]!;

/** Anything but the bytes themselves, mostly. */
export function mutated(bytes: Uint8Array, draw: Stream): Uint8Array {
  const whole = draw.uniform() < 0.3 ? mutatedJson(bytes, draw) : null;
  if (whole) return whole;
  const at = below(draw, Math.min(bytes.length, draw.uniform() < 0.5 ? 4000 : Infinity));
  const kind = below(draw, 5);
  if (kind === 0 && bytes.length > 0) return bytes.with(at, bytes[at]! ^ (1 << below(draw, 8)));
  if (kind === 1) return bytes.slice(0, at);
  const put = kind === 2 ? bytes.slice(at, at + 20) : new TextEncoder().encode(one(draw, pieces));
  // A value in the place of a value, where the file is JSON.
  const colon = kind === 3 ? bytes.indexOf(0x3a, at) + 1 : at;
  const end = kind === 3 ? Math.max(colon, bytes.indexOf(0x2c, colon)) : at;
  return new Uint8Array(Buffer.concat([bytes.subarray(0, colon), put, bytes.subarray(end)]));
}

/** Valid JSON that means something else; null for bytes that are no JSON with entries. */
function mutatedJson(bytes: Uint8Array, draw: Stream): Uint8Array | null {
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return null;
  }
  const places: [Record<string, unknown>, string][] = [];
  const walk = (value: unknown) => {
    if (typeof value !== 'object' || value === null) return;
    for (const [key, inner] of Object.entries(value)) {
      places.push([value as Record<string, unknown>, key]);
      walk(inner);
    }
  };
  walk(json);
  if (places.length === 0) return null;
  const [owner, key] = one(draw, places);
  const [other, name] = one(draw, places);
  const value = owner[key];
  const kind = below(draw, 6);
  if (kind === 0) delete owner[key];
  else if (kind === 1) owner[key] = structuredClone(other[name]);
  else if (kind === 2 && typeof value === 'number') owner[key] = one(draw, [value + 1, -value, value * 1e6, value / 3]);
  else if (kind === 2 && typeof value === 'string') owner[key] = one(draw, [`${value}x`, value.repeat(1000), value.slice(1)]);
  else if (kind === 3) owner[key] = [value];
  else owner[key] = one(draw, values);
  return new TextEncoder().encode(JSON.stringify(json));
}
