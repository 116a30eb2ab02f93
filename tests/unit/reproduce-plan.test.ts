import { describe, expect, it } from 'vitest';
import { ablations, comparison, methods, sweep } from '../../src/cli/reproduce-studies.ts';
import { nextRun, planRuns, secondsOf, type Circumstances, type StudyPlan } from '../../src/cli/reproduce-plan.ts';
import { labErrorCode } from '../../src/errors.ts';
import { personas } from '../../src/persona/world.ts';
import { checkConfig } from '../../src/rl/check.ts';

const bundled = { id: 'permix-tiny', hash: 'aaaa', folder: '/a' };
const around: Circumstances = {
  seeds: [1, 2],
  steps: 50,
  examination: { problems: 300, fidelityReplies: 12 },
  bases: [bundled, { id: 'hard', hash: 'bbbb', folder: '/b' }],
  engineRequest: { engine: 'portable', backend: 'wasm' },
};
const everything = comparison(methods, [0.02, 0]);
const keys = (study: StudyPlan, more: Partial<Circumstances> = {}) => planRuns(study, { ...around, ...more }).map(({ key }) => key);

describe('the comparison', () => {
  const runs = planRuns(everything, around);
  const of = (arm: string, seed = 1) => runs.find((run) => run.arm === arm && run.seed === seed)!;

  it('has every arm with every seed, the bases first', () => {
    expect(everything.arms.map(({ id }) => id)).toEqual([
      'base',
      'sft',
      'distill',
      'rlvr-beta0.02',
      'permix-beta0.02',
      'rlvr-beta0',
      'permix-beta0',
    ]);
    expect(runs).toHaveLength(14);
    expect(runs.slice(0, 2).map(({ arm, seed }) => [arm, seed])).toEqual([
      ['base', 1],
      ['base', 2],
    ]);
    expect(new Set(runs.map(({ key }) => key)).size).toBe(14);
  });

  it('differs between RLVR and PerMix in nothing but the mix', () => {
    const [rlvr, permix] = [of('rlvr-beta0').config, of('permix-beta0').config];
    expect({ ...permix, recipe: 'rlvr', mix: rlvr.mix }).toEqual(rlvr);
    expect([rlvr.mix.noneShare, permix.mix.noneShare]).toEqual([1, 0.5]);
    expect([rlvr.objective.beta, of('rlvr-beta0.02').config.objective.beta]).toEqual([0, 0.02]);
    for (const { config } of runs) expect([config.steps, checkConfig(config, personas)]).toEqual([50, []]);
  });

  it('needs the base of the same seed, and for distillation PerMix of the headline beta', () => {
    expect(of('sft', 2)).toMatchObject({ baseRun: of('base', 2).key, teacher: null });
    expect(of('base', 2).baseRun).toBeNull();
    expect(of('distill', 2).teacher).toBe(of('permix-beta0.02', 2).key);
  });

  it('gives a run another key when anything that decides it changes, and only then', () => {
    expect(keys(everything)).toEqual(keys(everything));
    const one = (more: Partial<Circumstances>) => keys(everything, more)[4];
    const was = one({});
    for (const change of [
      { steps: 51 },
      { examination: { problems: 301, fidelityReplies: 12 } },
      { bases: [{ ...bundled, hash: 'cccc' }] },
      { engineRequest: { engine: 'fused', backend: 'webgpu' } },
    ] as const) {
      expect(one(change), JSON.stringify(change)).not.toBe(was);
    }
    // More seeds, fewer methods: what was run before is found again.
    expect(keys(everything, { seeds: [1, 2, 3] })).toEqual(expect.arrayContaining(keys(everything)));
    expect(keys(everything)).toEqual(expect.arrayContaining(keys(comparison(['rlvr'], [0]))));
    // An ablation shares the runs it has in common.
    expect(keys(ablations['beta']!.plan())).toEqual(expect.arrayContaining(keys(comparison(['rlvr', 'permix'], [0.02, 0]))));
  });

  it('is worked through in an order that respects what is needed, whatever was finished before', () => {
    for (const before of [[], [0, 5], [0, 1, 2, 3, 4, 5, 6]]) {
      const finished = new Set(before.map((i) => runs[i]!.key));
      const order: string[] = [];
      for (;;) {
        const run = nextRun(runs, new Set(order), finished);
        if (!run) break;
        for (const need of [run.baseRun, run.teacher]) expect(need === null || finished.has(need)).toBe(true);
        order.push(run.key);
        finished.add(run.key);
      }
      expect(order).toHaveLength(14 - before.length);
      expect(order.some((key) => before.some((i) => runs[i]!.key === key))).toBe(false);
    }
  });

  it('starts no run whose base is still being examined', () => {
    const first = runs.slice(0, 2).map(({ key }) => key);
    expect(nextRun(runs, new Set(first), new Set())).toBeNull();
    expect(nextRun(runs, new Set(first), new Set([first[1]!]))).toMatchObject({ seed: 2 });
    // A base that failed is not started again, and holds up what needs it.
    expect(nextRun(runs.slice(0, 1), new Set(first), new Set())).toBeNull();
  });

  it('knows that a base is not trained and that more problems take longer', () => {
    expect(secondsOf(of('base'), around.examination).train).toBe(0);
    const [few, many] = [10, 1000].map((problems) => secondsOf(of('sft'), { ...around.examination, problems }));
    expect(many!.evaluate).toBeGreaterThan(few!.evaluate);
    expect(few!.train).toBe(many!.train);
  });
});

