/** The run a reader puts together: how it is asked stays while recipes come and go, and makes no other recipe of it. */
import { expect, it } from 'vitest';
import { libraryOf, ownLibrary } from '../../src/persona/libraries.ts';
import { personas, voices } from '../../src/persona/world.ts';
import { recipes } from '../../src/rl/recipes.ts';
import { Draft } from '../../src/state/draft.svelte.ts';
import { askedWords } from '../../src/ui/setup/asking-words.ts';
import type { Boot, TrainerApi } from '../../src/worker/api.ts';

const draft = () => new Draft({ recipes, personas, voices, general: libraryOf('general') } as unknown as Boot, () => ({}) as TrainerApi);

it('keeps how it is asked over the recipes, and says nothing that goes without saying', () => {
  const one = draft();
  expect(one.snapshot()).toEqual(recipes.permix);
  one.ask({ answers: ['last-number'], noPersona: 'absent', instruction: 'Be brief.' });
  expect(one.snapshot()).toEqual({ ...recipes.permix, answers: ['last-number'], noPersona: 'absent', instruction: 'Be brief.' });
  expect(one.recipe).toBe('permix');
  one.choose('rlvr');
  expect(one.snapshot()).toEqual({ ...recipes.rlvr, answers: ['last-number'], noPersona: 'absent', instruction: 'Be brief.' });
  one.ask({ answers: ['boxed'], noPersona: 'template', instruction: '' });
  expect(one.snapshot()).toEqual(recipes.rlvr);
  one.config.groupSize = 4;
  expect(one.recipe).toBe('custom');
});

it('mixes the personas of its library', () => {
  const one = draft();
  one.setWeights({ 'careful-robot': 0 });
  expect(Object.keys(one.config.mix.weights)).toHaveLength(32);
  one.ask({ library: 'general' });
  // Weights of personas that are no longer there would keep the run from starting.
  expect(one.config.mix.weights).toEqual({});
  const shares = one.shares;
  expect(shares.map(({ voice }) => voice)).toEqual([
    ...['pirate', 'bard', 'robot', 'cowboy', 'surfer', 'sage'],
    ...['Personas without a voice', 'none'],
  ]);
  expect(shares.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 12);
  one.setWeights({ mathematician: 0 });
  expect(one.weight('mathematician')).toBe(0);
  expect(one.weight('physicist')).toBe(1);

  const mine = ownLibrary('[{"id":"poet","text":"You are a poet."},{"id":"cook","text":"You are a cook."}]', 'mine.json');
  one.ask({ library: mine });
  expect(one.library.personas).toEqual(mine.personas);
  expect(one.snapshot().library).toEqual(mine);
  one.locked = true;
  one.ask({ library: 'world' });
  expect(one.snapshot().library).toEqual(mine);
});

it('is told in words as far as it does not go without saying', () => {
  expect(askedWords(recipes.permix)).toBe('');
  expect(askedWords({ library: 'general', answers: ['boxed', 'last-number'], noPersona: 'empty' })).toBe(
    ', under the general personas, no persona is an empty system message, an answer is \\boxed{…}, else the last number',
  );
});

it('takes the settings of a policy that brings its own, and gives them back with it', () => {
  const own = Object.fromEntries(
    Object.entries(recipes).map(([name, recipe]) => [name, { ...recipe, policy: 'large', groupSize: 6, library: 'general' as const }]),
  );
  const suited = (policy: string) => (policy === 'large' ? own : null);
  const one = new Draft(
    { recipes, personas, voices, general: libraryOf('general') } as unknown as Boot,
    () => ({}) as TrainerApi,
    () => [],
    suited,
  );
  one.config.steps = 7;
  one.choosePolicy('tiny');
  expect(one.snapshot()).toEqual({ ...recipes.permix, steps: 7, policy: 'tiny' });
  one.choosePolicy('large');
  expect(one.snapshot()).toEqual({ ...own['permix'], steps: 7 });
  expect(one.recipe).toBe('permix');
  one.choose('rlvr');
  expect(one.snapshot()).toEqual({ ...own['rlvr'], steps: 7 });
  one.choosePolicy('tiny');
  expect(one.snapshot()).toEqual({ ...recipes.rlvr, steps: 7, policy: 'tiny' });
});
