/** Reads the newest steps like an experienced colleague would: what stands out, its likeliest cause, and one thing to do about it. Pure. */
import { heldOutMetrics, type HeldOutEvaluation } from '../evaluate/held-out.ts';
import type { RunConfig } from '../rl/config.ts';
import type { MetricName } from '../rl/metric-names.ts';
import { recipes } from '../rl/recipes.ts';
import { mean } from '../statistics/moments.ts';
import type { NoticeLevel } from '../worker/api.ts';
import type { Metrics } from './metrics.svelte.ts';
import { smooth } from './series.ts';

export interface Finding {
  readonly level: 'good' | NoticeLevel;
  readonly title: string;
  readonly text: string;
  readonly remedy?: Remedy;
}

export interface Remedy {
  /** What the button says. */
  readonly label: string;
  /** The checkpoint to go on from; null: the settings are for the next run. */
  readonly step: number | null;
  /** The run's settings, mended. */
  readonly config: RunConfig;
}

export interface Patient {
  readonly metrics: Metrics;
  /** Null: what the run was begun with is not known, so nothing can be proposed. */
  readonly config: RunConfig | null;
  readonly heldOut: readonly HeldOutEvaluation[];
  /** Steps that can be gone back to. */
  readonly checkpoints: readonly { readonly step: number; readonly reward: number | null }[];
}

const rank: Readonly<Record<Finding['level'], number>> = { error: 0, warning: 1, good: 2, info: 3 };

/** Most serious first; one calm sentence where nothing stands out. */
export function examine(patient: Patient): Finding[] {
  if (patient.metrics.length === 0) return [];
  const found = [
    nonFinite(patient),
    collapse(patient),
    dropped(patient),
    constantGroups(patient),
    truncated(patient),
    unfair(patient),
    far(patient),
    moved(patient),
    longer(patient),
    undecided(patient),
    trend(patient),
  ].filter((finding) => finding !== null);
  found.sort((a, b) => rank[a.level] - rank[b.level]);
  if (found.length > 0) return found;
  const text = patient.metrics.length < 10 ? 'Too early for a trend; ten steps will show one.' : 'Reward is about level.';
  return [{ level: 'info', title: 'Nothing unusual', text }];
}

function tail(column: ArrayLike<number> | null, count: number): number[] {
  return Array.from(column ?? [])
    .slice(-count)
    .filter((value) => Number.isFinite(value));
}

const late = ({ metrics }: Patient, name: MetricName, count: number) => tail(metrics.column(name), count);
const early = ({ metrics }: Patient, name: MetricName) => tail(metrics.column(name)?.subarray(0, 5) ?? null, 5);
const few = (value: number) => Number(value.toPrecision(2));

/** The checkpoint that answered best before something went wrong: the reward beside it is of the step it was taken at. */
function best({ checkpoints }: Patient, before = Infinity): number | null {
  const known = checkpoints.filter(({ step }) => step < before);
  const worth = ({ reward, step }: (typeof known)[number]) => reward ?? (step === 0 ? -1 : -2);
  return known.toSorted((a, b) => worth(b) - worth(a) || a.step - b.step)[0]?.step ?? null;
}

/** @param change sections of the settings */
function mended(
  config: RunConfig,
  change: Partial<Pick<RunConfig, 'groupSize'>> & Partial<Record<'objective' | 'sampling' | 'optim', object>>,
) {
  const { objective, sampling, optim, ...rest } = change;
  return {
    ...config,
    ...rest,
    objective: { ...config.objective, ...objective },
    sampling: { ...config.sampling, ...sampling },
    optim: { ...config.optim, ...optim },
  } as RunConfig;
}

/** Back, with a learning rate that is known to work. */
function slower(patient: Patient, before?: number): { readonly remedy: Remedy } | object {
  const { config } = patient;
  const step = best(patient, before);
  if (!config || step === null) return {};
  const learningRate = few(Math.min(config.optim.learningRate / 10, recipes.permix.optim.learningRate));
  const steps = Math.max(config.steps, step + 1);
  return {
    remedy: { label: `Back to step ${step} with ${learningRate}`, step, config: { ...mended(config, { optim: { learningRate } }), steps } },
  };
}