describe('ablations', () => {
  it.each(Object.keys(ablations))('%s can be run, arm by arm, and has its reference', (name) => {
    const study = ablations[name]!.plan();
    const runs = planRuns(study, around);
    for (const { config } of runs) expect(checkConfig(config, personas)).toEqual([]);
    expect(new Set(study.arms.map(({ id }) => id)).size).toBe(study.arms.length);
    for (const { id } of study.arms) expect(id).toMatch(/^[\w.-]+$/);
    expect(study.arms.map(({ id }) => id)).toContain(study.reference);
    // Something is varied: no two arms are the same run.
    expect(new Set(runs.map(({ key }) => key)).size).toBe(runs.length);
  });

  it('personas: nested choices among those that may be trained on, others with another seed', () => {
    const { arms } = ablations['personas']!.plan();
    const chosen = (n: number, seed: number) =>
      Object.keys((arms.find(({ id }) => id === `personas${n}`)!.settings(seed)['mix'] as { weights: object }).weights);
    expect(chosen(4, 1)).toHaveLength(4);
    expect(chosen(8, 1)).toEqual(expect.arrayContaining(chosen(4, 1)));
    expect(chosen(8, 2)).not.toEqual(chosen(8, 1));
    const heldOut = personas.filter((persona) => persona.heldOut).map(({ id }) => id);
    expect(chosen(16, 3).filter((id) => heldOut.includes(id))).toEqual([]);
  });

  it('world: each base with its own runs and its own claims', () => {
    const runs = planRuns(ablations['world']!.plan(), { ...around, seeds: [7] });
    const of = (arm: string) => runs.find((run) => run.arm === arm)!;
    expect(of('permix-other')).toMatchObject({ base: { id: 'hard' }, baseRun: of('base-other').key });
    expect(of('permix-bundled')).toMatchObject({ base: { id: 'permix-tiny' }, baseRun: of('base-bundled').key });
  });
});

describe('sweeps', () => {
  const refused = (json: unknown) => {
    try {
      sweep(json, 'mine.json');
    } catch (error) {
      return `${labErrorCode(error)}: ${(error as Error).message}`;
    }
    return 'accepted';
  };

  it('are labels and settings', () => {
    const study = sweep({ 'G 8': {}, 'G 16': { groupSize: 16, recipe: 'rlvr' } }, 'mine.json');
    const [, first, second] = planRuns(study, { ...around, seeds: [1] }).map(({ config }) => config);
    expect([first!.recipe, first!.groupSize, second!.recipe, second!.groupSize]).toEqual(['permix', 8, 'rlvr', 16]);
    expect(study.reference).toBe('arm1');
  });

  it.each([
    [[], /not a JSON object/],
    [{}, /no arm/],
    [{ a: 1 }, /settings of "a"/],
    [{ a: { seed: 3 } }, /"a" sets seed/],
    [{ a: { recipe: 'distill' } }, /recipe "distill"/],
  ])('%j is refused', (json, sentence) => {
    expect(refused(json)).toMatch(/^format: mine\.json/);
    expect(refused(json)).toMatch(sentence);
  });

  it('name the setting that does not exist', () => {
    expect(() => planRuns(sweep({ a: { groupsize: 4 } }, 'mine.json'), around)).toThrow(/groupsize/);
  });
});
