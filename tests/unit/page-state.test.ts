/** What the page knows, without the page: columns of metrics, smoothing, health, addresses, groups, marks. */
import { describe, expect, it } from 'vitest';
import { checkConfig } from '../../src/rl/check.ts';
import type { RolloutRecord } from '../../src/rl/events.ts';
import { recipes } from '../../src/rl/recipes.ts';
import { personas } from '../../src/persona/world.ts';
import { readRequest, withRequest } from '../../src/state/address.ts';
import { examine, type Patient } from '../../src/state/health.ts';
import type { HeldOutEvaluation } from '../../src/evaluate/held-out.ts';
import { Metrics } from '../../src/state/metrics.svelte.ts';
import { expectedAnswer, isRight } from '../../src/state/probe-check.ts';
import { groupRollouts } from '../../src/state/rollout-groups.ts';
import { wilsonInterval } from '../../src/statistics/intervals.ts';
import { recentCounts, rollingAccuracy, smooth } from '../../src/state/series.ts';
import { complaintAbout, complaintsAt, runFields } from '../../src/ui/setup/fields.ts';

const voiceOf = (id: string): string => id.split('-')[1]!;

describe('columns of metrics', () => {
  it('grow, keep gaps, and say what is newest', () => {
    const metrics = new Metrics();
    metrics.append([1, 2], { reward: [0.1, 0.2], kl: [NaN, 0.5] }, [{}, {}]);
    for (let step = 3; step <= 1000; step++) metrics.append([step], { reward: [step] }, [{}]);
    expect(metrics.length).toBe(1000);
    expect(metrics.column('reward')![999]).toBe(1000);
    expect(metrics.column('kl')![0]).toBeNaN();
    expect(metrics.column('kl')![999]).toBeNaN();
    expect(metrics.latest('kl')).toBe(0.5);
    expect(metrics.column('loss')).toBeNull();
  });

  it('go back with a run that goes back', () => {
    const metrics = new Metrics();
    metrics.clear(voiceOf);
    const all = { 'careful-poet': { correct: 1, total: 2 } };
    metrics.append([1, 2, 3], { reward: [1, 2, 3], entropy: [1, 2, 3] }, [all, all, all]);
    metrics.append([2], { reward: [20] }, [all]);
    expect([...metrics.steps]).toEqual([1, 2]);
    expect([...metrics.column('reward')!]).toEqual([1, 20]);
    expect(metrics.column('entropy')![1]).toBeNaN();
    expect(metrics.tally('poet')!.total).toEqual([2, 2]);
  });

  it('count answers by voice and by persona', () => {
    const metrics = new Metrics();
    metrics.clear(voiceOf);
    metrics.append([1, 2], {}, [
      { none: { correct: 3, total: 4 } },
      { 'careful-poet': { correct: 1, total: 2 }, 'careless-poet': { correct: 0, total: 2 }, 'careful-chef': { correct: 2, total: 2 } },
    ]);
    expect(metrics.tally('none')).toEqual({ correct: [3], total: [4] });
    expect(metrics.tally('poet')).toEqual({ correct: [0, 1], total: [0, 4] });
    expect(metrics.personaTally('careful-poet')).toEqual({ correct: [0, 1], total: [0, 2] });
  });
});

describe('series', () => {
  it('an average that starts at the first value and steps over gaps', () => {
    const line = smooth([2, NaN, 2, 4], 0.5);
    expect(line[0]).toBeCloseTo(2, 12);
    expect(line[1]).toBeNull();
    expect(line[2]).toBeCloseTo(2, 12);
    // Weights 1/4 : 1/2 : 1 of the three values, the newest the heaviest.
    expect(line[3]).toBeCloseTo((2 * 0.25 + 2 * 0.5 + 4) / 1.75, 12);
    expect(smooth([1, 5], 0)).toEqual([1, 5]);
  });

  it('Wilson’s interval, against published values', () => {
    const { low, high } = wilsonInterval(0.8, 10);
    expect(low).toBeCloseTo(0.4902, 3);
    expect(high).toBeCloseTo(0.9433, 3);
    expect(wilsonInterval(0, 0)).toEqual({ low: 0, high: 1 });
  });

  it('accuracy over a window', () => {
    const tally = { correct: [1, 0, 2], total: [2, 0, 2] };
    const points = rollingAccuracy(tally, 4, 2);
    expect(points.map((point) => point?.value ?? null)).toEqual([0.5, 0.5, 1, 1]);
    expect(points[2]!.total).toBe(2);
    expect(recentCounts(tally, 4, 3)).toEqual({ correct: 2, total: 2 });
  });
});

