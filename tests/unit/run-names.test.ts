/** What a run is called, how long it still takes, and what was deleted and comes back: small things of the page, without the page. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { parseRunConfig } from '../../src/rl/check.ts';
import { differences, ownSettings, runTitle } from '../../src/rl/differences.ts';
import { namedRecipes } from '../../src/rl/config.ts';
import { defaultsOfSize } from '../../src/rl/policy-defaults.ts';
import { recipes } from '../../src/rl/recipes.ts';
import { suited } from '../../src/rl/suited.ts';
import { mostPinned, Pinned } from '../../src/state/pinned.svelte.ts';
import { remainingSeconds } from '../../src/state/remaining.ts';
import { Undo } from '../../src/state/undo.svelte.ts';
import type { RunRecord } from '../../src/storage/records.ts';
import { overlaid } from '../../src/ui/charts/overlay.ts';
import type { RunHistory } from '../../src/worker/api.ts';
import { runRecord } from '../helpers/run-records.ts';

describe('the name of a run', () => {
  const title = (settings: object) => runTitle(parseRunConfig(settings)).replaceAll('\u00a0', ' ');

  it('is its recipe where nothing differs', () => {
    for (const recipe of namedRecipes) expect(ownSettings(parseRunConfig({ recipe, seed: 7, steps: 3, policy: 'p' }))).toEqual([]);
    expect(title({ recipe: 'permix', seed: 9, steps: 40 })).toBe('PerMix');
  });

  it('says what differs, an objective by its name alone', () => {
    expect(title({ recipe: 'permix', optim: { learningRate: 1e-3 } })).toBe('PerMix, lr 0.001');
    expect(title({ recipe: 'rlvr', objective: { name: 'dapo' }, lora: { rank: 8, alpha: 16 } })).toBe('RLVR, DAPO, LoRA rank 8');
    expect(title({ recipe: 'permix', mix: { noneShare: 0.3 }, groupSize: 16, promptsPerStep: 4, sampling: { temperature: 0.7 } })).toMatch(
      /^PerMix, no persona 30 %.*, …$/,
    );
  });

  it('is the recipe’s also where the policy brings settings of its own, and says what differs from those', () => {
    const smollm2 = { family: 'llama', vocabSize: 49152, parameters: 135e6 } as const;
    const usual = suited(recipes.permix, defaultsOfSize(smollm2));
    expect(usual).toMatchObject({ recipe: 'permix', promptsPerStep: 4, library: 'general' });
    expect(runTitle(usual, usual)).toBe('PerMix');
    expect(runTitle({ ...usual, promptsPerStep: 2 }, usual).replaceAll('\u00a0', ' ')).toBe('PerMix, prompts 2');
    expect(suited(recipes.permix, null)).toBe(recipes.permix);
  });

  it('takes lists and weights whole', () => {
    const [one, other] = [{ a: { list: [1, 2], weights: { x: 1 } } }, { a: { list: [1, 3], weights: { x: 1, y: 2 } } }];
    expect(differences(one, other).map(({ path }) => path)).toEqual(['a.list', 'a.weights']);
    expect(differences(one, one)).toEqual([]);
    expect(differences({ a: 1 }, {})).toEqual([{ path: 'a', from: 1, to: undefined }]);
  });
});

describe('the time that is left', () => {
  it('is the median of ten steps times those that are to come', () => {
    expect(remainingSeconds([100, 1, 2, 3, 4, 5, 6, 7, 8, 9, 60], 10)).toBe(55);
    expect(remainingSeconds([2, NaN], 3)).toBe(6);
    expect(remainingSeconds([], 3)).toBeNull();
    expect(remainingSeconds(null, 3)).toBeNull();
  });
});

describe('what was deleted', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('is out of sight at once and gone after a while, unless it is had back', async () => {
    const undo = new Undo(() => expect.fail());
    const [one, other] = [vi.fn(async () => {}), vi.fn(async () => {})];
    const [lost, had] = [vi.fn(), vi.fn()];
    undo.leave('a', 'the run a', one, lost);
    undo.leave('b', 'the run b', other, had);
    expect([undo.hides('a'), undo.hides('b'), undo.hides('c'), undo.newest?.what]).toEqual([true, true, false, 'the run b']);
    undo.restore('b');
    expect([undo.hides('b'), undo.newest?.what]).toEqual([false, 'the run a']);
    await vi.advanceTimersByTimeAsync(60_000);
    expect([one.mock.calls.length, other.mock.calls.length, undo.hides('a')]).toEqual([1, 0, false]);
    expect([lost.mock.calls.length, had.mock.calls.length], 'what went out of sight with them').toEqual([0, 1]);
  });

  it('comes back where it could not be deleted', async () => {
    const failed = vi.fn();
    const undo = new Undo(failed);
    const back = vi.fn();
    undo.leave('a', 'the run a', () => Promise.reject(new Error('no')), back);
    undo.commitAll();
    await vi.advanceTimersByTimeAsync(0);
    expect([failed.mock.calls.length, back.mock.calls.length, undo.hides('a')]).toEqual([1, 1, false]);
  });
});

describe('runs that are laid over each other', () => {
  const run = (id: string, settings: object): RunRecord => ({
    ...runRecord(id),
    config: parseRunConfig({ recipe: 'permix', ...settings }),
  });
  const runs = [run('a', { seed: 1 }), run('b', { seed: 2, steps: 7 }), run('c', { seed: 1, groupSize: 16 })];
  const history = vi.fn(async (id: string): Promise<RunHistory> => {
    const steps = (id === 'b' ? [1, 2] : [1, 2, 3]).map((step) => ({ step, metrics: { reward: id === 'b' ? 0 : step }, personas: {} }));
    return { run: runs.find((one) => one.id === id)!, steps, checkpoints: [], heldOut: [] };
  });

  it('are pinned by their settings, all seeds of them, and four at most', async () => {
    const pinned = new Pinned(() => ({ history }));
    await pinned.toggle(runs[0]!, runs);
    await pinned.toggle(runs[2]!, runs);
    expect(pinned.groups.map((group) => group.runs.map(({ id }) => id))).toEqual([['a', 'b'], ['c']]);
    expect(new Set(pinned.groups.map(({ colour }) => colour)).size).toBe(2);
    for (const groupSize of [4, 5, 6]) await pinned.toggle(run('x', { groupSize }), [run('x', { groupSize })]).catch(() => {});
    expect([pinned.groups.length, pinned.full]).toEqual([mostPinned, true]);
    await pinned.toggle(runs[1]!, runs);
    expect(pinned.has(runs[0]!.config)).toBe(false);
    await pinned.refresh([runs[2]!]);
    expect(pinned.groups.map(({ runs: [first] }) => first!.id)).toEqual(['c']);
  });

  it('share one axis: seeds faint, their mean only where all are', async () => {
    const pinned = new Pinned(() => ({ history }));
    await pinned.toggle(runs[0]!, runs);
    const own = { label: 'own', colour: '--own', raw: [0.5, 0.7], line: [0.5, 0.7] };
    const drawn = overlaid(
      { steps: [2, 4], curves: [own] },
      pinned.groups,
      ({ steps }) => new Map(steps.map(({ step, metrics }) => [step, metrics.reward!])),
    );
    expect(drawn.steps).toEqual([1, 2, 3, 4]);
    expect(drawn.curves.map(({ raw, line }) => [raw, line])).toEqual([
      [
        [null, 0.5, null, 0.7],
        [null, 0.5, null, 0.7],
      ],
      [
        [1, 2, 3, null],
        [null, null, null, null],
      ],
      [
        [0, 0, null, null],
        [null, null, null, null],
      ],
      [
        [null, null, null, null],
        [0.5, 1, null, null],
      ],
    ]);
    expect(overlaid({ steps: [2, 4], curves: [own] }, [], () => new Map()).curves).toEqual([own]);
  });
});
