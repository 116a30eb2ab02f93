/** Training steps of the bundled policy on WebAssembly: what the engines take of them, and what more threads bring. No GPU is needed. */
import { folderSource } from '../../src/cli/folder.ts';
import { createEngine } from '../../src/engine/create.ts';
import type { PolicyEngine, TrainBatch } from '../../src/engine/engine.ts';
import { threadsFor } from '../../src/engine/parallel/cores.ts';
import { passOfRows, ranges } from '../../src/engine/wasm/batch.ts';
import { maxPlaces } from '../../src/engine/wasm/memory-plan.ts';
import { rowsOf, shardsOf } from '../../src/engine/wasm/shards.ts';
import { personas } from '../../src/persona/world.ts';
import { loadPolicy } from '../../src/policy/policy.ts';
import { recipes } from '../../src/rl/recipes.ts';
import { initialTrainerState, train } from '../../src/rl/trainer.ts';
import { startThread } from './host-policy.ts';
import type { Rows } from './report.ts';

const rounds = 5;

/** The portable engine and ours, in turn, on one thread. */
export async function measureHostSteps(rows: Rows): Promise<void> {
  const courses = { portable: await courseOf('portable', 1), wasm: await courseOf('wasm', 1) };
  for (let round = 0; round <= rounds; round++) {
    for (const name of ['portable', 'wasm'] as const) {
      const milliseconds = await courses[name].step();
      if (round > 0) rows.add('host.step', name, [milliseconds]);
    }
  }
  courses.portable.end();
  courses.wasm.end();
}

/**
 * Places that the wasm engine computes in an update of the bundled policy, of those that are different: a prompt counts once for all replies to it,
 * of a reply all tokens but the last, which predicts nothing.
 */
export async function measureDistinct(rows: Rows): Promise<void> {
  const course = await courseOf('wasm', 1);
  for (let round = 0; round < 3; round++) {
    await course.step();
    const batch = course.batch()!;
    let computed = 0;
    for (const [first, last] of shardsOf(batch)) {
      const shard = rowsOf(batch, first, last);
      for (const range of ranges(shard, 0, maxPlaces)) computed += passOfRows(shard, ...range, shard.mask).places;
    }
    const prompts = new Set<string>();
    let distinct = 0;
    for (let row = 0; row < batch.rows; row++) {
      const at = row * batch.width;
      const prompt = batch.promptLengths[row]!;
      const name = batch.tokens.slice(at, at + prompt).join();
      if (!prompts.has(name)) distinct += prompt;
      prompts.add(name);
      const counted = batch.mask.subarray(row * batch.completionWidth, (row + 1) * batch.completionWidth).lastIndexOf(1);
      distinct += Math.max(0, counted);
    }
    rows.add('host.distinct', 'wasm', [computed / distinct]);
  }
  course.end();
}

/** On one thread and on one for each core, in turn. @returns false where there is one core */
export async function measureThreads(rows: Rows): Promise<boolean> {
  const threads = startThread ? threadsFor() : 1;
  if (threads === 1) return false;
  const [one, all] = [await courseOf('wasm', 1), await courseOf('wasm', threads)];
  for (let round = 0; round <= rounds; round++) {
    const milliseconds = [await one.step(), await all.step()] as const;
    if (round > 0) rows.add('host.threads', 'wasm', [milliseconds[0] / milliseconds[1]]);
  }
  one.end();
  all.end();
  return true;
}

/** A run of the bundled policy, and what the engine takes of each of its steps, in ms. */
async function courseOf(name: 'portable' | 'wasm', threads: number) {
  const { config, weights, tokenizer } = await loadPolicy(await folderSource('public/models/permix-tiny'));
  const engine = await createEngine({ config, weights, engine: name, backend: 'wasm', threads, ...(startThread ? { startThread } : {}) });
  await engine.setReference();
  const given = { tokenizer: tokenizer!, eosIds: config.eosIds, personas, config: recipes.permix };
  let batch: TrainBatch | null = null;
  const update = engine.step.bind(engine);
  engine.step = (...asked) => {
    [batch] = asked;
    return update(...asked);
  };
  const meter = engineTime(engine);
  const steps = train({ ...given, engine, state: initialTrainerState });
  const step = async () => {
    const before = meter();
    await steps.next();
    return meter() - before;
  };
  return { step, batch: () => batch, end: () => engine.dispose() };
}

/** Milliseconds that an engine's calls have taken so far. */
function engineTime(engine: PolicyEngine): () => number {
  let total = 0;
  for (const name of ['generate', 'score', 'step'] as const) {
    const call = engine[name].bind(engine) as (...args: unknown[]) => Promise<unknown>;
    Object.assign(engine, {
      [name]: async (...args: unknown[]) => {
        const start = performance.now();
        const result = await call(...args);
        total += performance.now() - start;
        return result;
      },
    });
  }
  return () => total;
}
