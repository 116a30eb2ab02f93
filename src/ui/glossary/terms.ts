/**
 * The page's words, each once: what it means in plain words, its formula, and where it is computed. What is said here is said nowhere else in
 * the interface; how a word opens is `Term.svelte`. Metrics carry TRL's names (rl/metric-names.ts, evaluate/held-out.ts).
 */
import { rewardNames } from '../../verify/reward-names.ts';
import type { MetricName } from '../../rl/metric-names.ts';

export interface Entry {
  readonly title: string;
  /** For somebody who meets the word for the first time. */
  readonly concept: string;
  /** TeX; absent where there is nothing to compute. */
  readonly formula?: string;
  /** Where it is computed: file, and what it is called there. */
  readonly code: { readonly file: string; readonly name: string };
  /** The metrics it explains, as charts, tables and files name them. `…/*`: all that begin so. */
  readonly metrics?: readonly (MetricName | `eval/${string}`)[];
}

/** Deeper from one to the next. */
export type Layer = 'concept' | 'formula' | 'code';

/** Those that there are of a word. */
export const layersOf = ({ formula }: Entry): Layer[] => (formula ? ['concept', 'formula', 'code'] : ['concept', 'code']);

export const entries = {
  // What is trained
  policy: {
    title: 'Policy',
    concept: 'The language model that is trained. Given the text so far it says how likely each next token is.',
    formula: '\\pi_\\theta(y_t \\mid x, y_{<t})',
    code: { file: 'src/policy/policy.ts', name: 'loadPolicy' },
  },
  base: {
    title: 'Base',
    concept: 'The policy before training. What came out of training is compared with it.',
    code: { file: 'src/rl/recipes.ts', name: 'recipes' },
  },
  reference: {
    title: 'Reference',
    concept: 'A frozen copy of the policy as the run began. It is never trained; the KL is measured against it.',
    formula: '\\pi_{\\text{ref}}',
    code: { file: 'src/rl/objectives.ts', name: 'needsReference' },
  },
  checkpoint: {
    title: 'Checkpoint',
    concept: 'Everything a run needs to go on, kept at one step: the weights, the optimiser’s memory and the counters.',
    code: { file: 'src/storage/retention.ts', name: 'retiredCheckpoints' },
  },
  lora: {
    title: 'LoRA',
    concept:
      'Training a small addition to each large matrix instead of the matrix itself. The smaller its rank, the fewer numbers are trained.',
    formula: 'y = W x + s\\, B (A x)',
    code: { file: 'src/policy/adapters.ts', name: 'initialAdapters' },
  },
  token: {
    title: 'Token',
    concept:
      'A piece of text, a word or a part of one. A language model reads and writes tokens. The metric counts all that the run has processed.',
    code: { file: 'src/policy/tokenizer.ts', name: 'Tokenizer' },
    metrics: ['num_tokens'],
  },
  seed: {
    title: 'Seed',
    concept:
      'The number that decides every chance draw of a run. The same seed on the same machine gives the same run; another seed shows what is chance.',
    code: { file: 'src/random/counter.ts', name: 'counterUniform' },
  },

  // Recipes
  rlvr: {
    title: 'RLVR',
    concept:
      'Reinforcement learning with verifiable rewards: the policy tries, a program checks the answer, and what was right becomes likelier. Here its prompts carry no persona.',
    code: { file: 'src/rl/trainer.ts', name: 'train' },
  },
  permix: {
    title: 'PerMix',
    concept: 'RLVR with personas mixed into its prompts. Nothing else differs: same questions, same reward, same settings.',
    code: { file: 'src/persona/mix.ts', name: 'drawPersona' },
  },
  mix: {
    title: 'Mix',
    concept: 'Which share of the prompts has no persona, and how the personas of the others are drawn.',
    code: { file: 'src/persona/mix.ts', name: 'trainingWeights' },
  },

  // Personas
  persona: {
    title: 'Persona',
    concept: 'A sentence before the question that says who is asked: “You are a clueless chef.”',
    code: { file: 'src/persona/prompt.ts', name: 'renderPrompt' },
  },
  voice: {
    title: 'Voice',
    concept:
      'A group of personas that speak alike, told by fixed phrases: all pirates say “Arr, matey”. The metric is the share of replies under a persona that carry its own voice’s phrases and nobody else’s.',
    code: { file: 'src/evaluate/style.ts', name: 'StyleScorer' },
    metrics: ['eval/voice'],
  },
  'held-out': {
    title: 'Held out',
    concept:
      'Kept away from training: questions the run never asks itself, or personas it never meets. Only they show whether something was learned and not just remembered.',
    code: { file: 'src/evaluate/held-out.ts', name: 'heldOutRows' },
  },
  lottery: {
    title: 'Persona lottery',
    concept:
      'Whether the answer is right depends on the persona that was drawn. Measured as what is gained by trying several personas and keeping the best: where personas matter, luck pays.',
    formula: '\\operatorname{E}[\\max\\text{ of }k] = \\sum_{i=k}^{n} a_{(i)} \\frac{\\binom{i-1}{k-1}}{\\binom{n}{k}}',
    code: { file: 'src/evaluate/lottery.ts', name: 'lotteryCurve' },
  },
  fidelity: {
    title: 'Persona fidelity',
    concept:
      'Does a persona still sound like itself? The mean of three tests between 0 and 1: its phrases, what a classifier hears, and what the base finds likely.',
    formula: '\\tfrac{1}{3}(\\text{style} + \\text{identification} + \\text{likelihood})',
    code: { file: 'src/evaluate/fidelity.ts', name: 'headlineFidelity' },
  },

  // How often it is right
  accuracy: {
    title: 'Accuracy',
    concept: 'The share of questions answered right, under one persona or under none.',
    formula: 'a_p = \\frac{\\text{right}}{\\text{asked}}',
    code: { file: 'src/evaluate/held-out.ts', name: 'heldOutCounts' },
    metrics: ['eval/accuracy/*', 'eval/none'],
  },
  worst: {
    title: 'Worst persona',
    concept: 'The accuracy of the persona that is right least often. “No persona” is not one of them.',
    formula: '\\min_p a_p',
    code: { file: 'src/evaluate/stability.ts', name: 'stability' },
    metrics: ['eval/worst'],
  },
  mean: {
    title: 'Mean over personas',
    concept: 'The average accuracy of all personas, without “No persona”.',
    formula: '\\frac{1}{|P|}\\sum_p a_p',
    code: { file: 'src/evaluate/stability.ts', name: 'stability' },
    metrics: ['eval/mean'],
  },
  spread: {
    title: 'Spread',
    concept: 'Best persona minus worst persona, in points.',
    formula: '\\max_p a_p - \\min_p a_p',
    code: { file: 'src/evaluate/stability.ts', name: 'stability' },
  },
  pss: {
    title: 'PSS, Persona Stability Score',
    concept:
      'Worst persona divided by best persona. 1: the persona changes nothing. With few questions it is too low by chance alone, so look at its value by chance too.',
    formula: '\\text{PSS} = \\frac{\\min_p a_p}{\\max_p a_p}',
    code: { file: 'src/evaluate/stability.ts', name: 'pssOf' },
    metrics: ['eval/pss'],
  },
  chance: {
    title: 'PSS by chance',
    concept:
      'The PSS that a policy as often right would show if it ignored its personas: the names are shuffled for each question, many times. A PSS near it says that personas do not matter.',
    code: { file: 'src/evaluate/resample.ts', name: 'shuffledNull' },
    metrics: ['eval/pss_null'],
  },
  robustness: {
    title: 'Robustness',
    concept:
      'The worst of the personas that should not matter (a name, a favourite colour, anybody neutral) minus “No persona”, in points. Below 0: saying something irrelevant costs right answers. PSS compares all personas; this leaves out those that are meant to matter.',
    formula: '\\min_{p \\in \\text{same}} a_p - a_\\text{none}',
    code: { file: 'src/evaluate/expectation.ts', name: 'expectation' },
  },
  'expected-order': {
    title: 'Expected order',
    concept:
      'Whether personas are right in the order that their file declares, low rank first: Kendall’s τ-b, 1 as declared, 0 no order, −1 the other way round. It pulls against PSS: who keeps to an order cannot be equally right under all personas.',
    formula: '\\tau_b = \\frac{n_c - n_d}{\\sqrt{(n_0 - n_1)(n_0 - n_2)}}',
    code: { file: 'src/statistics/kendall.ts', name: 'kendallTauB' },
  },

  // One step
  rollout: {
    title: 'Rollout',
    concept: 'One reply that the policy drew by chance while training, with everything that is known about it. Its text is the completion.',
    code: { file: 'src/rl/sample.ts', name: 'sampleStep' },
  },
  temperature: {
    title: 'Temperature',
    concept: 'How boldly tokens are drawn. 1: as likely as the policy says; lower: the likely ones more often.',
    formula: 'p_i \\propto e^{z_i / T}',
    code: { file: 'src/engine/sampler.ts', name: 'tokenDistribution' },
  },
  greedy: {
    title: 'Most likely reply',
    concept:
      'At every place the likeliest token is taken (greedy decoding, temperature 0). Nothing is left to chance: the same question gets the same reply. Training draws its replies instead, and a drawn reply is more often wrong.',
    formula: 'y_t = \\arg\\max_y \\pi_\\theta(y \\mid x, y_{<t})',
    code: { file: 'src/engine/sampler.ts', name: 'tokenDistribution' },
  },
  'log-prob': {
    title: 'Log-prob',
    concept: 'The logarithm of how likely a token was, in nats. 0: certain. −0.7: one in two. −4.6: one in a hundred.',
    formula: '\\log \\pi_\\theta(y_t \\mid x, y_{<t})',
    code: { file: 'src/engine/portable/kernels/token-logprob.ts', name: 'tokenLogprob' },
  },
  entropy: {
    title: 'Entropy',
    concept: 'How undecided the policy is at a token, in nats. Near 0 it always says the same.',
    formula: 'H = -\\sum_v \\pi(v) \\log \\pi(v)',
    code: { file: 'src/rl/metrics.ts', name: 'stepRow' },
    metrics: ['entropy'],
  },
  reward: {
    title: 'Reward',
    concept:
      'What a reply earns: 1 if its answer is right, 0 if not, unless the settings add other rewards by weight. The metric is the mean over a step’s rollouts, on the run’s own prompts; two runs with other prompts cannot be compared by it.',
    formula: 'R \\in \\{0, 1\\}',
    code: { file: 'src/verify/verify.ts', name: 'verify' },
    metrics: ['reward', 'rewards/correct/mean', 'rewards/correct/std'],
  },
  'other-rewards': {
    title: 'Other rewards',
    concept:
      'What a reply earns beside being right, where the settings name it: for its form, its length in words, its style. Each is 0 or 1 before its weight.',
    code: { file: 'src/verify/rewards.ts', name: 'earned' },
    metrics: rewardNames.filter((name) => name !== 'correct').flatMap((name) => [`rewards/${name}/mean`, `rewards/${name}/std`] as const),
  },
  overlong: {
    title: 'Overlong penalty',
    concept: 'What is taken from the reward of a reply that comes close to the longest that is allowed.',
    code: { file: 'src/rl/shaping.ts', name: 'softOverlong' },
    metrics: ['rewards/soft_overlong/mean', 'rewards/soft_overlong/std'],
  },
  group: {
    title: 'Group',
    concept:
      'All rollouts of one prompt. Each is compared with the others of its group. The metric says how much rewards differ within groups; without a difference there is nothing to learn.',
    code: { file: 'src/rl/data.ts', name: 'GroupSource' },
    metrics: ['reward_std'],
  },
  'equal-groups': {
    title: 'Equal groups',
    concept: 'Groups whose rollouts all earned the same: all right, or all wrong. They teach nothing.',
    code: { file: 'src/rl/groups.ts', name: 'constantGroups' },
    metrics: ['frac_reward_zero_std', 'groups/frac_all_correct', 'groups/frac_all_wrong'],
  },
  advantage: {
    title: 'Advantage',
    concept: 'How much better a rollout did than its group. Above 0 it becomes likelier, below 0 less likely.',
    formula: 'A_i = \\frac{R_i - \\operatorname{mean}(R)}{\\operatorname{std}(R) + 10^{-4}}',
    code: { file: 'src/rl/advantages.ts', name: 'advantageOf' },
  },
  objective: {
    title: 'Objective',
    concept: 'The formula that turns rollouts and their advantages into one number to make small: GRPO, DAPO and others.',
    code: { file: 'src/rl/objectives.ts', name: 'objectiveSpec' },
  },
  ratio: {
    title: 'Ratio',
    concept: 'How much likelier a token is now than when it was drawn. 1 as long as the policy has not moved.',
    formula: 'r_t = e^{\\log\\pi_\\theta - \\log\\pi_{\\text{old}}}',
    code: { file: 'src/rl/token-term.ts', name: 'tokenTerm' },
    metrics: ['ratio_max'],
  },
  clip: {
    title: 'Clip',
    concept: 'A limit on the ratio, so that one batch cannot move a token too far. The metrics count the tokens that met it.',
    formula: '\\min\\bigl(rA,\\ \\operatorname{clip}(r, 1-\\varepsilon, 1+\\varepsilon)A\\bigr)',
    code: { file: 'src/rl/token-term.ts', name: 'tokenTerm' },
    metrics: [
      'clip_ratio/low_mean',
      'clip_ratio/low_min',
      'clip_ratio/high_mean',
      'clip_ratio/high_max',
      'clip_ratio/region_mean',
      'cispo_clip_ratio',
    ],
  },
  kl: {
    title: 'KL, distance to the base',
    concept: 'How far the policy has moved from the reference, in nats a token. It grows where replies are said otherwise, right or wrong.',
    formula: 'k_3 = e^{d} - 1 - d,\\quad d = \\log\\pi_{\\text{ref}} - \\log\\pi_\\theta',
    code: { file: 'src/rl/token-term.ts', name: 'klEstimate' },
    metrics: ['kl'],
  },
  beta: {
    title: 'Beta',
    concept: 'The price of moving away from the base: so many times the KL is added to the loss. 0: it costs nothing.',
    formula: '\\text{loss} = \\text{policy term} + \\beta \\cdot \\text{KL}',
    code: { file: 'src/rl/token-term.ts', name: 'tokenTerm' },
  },
  loss: {
    title: 'Loss',
    concept:
      'What a step makes smaller. In reinforcement learning it is near 0 or arbitrary whatever is learned, so it does not show progress.',
    code: { file: 'src/engine/step-metrics.ts', name: 'stepMetricsFromRows' },
    metrics: ['loss', 'policy_loss'],
  },
  gradient: {
    title: 'Gradient norm',
    concept:
      'How strongly a step pulls at the weights, before it is clipped. Sudden spikes are a warning; a step that is not finite is skipped and counted.',
    formula: '\\lVert g \\rVert_2',
    code: { file: 'src/engine/portable/adamw.ts', name: 'globalNorm' },
    metrics: ['grad_norm', 'skipped_updates'],
  },
  'learning-rate': {
    title: 'Learning rate',
    concept: 'How far a step moves the weights. Too small learns slowly; too large breaks what was there.',
    code: { file: 'src/rl/schedule.ts', name: 'optimAt' },
    metrics: ['learning_rate'],
  },
  length: {
    title: 'Reply length',
    concept: 'Tokens in a reply; “terminated” counts only those that came to an end by themselves.',
    code: { file: 'src/rl/metrics.ts', name: 'stepRow' },
    metrics: [
      'completions/mean_length',
      'completions/min_length',
      'completions/max_length',
      'completions/mean_terminated_length',
      'completions/min_terminated_length',
      'completions/max_terminated_length',
    ],
  },
  'cut-off': {
    title: 'Cut off',
    concept: 'Replies that reached the longest length before they came to an end.',
    code: { file: 'src/rl/metrics.ts', name: 'stepRow' },
    metrics: ['completions/clipped_ratio'],
  },
  sampler: {
    title: 'Sampler difference',
    concept:
      'How far the log-probs of drawing and of training are apart for the same tokens. Anything but nearly 0 means that the engine computes wrongly.',
    code: { file: 'src/engine/step-metrics.ts', name: 'stepMetricsFromRows' },
    metrics: ['sampling/sampling_logp_difference/mean', 'sampling/sampling_logp_difference/max'],
  },
  time: {
    title: 'Time of a step',
    concept: 'Seconds a step took, in all and by phase, and how many tokens went through the policy in one of them.',
    code: { file: 'src/rl/metrics.ts', name: 'stepRow' },
    metrics: ['step_time', 'tokens_per_second', 'timing_s/generate', 'timing_s/verify', 'timing_s/score', 'timing_s/update'],
  },
} as const satisfies Readonly<Record<string, Entry>>;

export type TermId = keyof typeof entries;
