/**
 * Rollouts in the words of other programs: UNIPO's replay (its docs/canonical_schema.json), trackio's traces, and the table of completions that
 * TRL writes beside a run. Pure functions; the samples they are held to were made with those programs (tests/fixtures/traces). What a token
 * weighs is `rl/rollout-terms.ts`.
 */
import { heldOutMetrics } from '../evaluate/held-out.ts';
import { csvTable, type CsvCell } from '../evaluate/csv.ts';
import type { Persona } from '../persona/persona.ts';
import type { RunConfig } from '../rl/config.ts';
import type { RolloutRecord, StepRow } from '../rl/events.ts';
import { usualRewards } from '../verify/reward-names.ts';
import { metricNames } from '../rl/metric-names.ts';
import { rolloutTerms } from '../rl/rollout-terms.ts';
import { mean } from '../statistics/moments.ts';
import type { MetricsRecord, RolloutsRecord } from '../storage/records.ts';
import type { RunStory } from './run-file.ts';

/** A run as far as these formats need it. */
export interface TracedRun extends RunStory {
  /** Ascending steps. */
  readonly rollouts: readonly Omit<RolloutsRecord, 'runId'>[];
}

/** UNIPO shows a few prompts of a step. */
const unipoPrompts = 3;

/**
 * A file for UNIPO's replay: an entry for every step whose rollouts are kept. Of several passes over a batch the last one is known, so only
 * with one pass does an entry follow right after its rollouts. Its objective is what we minimise, negated.
 */
export function unipoReplay({ run, metrics, rollouts }: TracedRun): object {
  const { config } = run;
  const { objective, optim, sampling } = config;
  const rows = new Map(metrics.map((record) => [record.step, record.metrics]));
  return {
    header: {
      task: config.tasks.map(({ id }) => id).join(', '),
      dataset: `generated, seed ${config.seed}`,
      reward_strategy: [
        ...(config.rewards ?? usualRewards).map(({ name }) => name),
        ...(objective.overlongBuffer > 0 ? ['soft_overlong'] : []),
      ].join(' + '),
      algorithm: objective.name,
      totalSteps: config.steps,
      model_name: config.policy,
      reference_model_name: config.policy,
      hparams: {
        clip_eps: objective.epsilonLow,
        clip_eps_high: objective.epsilonHigh,
        kl_coef: objective.beta,
        entropy_coef: objective.entropyCoef,
        learning_rate: optim.learningRate,
        group_size: config.groupSize,
        prompts_per_step: config.promptsPerStep,
        inner_epochs: objective.innerEpochs,
        temperature: sampling.temperature,
        max_new_tokens: sampling.maxNewTokens,
        none_share: config.mix.noneShare,
      },
    },
    entries: rollouts.map(({ step, rollouts: all }) => {
      const row: StepRow = rows.get(step) ?? {};
      return {
        step,
        is_first_step_after_rollout_phase: objective.innerEpochs === 1,
        metrics: {
          ...row,
          policy_objective: -(row.policy_loss ?? row.loss ?? 0),
          reward: row.reward ?? mean(all.map(({ reward }) => reward)),
        },
        prompts: mixedFirst(groupsOf(all))
          .slice(0, unipoPrompts)
          .map((group, p) => ({
            prompt: group[0]!.prompt,
            responses: group.map((rollout, sample) => ({
              id: `step${step}_p${p}_sample${sample}`,
              reward: rollout.reward,
              advantage: rollout.advantage,
              response_text: rollout.completion,
              response_length: rollout.length ?? rollout.pieces.length,
              tokens: unipoTokens(rollout, group, config),
            })),
          })),
      };
    }),
  };
}

function unipoTokens(rollout: RolloutRecord, group: readonly RolloutRecord[], config: RunConfig): object {
  const computed = rolloutTerms(rollout, group, config);
  const { pieces, logprobs, refLogprobs } = rollout;
  return {
    ids: rollout.tokens ?? pieces.map(() => -1),
    strings: pieces,
    log_probs: (rollout.lastPass ?? rollout).logprobs,
    old_log_probs: logprobs,
    advantages: pieces.map(() => rollout.advantage),
    ...(refLogprobs ? { ref_log_probs: refLogprobs } : {}),
    ...(computed && refLogprobs ? { token_kl: computed.terms.map(({ kl }) => kl ?? 0) } : {}),
    // No minus zeros: they are written as 0 and read back as something else.
    ...(computed ? { token_objective: computed.terms.map(({ value }) => 0 - value) } : {}),
  };
}

