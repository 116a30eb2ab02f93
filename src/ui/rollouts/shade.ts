/** What tokens are coloured by: the numbers, the scale they are laid on, and the words for one of them. */
import type { RolloutRecord } from '../../rl/events.ts';
import type { RolloutTerms } from '../../rl/rollout-terms.ts';
import { klEstimate } from '../../rl/token-term.ts';
import { noSuch } from '../../errors.ts';
import { compact, fixed, percent } from '../format.ts';

/** One reply's numbers, token by token. */
export interface TokenRow extends Pick<RolloutRecord, 'pieces' | 'logprobs' | 'entropies' | 'refLogprobs'> {
  /** In the objective of its run, where that is known. */
  readonly terms: RolloutTerms | null;
}

export const shades = ['logprob', 'entropy', 'push', 'kl', 'term', 'none'] as const;
export type Shade = (typeof shades)[number];

/** Signed scales diverge from 0; an end of null is the largest number of the group. */
export const shadeTitles: Readonly<
  Record<Shade, { readonly title: string; readonly unit: string; readonly signed: boolean; readonly end: number | null }>
> = {
  // Both scales end at 3 nats: a token of 5 % probability, or doubt between twenty.
  logprob: { title: 'surprise (log-prob)', unit: 'nats, −log-prob', signed: false, end: 3 },
  entropy: { title: 'doubt (entropy)', unit: 'nats of entropy', signed: false, end: 3 },
  push: { title: 'advantage × ratio', unit: 'advantage × ratio', signed: true, end: null },
  kl: { title: 'distance from the base (KL)', unit: 'nats of KL to the base, k3', signed: false, end: null },
  term: { title: 'its term of the objective', unit: 'share of the loss', signed: true, end: null },
  none: { title: 'nothing', unit: '', signed: false, end: null },
};

/** What a token is coloured by; null where it is not known. */
export function shadeValue(row: TokenRow, at: number, shade: Shade): number | null {
  switch (shade) {
    case 'logprob':
      return row.logprobs[at] === undefined ? null : -row.logprobs[at];
    case 'entropy':
      return row.entropies[at] ?? null;
    case 'push': {
      const term = row.terms?.terms[at];
      return term ? row.terms!.row.advantage * (term.ratio ?? 1) : null;
    }
    case 'kl': {
      const fact = row.terms?.facts[at];
      const [ref, logprob] = [row.refLogprobs?.[at], fact?.logprob ?? row.logprobs[at]];
      return ref === undefined || logprob === undefined ? null : klEstimate(ref - logprob, 'k3').value;
    }
    case 'term':
      return row.terms?.terms[at]?.value ?? null;
    case 'none':
      return null;
    default:
      return noSuch('shade', shade);
  }
}

export interface Scale {
  readonly shade: Shade;
  readonly signed: boolean;
  /** Where it ends; 0: all numbers are 0. */
  readonly end: number;
}

/** One scale for all replies that are compared. */
export function scaleOf(shade: Shade, rows: readonly TokenRow[]): Scale {
  const { signed, end } = shadeTitles[shade];
  const largest = () => Math.max(0, ...rows.flatMap((row) => row.pieces.map((_, at) => Math.abs(shadeValue(row, at, shade) ?? 0))));
  return { shade, signed, end: end ?? largest() };
}

/** In [-1, 1], of a signed scale, else in [0, 1]. */
export function onScale(value: number | null, { end, signed }: Scale): number {
  if (value === null || end === 0 || !Number.isFinite(value)) return 0;
  return Math.min(1, Math.max(signed ? -1 : 0, value / end));
}

/** Why these replies cannot be coloured so; null where they can. */
export function shadeComplaint(shade: Shade, rows: readonly TokenRow[]): string | null {
  if (shade === 'kl' && !rows.some(({ refLogprobs }) => refLogprobs)) return 'not measured in this step';
  if ((shade === 'push' || shade === 'term') && !rows.some(({ terms }) => terms)) return 'not kept of this step';
  return null;
}

export function tokenWords(row: TokenRow, at: number): string {
  const [logprob, entropy, ref] = [row.logprobs[at], row.entropies[at], row.refLogprobs?.[at]];
  const term = row.terms?.terms[at];
  const words = [`“${visible(row.pieces[at] ?? '')}”`];
  if (logprob !== undefined) words.push(`probability ${percent(Math.exp(logprob))}`, `log-prob ${fixed(logprob, 2)} nats`);
  if (entropy !== undefined) words.push(`entropy ${fixed(entropy, 2)} nats`);
  if (ref !== undefined) words.push(`under the base ${percent(Math.exp(ref))}`);
  if (term) words.push(`term ${compact(term.value)}`);
  return words.join(' · ');
}

/** White space made visible. */
export function visible(piece: string): string {
  return piece.replaceAll(' ', '␣').replaceAll('\n', '↵').replaceAll('\t', '⇥');
}
