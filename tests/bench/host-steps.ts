/** Training steps of the bundled policy on WebAssembly: what the engines take of them, and what more threads bring. No GPU is needed. */
import { folderSource } from '../../src/cli/folder.ts';
import { createEngine } from '../../src/engine/create.ts';
import type { PolicyEngine } from '../../src/engine/engine.ts';
import { threadsFor } from '../../src/engine/parallel/cores.ts';
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
  const meter = engineTime(engine);
  const steps = train({ ...given, engine, state: initialTrainerState });
  const step = async () => {
    const before = meter();
    await steps.next();
    return meter() - before;
  };
  return { step, end: () => engine.dispose() };
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
