/**
 * How far a generation is, from what its engine tells of it token by token: a share that only grows, also where the rows are made in several
 * turns, each of which begins again at the first token. A row that has ended is whole, whatever it might have said.
 */
import type { GenerateProgress } from './engine.ts';

/** @param maxNewTokens of every row  @returns the share of all rows, 0..1, after each progress that it is given in turn */
export function shareWritten(maxNewTokens: number): (progress: Pick<GenerateProgress, 'position' | 'tokens'>) => number {
  let written: Float64Array | null = null;
  return ({ position, tokens }) => {
    const rows = (written ??= new Float64Array(tokens.length));
    tokens.forEach((token, row) => {
      if (token >= 0) rows[row] = (position + 1) / maxNewTokens;
      else if (rows[row]! > 0) rows[row] = 1;
    });
    return rows.length === 0 ? 1 : rows.reduce((sum, share) => sum + share, 0) / rows.length;
  };
}
