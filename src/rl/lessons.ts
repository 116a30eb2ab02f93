/**
 * What cross-entropy learns from, in place of rewards: the tasks' own solutions (SFT), or the replies of a frozen teacher that were verified
 * right (sequence distillation, Kim and Rush 2016, arXiv 1606.07947, filtered by the verifier). The teacher answers the very questions and
 * personas that the policy is asked in that step, so nothing has to be stored and a resumed run learns the same.
 */
import type { TrainerSetup } from './setup.ts';
import type { TrainBatch } from '../engine/engine.ts';
import { LabError } from '../errors.ts';
import { solutionAs } from '../verify/extract.ts';
import { askingOf } from './asking.ts';
import { completionOf, supervisedBatch } from './batch.ts';
import { GroupSource } from './data.ts';
import type { TrainerState } from './events.ts';
import type { PhaseClock } from './phases.ts';
import { sampleStep, type Sample } from './sample.ts';

/** @param state before the step  @returns null where the teacher was never right @throws LabError 'config' for distillation without a teacher */
export async function lessonBatch(setup: TrainerSetup, clock: PhaseClock, sample: Sample, state: TrainerState): Promise<TrainBatch | null> {
  const { config, teacher } = setup;
  if (!teacher) {
    if (config.recipe !== 'distill') return solutionBatch(setup, sample);
    throw new LabError('config', 'Sequence distillation learns from a teacher, and there is none.', 'Give it a trained policy as teacher.');
  }
  const { rows, rollouts } = await sampleStep(
    { ...setup, engine: teacher },
    clock,
    new GroupSource(config, setup.personas, state.cursor, setup.fits, setup.sets),
    state.step,
  );
  const pairs = rows
    .map(({ prompt }, row) => ({ prompt: prompt.tokens, reply: completionOf(rollouts, row) }))
    .filter((_, row) => rows[row]!.verdict.correct && rollouts.ended[row] === 1);
  return pairs.length > 0 ? supervisedBatch(pairs, config) : null;
}

/** Each question's own solution, in the form that is looked for first, under the prompt it was asked with. */
function solutionBatch({ tokenizer, eosIds, config }: TrainerSetup, { groups, rows }: Sample): TrainBatch {
  const [form] = askingOf(config).answers;
  const pairs = groups.map(({ source, question }, group) => ({
    prompt: rows[group * config.groupSize]!.prompt.tokens,
    reply: Int32Array.from([
      ...tokenizer.encode(solutionAs(source.solution(question) ?? noSolution(source.name), question.answer, form!)),
      ...eosIds.slice(0, 1),
    ]),
  }));
  return supervisedBatch(pairs, config);
}

/** A run like that has been refused before its first step (`check.ts`). */
function noSolution(source: string): never {
  throw new Error(`${source} has no solutions`);
}
