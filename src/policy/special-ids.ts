/**
 * The ids that a policy's files give to beginning, end and padding. Published files hold ids that are none (−1, one above the vocabulary):
 * such a token can be neither read nor written, so the id is left out, and said.
 */
import { isObject, type Json } from './config-fields.ts';

export interface SpecialIds {
  readonly bosId: number | null;
  /** Every id that either file ends a reply with, those of generation_config.json first. */
  readonly eosIds: readonly number[];
  readonly padId: number | null;
  /** A sentence for every id that was left out. */
  readonly notices: readonly string[];
}

/** @param json config.json  @param generation generation_config.json, anything where there is none */
export function specialIds(json: Json, generation: unknown, vocabSize: number): SpecialIds {
  const notices: string[] = [];
  const generated = isObject(generation) ? generation : {};
  const read = (file: string, from: Json, key: string): number[] => {
    const value = from[key] ?? [];
    return (Array.isArray(value) ? (value as unknown[]) : [value]).flatMap((id) => {
      if (typeof id === 'number' && Number.isSafeInteger(id) && id >= 0 && id < vocabSize) return [id];
      if (id !== null)
        notices.push(`${file} gives ${key} ${JSON.stringify(id)}, which is no id from 0 to ${vocabSize - 1}: it is left out.`);
      return [];
    });
  };
  const both = (key: string) => [...read('generation_config.json', generated, key), ...read('config.json', json, key)];
  const [eosIds, bos, pad] = [both('eos_token_id'), both('bos_token_id'), both('pad_token_id')];
  return { eosIds: [...new Set(eosIds)], bosId: bos.at(-1) ?? null, padId: pad.at(-1) ?? null, notices };
}
