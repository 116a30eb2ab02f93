/**
 * The same training with about half as much at once, for a machine that has no memory for more. It estimates nothing: what fits is known
 * to the engines alone (`engine/portable/memory-plan.ts`, `engine/fused/memory-plan.ts`), and to a GPU only when it is asked.
 */
import type { RunConfig } from './config.ts';
import { differences, type Difference } from './differences.ts';

export interface Smaller {
  readonly config: RunConfig;
  readonly changed: readonly Difference[];
}

/** A group of one has no advantage. */
const leastGroup = 2;
/** Shorter replies hold no answer. */
const leastReply = 8;

/** Rows a pass and replies of a group are halved; where no group can be, the replies are. Null: nothing is left to halve. */
export function smaller(config: RunConfig): Smaller | null {
  const { groupSize, promptsPerStep, sampling, optim, objective } = config;
  const rows = promptsPerStep * groupSize;
  const pass = optim.microBatchRows > 0 ? Math.min(optim.microBatchRows, rows) : rows;
  const group = Math.max(leastGroup, Math.floor(groupSize / 2));
  const shorter = Math.min(sampling.maxNewTokens, Math.max(leastReply, Math.floor(sampling.maxNewTokens / 2)));
  const reply = groupSize > leastGroup ? sampling.maxNewTokens : shorter;
  if (pass === 1 && groupSize <= leastGroup && sampling.maxNewTokens <= leastReply) return null;
  const less: RunConfig = {
    ...config,
    groupSize: Math.min(groupSize, group),
    sampling: { ...sampling, maxNewTokens: reply },
    objective: { ...objective, overlongBuffer: Math.min(objective.overlongBuffer, reply) },
    optim: { ...optim, microBatchRows: Math.max(1, Math.floor(pass / 2)) },
  };
  return { config: less, changed: differences(config, less) };
}
