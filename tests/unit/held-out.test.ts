/** The held-out questions of a run: what is asked of whom and when, that asking changes nothing, and two runs side by side. Real engine, random Llama. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createEngine } from '../helpers/engine.ts';
import type { PolicyEngine } from '../../src/engine/engine.ts';
import { LabError, labErrorCode } from '../../src/errors.ts';
import { evaluationDue, heldOutMetrics, heldOutRows, type HeldOutEvaluation } from '../../src/evaluate/held-out.ts';
import { heldOutEvaluation } from '../../src/evaluate/held-out-questions.ts';
import { libraryOf } from '../../src/persona/libraries.ts';
import { personas as world, voices } from '../../src/persona/world.ts';
import { loadTokenizer } from '../../src/policy/tokenizer.ts';
import { initialWeights } from '../../src/policy/weights.ts';
import { askingOf } from '../../src/rl/asking.ts';
import type { RunConfig } from '../../src/rl/config.ts';
import { recipes } from '../../src/rl/recipes.ts';
import { initialTrainerState } from '../../src/rl/trainer.ts';
import { HeldOutCost } from '../../src/run/cost.ts';
import { costSentence } from '../../src/ui/setup/fields.ts';
import { runSteps, type RunEvent, type RunSetup } from '../../src/run/loop.ts';
import { raceEvents, raceSentence } from '../../src/run/race.ts';
import { tinyConfig, tinyEosIds, tinyPersonas, tinyTokenizer, tinyTokenizerFiles } from '../helpers/tiny-policy.ts';

const config: RunConfig = {
  ...recipes.permix,
  steps: 3,
  tasks: [{ id: 'comparing', weight: 1, knobs: { max: 9 } }],
  promptsPerStep: 2,
  groupSize: 2,
  sampling: { ...recipes.permix.sampling, maxNewTokens: 2 },
  heldOut: { questions: 4, every: 2 },
};

let engine: PolicyEngine;
beforeAll(async () => {
  engine = await createEngine({ config: tinyConfig, weights: initialWeights(tinyConfig, 3), engine: 'portable', backend: 'cpu' });
  await engine.setReference();
});
afterAll(() => engine.dispose());

const tokenizer = tinyTokenizer();
const asked = { tokenizer, eosIds: tinyEosIds, personas: tinyPersonas, voices, config, asking: askingOf(config) };
const setup = (more: Partial<RunSetup> = {}): RunSetup => ({ ...asked, engine, state: initialTrainerState, evaluated: [], ...more });

async function events(given: RunSetup): Promise<string[]> {
  const told: string[] = [];
  for await (const event of runSteps(given))
    told.push(event.kind === 'step' ? `step ${event.state.step}` : `asked ${event.evaluation.step}`);
  return told;
}

describe('somebody who waits', () => {
  it('is told how far the asking is, token by token', async () => {
    const told: number[] = [];
    await heldOutEvaluation({ ...asked, engine, step: 0, onProgress: (fraction) => told.push(fraction) });
    expect(told.length).toBeGreaterThanOrEqual(config.sampling.maxNewTokens);
    expect(told.some((fraction) => fraction > 0 && fraction < 1)).toBe(true);
    expect(told).toEqual([...told].sort((a, b) => a - b));
    expect(told.at(-1)).toBeCloseTo(1, 9);
  });

  it('does not wait for held-out questions of a run that has no room to train', async () => {
    let generated = 0;
    const full = Object.create(engine, {
      planMemory: {
        value: () => {
          throw new LabError('memory', 'There is no room.', 'Make some.');
        },
      },
      generate: { value: () => generated++ },
    }) as PolicyEngine;
    await expect(events(setup({ engine: full }))).rejects.toThrow('There is no room.');
    expect(generated).toBe(0);
  });
});

describe('the rows', () => {
  it('are no persona and one persona of every voice, of all traits and not of one kind', () => {
    const rows = heldOutRows(world);
    expect(rows.map(({ id }) => id)).toEqual(['none', ...voices.map(({ id }) => id)]);
    expect(rows.slice(1).every(({ id, persona }) => persona!.voice === id)).toBe(true);
    expect(new Set(rows.slice(1).map(({ persona }) => persona!.trait)).size).toBe(5);
  });

  it('are the personas themselves where they have no voices, and no more than a map can show', () => {
    expect(heldOutRows(tinyPersonas).map(({ id }) => id)).toEqual(['none', ...new Set(tinyPersonas.map(({ id, voice }) => voice ?? id))]);
    const many = Array.from({ length: 30 }, (_, i) => ({ ...world[0]!, id: `p${i}`, voice: null }));
    expect(heldOutRows(many)).toHaveLength(9);
    const general = heldOutRows(libraryOf('general').personas).slice(1);
    expect(new Set(general.map(({ persona }) => persona!.kind))).toEqual(new Set(['expert', 'neutral', 'harmful']));
  });
});

describe('an evaluation', () => {
  it('asks every row the same questions, leaves the policy as it is, and gives the same again', async () => {
    const before = await engine.exportState();
    const one = await heldOutEvaluation({ ...asked, engine, step: 0 });
    expect(await engine.exportState()).toEqual(before);
    const questions = one.rows.map(({ replies }) => replies.map(({ question }) => question));
    expect(new Set(questions[0]).size).toBe(config.heldOut.questions);
    for (const those of questions) expect(those).toEqual(questions[0]);
    expect((await heldOutEvaluation({ ...asked, engine, step: 0, config: { ...config, seed: 9 } })).rows).toEqual(one.rows);
  });

  it('divides its questions over the tasks by their weight', async () => {
    const tasks = [
      { id: 'comparing', weight: 3, knobs: { max: 9 } },
      { id: 'addition', weight: 1 },
      { id: 'counting', weight: 0 },
    ];
    const { rows } = await heldOutEvaluation({ ...asked, engine, step: 0, config: { ...config, tasks } });
    const sums = rows[0]!.replies.filter(({ answer, question }) => /\+|sum|plus/i.test(question) && answer !== '');
    expect([rows[0]!.replies.length, sums.length]).toEqual([4, 1]);
  });

  it('has no persona rows where the template lets no persona through', async () => {
    const { json, config: files } = tinyTokenizerFiles;
    const deaf = loadTokenizer(json, { ...files, chat_template: "{{ messages[-1]['content'] }}<reply>" });
    const { rows } = await heldOutEvaluation({ ...asked, engine, tokenizer: deaf, step: 0 });
    expect(rows.map(({ row }) => row)).toEqual(['none']);
    expect(Object.keys(heldOutMetrics({ step: 0, rows, seconds: 1 }))).toEqual(['eval/accuracy/none', 'eval/none']);
  });
});

function answers(step: number, right: Readonly<Record<string, readonly number[]>>): HeldOutEvaluation {
  const reply = (correct: number) => ({
    question: 'q',
    answer: 'a',
    text: '',
    correct: correct === 1,
    parsed: null,
    reason: '',
    inVoice: correct === 1,
  });
  return {
    step,
    seconds: 1,
    rows: Object.entries(right).map(([row, flags]) => ({ row, personaId: row === 'none' ? null : row, replies: flags.map(reply) })),
  };
}

describe('its metrics', () => {
  it('take worst, mean and PSS over the personas, without none', () => {
    const metrics = heldOutMetrics(answers(0, { none: [0, 0, 0, 0], a: [1, 1, 1, 0], b: [1, 0, 0, 0], c: [1, 1, 0, 0] }));
    expect(metrics).toMatchObject({ 'eval/none': 0, 'eval/worst': 0.25, 'eval/mean': 0.5, 'eval/accuracy/a': 0.75 });
    expect(metrics['eval/pss']).toBeCloseTo(1 / 3, 12);
    expect(metrics['eval/pss_null']).toBeGreaterThan(1 / 3);
    expect(metrics['eval/pss_null']).toBeLessThan(1);
  });

  it('are numbers where nothing was right', () => {
    const metrics = heldOutMetrics(answers(0, { none: [0], a: [0], b: [0] }));
    expect(metrics).toMatchObject({ 'eval/worst': 0, 'eval/pss': 0, 'eval/pss_null': 0 });
    expect(Object.values(metrics).every(Number.isFinite)).toBe(true);
  });
});

describe('a run', () => {
  it('asks before its first step, every k steps and at its end', async () => {
    expect(await events(setup())).toEqual(['asked 0', 'step 1', 'step 2', 'asked 2', 'step 3', 'asked 3']);
    expect([0, 1, 2, 3].map((step) => evaluationDue({ heldOut: { questions: 0, every: 1 }, steps: 3 }, step))).toEqual([
      false,
      false,
      false,
      false,
    ]);
  });

  it('repeats none that is stored', async () => {
    const state = { ...initialTrainerState, step: 2, cursor: 4 };
    expect(await events(setup({ state, evaluated: [0, 2] }))).toEqual(['step 3', 'asked 3']);
    expect(await events(setup({ state: { ...state, step: 3 }, evaluated: [0, 2] }))).toEqual(['asked 3']);
  });

  it('trains as it would without them', async () => {
    const train = async (questions: number) => {
      const own = await createEngine({ config: tinyConfig, weights: initialWeights(tinyConfig, 3), engine: 'portable', backend: 'cpu' });
      await own.setReference();
      await events(setup({ engine: own, config: { ...config, heldOut: { questions, every: 1 } } }));
      const state = await own.exportState();
      own.dispose();
      return state;
    };
    expect(await train(4)).toEqual(await train(0));
  });

  it('that is stopped while it asks stands where it stood', async () => {
    const stop = new AbortController();
    const onEvaluation = (step: number) => step === 2 && stop.abort();
    const given = setup({ signal: stop.signal, onEvaluation, config: { ...config, heldOut: { questions: 200, every: 2 } } });
    let reached = 0;
    const error: unknown = await (async () => {
      for await (const event of runSteps(given)) if (event.kind === 'step') reached = event.state.step;
      return null;
    })().catch((caught: unknown) => caught);
    expect([labErrorCode(error), reached]).toEqual(['cancelled', 2]);
  });

  it('says once that its questions cost too much', () => {
    const cost = new HeldOutCost({ steps: 100, heldOut: { questions: 9, every: 10 } });
    cost.asked(1);
    const told = Array.from({ length: 12 }, () => {
      cost.trained(0.5);
      return cost.excess();
    }).filter((excess) => excess !== null);
    expect(told).toHaveLength(1);
    // 11 evaluations of 1 s beside 100 steps of half a second.
    expect(told[0]!.heldOutShare).toBeCloseTo(11 / 61, 10);
    // In the page's words: the fields by the names that stand beside them.
    expect(costSentence(told[0]!)).toMatch(
      /^The held-out questions take 18 % .*\(“Held-out questions”\).*\(“Asked every”\), both in Advanced/,
    );
  });
});

describe('a race', () => {
  const steps = (name: string, count: number, fails: number | null = null) => {
    let step = 0;
    return async (): Promise<RunEvent | null> => {
      if (step === fails) throw new Error(`${name} fails`);
      if (step === count) return null;
      step++;
      return { kind: 'step', report: { step } as never, state: { ...initialTrainerState, step } };
    };
  };
  const told = async (arms: Parameters<typeof raceEvents>[0]) => {
    const lines: string[] = [];
    for await (const one of raceEvents(arms)) {
      if ('event' in one) lines.push(`${one.arm} ${one.event.kind === 'step' ? one.event.state.step : 'asked'}`);
      else lines.push(`${one.arm} ${one.error === null ? 'done' : (one.error as Error).message}`);
    }
    return lines;
  };

  it('takes a step of each in turn', async () => {
    const lines = await told({ rlvr: steps('rlvr', 2), permix: steps('permix', 2) });
    expect(lines).toEqual(['rlvr 1', 'permix 1', 'rlvr 2', 'permix 2', 'rlvr done', 'permix done']);
  });

  it('goes on with the one when the other fails', async () => {
    const lines = await told({ rlvr: steps('rlvr', 3), permix: steps('permix', 3, 1) });
    expect(lines).toEqual(['rlvr 1', 'permix 1', 'rlvr 2', 'permix permix fails', 'rlvr 3', 'rlvr done']);
  });

  it('says in one sentence what came out, with what is known', () => {
    const base = answers(0, { none: [1, 1], a: [1, 0], b: [0, 0] });
    const rlvr = answers(2, { none: [1, 1], a: [1, 1], b: [0, 1] });
    const sentence = raceSentence({ base, rlvr, permix: answers(2, { none: [1, 1], a: [1, 1], b: [1, 1] }) }).replaceAll('\u00a0', ' ');
    expect(sentence).toBe(
      'Worst voice: right in 0 % before training, 50 % with RLVR, 100 % with PerMix. Still in its voice: 50 % before training, 83 % with RLVR, 100 % with PerMix.',
    );
    expect(raceSentence({ base, rlvr: null, permix: rlvr })).toMatch(
      /^Worst voice: right in 0\u00a0% before training, 50\u00a0% with PerMix\./,
    );
  });
});