/** One trace a line, a rollout each: `trackio.Trace`'s own form, with what TRL writes beside it. @param personas whose texts are the system messages */
export function trackioTraces({ run, rollouts }: TracedRun, personas: readonly Persona[]): string {
  const texts = new Map(personas.map(({ id, text }) => [id, text]));
  return lines(
    rollouts.flatMap(({ step, rollouts: all }) => {
      const groups = [...new Set(all.map(({ group }) => group))];
      return all.map((rollout) => {
        const persona = rollout.personaId === null ? undefined : texts.get(rollout.personaId);
        return {
          _type: 'trackio.trace',
          messages: [
            ...(persona === undefined ? [] : [{ role: 'system', content: persona }]),
            { role: 'user', content: rollout.question },
            { role: 'assistant', content: rollout.completion },
          ],
          metadata: {
            run: run.name,
            step,
            reward: rollout.reward,
            'rewards/correct': Number(rollout.correct),
            advantage: rollout.advantage,
            group_id: groups.indexOf(rollout.group),
            // The policy that sampled has done the steps before.
            model_version: step - 1,
            persona: rollout.personaId ?? 'none',
            task: rollout.task,
            answer: rollout.answer,
            parsed: rollout.parsed,
            truncated: !rollout.ended,
            prompt: rollout.prompt,
            completion_tokens: rollout.length ?? rollout.pieces.length,
            tokens: rollout.pieces,
            log_probs: rollout.logprobs,
            entropies: rollout.entropies,
            ...(rollout.refLogprobs ? { ref_log_probs: rollout.refLogprobs } : {}),
          },
          spans: [],
        };
      });
    }),
  );
}

/** One row a line, as `pandas.read_json(…, lines=True)` reads it: the columns of TRL's completions table, and behind them ours. */
export function completionsTable({ run, rollouts }: TracedRun): string {
  // Beside other rewards it is not told apart any more.
  const overlong = run.config.objective.overlongBuffer > 0 && !run.config.rewards;
  return lines(
    rollouts.flatMap(({ step, rollouts: all }) =>
      all.map(({ prompt, completion, correct, reward, advantage, personaId, task, answer, ended }) => ({
        step,
        prompt,
        completion,
        correct: Number(correct),
        ...(overlong ? { soft_overlong: reward - Number(correct) } : {}),
        ...(run.config.rewards ? { reward } : {}),
        advantage,
        persona: personaId ?? 'none',
        task,
        answer,
        truncated: !ended,
      })),
    ),
  );
}

/** A row a step: metrics under TRL's names, the held-out questions where they were asked, and the training accuracy by persona. */
export function metricsTable({ metrics, heldOut }: RunStory): string {
  const asked = new Map(heldOut.map((evaluation) => [evaluation.step, heldOutMetrics(evaluation)]));
  const rows = new Map(metrics.map((record) => [record.step, record]));
  const names = metricNames.filter((name) => metrics.some((record) => record.metrics[name] !== undefined));
  const evals = [...new Set([...asked.values()].flatMap((row) => Object.keys(row)))];
  const people = [...new Set(metrics.flatMap((record) => Object.keys(record.personas)))].sort();
  const steps = [...new Set([...rows.keys(), ...asked.keys()])].sort((a, b) => a - b);
  const cell = (value: number | undefined): CsvCell => (value !== undefined && Number.isFinite(value) ? value : '');
  return csvTable(
    ['step', ...names, ...evals, ...people.map((id) => `accuracy/${id}`)],
    steps.map((step) => {
      const { metrics: row, personas } = rows.get(step) ?? unknownStep;
      const held: Readonly<Record<string, number>> = asked.get(step) ?? {};
      const share = (id: string) => (personas[id] ? personas[id].correct / personas[id].total : undefined);
      return [
        step,
        ...names.map((name) => cell(row[name])),
        ...evals.map((name) => cell(held[name])),
        ...people.map((id) => cell(share(id))),
      ];
    }),
  );
}

const unknownStep: Pick<MetricsRecord, 'metrics' | 'personas'> = { metrics: {}, personas: {} };

/** The rollouts of a step by group, in their order. */
export function groupsOf(rollouts: readonly RolloutRecord[]): (readonly RolloutRecord[])[] {
  const groups = new Map<string, RolloutRecord[]>();
  for (const rollout of rollouts) groups.set(rollout.group, [...(groups.get(rollout.group) ?? []), rollout]);
  return [...groups.values()];
}

/** Groups with right and wrong replies first: the others teach nothing. */
function mixedFirst(groups: readonly (readonly RolloutRecord[])[]): (readonly RolloutRecord[])[] {
  const equal = (group: readonly RolloutRecord[]) => Number(group.every(({ reward }) => reward === group[0]!.reward));
  return groups.toSorted((a, b) => equal(a) - equal(b));
}

const lines = (records: readonly object[]): string => records.map((record) => `${JSON.stringify(record)}\n`).join('');