describe('health', () => {
  const run = (steps: number, columns: Record<string, (step: number) => number>): Metrics => {
    const metrics = new Metrics();
    for (let step = 1; step <= steps; step++) {
      metrics.append([step], Object.fromEntries(Object.entries(columns).map(([name, value]) => [name, [value(step)]])), [{}]);
    }
    return metrics;
  };
  const patient = (metrics: Metrics, more: Partial<Patient> = {}): Patient => ({
    metrics,
    config: recipes.rlvr,
    heldOut: [],
    checkpoints: [0, 10, 20].map((step) => ({ step, reward: step === 0 ? null : step / 100 })),
    ...more,
  });
  const titles = (metrics: Metrics): string[] => examine(patient(metrics)).map(({ title }) => title);

  it.each([
    ['Reward is rising', { reward: (step: number) => step / 40 }],
    ['Reward is falling', { reward: (step: number) => 1 - step / 40 }],
    ['Nothing unusual', { reward: () => 0.5 }],
    ['Nothing to compare', { reward: () => 0, frac_reward_zero_std: () => 1 }],
    ['Cut off', { 'completions/clipped_ratio': () => 0.8 }],
    ['Entropy collapse', { entropy: (step: number) => 1 / step }],
    ['Non-finite step', { skipped_updates: (step: number) => Number(step === 20) }],
    ['Sampler and trainer disagree', { 'sampling/sampling_logp_difference/mean': () => 0.1 }],
  ])('%s', (title, columns) => {
    expect(titles(run(20, columns))).toContain(title);
  });

  it('is silent before the first step', () => {
    expect(examine(patient(new Metrics()))).toEqual([]);
  });

  it('names the learning rate, and goes back to the best checkpoint before the fall with the recipe’s', () => {
    const metrics = run(30, { reward: (step) => (step <= 12 ? 0.6 : 0.1) });
    const optim = { ...recipes.rlvr.optim, learningRate: 3e-2 };
    const [finding] = examine(patient(metrics, { config: { ...recipes.rlvr, optim } }));
    expect(finding).toMatchObject({ title: 'The learning rate is too high', remedy: { label: 'Back to step 10 with 0.0003', step: 10 } });
    expect(finding!.text).toContain('100 times the recipe’s 0.0003');
    expect(checkConfig(finding!.remedy!.config, personas)).toEqual([]);
  });

  it('sees the worst voice fall while the reward rises, and proposes the mix', () => {
    const evaluation = (step: number, right: number): HeldOutEvaluation => {
      const row = (name: string, count: number) => ({
        row: name,
        personaId: name,
        replies: Array.from({ length: 10 }, (_, i) => ({
          question: 'q',
          answer: 'a',
          text: '',
          correct: i < count,
          parsed: null,
          reason: '',
        })),
      });
      return { step, seconds: 1, rows: [row('a', 10), row('b', right)] };
    };
    const metrics = run(30, { reward: (step) => 0.5 + step / 100 });
    const heldOut = [evaluation(0, 2), evaluation(10, 8), evaluation(20, 4), evaluation(30, 2)];
    const [finding] = examine(patient(metrics, { heldOut }));
    expect(finding).toMatchObject({ title: 'The worst voice is falling', remedy: { step: null, config: { recipe: 'permix' } } });
    expect(finding!.text).toContain('from 80 % at step 10 to 20 %');
    expect(examine(patient(metrics, { heldOut: heldOut.slice(0, 2) }))[0]!.title).toBe('Reward is rising');
  });

  it.each([
    ['Far from the base', { kl: () => 2 }],
    ['Steps are too long', { ratio_max: () => 50 }],
    ['Replies grow', { 'completions/mean_length': (step: number) => step }],
    ['Cut off', { 'completions/clipped_ratio': () => 0.8 }],
    ['Nothing to compare', { reward: () => 0, frac_reward_zero_std: () => 1 }],
  ])('%s: what it proposes for the next run can be run', (title, columns) => {
    const finding = examine(patient(run(20, columns))).find((one) => one.title === title)!;
    expect(finding.remedy!.label).toMatch(/^Next run: /);
    expect(checkConfig(finding.remedy!.config, personas)).toEqual([]);
    expect(finding.remedy!.config).not.toEqual(recipes.rlvr);
  });
});

