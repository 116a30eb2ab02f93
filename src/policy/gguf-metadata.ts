/** Reading a GGUF's metadata key by key: a value of the right kind, or a sentence that names file and key. What the keys mean is for others. */
import { LabError } from '../errors.ts';
import type { GgufValue } from './gguf-header.ts';

export class GgufMetadata {
  constructor(
    readonly file: string,
    readonly values: ReadonlyMap<string, GgufValue>,
  ) {}

  /** @throws LabError 'format', always */
  refuse(what: string, next = 'Check the file, or fetch it again.'): never {
    throw new LabError('format', `${this.file}: ${what}.`.replace(/\p{C}+/gu, ' '), next);
  }

  text(key: string): string | null {
    const value = this.values.get(key) ?? null;
    if (value !== null && typeof value !== 'string') this.#wrong(key, 'a text', value);
    return value;
  }

  /** A positive whole number. */
  size(key: string, fallback?: number): number {
    const value = this.values.get(key) ?? fallback;
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value <= 0) return this.#wrong(key, 'a positive whole number', value);
    return value;
  }

  /** A positive finite number, of a float32 the one that was written: 1e-5, not 0.000009999999747. */
  positive(key: string, fallback?: number): number {
    const value = this.values.get(key) ?? fallback;
    if (typeof value !== 'number' || !Number.isFinite(value) || value <= 0) return this.#wrong(key, 'a positive number', value);
    if (Math.fround(value) !== value) return value;
    const written = [6, 7, 8].map((digits) => Number(value.toPrecision(digits)));
    return written.find((number) => Math.fround(number) === value) ?? value;
  }

  /** A whole number from 0; null where there is none. */
  id(key: string): number | null {
    const value = this.values.get(key) ?? null;
    if (value !== null && (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0)) this.#wrong(key, 'an id', value);
    return value as number | null;
  }

  texts(key: string): readonly string[] {
    const value = this.values.get(key);
    const list = Array.isArray(value) ? (value as readonly GgufValue[]) : null;
    if (!list?.every((one) => typeof one === 'string')) return this.#wrong(key, 'a list of texts', value);
    return list as readonly string[];
  }

  #wrong(key: string, kind: string, value: GgufValue | undefined): never {
    if (value === undefined) this.refuse(`its metadata have no ${key}`);
    const said =
      typeof value === 'object' ? `a list of ${value.length}` : typeof value === 'string' ? JSON.stringify(value) : String(value);
    this.refuse(`${key} must be ${kind}, it is ${said.slice(0, 60)}`);
  }
}
