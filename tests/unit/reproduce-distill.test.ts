/** Sequence distillation in the trainer, on the real portable engine: the policy learns what its teacher says, and nothing it says wrongly. */
import type { TrainerSetup } from '../../src/rl/setup.ts';
import { afterEach, describe, expect, it } from 'vitest';
import { createEngine } from '../helpers/engine.ts';
import type { PolicyEngine, TrainBatch } from '../../src/engine/engine.ts';
import { initialWeights } from '../../src/policy/weights.ts';
import { completionOf } from '../../src/rl/batch.ts';
import type { RunConfig } from '../../src/rl/config.ts';
import { initialTrainerState, train } from '../../src/rl/trainer.ts';
import { recipes } from '../../src/rl/recipes.ts';
import { taskById } from '../../src/tasks/index.ts';
import { verify } from '../../src/verify/verify.ts';
import { tinyConfig, tinyEosIds, tinyPersonas, tinyTokenizer } from '../helpers/tiny-policy.ts';

const tokenizer = tinyTokenizer();
const engines: PolicyEngine[] = [];
afterEach(() => engines.splice(0).forEach((engine) => engine.dispose()));

async function newEngine(seed: number): Promise<PolicyEngine> {
  const engine = await createEngine({ config: tinyConfig, weights: initialWeights(tinyConfig, seed), engine: 'portable', backend: 'cpu' });
  await engine.setReference();
  engines.push(engine);
  return engine;
}

const config: RunConfig = {
  ...recipes.distill,
  tasks: [{ id: 'comparing', weight: 1, knobs: { max: 9 } }],
  promptsPerStep: 8,
  groupSize: 4,
  steps: 2,
  sampling: { ...recipes.distill.sampling, maxNewTokens: 2 },
  optim: { ...recipes.distill.optim, learningRate: 1e-2 },
};

async function run(engine: PolicyEngine, changes: Partial<RunConfig>, more: Partial<TrainerSetup> = {}) {
  const setup = {
    engine,
    tokenizer,
    eosIds: tinyEosIds,
    personas: tinyPersonas,
    config: { ...config, ...changes },
    state: initialTrainerState,
  };
  const steps = [];
  for await (const step of train({ ...setup, ...more })) steps.push(step);
  return steps;
}

/** Right about half the time, by cross-entropy on solutions. */
async function newTeacher(): Promise<PolicyEngine> {
  const teacher = await newEngine(3);
  const supervised = { ...config, ...recipes.sft, tasks: config.tasks, sampling: config.sampling, optim: config.optim };
  await run(teacher, { ...supervised, steps: 22, promptsPerStep: 16, groupSize: 2 });
  return teacher;
}

/** The batches an engine is given to learn from. */
function watched(engine: PolicyEngine): { engine: PolicyEngine; batches: TrainBatch[] } {
  const batches: TrainBatch[] = [];
  const watching = new Proxy(engine, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (name === 'step')
        return (batch: TrainBatch, ...rest: unknown[]) => (
          batches.push(batch),
          (target.step as (...args: unknown[]) => unknown)(batch, ...rest)
        );
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
  return { engine: watching, batches };
}

describe('sequence distillation', () => {
  it('learns from the right replies of the teacher, to the questions and personas of the step', async () => {
    const teacher = await newTeacher();
    const { engine, batches } = watched(await newEngine(9));
    const steps = await run(engine, {}, { teacher });
    expect(batches).toHaveLength(2);
    for (const [s, batch] of batches.entries()) {
      const asked = new Map(
        steps[s]!.report.rollouts.map(({ prompt, question, answer, questionId, task }) => [
          String(tokenizer.encode(prompt)),
          { text: question, answer, id: questionId, task },
        ]),
      );
      expect(batch.rows).toBeGreaterThan(0);
      expect(batch.rows).toBeLessThan(config.promptsPerStep * config.groupSize);
      for (let row = 0; row < batch.rows; row++) {
        const prompt = String(batch.tokens.subarray(row * batch.width, row * batch.width + batch.promptLengths[row]!));
        const reply = completionOf(batch, row);
        const question = asked.get(prompt);
        expect(question, prompt).toBeDefined();
        expect(reply.at(-1)).toBe(tinyEosIds[0]);
        expect((await verify(tokenizer.decode(reply.subarray(0, -1)), question!, taskById(question!.task))).correct).toBe(true);
      }
    }
  });

  it('makes the teacher’s right replies likelier, and leaves the teacher as it was', async () => {
    const teacher = await newTeacher();
    const before = await teacher.exportState();
    const losses = (await run(await newEngine(9), { steps: 10 }, { teacher })).map(({ report }) => report.metrics['loss']!);
    expect(losses[9]!).toBeLessThan(losses[0]! / 2);
    expect(await teacher.exportState()).toEqual(before);
  }, 60_000);

  it('learns nothing from a teacher that is never right', async () => {
    const engine = await newEngine(9);
    const before = await engine.exportState();
    const [step] = await run(engine, { steps: 1 }, { teacher: await newEngine(4) });
    expect(step!.report.metrics).not.toHaveProperty('loss');
    expect((await engine.exportState()).weights).toEqual(before.weights);
  });

  it('says that it needs a teacher', async () => {
    await expect(run(await newEngine(9), {})).rejects.toThrow(/learns from a teacher, and there is none/);
  });
});
