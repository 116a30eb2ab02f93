/**
 * Every setting of a run, by its path in a configuration: what it may be, read off the schema that checks it (`check.ts`), and what it means.
 * What it is where nobody says anything is a recipe's (`recipes.ts`) and a policy's (`policy-defaults.ts`).
 */
import { z } from '../schema.ts';
import { askingOf } from './asking.ts';
import { tasks } from '../tasks/index.ts';
import { runConfig } from './check.ts';
import type { RunConfig } from './config.ts';

export interface Setting {
  /** `objective.beta`; of what a list holds `tasks[].id`. */
  readonly path: string;
  readonly may: string;
}

/** The part of JSON Schema that a configuration needs. */
interface Node {
  readonly type?: string;
  readonly enum?: readonly string[];
  readonly anyOf?: readonly Node[];
  readonly properties?: Readonly<Record<string, Node>>;
  readonly additionalProperties?: Node | boolean;
  readonly items?: Node;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly exclusiveMaximum?: number;
}

/** In the order of the schema. */
export function runSettings(): readonly Setting[] {
  return settingsIn(z.toJSONSchema(runConfig, { io: 'input' }) as Node, '');
}

function settingsIn(node: Node, path: string): readonly Setting[] {
  if (node.properties && !isOwnLibrary(node)) {
    return Object.entries(node.properties).flatMap(([key, part]) => settingsIn(part, path === '' ? key : `${path}.${key}`));
  }
  if (node.items?.properties) return [{ path, may: 'a list of sections' }, ...settingsIn(node.items, `${path}[]`)];
  const [section] = node.anyOf?.filter(({ properties }) => properties) ?? [];
  // A section that may be null is a setting itself.
  const parts = section && !isOwnLibrary(section) ? settingsIn(section, path) : [];
  return [{ path, may: parts.length > 0 ? 'null, or a section' : mayBe(node) }, ...parts];
}

/** It is a value, and no section of settings. */
const isOwnLibrary = ({ properties }: Node): boolean => properties?.['personas'] !== undefined;

function mayBe(node: Node): string {
  if (node.anyOf) return node.anyOf.map(mayBe).join(', or ');
  if (node.enum) return node.enum.join(', ');
  // No other comes from this schema.
  // eslint-disable-next-line @typescript-eslint/switch-exhaustiveness-check
  switch (node.type) {
    case 'integer':
      return `a whole number${range(node)}`;
    case 'number':
      return `a number${range(node)}`;
    case 'boolean':
      return 'true or false';
    case 'string':
      return 'a text';
    case 'array':
      return `a list of ${node.items?.enum ? node.items.enum.join(', ') : node.items?.type === 'integer' ? 'whole numbers' : 'values'}`;
    case 'object': {
      if (isOwnLibrary(node)) return 'a library of your own, { name, personas, voices }';
      const { additionalProperties: value } = node;
      return typeof value === 'object' && value.type === 'number' ? `an object, to each name a number${range(value)}` : 'an object';
    }
    default:
      throw new Error(`what ${JSON.stringify(node)} may be has no words`);
  }
}

/** ` from 0 to 1`, ` over 0`; empty: any. */
function range({ minimum, maximum, exclusiveMinimum, exclusiveMaximum }: Node): string {
  const low = minimum !== undefined ? ` from ${minimum}` : exclusiveMinimum !== undefined ? ` over ${exclusiveMinimum}` : '';
  const most = maximum === undefined || maximum >= Number.MAX_SAFE_INTEGER ? undefined : maximum;
  const high = most !== undefined ? ` to ${most}` : exclusiveMaximum !== undefined ? ` to under ${exclusiveMaximum}` : '';
  return low + high;
}

/** What a configuration has there; undefined where it is in a list, or in a section that is null. */
export function settingAt(config: RunConfig, path: string): unknown {
  return path
    .split('.')
    .reduce<unknown>((at, key) => (typeof at === 'object' && at !== null ? (at as Record<string, unknown>)[key] : undefined), {
      ...config,
      ...askingOf(config),
    });
}

