/**
 * How a step is cut into shards: rows of whole groups, whose gradients are computed each by itself and added in their order. There are as many for
 * one thread as for eight, so that the bits of a run do not depend on how many compute it. Passes, which follow the memory, are within a shard.
 */
import type { TokenBatch, TrainBatch } from '../engine.ts';
import { groupEnd } from '../segments.ts';

/** More threads than that have nothing to do in an update. */
export const mostShards = 8;

export type Range = readonly [first: number, last: number];

/** Rows after one another that begin with the same prompt. */
function groups(batch: TokenBatch): Range[] {
  const found: Range[] = [];
  for (let first = 0, last; first < batch.rows; first = last) {
    last = groupEnd(batch, first);
    found.push([first, last]);
  }
  return found;
}

/** At most `count` ranges that cover all of `length`, none of them empty, no two of them more than one apart in size. */
export function evenly(length: number, count: number): Range[] {
  const parts = Math.min(count, length);
  return Array.from({ length: parts }, (_, i) => [Math.floor((i * length) / parts), Math.floor(((i + 1) * length) / parts)]);
}

/** Ranges of rows of whole groups. */
export function groupRanges(batch: TokenBatch, count: number): Range[] {
  const all = groups(batch);
  return evenly(all.length, count).map(([first, last]) => [all[first]![0], all[last - 1]![1]]);
}

export const shardsOf = (batch: TokenBatch): Range[] => groupRanges(batch, mostShards);

/** Some rows of a batch, as a batch of their own. */
export function tokenRows(batch: TokenBatch, [first, last]: Range): TokenBatch {
  const { width, completionWidth, tokens, promptLengths, lengths } = batch;
  return {
    rows: last - first,
    width,
    completionWidth,
    tokens: tokens.slice(first * width, last * width),
    promptLengths: promptLengths.slice(first, last),
    lengths: lengths.slice(first, last),
  };
}

export function rowsOf(batch: TrainBatch, first: number, last: number): TrainBatch {
  const { completionWidth: c, mask, advantages, rowWeights, oldLogprobs, refLogprobs } = batch;
  return {
    ...tokenRows(batch, [first, last]),
    mask: mask.slice(first * c, last * c),
    advantages: advantages.slice(first, last),
    rowWeights: rowWeights.slice(first, last),
    oldLogprobs: oldLogprobs && oldLogprobs.slice(first * c, last * c),
    refLogprobs: refLogprobs && refLogprobs.slice(first * c, last * c),
  };
}

export const tokensThatCount = ({ mask }: TrainBatch): number => mask.reduce((sum, m) => sum + m, 0);
