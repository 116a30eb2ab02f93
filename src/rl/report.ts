/** One step as the page and the files see it: metrics, accuracy by persona, the rollouts themselves. */
import { sampleStd, sum } from '../statistics/moments.ts';
import type { StepOutcome } from './outcome.ts';
import type { TrainerSetup } from './setup.ts';
import { completionOf } from './batch.ts';
import type { BatchFacts, PersonaAccuracy, RolloutRecord, StepReport } from './events.ts';
import { stepRow } from './metrics.ts';
import type { Sample } from './sample.ts';

/** Everything that is shown and stored of one step. */
export function stepReport(setup: TrainerSetup, outcome: StepOutcome): StepReport {
  return {
    step: outcome.state.step,
    metrics: stepRow(setup.config, outcome),
    personas: personaAccuracy(outcome.sample),
    rollouts: rolloutRecords(setup, outcome),
    seconds: { ...outcome.clock.seconds },
  };
}

/** Right rollouts and all rollouts of the step by persona. */
export function personaAccuracy({ rows }: Sample): PersonaAccuracy {
  const accuracy: Record<string, { correct: number; total: number }> = {};
  for (const { persona, verdict } of rows) {
    const counts = (accuracy[persona?.id ?? 'none'] ??= { correct: 0, total: 0 });
    counts.total++;
    if (verdict.correct) counts.correct++;
  }
  return accuracy;
}

/** A token strip longer than this is no longer read; what is stored per token stops there. */
const stripTokens = 256;

function rolloutRecords({ tokenizer }: TrainerSetup, outcome: StepOutcome): RolloutRecord[] {
  const { sample, advantages, reference, lastPass, state } = outcome;
  const { rows, rollouts } = sample;
  const batch = batchFacts(sample);
  return rows.map(({ group, persona, prompt, completion, verdict, reward }, row) => {
    const all = completionOf(rollouts, row);
    const tokens = all.subarray(0, stripTokens);
    const first = row * rollouts.completionWidth;
    const strip = (values: Float32Array) => Array.from(values.subarray(first, first + tokens.length), roundForDisplay);
    return {
      step: state.step,
      row,
      group: group.key,
      personaId: persona?.id ?? null,
      questionId: group.question.id,
      task: group.source.id,
      question: group.question.text,
      answer: group.question.answer,
      prompt: prompt.text,
      completion,
      pieces: tokenizer.pieces(tokens),
      logprobs: strip(rollouts.logprobs),
      entropies: strip(rollouts.entropies),
      reward,
      advantage: advantages[row]!,
      correct: verdict.correct,
      ended: rollouts.ended[row] === 1,
      parsed: verdict.parsed,
      reason: verdict.reason,
      tokens: Array.from(tokens),
      length: all.length,
      ...(reference ? { refLogprobs: strip(reference) } : {}),
      ...(lastPass
        ? {
            lastPass: {
              logprobs: strip(lastPass.logprobs),
              entropies: strip(lastPass.entropies),
              logRatio: sum(Array.from(all, (_, t) => lastPass.logprobs[first + t]! - rollouts.logprobs[first + t]!)),
            },
          }
        : {}),
      batch,
    };
  });
}

/** Four decimals: a third of the bytes of a full double in every stored rollout. */
function roundForDisplay(value: number): number {
  return Math.round(value * 1e4) / 1e4;
}

function batchFacts({ rows, rollouts }: Sample): BatchFacts {
  const lengths = rows.map((_, row) => rollouts.lengths[row]! - rollouts.promptLengths[row]!);
  return {
    rows: rows.length,
    tokens: sum(lengths),
    endedTokens: sum(lengths.filter((_, row) => rollouts.ended[row] === 1)),
    rewardStd: sampleStd(rows.map(({ reward }) => reward)),
  };
}
