/** The run a reader puts together: how it is asked stays while recipes come and go, and makes no other recipe of it. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { libraryOf, ownLibrary } from '../../src/persona/libraries.ts';
import { personas, voices } from '../../src/persona/world.ts';
import { recipes } from '../../src/rl/recipes.ts';
import { Draft, type VoiceShare } from '../../src/state/draft.svelte.ts';
import { balanced } from '../../src/state/mix-shares.ts';
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

it('shares sum to one whichever is dragged, locked ones stay, and personas of a voice keep their weights beside each other', () => {
  const one = draft();
  const share = (voice: string) => one.shares.find((row) => row.voice === voice)!.share;
  const none: ReadonlySet<string> = new Set();
  one.setShare('none', 0.3, none);
  expect([one.config.mix.noneShare, one.config.mix.weights]).toEqual([0.3, {}]);
  const pirates = one.library.personas.filter((persona) => persona.voice === 'pirate' && !persona.heldOut);
  one.setWeights({ [pirates[0]!.id]: 3 });
  const before = one.shares;
  one.setShare('pirate', 0.4, new Set(['none']));
  expect(share('pirate')).toBeCloseTo(0.4, 5);
  expect(share('none')).toBe(0.3);
  expect(one.weight(pirates[0]!.id) / one.weight(pirates[1]!.id)).toBeCloseTo(3, 4);
  const ratio = (rows: readonly VoiceShare[]) =>
    rows.find((row) => row.voice === 'wizard')!.share / rows.find((row) => row.voice === 'poet')!.share;
  expect(ratio(one.shares)).toBeCloseTo(ratio(before), 4);
  // More than the locked ones leave is not to be had.
  one.setShare('poet', 0.9, new Set(['none', 'pirate']));
  expect(share('poet')).toBeCloseTo(0.3, 5);
  expect(share('wizard')).toBe(0);
  one.setShare('poet', 0.1, new Set(['none', 'pirate']));
  expect(share('wizard')).toBeGreaterThan(0.02);
  expect(one.shares.reduce((sum, row) => sum + row.share, 0)).toBeCloseTo(1, 9);
});

it('any drag leaves shares that sum to one, none below 0, the locked ones as they were', () => {
  const parts = fc.array(fc.integer({ min: 0, max: 20 }), { minLength: 2, maxLength: 9 }).filter((all) => all.some((n) => n > 0));
  fc.assert(
    fc.property(parts, fc.nat(), fc.double({ min: -0.5, max: 1.5, noNaN: true }), fc.array(fc.nat(8)), (all, at, to, held) => {
      const total = all.reduce((sum, n) => sum + n, 0);
      const shares = all.map((n) => n / total);
      const moved = at % all.length;
      const locked = new Set(held.filter((place) => place < all.length && place !== moved));
      const after = balanced(shares, moved, to, locked);
      expect(after.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 9);
      expect(Math.min(...after)).toBeGreaterThanOrEqual(0);
      for (const place of locked) expect(after[place]).toBe(shares[place]);
    }),
  );
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
