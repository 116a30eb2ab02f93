/** What a link hides, locks and starts, in words: for whoever makes one and for whoever opens it. */
import type { Hideable, Link, Lockable } from '../../state/link-parts.ts';
import { recipeTitles } from '../../rl/recipes.ts';
import { runTitle } from '../../rl/differences.ts';

export const hiddenParts: Readonly<Record<Hideable, string>> = {
  settings: 'the settings',
  advanced: 'the advanced settings',
  learning: 'the curves',
  rollouts: 'the replies of a step',
  probe: 'the probe',
  runs: 'the list of runs',
  stories: 'the stories',
  real: 'the real policy',
  evaluate: 'Evaluate',
  reproduce: 'Reproduce',
};

export const lockedParts: Readonly<Record<Lockable, string>> = {
  settings: 'the settings',
  steps: 'the number of steps',
  seed: 'the seed',
};

/** "a, b and c" */
function list(words: readonly string[]): string {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`;
}

/** "PerMix, lr 0.001, 30 steps, seed 3" */
export const settingsTitle = (config: NonNullable<Link['config']>): string =>
  `${runTitle(config)}, ${config.steps} steps, seed ${config.seed}`;

/** What the page is like because of it, a clause each. @param settled its settings are in the form */
export function whatItDoes({ config, hide, lock, columns }: Link, settled: boolean): string[] {
  return [
    ...(config && settled ? [`set the next run (${settingsTitle(config)})`] : []),
    ...(hide.length > 0 ? [`hides ${list(hide.map((part) => hiddenParts[part]))}`] : []),
    ...(lock.length > 0 ? [`locks ${list(lock.map((part) => lockedParts[part]))}`] : []),
    ...(columns ? [`shows only ${list(columns.map((name) => recipeTitles[name]))} in the picture`] : []),
  ];
}

export const sentence = (clauses: readonly string[]): string => `The link you opened ${list(clauses)}.`;
