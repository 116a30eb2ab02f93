/** Reading config.json key by key: a value of the right kind, or a sentence that names the key. What the keys mean is `config.ts`. */
import { LabError } from '../errors.ts';

export type Json = Record<string, unknown>;

const repair = 'Check the file, or fetch it again.';
export const supportedFamilies = 'Choose a dense policy of the Llama, SmolLM2, Qwen2, Qwen2.5, Qwen3 or Gemma 3 (text) family.';

/** @throws LabError 'format', always */
export function refuse(what: string, next = supportedFamilies): never {
  throw new LabError('format', what, next);
}

/** A JSON object: neither null nor a list. */
export function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A positive whole number; null counts as absent, as in transformers. */
export function size(json: Json, key: string, fallback?: number): number {
  const value = json[key] ?? fallback;
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value <= 0) {
    refuse(`config.json: ${key} must be a positive whole number, it is ${JSON.stringify(value)}.`, repair);
  }
  return value;
}

/** A positive finite number; null counts as absent. @throws LabError 'format' */
export function positive(json: Json, key: string, fallback?: number): number {
  const value = json[key] ?? fallback;
  if (typeof value !== 'number' || !Number.isFinite(value) || value <= 0) {
    refuse(`config.json: ${key} must be a positive number, it is ${JSON.stringify(value)}.`, repair);
  }
  return value;
}

/** True or false; null counts as absent. @throws LabError 'format' */
export function flag(json: Json, key: string, fallback = false): boolean {
  const value = json[key] ?? fallback;
  if (typeof value !== 'boolean') refuse(`config.json: ${key} must be true or false, it is ${JSON.stringify(value)}.`, repair);
  return value;
}