function next(patient: Patient, label: string, change: Parameters<typeof mended>[1]): { readonly remedy: Remedy } | object {
  return patient.config ? { remedy: { label: `Next run: ${label}`, step: null, config: mended(patient.config, change) } } : {};
}

/** Nearer to the base. */
function held(patient: Patient) {
  const beta = few(Math.max(0.02, 3 * (patient.config?.objective.beta ?? 0)));
  return next(patient, `beta ${beta}`, { objective: { beta, kl: 'k3' } });
}

function nonFinite(patient: Patient): Finding | null {
  const { metrics } = patient;
  const last = metrics.length - 1;
  const broken = (['loss', 'grad_norm'] as const).some((name) => Math.abs(metrics.column(name)?.[last] ?? 0) === Infinity);
  if (!broken && !late(patient, 'skipped_updates', 10).some((value) => value > 0)) return null;
  return {
    level: 'error',
    title: 'Non-finite step',
    text: 'A loss or gradient was not a number, so that update was skipped and the weights stayed as they were. A lower learning rate usually cures it.',
    ...slower(patient),
  };
}

/** What was learnt is lost again, under a learning rate far above the recipe's. */
function collapse(patient: Patient): Finding | null {
  const { metrics, config } = patient;
  const reward = metrics.column('reward');
  if (!reward || metrics.length < 10) return null;
  const line = smooth(reward, 0.6).map((value) => value ?? 0);
  const top = Math.max(...line);
  const fallen = top - line.at(-1)!;
  const usual = recipes.permix.optim.learningRate;
  if (fallen < 0.2 || fallen < 0.3 * top) return null;
  // The last step that was about as good.
  const at = metrics.steps[line.findLastIndex((value) => value > top - 0.02)]!;
  const times = config && config.optim.learningRate > 3 * usual ? Math.round(config.optim.learningRate / usual) : null;
  const cause =
    times === null
      ? 'A lower learning rate or a larger beta is the usual answer.'
      : `The learning rate ${config!.optim.learningRate} is ${times} times the recipe’s ${usual}.`;
  return {
    level: 'warning',
    title: times === null ? 'Reward has collapsed' : 'The learning rate is too high',
    text: `Reward has fallen from ${top.toFixed(2)} at step ${at} to ${line.at(-1)!.toFixed(2)}, smoothed. ${cause}`,
    ...slower(patient, at + 1),
  };
}

/** On one engine the sampler and the trainer compute the same. */
function dropped(patient: Patient): Finding | null {
  const difference = patient.metrics.latest('sampling/sampling_logp_difference/mean');
  if (difference === null || difference <= 1e-3) return null;
  return {
    level: 'warning',
    title: 'Sampler and trainer disagree',
    text: `Their log-probs differ by ${difference.toPrecision(2)} nats on average, where it should be nearly 0: work of the GPU may have been dropped. The self-check (?selftest in the address) says whether it computes right.`,
  };
}

function constantGroups(patient: Patient): Finding | null {
  const constant = late(patient, 'frac_reward_zero_std', 3);
  if (constant.length === 0 || mean(constant) < 0.999) return null;
  const right = (patient.metrics.latest('reward') ?? 0) > 0.5;
  const size = Math.min(256, 2 * (patient.config?.groupSize ?? 8));
  return {
    level: 'warning',
    title: 'Nothing to compare',
    text: right
      ? 'Every group is all right, so no rollout is better than its neighbours and nothing is learnt. Try a harder task.'
      : 'Every group is all wrong, so no rollout is better than its neighbours and nothing is learnt. Try an easier task or larger groups.',
    ...(right ? {} : next(patient, `groups of ${size}`, { groupSize: size })),
  };
}

function truncated(patient: Patient): Finding | null {
  const clipped = late(patient, 'completions/clipped_ratio', 3);
  if (clipped.length === 0 || mean(clipped) <= 0.5) return null;
  const maxNewTokens = Math.min(4096, 2 * (patient.config?.sampling.maxNewTokens ?? 24));
  return {
    level: 'warning',
    title: 'Cut off',
    text: `${Math.round(100 * mean(clipped))} % of the replies hit the length limit before they ended. Raise the longest reply.`,
    ...next(patient, `replies of up to ${maxNewTokens} tokens`, { sampling: { maxNewTokens } }),
  };
}

