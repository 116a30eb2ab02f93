/** What a run's settings have of their own beside its recipe's, setting by setting: for names, tables and links. It judges nothing (`check.ts`). */
import { libraryTitle, type Library } from '../persona/library-names.ts';
import { usualAsking } from './asking.ts';
import { recipeTitles, recipes } from './recipes.ts';
import type { RunConfig } from './config.ts';

export interface Difference {
  /** `optim.learningRate` */
  readonly path: string;
  readonly from: unknown;
  readonly to: unknown;
}

/** Kept whole: half of a list, of a set of weights or of a library says nothing. */
const whole = (value: unknown): boolean => typeof value !== 'object' || value === null || Array.isArray(value);

/** Settings of `to` that `from` has otherwise; a setting that one of them lacks is undefined there. */
export function differences(from: object, to: object, path = ''): Difference[] {
  const [one, other] = [from as Record<string, unknown>, to as Record<string, unknown>];
  return [...new Set([...Object.keys(one), ...Object.keys(other)])].flatMap((key) => {
    const at = path === '' ? key : `${path}.${key}`;
    const [was, is] = [one[key], other[key]];
    if (JSON.stringify(was) === JSON.stringify(is)) return [];
    return whole(was) || whole(is) || key === 'weights' || key === 'library'
      ? [{ path: at, from: was, to: is }]
      : differences(was as object, is as object, at);
  });
}

/** The one that a run's settings are seen beside. */
export const recipeOf = ({ recipe }: Pick<RunConfig, 'recipe'>): RunConfig => recipes[recipe === 'custom' ? 'permix' : recipe];

/** Beside the recipe's own; how long it is, its seed and what is asked on the way make no other training. */
export function ownSettings(config: RunConfig, base = recipeOf(config)): Difference[] {
  const same = { seed: config.seed, steps: config.steps, heldOut: config.heldOut, recipe: config.recipe, policy: config.policy };
  return differences({ ...base, ...same, checkpointEvery: config.checkpointEvery }, config);
}

/** Settings that have a short name of their own; the others go by the last part of their path. */
const short: Readonly<Record<string, string>> = {
  'optim.learningRate': 'lr',
  'objective.beta': 'beta',
  'objective.name': '',
  'sampling.temperature': 'T',
  'sampling.maxNewTokens': 'up to',
  'mix.noneShare': 'no persona',
  groupSize: 'groups of',
  promptsPerStep: 'prompts',
  tasks: '',
  lora: 'LoRA',
  library: 'under',
  noPersona: 'without a persona',
  noSystemRole: 'without a system role',
};

export function settingName(path: string): string {
  return short[path] || (path.split('.').at(-1) ?? path);
}

export function settingValue(path: string, value: unknown): string {
  if (path === 'tasks') return (value as RunConfig['tasks']).map(({ id }) => id).join(' + ');
  if (path === 'lora') return loraWords(value as RunConfig['lora']);
  if (path === 'library') return libraryTitle((value ?? usualAsking.library) as Library);
  if (path === 'answers') return (value as readonly string[] | undefined)?.join(', ') ?? 'usual';
  if (path === 'mix.noneShare') return `${Math.round(100 * (value as number))}\u00a0%`;
  if (path === 'objective.name') return String(value).toUpperCase().replace('DR_', 'Dr.');
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
    ? String(value)
    : value === undefined
      ? 'none'
      : 'own';
}

function loraWords(lora: RunConfig['lora']): string {
  if (lora === null) return 'off';
  const { rank, targets, layers } = lora;
  return [
    `rank ${rank}`,
    ...(targets ? [targets.map((name) => name.replace('_proj', '')).join(', ')] : []),
    ...(layers ? [`layers ${layers.join(', ')}`] : []),
  ].join(' · ');
}

/** An objective brings its preset, which goes without saying. */
const named = (differing: readonly Difference[]): Difference[] =>
  differing.some(({ path }) => path === 'objective.name')
    ? differing.filter(({ path }) => path === 'objective.name' || !path.startsWith('objective.'))
    : [...differing];

/** More of them make no name. */
const most = 3;

/** "PerMix, lr 0.001, groups of 16": the recipe and what differs from it. @param base the recipe as it suits the run's policy */
export function runTitle(config: RunConfig, base?: RunConfig): string {
  const own = named(ownSettings(config, base));
  const told = own
    .slice(0, most)
    .map(({ path, to }) => [short[path] ?? settingName(path), settingValue(path, to)].filter(Boolean).join('\u00a0'));
  return [recipeTitles[config.recipe], ...told, ...(own.length > most ? ['…'] : [])].join(', ');
}
