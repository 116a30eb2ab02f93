/** A policy and its origin in words. */
import type { PolicyInfo, PolicyPhase } from '../../worker/policies-api.ts';
import { bytes } from '../format.ts';

const families: Readonly<Record<string, string>> = { llama: 'Llama', qwen2: 'Qwen2', qwen3: 'Qwen3', gemma3_text: 'Gemma 3' };

/** `0.14 M`, `135 M`, `1.5 B` */
export function parametersShort(count: number): string {
  const [value, unit] = count >= 1e9 ? [count / 1e9, 'B'] : [count / 1e6, 'M'];
  return `${value >= 10 ? Math.round(value) : value.toPrecision(2)} ${unit}`;
}

/** Family, size and licence in a line. */
export function policyLine({ facts }: Pick<PolicyInfo, 'facts'>): string {
  const { family, parameters, format, licence } = facts;
  const parts = [families[family] ?? family, `${parametersShort(parameters)} parameters`, `${format}, ${bytes(facts.bytes)}`];
  return [...parts, licence === null ? 'no licence stated' : `licence ${licence}`].join(' · ');
}

/** Where it came from and where it is. */
export function policyPlace({ from, keeping }: PolicyInfo): string {
  if (from === null) return 'It comes with the page.';
  const origin =
    from.kind === 'files'
      ? `From the files “${from.name}”`
      : `From ${new URL(from.base).host}: ${from.name}${from.file ? `, ${from.file}` : ''}, ${from.commit ? `commit ${from.commit.slice(0, 10)}` : from.revision}`;
  return `${origin}; ${keeping === 'browser' ? 'kept in this browser, also offline' : 'here until this page is closed'}.`;
}

export const phaseWords: Readonly<Record<PolicyPhase, string>> = {
  checking: 'Looking at',
  fetching: 'Fetching',
  keeping: 'Keeping',
  reading: 'Reading through',
};
