/**
 * Groups of questions → rollouts with verdicts and rewards: render the prompts, let the policy answer, verify.
 * It draws no questions (`data.ts`) and compares no rewards (the engine does).
 */
import type { TrainerSetup } from './setup.ts';
import type { Rollouts } from '../engine/engine.ts';
import { shareWritten } from '../engine/written.ts';
import type { Persona } from '../persona/persona.ts';
import { renderPrompt, type RenderedPrompt } from '../persona/prompt.ts';
import { verifyAs } from '../verify/verify.ts';
import { earned, total } from '../verify/rewards.ts';
import type { Verdict } from '../verify/verdict.ts';
import { askingOf } from './asking.ts';
import { constantGroups } from './groups.ts';
import { completionLength, completionOf, pickRows } from './batch.ts';
import type { Group, GroupSource } from './data.ts';
import type { PhaseClock } from './phases.ts';
import { softOverlong } from './shaping.ts';

/** One rollout, host side. */
export interface SampledRow {
  readonly group: Group;
  readonly persona: Persona | null;
  readonly prompt: RenderedPrompt;
  /** Without the EOS. */
  readonly completion: string;
  readonly verdict: Verdict;
  /** What it earned by the rewards of the configuration, before their weights; null where it names none. */
  readonly earned: ReturnType<typeof earned> | null;
  /** DAPO's soft overlong punishment, 0 or less. */
  readonly overlong: number;
  /** The verdict's reward, or what was earned by weight, and the punishment. */
  readonly reward: number;
}

/** A step's rollouts: row r of `rollouts` is `rows[r]`, and belongs to group floor(r / groupSize). */
export interface Sample {
  readonly groups: readonly Group[];
  readonly rows: readonly SampledRow[];
  readonly rollouts: Rollouts;
}

/**
 * The step's rollouts. With dynamic sampling (DAPO), groups whose rewards are all equal make room for fresh questions, a
 * bounded number of times; what is still constant then stays, and teaches nothing.
 */
export async function sampleStep(setup: TrainerSetup, clock: PhaseClock, source: GroupSource, step: number): Promise<Sample> {
  const { promptsPerStep, groupSize, objective } = setup.config;
  const rowsPerRound = promptsPerStep * groupSize;
  let sample = await sampleGroups(setup, clock, source.take(promptsPerStep), step, 0);
  for (let round = 1; round <= objective.dynamicSampling; round++) {
    const constant = constantGroups(
      sample.rows.map(({ reward }) => reward),
      groupSize,
    );
    const missing = constant.filter(Boolean).length;
    if (missing === 0) break;
    const fresh = await sampleGroups(setup, clock, source.take(missing), step, round * rowsPerRound);
    sample = replaceGroups(sample, constant, fresh, groupSize);
  }
  return sample;
}

/** @param firstRow where these rows' random numbers begin within the step */
async function sampleGroups(
  setup: TrainerSetup,
  clock: PhaseClock,
  groups: readonly Group[],
  step: number,
  firstRow: number,
): Promise<Sample> {
  const { engine, tokenizer, eosIds, config, signal } = setup;
  const { groupSize, sampling, seed, objective } = config;
  const { answers } = askingOf(config);
  const limit = (tokenizer.maxLength ?? Infinity) - sampling.maxNewTokens;
  const prompts = groups.map((group) =>
    group.personas.map((persona) => renderPrompt(tokenizer, persona?.text ?? null, group.question.text, limit)),
  );
  const repeats = config.mix.draw === 'prompt' ? groupSize : 1;
  const written = shareWritten(sampling.maxNewTokens);
  const rollouts = await clock.run('generate', (progress) =>
    engine.generate(
      {
        prompts: prompts.flat().map(({ tokens }) => tokens),
        repeats,
        sampling: { ...sampling, eosIds, seed, step, firstRow },
        // Cross-entropy is taken on lessons, not on these.
        forStep: config.optim.learningRate !== 0 && objective.name !== 'sft',
        ...(signal ? { signal } : {}),
      },
      (token) => progress(written(token)),
    ),
  );
  const rowOf = async (row: number): Promise<SampledRow> => {
    const inGroup = Math.floor((row % groupSize) / repeats);
    const group = groups[Math.floor(row / groupSize)]!;
    const tokens = completionOf(rollouts, row);
    const { length, ended } = completionLength(tokens, eosIds);
    const completion = tokenizer.decode(tokens.subarray(0, ended ? length - 1 : length));
    const prompt = prompts[Math.floor(row / groupSize)]![inGroup]!;
    const verdict = await verifyAs(group.source, completion, group.question, prompt.thinking, answers);
    const values = config.rewards
      ? earned(config.rewards, { completion, gold: group.question.answer, verdict, opened: prompt.thinking, answers })
      : null;
    const overlong = softOverlong(length, sampling.maxNewTokens, objective.overlongBuffer);
    const persona = group.personas[inGroup]!;
    return {
      group,
      persona,
      prompt,
      completion,
      verdict,
      overlong,
      earned: values,
      reward: (values ? total(config.rewards!, values) : verdict.reward) + overlong,
    };
  };
  const rows = await clock.run('verify', () => Promise.all(Array.from({ length: rollouts.rows }, (_, row) => rowOf(row))));
  return { groups, rows, rollouts };
}

function replaceGroups(sample: Sample, replace: readonly boolean[], fresh: Sample, groupSize: number): Sample {
  let next = 0;
  const groups = replace.map((gone, i) => (gone ? { from: fresh, index: next++ } : { from: sample, index: i }));
  const picks = groups.flatMap(({ from, index }) => Array.from({ length: groupSize }, (_, i) => ({ from, row: index * groupSize + i })));
  return {
    groups: groups.map(({ from, index }) => from.groups[index]!),
    rows: picks.map(({ from, row }) => from.rows[row]!),
    rollouts: pickRows(picks.map(({ from, row }) => ({ from: from.rollouts, row }))),
  };
}