/** The average is bought with the worst voice. */
function unfair({ metrics, heldOut, config }: Patient): Finding | null {
  const worst = heldOut.map((evaluation) => heldOutMetrics(evaluation)['eval/worst']).filter((value) => value !== undefined);
  const reward = metrics.column('reward');
  if (!reward || worst.length < 3) return null;
  const [top, now] = [Math.max(...worst), worst.at(-1)!];
  const at = heldOut[worst.indexOf(top)]?.step ?? 0;
  const since = tail(reward.subarray(Math.max(0, at - 3), at + 3), 6);
  if (top - now < 0.2 || since.length === 0 || mean(tail(reward, 5)) <= mean(since)) return null;
  const mixes = config && config.mix.noneShare === 1;
  return {
    level: 'warning',
    title: 'The worst voice is falling',
    text: `On held-out questions it fell from ${Math.round(100 * top)} % at step ${at} to ${Math.round(100 * now)} %, while the reward rose: this run is graded on ${mixes ? 'bare questions only' : 'other prompts'}.`,
    ...(mixes
      ? { remedy: { label: 'Next run: mix personas in', step: null, config: { ...config, recipe: 'permix', mix: recipes.permix.mix } } }
      : {}),
  };
}

function far(patient: Patient): Finding | null {
  const kl = late(patient, 'kl', 3);
  if (kl.length === 0 || mean(kl) <= 1) return null;
  return {
    level: 'warning',
    title: 'Far from the base',
    text: `The policy is ${mean(kl).toFixed(1)} nats a token away from where it began, so far that it may have forgotten how to speak. A larger beta holds it.`,
    ...held(patient),
  };
}

function moved(patient: Patient): Finding | null {
  const ratio = late(patient, 'ratio_max', 3);
  if (ratio.length === 0 || mean(ratio) <= 10) return null;
  return {
    level: 'warning',
    title: 'Steps are too long',
    text: `Within one batch some tokens became ${Math.round(mean(ratio))} times as likely. Fewer passes a batch keep the update close to what was sampled.`,
    ...(patient.config?.objective.innerEpochs === 1
      ? next(patient, 'half the learning rate', { optim: { learningRate: few(patient.config.optim.learningRate / 2) } })
      : next(patient, 'one pass a batch', { objective: { innerEpochs: 1 } })),
  };
}

function longer(patient: Patient): Finding | null {
  const [before, now] = [early(patient, 'completions/mean_length'), late(patient, 'completions/mean_length', 5)];
  if (patient.metrics.length < 15 || before.length === 0 || mean(now) < 2 * mean(before)) return null;
  return {
    level: 'warning',
    title: 'Replies grow',
    text: `From ${mean(before).toFixed(1)} to ${mean(now).toFixed(1)} tokens. If nothing is gained by it, a KL term keeps the way of speaking.`,
    ...held(patient),
  };
}

function undecided(patient: Patient): Finding | null {
  const [before, now] = [early(patient, 'entropy'), late(patient, 'entropy', 5)];
  if (patient.metrics.length < 15 || before.length === 0 || mean(now) >= 0.2 * mean(before)) return null;
  return {
    level: 'warning',
    title: 'Entropy collapse',
    text: 'The policy has stopped trying other replies. A larger beta or an entropy bonus keeps it curious; a lower learning rate slows the fall.',
    ...next(patient, 'an entropy bonus of 0.01', { objective: { entropyCoef: 0.01 } }),
  };
}

function trend(patient: Patient): Finding | null {
  const reward = patient.metrics.column('reward');
  if (!reward || patient.metrics.length < 10) return null;
  const line = smooth(reward, 0.8).filter((value): value is number => value !== null);
  const change = mean(line.slice(-5)) - mean(line.slice(0, 5));
  if (change > 0.05) return { level: 'good', title: 'Reward is rising', text: `By ${change.toFixed(2)} since the first steps, smoothed.` };
  if (change >= -0.05) return null;
  return {
    level: 'warning',
    title: 'Reward is falling',
    text: `By ${(-change).toFixed(2)} since the first steps, smoothed. A lower learning rate or a larger beta is the usual answer.`,
    ...slower(patient),
  };
}
