/**
 * The settings of a run as parts of a link: its recipe, and whatever else it has of its own, `recipe=permix&lr=0.001&seed=3`. Every setting goes by
 * the last word of its path. What is wrong costs one part, never the others. The rest of a link is `link.ts`.
 */
import type { Projection } from '../policy/adapters.ts';
import { complaintSentence, type Complaint } from '../errors.ts';
import { parseJson } from '../json.ts';
import { libraryOf } from '../persona/libraries.ts';
import { checkConfig, shapeComplaints } from '../rl/check.ts';
import { objectiveNames, recipeNames, type RecipeName, type RunConfig } from '../rl/config.ts';
import { presetObjective } from '../rl/objectives.ts';
import { recipes, recipeTitles } from '../rl/recipes.ts';

interface Setting {
  /** `optim.learningRate` */
  readonly path: string;
  /** Undefined: the text is none. Whether the value makes sense is checked by `rl/check.ts`. */
  readonly read: (text: string) => unknown;
  readonly write: (value: never) => string;
}

const plainNumber = /^-?\d+(\.\d+)?(e[-+]?\d+)?$/i;
function number(text: string): number | undefined {
  const value = plainNumber.test(text) ? Number(text) : NaN;
  return Number.isFinite(value) ? value : undefined;
}

const scalars = {
  number,
  boolean: (text: string) => (text === 'true' ? true : text === 'false' ? false : undefined),
  string: (text: string) => text,
} as const;

const name = (text: string): string => {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
};

/** `a:1,b:0.5` between separators of one's own; undefined where one of them is no such pair. */
function pairs(text: string, separator: string): [string, number][] | undefined {
  const read = (text === '' ? [] : text.split(separator)).map((pair): [string, number | undefined] => {
    const at = pair.lastIndexOf(':');
    return [name(pair.slice(0, Math.max(0, at))), number(pair.slice(at + 1))];
  });
  const good = read.filter((pair): pair is [string, number] => pair[0] !== '' && pair[1] !== undefined);
  return good.length === read.length && new Set(good.map(([key]) => key)).size === good.length ? good : undefined;
}
const written = (entries: readonly (readonly [string, number | undefined])[], separator: string): string =>
  entries.flatMap(([key, value]) => (value === undefined ? [] : [`${encodeURIComponent(key)}:${value}`])).join(separator);

/** `addition;weight:2;digits:3,countdown` */
function readTasks(text: string): RunConfig['tasks'] | undefined {
  const tasks = text.split(',').map((task) => {
    const [id = '', ...rest] = task.split(';');
    const told = pairs(rest.join(';'), ';');
    if (id === '' || !told) return undefined;
    const knobs = Object.fromEntries(told.filter(([key]) => key !== 'weight'));
    const weight = told.find(([key]) => key === 'weight')?.[1] ?? 1;
    return { id: name(id), weight, ...(Object.keys(knobs).length > 0 ? { knobs } : {}) };
  });
  return tasks.every((task) => task !== undefined) ? tasks : undefined;
}
const writeTasks = (tasks: RunConfig['tasks']): string =>
  tasks
    // A file cannot be said in an address.
    .filter(({ set }) => !set)
    .map(({ id, weight, knobs }) => {
      const told = written([...(weight === 1 ? [] : [['weight', weight] as const]), ...Object.entries(knobs ?? {})], ';');
      return [encodeURIComponent(id), ...(told === '' ? [] : [told])].join(';');
    })
    .join(',');

/** A persona that is not named has the weight 0, as in the mix itself; a mix of none needs one to be named. */
function writeWeights(weights: RunConfig['mix']['weights']): string {
  const named = Object.entries(weights);
  const some = named.filter(([, weight]) => weight !== 0);
  return written(some.length > 0 ? some : named.slice(0, 1), ',');
}

function readWeights(text: string): RunConfig['mix']['weights'] | undefined {
  const told = pairs(text, ',');
  return told && Object.fromEntries(told);
}

function readLora(text: string): RunConfig['lora'] | undefined {
  if (text === 'off') return null;
  const [dials, targets, layers, ...more] = text.split(';');
  const [rank, alpha, ...others] = (dials ?? '').split(':').map(number);
  const numbers = layers ? layers.split(',').map(number) : [];
  if (rank === undefined || alpha === undefined || others.length > 0 || more.length > 0 || numbers.includes(undefined)) return undefined;
  // What the places are worth, the check of the whole configuration says.
  return {
    rank,
    alpha,
    ...(targets ? { targets: targets.split(',') as Projection[] } : {}),
    ...(layers ? { layers: numbers as number[] } : {}),
  };
}

/** `8:16`, and where not everything is adapted `8:16;q_proj,v_proj;0,1` */
function writeLora(lora: RunConfig['lora']): string {
  if (!lora) return 'off';
  const { rank, alpha, targets, layers } = lora;
  const places = targets || layers ? [(targets ?? []).join(','), ...(layers ? [layers.join(',')] : [])] : [];
  return [`${rank}:${alpha}`, ...places].join(';');
}

function readJson(text: string): unknown {
  try {
    return parseJson(text, { file: 'link' });
  } catch {
    return undefined;
  }
}

/** As ids of policies are; it says which of those that are here is meant, and nothing is fetched for it. */
const readPolicy = (text: string): string | undefined => (/^[\w.-]{1,80}(~[0-9a-f]{12})?$/.test(text) ? text : undefined);

