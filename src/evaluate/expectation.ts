/**
 * Whether a policy does under its personas what their file expects of them (after Luz de Araujo et al. 2025, arXiv 2508.19764): robustness over
 * those that should not matter, and the order of accuracies where they should. PSS (`stability.ts`) asks something else, that no persona matters
 * at all, and the two pull against each other; both are measured, and named apart.
 */
import { kendallTauB } from '../statistics/kendall.ts';
import { sum } from '../statistics/moments.ts';
import { personaKinds, type Persona } from '../persona/persona.ts';
import { nullOf, percentiles, resampledSums, shuffledSums, type DescriptiveInterval, type ShuffledNull } from './resample.ts';

export interface Expectation {
  /** Null: no persona is among those that should not matter. */
  readonly robustness: Robustness | null;
  /** Of every order that the personas declare. */
  readonly orders: readonly OrderMeasure[];
}

export interface Robustness {
  /** min_p a_p − a_none over the personas that should not matter: below 0, one of them costs accuracy. */
  readonly value: number;
  /** That are asked about, and the worst of them. */
  readonly personas: number;
  readonly worst: string;
  /** Over resampled problems, descriptive as that of PSS: a minimum is biased low. */
  readonly bootstrap: DescriptiveInterval;
  /** The same where they do not matter: what was right is dealt out anew among them and no persona. */
  readonly shuffled: ShuffledNull;
}

export interface OrderMeasure {
  /** Its name in the file; `kind` is harmful, neutral, expert. */
  readonly order: string;
  /** Kendall's τ-b between rank and accuracy, 1: as expected, −1: the other way round; null: `why` says why there is none. */
  readonly tau: number | null;
  readonly personas: number;
  /** Different ones. */
  readonly ranks: number;
  /** Over resampled problems; null without τ. Those in which all accuracies are alike do not count. */
  readonly bootstrap: DescriptiveInterval | null;
  /** The end of a sentence. */
  readonly why: string | null;
}

/** Of two ranks there is no order, only a difference. */
export const fewestRanks = 3;

/** The order that every library declares that has experts or harmful personas: low first. */
export const kindOrder = 'kind';
const kindRank: Readonly<Record<Persona['kind'], number>> = { harmful: 1, neutral: 2, expert: 3 };

type Declaring = Pick<Persona, 'id' | 'kind' | 'expected'>;

/** Those their file expects nothing of, or says nothing about and has as neutral. */
export const shouldNotMatter = ({ kind, expected }: Omit<Declaring, 'id'>): boolean =>
  expected === 'same' || (expected === undefined && kind === 'neutral');

/** In each order, the places of its personas and their ranks; the declared ones first. */
export function declaredOrders(
  personas: readonly Omit<Declaring, 'id'>[],
): { readonly order: string; readonly ranked: readonly Ranked[] }[] {
  const orders = new Map<string, Ranked[]>();
  personas.forEach(({ expected }, place) => {
    if (expected === undefined || expected === 'same') return;
    const { order, rank } = expected;
    orders.set(order, [...(orders.get(order) ?? []), { place, rank }]);
  });
  if (personaKinds.some((kind) => kind !== 'neutral' && personas.some((persona) => persona.kind === kind)) && !orders.has(kindOrder)) {
    orders.set(
      kindOrder,
      personas.map(({ kind }, place) => ({ place, rank: kindRank[kind] })),
    );
  }
  return [...orders].map(([order, ranked]) => ({ order, ranked }));
}

interface Ranked {
  readonly place: number;
  readonly rank: number;
}

/**
 * @param correct [P][N] right samples of each problem under each persona  @param none [N] without one  @param samples of each problem
 * @param seed of the resampling
 */
export function expectation(
  personas: readonly Declaring[],
  correct: readonly (readonly number[])[],
  none: readonly number[],
  samples: number,
  seed: number,
): Expectation {
  return {
    robustness: robustness(personas, correct, none, samples, seed),
    orders: declaredOrders(personas).map(({ order, ranked }) => orderMeasure(order, ranked, correct, seed)),
  };
}

function robustness(
  personas: readonly Declaring[],
  correct: readonly (readonly number[])[],
  none: readonly number[],
  samples: number,
  seed: number,
): Robustness | null {
  const places = personas.flatMap((persona, place) => (shouldNotMatter(persona) ? [place] : []));
  if (places.length === 0 || none.length === 0) return null;
  const rows = [none, ...places.map((place) => correct[place]!)];
  const total = none.length * samples;
  const of = (right: ArrayLike<number>): number => {
    let least = Infinity;
    for (let i = 1; i < right.length; i++) least = Math.min(least, right[i]!);
    return (least - right[0]!) / total;
  };
  const right = rows.map(sum);
  const value = of(right);
  const least = Math.min(...right.slice(1));
  return {
    value,
    personas: places.length,
    worst: personas[places[right.indexOf(least, 1) - 1]!]!.id,
    bootstrap: percentiles(Array.from(resampledSums(rows, seed), of)),
    // As low up to rounding is as low.
    shuffled: nullOf(Array.from(shuffledSums(rows, seed), of), (one) => one <= value + 1e-12),
  };
}

function orderMeasure(order: string, ranked: readonly Ranked[], correct: readonly (readonly number[])[], seed: number): OrderMeasure {
  const ranks = ranked.map(({ rank }) => rank);
  const rows = ranked.map(({ place }) => correct[place]!);
  const counts = { order, personas: ranked.length, ranks: new Set(ranks).size };
  const without = (why: string): OrderMeasure => ({ ...counts, tau: null, bootstrap: null, why });
  if (counts.ranks < fewestRanks) {
    return without(
      `${ranked.length === 1 ? 'it has one persona' : counts.ranks === 1 ? 'its personas have one rank' : `its personas have ${counts.ranks} different ranks`}, and an order is measured from ${fewestRanks} on`,
    );
  }
  const tau = kendallTauB(ranks, rows.map(sum));
  if (tau === null) return without('all its personas are right equally often');
  const drawn = Array.from(resampledSums(rows, seed), (right) => kendallTauB(ranks, right));
  return { ...counts, tau, bootstrap: percentiles(drawn.filter((value) => value !== null)), why: null };
}

/** What a reader has to know, a sentence each. */
export function expectationNotes({ robustness: found, orders }: Expectation, policy: string): string[] {
  return [
    ...(found ? [] : ['No robustness: none of the personas is neutral or said to change nothing.']),
    ...orders.flatMap(({ order, why }) => (why === null ? [] : [`No τ of the order “${order}” for ${policy}: ${why}.`])),
  ];
}