/** What each means. */
export const settingMeanings: Readonly<Record<string, string>> = {
  recipe: 'what the other settings are by themselves; custom: PerMix’s, under a name of its own',
  seed: 'of questions, personas and sampling',
  steps: 'of the whole run',
  policy: 'name of the base policy; --model decides it',
  tasks: 'what questions are drawn from (--task)',
  'tasks[].id': `one of ${tasks.map(({ id }) => id).join(', ')}; of questions from a file, which --questions gives, its name`,
  'tasks[].weight': 'its share of the questions, relative to the others’',
  'tasks[].knobs': `its difficulty: ${tasks.flatMap(({ id, knobs }) => (knobs.length > 0 ? `${knobs.map(({ name, low, high }) => `${name} ${low}–${high}`).join(', ')} of ${id}` : [])).join('; ')}`,
  'tasks[].set.sha256': 'which file they are from, by its hash (docs/questions.md)',
  'tasks[].set.questions': 'how many of them can be used',
  'tasks[].set.kind': 'what the file was recognised as',
  'tasks[].set.columns.question': 'the field that holds what is asked, where it was not recognised',
  'tasks[].set.columns.answer': 'the field that holds what is right',
  'tasks[].set.heldOut.share': 'of its questions, what is never trained on (--question-split; 0.2)',
  'tasks[].set.heldOut.seed': 'of the hash that decides which (--question-split; 1)',
  'mix.noneShare': 'share of the prompts without a persona; 1 is plain RLVR',
  'mix.weights': 'how often each persona is drawn, by its id; {}: all that are not held out alike',
  'mix.draw': 'one persona for all rollouts of a prompt, or one for each rollout',
  promptsPerStep: 'questions of a step',
  groupSize: 'replies to each of them, G',
  'objective.name': 'the loss; one that is named brings what its paper sets beside it',
  'objective.advantage': 'what a reward is measured against: its group, by deviations or plainly, the others of it, the batch, nothing',
  'objective.epsilonLow': 'how far the ratio may fall below 1 before it is clipped',
  'objective.epsilonHigh': 'how far it may rise above 1; for cispo the cap itself',
  'objective.beta': 'weight of the KL to the policy the run began with; 0 is off',
  'objective.kl': 'how that KL is estimated',
  'objective.entropyCoef': 'weight of an entropy bonus; 0 is off',
  'objective.innerEpochs': 'passes over the rollouts of a step',
  'objective.maskTruncated': 'whether replies that were cut off count in no loss',
  'objective.overlongBuffer': 'tokens before the longest reply that are penalised the more the later; 0 is off',
  'objective.dynamicSampling': 'further tries at groups whose rewards are all alike; 0 is off',
  'sampling.temperature': 'of the rollouts',
  'sampling.topK': 'sample among so many likely tokens; 0 is off',
  'sampling.topP': 'sample among the likely tokens that hold this share together; 1 is off',
  'sampling.minP': 'sample among tokens at least so likely, relative to the likeliest; 0 is off',
  'sampling.maxNewTokens': 'tokens of a reply at most (--max-new)',
  'optim.learningRate': 'of AdamW; 0 learns nothing',
  'optim.schedule': 'of the learning rate, after the warm-up',
  'optim.warmupSteps': 'steps in which the learning rate rises from 0',
  'optim.beta1': 'of AdamW',
  'optim.beta2': 'of AdamW',
  'optim.eps': 'of AdamW',
  'optim.weightDecay': 'of AdamW; 0 is off',
  'optim.maxGradNorm': 'a larger gradient is shortened to it; 0 is off',
  'optim.microBatchRows': 'rollouts that are computed together in an update; 0: all, or as many as there is memory for',
  checkpointEvery: 'steps between checkpoints; 0: only at the end',
  'heldOut.questions': 'outside the training, for each voice and none, asked on the way; 0: none (--held-out)',
  'heldOut.every': 'steps between two askings (--held-out-every)',
  lora: 'low-rank adapters are trained instead of all parameters; null: all of them',
  'lora.rank': 'of the adapters (--lora-rank)',
  'lora.alpha': 'their scale, over the rank (--lora-alpha)',
  'lora.targets': 'which projections get adapters; left out: all (--lora-targets)',
  'lora.layers': 'which layers get adapters; left out: all (--lora-layers)',
  rewards: 'what a reply earns, added up; left out: 1 for a right answer (docs/rewards.md)',
  'rewards[].name': 'one of them; each once',
  'rewards[].weight': 'what its value, 0 or 1, is multiplied by',
  'rewards[].most': 'of max_words: how many',
  'rewards[].text': 'of contains and ends_with: what',
  'rewards[].pattern': 'of matches: a regular expression',
  'rewards[].flags': 'of matches: for its pattern, of i, m and s',
  library: 'whose personas are mixed in and asked under (--personas)',
  noPersona: 'what no persona is: what the chat template says by itself, an empty system message, or none (--no-persona)',
  noSystemRole: 'personas of a chat template without a system role: not taken, or put before the question (--no-system-role)',
  instruction: 'put under every question (--instruction)',
  answers: 'how a reply may say its answer, in the order looked for (--answers)',
  templateArguments: 'what the chat template is told beside the messages (--template-args)',
};
