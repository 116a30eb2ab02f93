/**
 * One run of reinforcement learning with verifiable rewards, as a loop that can be read in one screen: questions and
 * personas → rollouts → rewards → advantages → an optimiser step → a report. It computes nothing itself (`engine/`),
 * stores nothing (`storage/`) and knows no page: whoever pulls the next step decides when it happens.
 */
import type { TrainerSetup } from './setup.ts';
import type { ObjectiveSpec, PolicyEngine, Scores, StepMetrics, TrainBatch } from '../engine/engine.ts';
import { LabError, labErrorCode } from '../errors.ts';
import { completionMask, policyBatch } from './batch.ts';
import type { RunConfig } from './config.ts';
import { GroupSource } from './data.ts';
import type { StepReport, TrainerState } from './events.ts';
import { lessonBatch } from './lessons.ts';
import { klIsInReward, needsReference, objectiveSpec } from './objectives.ts';
import { PhaseClock } from './phases.ts';
import { planRun } from './plan.ts';
import { measureRoom } from './room.ts';
import { stepReport } from './report.ts';
import { sampleStep, type Sample } from './sample.ts';
import { optimAt } from './schedule.ts';
import { sequenceKl } from './shaping.ts';

/** Where a run begins. */
export const initialTrainerState: TrainerState = { step: 0, cursor: 0, tokens: 0, nonFiniteStreak: 0 };

/** Steps without a finite update before the run gives up. */
const patience = 3;

/**
 * What can be known of a run before anything is asked of the policy: that questions fit, and batches. `train` makes sure of it; whoever has
 * something else done first, held-out questions that take minutes, does so before that.
 * @throws LabError as `train` does before its first step
 */
export function measured(given: TrainerSetup): TrainerSetup {
  if (given.fits) return given;
  const { notices, fits } = measureRoom(given.config, given.personas, given.tokenizer, given.sets);
  for (const sentence of notices) given.onNotice?.(sentence);
  const setup = { ...given, fits };
  planRun(setup);
  return setup;
}

/**
 * Yields once per step until `config.steps`. Each yielded state, together with the engine's own, resumes exactly there.
 * @throws LabError 'config' before the first step for personas that do not reach the prompt and questions that do not fit; 'webgpu' for batches that will not fit on the GPU; 'numeric' after three steps in a row without a finite update; 'cancelled' when the signal is aborted
 */
export async function* train(given: TrainerSetup): AsyncGenerator<{ report: StepReport; state: TrainerState }> {
  const { engine, config } = given;
  const setup = measured(given);
  const objective = objectiveSpec(config);
  for (let state = setup.state; state.step < config.steps;) {
    const clock = new PhaseClock(setup.signal, setup.onProgress);
    const source = new GroupSource(config, setup.personas, state.cursor, setup.fits, setup.sets);
    const sample = await meaningful(sampleStep(setup, clock, source, state.step), state.step);

    const mask = completionMask(sample.rollouts, setup.eosIds, config.objective.maskTruncated);
    const reference = needsReference(config, state.step)
      ? (await clock.run('score', () => engine.score(sample.rollouts, { temperature: config.sampling.temperature, policy: 'reference' })))
          .logprobs
      : null;
    const rewards = learningRewards(config, sample, reference, mask);
    const advantages = await engine.advantages(rewards, config.groupSize, config.objective.advantage);

    const batch =
      objective.term === 'sft'
        ? await lessonBatch(setup, clock, sample, state)
        : policyBatch(sample.rollouts, mask, advantages, reference, config);
    const { updates, lastPass } = await clock.run('update', (progress) => update(setup, batch, objective, state.step, progress));

    state = {
      step: state.step + 1,
      cursor: source.cursor,
      tokens: state.tokens + sample.rollouts.lengths.reduce((sum, length) => sum + length, 0),
      nonFiniteStreak: updates.some(({ skipped }) => skipped) ? state.nonFiniteStreak + 1 : 0,
    };
    if (state.nonFiniteStreak >= patience) {
      throw diverged(`The last ${patience} updates up to step ${state.step} were not finite, so none of them was applied.`);
    }
    yield { report: stepReport(setup, { sample, mask, reference, advantages, updates, lastPass, clock, state }), state };
  }
}

/** The passes over one batch; not interruptible, because a half-updated policy is in no state a run could resume from. */
async function update(
  { engine, config }: TrainerSetup,
  batch: TrainBatch | null,
  objective: ObjectiveSpec,
  step: number,
  progress: (fraction: number) => void,
): Promise<{ updates: StepMetrics[]; lastPass: Scores | null }> {
  // Nothing to learn: a teacher that was never right, or the Base recipe, which is sampled and measured, never changed.
  if (!batch || config.optim.learningRate === 0) return { updates: [], lastPass: null };
  // Asked for at once: an engine may encode the next pass while it waits for the numbers of the one before.
  const { innerEpochs } = config.objective;
  const pass = async (epoch: number) => {
    const at = (fraction: number) => progress((epoch + fraction) / innerEpochs);
    const metrics = await engine.step(batch, objective, optimAt(config, step), at);
    at(1);
    return metrics;
  };
  const earlier = Array.from({ length: innerEpochs - 1 }, (_, epoch) => pass(epoch));
  const scores = earlier.length > 0 && batch.oldLogprobs ? scoreBeforeLast(engine, batch, objective.temperature) : null;
  const [lastPass, ...updates] = await Promise.all([scores, ...earlier, pass(innerEpochs - 1)]);
  return { updates, lastPass };
}

/** The ratios of the last pass, token by token, which a step's metrics do not have. That it cannot be scored is for the pass itself to say. */
async function scoreBeforeLast(engine: PolicyEngine, batch: TrainBatch, temperature: number): Promise<Scores | null> {
  try {
    return await engine.score(batch, { temperature, policy: 'current' });
  } catch (error) {
    if (labErrorCode(error) === 'numeric') return null;
    throw error;
  }
}

/** The rewards that advantages are taken of; only RLOO's KL makes them differ from those that are reported. */
function learningRewards(config: RunConfig, { rows, rollouts }: Sample, reference: Float32Array | null, mask: Uint8Array): Float32Array {
  const penalty = reference && klIsInReward(config.objective) ? sequenceKl(rollouts.logprobs, reference, mask, rollouts.rows) : null;
  return Float32Array.from(rows, ({ reward }, row) => reward - config.objective.beta * (penalty?.[row] ?? 0));
}

/** Rollouts that are no numbers: of a policy that training brought there, its run has diverged; of one that was not trained yet, it is what the engine says. */
async function meaningful<T>(rollouts: Promise<T>, step: number): Promise<T> {
  try {
    return await rollouts;
  } catch (error) {
    if (step === 0 || labErrorCode(error) !== 'numeric') throw error;
    throw diverged(`What the policy of step ${step} says is not finite.`, error);
  }
}

function diverged(what: string, cause?: unknown): LabError {
  return new LabError(
    'numeric',
    what,
    'Go on from an earlier checkpoint with a smaller learning rate, a smaller clip range or a larger beta.',
    { cause },
  );
}