describe('the address', () => {
  it('is read and written', () => {
    expect(readRequest('?engine=portable&backend=wasm')).toEqual({
      request: { engine: 'portable', backend: 'wasm' },
      bench: null,
      complaints: [],
    });
    expect(readRequest('?selftest&backend=wasm').request).toEqual({ backend: 'wasm', selftest: true });
    expect(readRequest('?backend=abacus').complaints[0]).toMatch(/"abacus"/);
    expect(readRequest('?gpuMemory=1.5').request.gpuMemory).toBe(1.5 * 2 ** 30);
    expect(readRequest('?gpuMemory=lots')).toMatchObject({ request: {}, complaints: [expect.stringMatching(/"lots".*no number of GiB/)] });
    expect(readRequest('?bench').bench).toEqual({ seconds: 120, profile: false });
    expect(readRequest('?bench=5&profile').bench).toEqual({ seconds: 5, profile: true });
    expect(readRequest('?bench=soon')).toMatchObject({ bench: { seconds: 120 }, complaints: [expect.stringMatching(/"soon".*5 to 600/)] });
    expect(withRequest('https://x.org/a/?engine=fused&q=1#run', { backend: 'cpu' })).toBe('https://x.org/a/?q=1&backend=cpu#run');
  });
});

it('rollouts are gathered by their key, best first', () => {
  const rollout = (row: number, group: string, reward: number, personaId: string | null = null) =>
    ({
      row,
      group,
      reward,
      advantage: reward - 0.5,
      correct: reward === 1,
      personaId,
      question: group,
      answer: '',
    }) as unknown as RolloutRecord;
  const groups = groupRollouts([rollout(0, 'a', 0), rollout(1, 'a', 1), rollout(2, 'b', 1, 'x'), rollout(3, 'b', 0, 'y')]);
  expect(groups.map(({ key, correct, mixed }) => [key, correct, mixed])).toEqual([
    ['a', 1, false],
    ['b', 1, true],
  ]);
  expect(groups[0]!.rollouts.map(({ row }) => row)).toEqual([1, 0]);
});

describe('marks of the probe', () => {
  it.each([
    ['What is 17 + 25?', '42'],
    ['41 - 16 = ?', '25'],
    ['What is 6 times 7?', '42'],
    ['Find the sum of 4 and 5.', '9'],
    ['Subtract 15 from 35.', '20'],
    ['What is 1 + 2 * 3?', '7'],
    ['Is 1 + 2 more than 3 + 4?', null],
    ['Reverse 1234.', null],
    ['Who are you?', null],
  ])('%s', (question, answer) => {
    expect(expectedAnswer(question)).toBe(answer);
  });

  it('read the box', async () => {
    expect(await isRight('What is 17 + 25?', 'Ahoy! \\boxed{42}')).toBe(true);
    expect(await isRight('What is 17 + 25?', 'Ahoy! 42')).toBe(false);
    expect(await isRight('Who are you?', '\\boxed{42}')).toBeNull();
  });
});

describe('complaints about a run find their place', () => {
  const complaints = checkConfig({ ...recipes.permix, steps: 0 }, personas);
  it('beside the field, in its own words', () => {
    expect(complaintAbout(complaints, runFields[0]!)).toBe('Steps must be at least 1.');
    expect(complaintsAt(complaints, 'form')).toEqual([]);
  });

  it('beside the mix and the tasks', () => {
    const noMix = checkConfig({ ...recipes.permix, mix: { noneShare: 0, weights: { 'careful-chef': 0 }, draw: 'prompt' } }, personas);
    expect(complaintsAt(noMix, 'mix')).toHaveLength(1);
    expect(complaintsAt(noMix, 'tasks')).toEqual([]);
    const noTask = checkConfig({ ...recipes.permix, tasks: [{ id: 'addition', weight: 0 }] }, personas);
    expect(complaintsAt(noTask, 'tasks')).toHaveLength(1);
    expect(complaintsAt(noTask, 'mix')).toEqual([]);
  });

  it('or at what LoRA trains, or among those of the form', () => {
    const lora = [{ field: 'lora', problem: 'What is trained (lora) was decided at step 0.' }];
    expect([complaintsAt(lora, 'lora'), complaintsAt(lora, 'form')]).toEqual([[lora[0]!.problem], []]);
    const other = [{ field: 'policies', problem: 'No.' }];
    expect(complaintsAt(other, 'form')).toEqual(['No.']);
  });

  it('or at its field, though another setting is named', () => {
    const odd = checkConfig({ ...recipes.permix, objective: { ...recipes.permix.objective, kl: 'none' } }, personas);
    expect(odd.map(({ field }) => field)).toEqual(['objective.beta']);
    expect(complaintAbout(odd, { path: 'objective.beta', label: 'Beta', min: 0, step: 'any' })).toMatch(
      /^Beta is .* objective\.kl is "none"/,
    );
    expect(complaintsAt(odd, 'mix')).toEqual([]);
    expect(complaintsAt(odd, 'tasks')).toEqual([]);
  });
});
