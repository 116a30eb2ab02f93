/** Our verdicts beside Math-Verify's, on pairs drawn from a seed: what differs, and why (docs/verifier.md). */
import { verifyGold } from '../../src/verify/verify.ts';
import type { Row } from './main.ts';
import type { Python } from './python.ts';
import { verdictPairs, type Pair } from './verdict-pairs.ts';

const count = 5000;

/** Why the two differ, by what was done to the gold, and which of them says right; anything else counts. */
const reasons: Readonly<Record<string, { readonly ours: boolean; readonly why: string }>> = {
  'left standing': { ours: false, why: 'what is left to work out is no answer where the gold is a number' },
  'a percentage': { ours: false, why: 'a percentage is a hundredth, not its number' },
  'without its sign': { ours: false, why: 'a percentage is a hundredth, not its number' },
  'turned round': { ours: true, why: 'a chain of inequalities read from its other end says the same' },
  'a factor': { ours: true, why: 'a condition on both sides times a positive number says the same' },
  'another base': { ours: false, why: 'a number to another base is another number' },
  'its value': { ours: false, why: 'a number to a base is asked for in that base' },
  'tiny and another': { ours: false, why: 'close to zero five digits are compared, not six decimals' },
  'bare pi': { ours: true, why: 'pi in a box is π, not p times i' },
};

/** Ours, then theirs. */
type Judged = Pair & { readonly ours: boolean | null; readonly theirs: boolean };

/** Whether there is a reason to differ. */
export const known = ({ how, ours }: Pick<Judged, 'how' | 'ours'>): boolean => reasons[how]?.ours === ours;

export async function* verdictRows(peer: Python): AsyncGenerator<Row> {
  const pairs = verdictPairs(1, count);
  const theirs = await peer.ask<readonly boolean[]>('verdicts', { pairs: pairs.map(({ gold, answer }) => [gold, answer]) });
  const judged: Judged[] = [];
  for (const [i, pair] of pairs.entries()) {
    const verdict = await verifyGold(`\\boxed{${pair.answer}}`, pair.gold);
    judged.push({ ...pair, ours: verdict?.correct ?? null, theirs: theirs[i]! });
  }
  const differing = judged.filter(({ ours, theirs: other }) => ours !== other);
  const groups = new Map<string, Judged[]>();
  for (const one of differing) {
    const why = known(one) ? reasons[one.how]!.why : `no reason is known (${one.how})`;
    groups.set(why, [...(groups.get(why) ?? []), one]);
  }
  for (const [why, rows] of groups) {
    console.error(`${rows.length} times right only ${rows[0]!.ours ? 'here' : 'there'}: ${why}`);
    for (const { gold, answer } of rows) console.error(`  ${gold}   ${answer}`);
  }
  const unknown = differing.filter((one) => !known(one));
  yield {
    what: 'verdicts that differ without a reason',
    of: `${count} pairs beside Math-Verify, of which ${differing.length - unknown.length} differ with one`,
    difference: unknown.length,
    tolerance: 0,
  };
}