const own: Readonly<Record<string, Setting>> = {
  policy: { path: 'policy', read: readPolicy, write: (value: string) => value },
  tasks: { path: 'tasks', read: readTasks, write: writeTasks },
  weights: { path: 'mix.weights', read: readWeights, write: writeWeights },
  lora: { path: 'lora', read: readLora, write: writeLora },
  templateArguments: { path: 'templateArguments', read: readJson, write: (value: unknown) => JSON.stringify(value) },
  rewards: { path: 'rewards', read: readJson, write: (value: unknown) => JSON.stringify(value) },
  library: { path: 'library', read: name, write: (value: string) => encodeURIComponent(value) },
  noPersona: { path: 'noPersona', read: name, write: String },
  noSystemRole: { path: 'noSystemRole', read: name, write: String },
  instruction: { path: 'instruction', read: name, write: (value: string) => encodeURIComponent(value) },
  answers: { path: 'answers', read: (text) => name(text).split(','), write: (value: readonly string[]) => value.join(',') },
};

/** Settings that go by another word than the last of their path. */
const short: Readonly<Record<string, string>> = {
  'optim.learningRate': 'lr',
  'objective.name': 'objective',
  'heldOut.questions': 'questions',
  'heldOut.every': 'every',
};

/** Its word is `recipe`, for all that it stands for. */
const unnamed = ['recipe'];

function plain(part: object, within = ''): [string, Setting][] {
  return Object.entries(part).flatMap(([key, value]: [string, unknown]): [string, Setting][] => {
    const path = `${within}${key}`;
    if (unnamed.includes(path) || Object.hasOwn(own, key)) return [];
    if (typeof value === 'object' && value !== null) return plain(value, `${path}.`);
    const read = scalars[typeof value as keyof typeof scalars];
    return [[short[path] ?? key, { path, read, write: (it: unknown) => String(it) }]];
  });
}

/** By the word that a link has for it. */
export const linkSettings: ReadonlyMap<string, Setting> = new Map([...plain(recipes.permix), ...Object.entries(own)]);

const baseOf = (recipe: RecipeName): RunConfig => ({ ...recipes[recipe === 'custom' ? 'permix' : recipe], recipe });

/** An objective brings what it is used with. */
const withObjective = (base: RunConfig, objective: RunConfig['objective']['name']): RunConfig =>
  objective === base.objective.name ? base : { ...base, objective: presetObjective(objective) };

const valueAt = (config: RunConfig, path: string): unknown =>
  path.split('.').reduce<unknown>((part, key) => (part as Record<string, unknown>)[key], config);

function withValue(config: RunConfig, path: string, value: unknown): RunConfig {
  const [section, key] = path.split('.') as [keyof RunConfig, string | undefined];
  return { ...config, [section]: key === undefined ? value : { ...(config[section] as object), [key]: value } };
}

/** `recipe`, and what differs from it. */
export function writeSettings(config: RunConfig): [string, string][] {
  const base = withObjective(baseOf(config.recipe), config.objective.name);
  const recipe = baseOf(config.recipe);
  const differing = [...linkSettings].filter(([key, { path }]) => {
    const value = valueAt(config, path);
    // A library of the reader's own is too long for a link.
    if (typeof value === 'object' && key === 'library') return false;
    return value !== undefined && JSON.stringify(value) !== JSON.stringify(valueAt(key === 'objective' ? recipe : base, path));
  });
  return [
    ['recipe', config.recipe],
    ...differing.map(([key, { path, write }]): [string, string] => [key, write(valueAt(config, path) as never)]),
  ];
}

/**
 * What the parts of a link set; null where none of them is about a run. The configuration can be run: a part that is wrong, by itself or beside the
 * others, is told to `complain` (what is wrong with it and what is used instead) and left out.
 */
export function readSettings(parts: ReadonlyMap<string, string>, complain: (key: string, why: string) => void): RunConfig | null {
  const told = [...parts].filter(([key]) => linkSettings.has(key));
  if (told.length === 0 && !parts.has('recipe')) return null;

  const named = parts.get('recipe') ?? 'permix';
  const recipe = recipeNames.find((known) => known === named);
  if (!recipe) complain('recipe', `There are ${recipeNames.join(', ')}; PerMix is used instead.`);
  const began = baseOf(recipe ?? 'permix');
  const objective = objectiveNames.find((known) => known === parts.get('objective'));
  const base = objective ? withObjective(began, objective) : began;
  const instead = `What ${recipeTitles[base.recipe]} has is used instead.`;

  let good: { readonly key: string; readonly path: string; readonly value: unknown }[] = [];
  for (const [key, text] of told) {
    const { path, read } = linkSettings.get(key)!;
    const value = read(text);
    const unread: Complaint = { field: path, problem: '{} cannot be read from that.' };
    const [wrong] = value === undefined ? [unread] : shapeComplaints(withValue(base, path, value));
    if (wrong) complain(key, `${complaintSentence(wrong)} ${instead}`);
    else good.push({ key, path, value });
  }

  const together = (some: typeof good): RunConfig => some.reduce((config, { path, value }) => withValue(config, path, value), base);
  // What is right by itself can be senseless beside the others: whatever makes fewer complaints by its absence goes.
  const complaintsOf = (some: typeof good) => {
    const config = together(some);
    return checkConfig(config, libraryOf(config.library).personas);
  };
  for (let wrong = complaintsOf(good); wrong.length > 0; wrong = complaintsOf(good)) {
    const without = (one: (typeof good)[number]) => good.filter((other) => other !== one);
    const guilty = good.find((one) => complaintsOf(without(one)).length < wrong.length) ?? good.at(-1);
    if (!guilty) break;
    complain(guilty.key, `${complaintSentence(wrong[0]!)} ${instead}`);
    good = without(guilty);
  }
  return together(good);
}
