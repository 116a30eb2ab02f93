/** Training steps of the bundled policy on WebAssembly: what the engines take of them, and what more threads bring. No GPU is needed. */
import { createEngine, type WasmPath } from '../engine/create.ts';
import type { PolicyEngine, TrainBatch } from '../engine/engine.ts';
import { threadsFor } from '../engine/parallel/cores.ts';
import type { StartThread } from '../engine/parallel/remote-thread.ts';
import { passOf } from '../engine/fused/batch.ts';
import { maxPlaces as fusedPlaces } from '../engine/fused/memory-plan.ts';
import { passOfRows, ranges } from '../engine/segments.ts';
import { maxPlaces } from '../engine/wasm/memory-plan.ts';
import { rowsOf, shardsOf } from '../engine/wasm/shards.ts';
import { personas } from '../persona/world.ts';
import type { Policy } from '../policy/policy.ts';
import { recipes } from '../rl/recipes.ts';
import { initialTrainerState, train } from '../rl/trainer.ts';
import type { Suite } from './suite.ts';

/** What there is to compute with. */
export interface HostMachine {
  /** The bundled one. */
  readonly policy: Policy;
  /** Absent: there is one thread. */
  readonly startThread?: StartThread;
  readonly threads?: number;
  readonly wasmPath?: WasmPath;
}

type Book = Pick<Suite, 'rows' | 'left' | 'repeat' | 'watch'>;

const threadsOf = ({ startThread, threads }: HostMachine): number => (startThread ? threadsFor(threads) : 1);

/** The portable engine and ours, in turn, on one thread. The first step of each does not count. */
export async function measureHostSteps(book: Book, machine: HostMachine): Promise<void> {
  await withCourses(
    book,
    machine,
    [
      ['portable', 1],
      ['wasm', 1],
    ],
    async ([portable, wasm]) => {
      await portable!.step();
      await wasm!.step();
      await book.repeat(async () => {
        const milliseconds = { portable: await portable!.step(), wasm: await wasm!.step() };
        return () => {
          for (const name of ['portable', 'wasm'] as const) book.rows.add('host.step', name, [milliseconds[name]]);
        };
      });
    },
  );
}

/**
 * Places that the engines compute in an update of the bundled policy, of those that are different: a prompt counts once for all replies to it, of a
 * reply all tokens but the last, which predicts nothing. What the fused engine fills its passes up with is computed, too; of it the host knows
 * everything, so no GPU is needed.
 */
export async function measureDistinct(book: Book, machine: HostMachine): Promise<void> {
  await withCourses(book, machine, [['wasm', 1]], async ([course]) => {
    for (let round = 0; round < 3; round++) {
      await book.watch.next();
      await course!.step();
      const { wasm, fused } = computedOverDistinct(course!.batch()!);
      book.rows.add('host.distinct', 'wasm', [wasm]);
      book.rows.add('host.distinct', 'fused', [fused]);
    }
  });
}

function computedOverDistinct(batch: TrainBatch): { readonly wasm: number; readonly fused: number } {
  let [wasm, fused] = [0, 0];
  for (const [first, last] of shardsOf(batch)) {
    const shard = rowsOf(batch, first, last);
    for (const range of ranges(shard, 0, maxPlaces)) wasm += passOfRows(shard, ...range, shard.mask).places;
  }
  for (const range of ranges(batch, 0, fusedPlaces)) {
    fused += passOf(batch, ...range, batch.width, batch.completionWidth, batch.mask).shape.places;
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
  return { wasm: wasm / distinct, fused: fused / distinct };
}

/** On one thread and on one for each core, in turn. */
export async function measureThreads(book: Book, machine: HostMachine): Promise<void> {
  const threads = threadsOf(machine);
  if (threads === 1) return void book.left.set('host.threads', 'There is one thread.');
  await withCourses(
    book,
    machine,
    [
      ['wasm', 1],
      ['wasm', threads],
    ],
    async ([one, all]) => {
      await one!.step();
      await all!.step();
      await book.repeat(async () => {
        const milliseconds = [await one!.step(), await all!.step()] as const;
        return () => book.rows.add('host.threads', 'wasm', [milliseconds[0] / milliseconds[1]]);
      });
    },
  );
}

type Course = Awaited<ReturnType<typeof courseOf>>;

async function withCourses(
  { watch }: Pick<Book, 'watch'>,
  machine: HostMachine,
  asked: readonly (readonly [name: 'portable' | 'wasm', threads: number])[],
  work: (courses: readonly Course[]) => Promise<void>,
): Promise<void> {
  const courses: Course[] = [];
  try {
    for (const [name, threads] of asked) {
      await watch.next();
      courses.push(await courseOf(machine, name, threads));
    }
    await work(courses);
  } finally {
    for (const course of courses) course.end();
  }
}

/** A run of the bundled policy, and what the engine takes of each of its steps, in ms. */
async function courseOf({ policy, startThread, wasmPath }: HostMachine, name: 'portable' | 'wasm', threads: number) {
  const { config, weights, tokenizer } = policy;
  const more = { ...(startThread ? { startThread } : {}), ...(wasmPath ? { wasmPath } : {}) };
  const engine = await createEngine({ config, weights, engine: name, backend: 'wasm', threads, ...more });
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
export function engineTime(engine: PolicyEngine): () => number {
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
