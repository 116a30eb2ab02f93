/** What several threads made of parts of a request, as one. It moves numbers and computes nothing. */
import type { GenerateRequest, Rollouts, Scores } from '../engine.ts';
import { evenly } from '../wasm/shards.ts';

/**
 * Parts of a request whose rows, one part after the other, are the request's, drawn alike: some of the prompts, or, of one prompt, some of its
 * replies.
 */
export function partsOf(
  { prompts, repeats, sampling, forStep = false }: GenerateRequest,
  count: number,
): Omit<GenerateRequest, 'signal'>[] {
  const from = (row: number) => ({ ...sampling, firstRow: sampling.firstRow + row });
  if (prompts.length === 1) {
    return evenly(repeats, count).map(([first, last]) => ({ prompts, repeats: last - first, sampling: from(first), forStep }));
  }
  return evenly(prompts.length, count).map(([first, last]) => ({
    prompts: prompts.slice(first, last),
    repeats,
    sampling: from(first * repeats),
    forStep,
  }));
}

/** @param padId what is beyond the end of a row */
export function joinRollouts(parts: readonly Rollouts[], padId: number): Rollouts {
  const rows = parts.reduce((sum, part) => sum + part.rows, 0);
  const width = Math.max(0, ...parts.map((part) => part.width));
  const completionWidth = Math.max(0, ...parts.map((part) => part.completionWidth));
  const joined = {
    rows,
    width,
    completionWidth,
    tokens: new Int32Array(rows * width).fill(padId),
    promptLengths: new Int32Array(rows),
    lengths: new Int32Array(rows),
    logprobs: new Float32Array(rows * completionWidth),
    entropies: new Float32Array(rows * completionWidth),
    ended: new Uint8Array(rows),
  };
  let first = 0;
  for (const part of parts) {
    for (const name of ['promptLengths', 'lengths', 'ended'] as const) joined[name].set(part[name], first);
    for (let row = 0; row < part.rows; row++) {
      const to = first + row;
      joined.tokens.set(part.tokens.subarray(row * part.width, (row + 1) * part.width), to * width);
      const cells = [row * part.completionWidth, (row + 1) * part.completionWidth] as const;
      joined.logprobs.set(part.logprobs.subarray(...cells), to * completionWidth);
      joined.entropies.set(part.entropies.subarray(...cells), to * completionWidth);
    }
    first += part.rows;
  }
  return joined;
}

/** Of parts that are equally wide. */
export function joinScores(parts: readonly Scores[]): Scores {
  const join = (arrays: readonly Float32Array[]) => {
    const all = new Float32Array(arrays.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const array of arrays) {
      all.set(array, at);
      at += array.length;
    }
    return all;
  };
  return { logprobs: join(parts.map(({ logprobs }) => logprobs)), entropies: join(parts.map(({ entropies }) => entropies)) };
}
