/** What the picture says in words: of a cell for those who do not see it, and what stands under a column. */
import { estimateOf, type Cell, type Estimate, type Foot, type PictureColumn, type PictureRow } from './picture.ts';

/** "Robot, RLVR: 72 % right, 36 of 50, 95 % interval 58 to 83 %" */
export function cellWords(row: PictureRow, column: PictureColumn, cell: Cell | null, worst: boolean): string {
  const who = `${row.label}${row.heldOut ? ', held out' : ''}, ${column.label}`;
  const known = estimateOf(cell);
  if (cell === null || !known) return `${who}: no answer yet`;
  const { low, high } = known;
  const interval = low === null || high === null ? '' : `, 95 % interval ${range(known, 'to')} %`;
  return `${who}: ${hundredths(known.value)} % right, ${sizeWords(cell)}${interval}${worst ? '; the worst persona of its column' : ''}`;
}

function sizeWords(cell: Cell): string {
  if ('values' in cell) return seedWords(cell.values.length);
  const { right, total, problems = total } = cell;
  return `${right} of ${total}${problems === total ? '' : ` replies to ${problems} problems`}`;
}

const seedWords = (seeds: number) => `${seeds} seed${seeds === 1 ? '' : 's'}`;

/** The small print of a cell. */
export function cellNote(cell: Cell | null): string {
  const known = estimateOf(cell);
  if (cell === null || !known) return '';
  if ('values' in cell) return range(known, '–');
  return `n ${cell.problems ?? cell.total}`;
}

function range({ low, high }: Estimate, between: '–' | 'to'): string {
  if (low === null || high === null) return '';
  const [from, to] = [low, high].map(hundredths);
  return between === '–' ? `${from}–${to}` : `${from} to ${to}`;
}

/** The lines under a column, from the top: name, meaning, and a column's value with its interval, null where there is none yet. */
export const footLines = [
  { key: 'worst', name: 'Worst persona', meaning: 'the lowest value, outlined', text: ({ worst }: Foot) => shares(worst) },
  { key: 'mean', name: 'Mean', meaning: 'over personas', text: ({ mean }: Foot) => shares(mean) },
  { key: 'spread', name: 'Spread', meaning: 'best − worst, in points', text: ({ spread }: Foot) => shares(spread) },
  { key: 'pss', name: 'PSS', meaning: 'worst ÷ best; 1: the persona changes nothing', text: ({ pss }: Foot) => score(pss) },
] as const;

const hundredths = (share: number): number => Math.round(100 * share);

interface Text {
  readonly value: string;
  /** Its interval, empty where there is none. */
  readonly note: string;
}

const shares = (known: Estimate): Text => ({ value: String(hundredths(known.value)), note: range(known, '–') });

const score = ({ value, low, high }: Estimate): Text => ({
  value: value.toFixed(2),
  // Without the zeros in front, for which a phone has no room.
  note: low === null || high === null ? '' : [low, high].map((end) => end.toFixed(2).replace(/^0/, '')).join('–'),
});
