/**
 * A stored rollout's tokens in the loss: of its run's objective, or of another one on the same rewards. It gathers what `token-term.ts`
 * needs from what was kept (`events.ts`), and has no arithmetic of its own but for the other objective's advantage.
 */
import type { AdvantageKind, ObjectiveSpec } from '../engine/engine.ts';
import { sum } from '../statistics/moments.ts';
import { advantageOf, groupMoments, type GroupMoments } from './advantages.ts';
import type { RunConfig } from './config.ts';
import type { BatchFacts, RolloutRecord } from './events.ts';
import { klIsInReward, normaliserOf, objectiveSpec, rowWeight, type Normaliser } from './objectives.ts';
import { tokenTerm, type RowFacts, type TokenFacts, type TokenTerm } from './token-term.ts';

export interface RolloutTerms {
  readonly objective: RunConfig['objective'];
  readonly spec: ObjectiveSpec;
  readonly row: RowFacts;
  readonly normaliser: Normaliser;
  readonly batch: BatchFacts;
  /** What the advantage is made of: the learning reward, which RLOO's KL is taken from, and its group's. */
  readonly learningReward: number;
  readonly group: GroupMoments;
  readonly advantageKind: AdvantageKind;
  /** The whole row is left out: it was cut off, and the objective does not learn from such. */
  readonly masked: boolean;
  /** The objective trains on a KL to the base, and this step has no log-probs under it: the terms are without. */
  readonly klMissing: boolean;
  /** One policy sampled and is updated. */
  readonly onPolicy: boolean;
  readonly facts: readonly TokenFacts[];
  /** Of `pieces`. A token of a row that is left out has the term it would have, and weighs nothing. */
  readonly terms: readonly TokenTerm[];
}

/**
 * @param group all rollouts of its group, itself among them
 * @param objective the run's own, or another to lay beside it
 * @returns null where an earlier version stored the rollout, which kept less
 */
export function rolloutTerms(
  rollout: RolloutRecord,
  group: readonly RolloutRecord[],
  config: RunConfig,
  objective: RunConfig['objective'] = config.objective,
): RolloutTerms | null {
  const { batch, length, lastPass } = rollout;
  if (!batch || length === undefined) return null;
  const spec = objectiveSpec({ ...config, objective });
  const { maskTruncated } = objective;
  const masked = maskTruncated && !rollout.ended;
  const stepTokens = maskTruncated ? batch.endedTokens : batch.tokens;
  const rewards = group.map((one) => learningReward(one, objective));
  const ownReward = learningReward(rollout, objective);
  const moments = groupMoments(rewards);
  const row: RowFacts = {
    advantage: objective === config.objective ? rollout.advantage : advantageOf(ownReward, moments, objective.advantage, batch.rewardStd),
    counted: masked ? 0 : length,
    logRatio: lastPass?.logRatio ?? 0,
    weight: rowWeight(objective.name, masked ? 0 : length, { rows: batch.rows, tokens: stepTokens }, config.sampling.maxNewTokens),
    stepTokens,
  };
  const facts = rollout.pieces.map((_, t): TokenFacts => ({
    logprob: (lastPass ?? rollout).logprobs[t] ?? 0,
    old: lastPass ? (rollout.logprobs[t] ?? 0) : null,
    ref: rollout.refLogprobs?.[t] ?? null,
    entropy: (lastPass ?? rollout).entropies[t] ?? 0,
  }));
  return {
    objective,
    spec,
    row,
    normaliser: normaliserOf(objective.name),
    batch,
    learningReward: ownReward,
    group: moments,
    advantageKind: objective.advantage,
    masked,
    klMissing: objective.kl !== 'none' && objective.beta > 0 && !rollout.refLogprobs,
    onPolicy: !lastPass,
    facts,
    terms: facts.map((token) => tokenTerm(token, row, spec)),
  };
}

/** With the KL that RLOO takes from it (`trainer.ts`), of the tokens that are kept. */
function learningReward({ reward, logprobs, refLogprobs, ended }: RolloutRecord, objective: RunConfig['objective']): number {
  if (!klIsInReward(objective) || !refLogprobs || (objective.maskTruncated && !ended)) return reward;
  return reward - objective.beta * sum(refLogprobs.map((ref, t) => (logprobs[t] ?? 0) - ref));
}
