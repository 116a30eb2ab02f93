/** Several threads compute what one does, bit for bit: rollouts, scores, steps, states; and one that is lost changes nothing but the time. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { GenerateProgress, PolicyEngine, Sampling } from '../../src/engine/engine.ts';
import { partsOf } from '../../src/engine/parallel/join.ts';
import { RemoteThread } from '../../src/engine/parallel/remote-thread.ts';
import { evenly, mostShards, shardsOf } from '../../src/engine/wasm/shards.ts';
import { labErrorCode } from '../../src/errors.ts';
import type { LoraSetup } from '../../src/policy/adapters.ts';
import { tensorsOf } from '../../src/policy/weights.ts';
import { createEngine } from '../helpers/engine.ts';
import { forcedBatch, forcedObjective, forcedOptim } from '../helpers/forced-run.ts';
import { integers } from '../helpers/numbers.ts';
import { livelyWeights } from '../helpers/reference-decoder.ts';
import { testThreads, type TestThreads } from '../helpers/threads.ts';
import { tinyConfig } from '../helpers/tiny-policy.ts';

const weights = livelyWeights(tinyConfig, 5);
const engines: PolicyEngine[] = [];
afterEach(() => engines.splice(0).forEach((engine) => engine.dispose()));

async function start(count: number, lora: LoraSetup | null = null, threads: TestThreads = testThreads(), onLostThread = (_: string) => {}) {
  const { startThread } = threads;
  const engine = await createEngine({
    ...{ config: tinyConfig, weights, engine: 'wasm', backend: 'wasm', lora },
    ...{ threads: count, startThread, onLostThread },
  } as const);
  engines.push(engine);
  return engine;
}

const prompts = [1, 4, 2, 9, 3].map((n, i) => Int32Array.from(integers(n, 40 + i, 1, tinyConfig.vocabSize - 1)));
const sampling: Sampling = {
  ...{ temperature: 0.9, topK: 0, topP: 0.95, minP: 0.01, maxNewTokens: 12 },
  ...{ eosIds: [0], seed: 3, step: 1, firstRow: 8 },
};

/** Everything an engine does in three steps, as numbers. */
async function course(engine: PolicyEngine, lose?: () => void) {
  await engine.setReference();
  const said = [];
  for (let step = 0; step < 3; step++) {
    if (step === 1) lose?.();
    const batch = forcedBatch(step, tinyConfig.vocabSize);
    said.push(await engine.generate({ prompts, repeats: 3, sampling }));
    said.push(await engine.score(batch, { temperature: 1, policy: 'reference' }));
    said.push(await engine.step(batch, forcedObjective, forcedOptim));
    said.push(await engine.score(batch, { temperature: 1, policy: 'current' }));
  }
  return [...said, await engine.exportState()];
}

it('cuts a step into the same shards for any number of threads: whole groups, all rows, in order', () => {
  const one = forcedBatch(0, tinyConfig.vocabSize);
  const rows = 24;
  const grouped = {
    ...one,
    rows,
    tokens: Int32Array.from({ length: rows * one.width }, (_, i) => Math.floor(i / one.width / 4)),
    promptLengths: new Int32Array(rows).fill(3),
    lengths: new Int32Array(rows).fill(9),
  };
  expect(shardsOf(grouped)).toEqual([0, 4, 8, 12, 16, 20].map((first) => [first, first + 4]));
  const apart = { ...grouped, tokens: Int32Array.from({ length: rows * one.width }, (_, i) => Math.floor(i / one.width)) };
  expect(shardsOf(apart)).toEqual(Array.from({ length: mostShards }, (_, i) => [3 * i, 3 * i + 3]));
  expect(shardsOf(one)).toEqual([[0, 3], [3, 4], [4, 8]]); // prettier-ignore
  expect(evenly(5, 2)).toEqual([
    [0, 2],
    [2, 5],
  ]);
  expect(evenly(0, 3)).toEqual([]);
});

describe.each([
  ['all parameters', null],
  ['adapters', { rank: 2, alpha: 4, seed: 5 }],
] as const)('%s', (_, lora) => {
  it('have the same bits on one, two, three and eight threads', async () => {
    const alone = await course(await start(1, lora));
    for (const count of [2, 3, 8]) {
      const engine = await start(count, lora);
      expect(engine.info.threads).toBe(count);
      expect(await course(engine), `${count} threads`).toEqual(alone);
    }
  });

  it('a state comes to all threads, and is gone on with', async () => {
    const first = await start(3, lora);
    await course(first);
    const state = await first.exportState();
    const others = await Promise.all([1, 2].map((count) => start(count, lora)));
    const said = [];
    for (const engine of others) {
      await course(engine);
      await engine.importState(state);
      said.push(await course(engine));
    }
    expect(said[1]).toEqual(said[0]);
  });
});

it('a thread that is lost, or never starts, costs time and a sentence', async () => {
  const alone = await course(await start(1));
  const sentences: string[] = [];
  const threads = testThreads([1]);
  const engine = await start(4, null, threads, (sentence) => sentences.push(sentence));
  expect(engine.info.threads).toBe(3);
  expect(await course(engine, () => threads.lose(0))).toEqual(alone);
  expect(engine.info.threads).toBe(2);
  expect(sentences).toEqual([
    'A thread of the wasm engine ended (it does not start); it goes on with 3, to the same numbers.',
    'A thread of the wasm engine ended (the test ended it); it goes on with 2, to the same numbers.',
  ]);
});

it.runIf(process.platform === 'linux')(
  'as many threads as there is memory for hold the policy; where a run fits beside none, one goes on alone',
  async () => {
    const free = vi.spyOn(process, 'availableMemory').mockReturnValue(20 * 2 ** 20);
    const sentences: string[] = [];
    try {
      const engine = await start(8, null, testThreads(), (sentence) => sentences.push(sentence));
      const { threads } = engine.info;
      expect(threads).toBeGreaterThan(1);
      expect(threads).toBeLessThan(8);
      expect(sentences).toEqual([]);
      const shape = { rows: 64, groups: 1, completionWidth: 20, microBatchRows: 0, withReference: true };
      expect(engine.planMemory!({ ...shape, width: 30 })).toBeNull();
      expect(engine.info.threads).toBe(1);
      expect(sentences).toEqual([expect.stringContaining('no memory for more than one')]);
    } finally {
      free.mockRestore();
    }
  },
);

it('what is wrong with a call is said as one thread says it, and ends no thread', async () => {
  const engine = await start(2);
  const batch = forcedBatch(0, tinyConfig.vocabSize);
  await expect(engine.score(batch, { temperature: 1, policy: 'reference' })).rejects.toThrow(/no reference policy/);
  const foreign = [...prompts, Int32Array.of(tinyConfig.vocabSize)];
  await expect(engine.generate({ prompts: foreign, repeats: 1, sampling })).rejects.toThrow(/Prompt 5 holds the token/);
  expect(engine.info.threads).toBe(2);
});

it('stops when it is asked to, and goes on afterwards', async () => {
  const engine = await start(2);
  const long = { ...sampling, eosIds: [], maxNewTokens: 40 };
  const stop = new AbortController();
  const stopped = engine.generate({ prompts, repeats: 2, sampling: long, signal: stop.signal });
  stop.abort();
  expect(labErrorCode(await stopped.catch((error: unknown) => error))).toBe('cancelled');
  expect(engine.info.threads).toBe(2);
  expect(await engine.generate({ prompts, repeats: 3, sampling })).toEqual(
    await (await start(1)).generate({ prompts, repeats: 3, sampling }),
  );
});

describe('progress', () => {
  const told = async (count: number) => {
    const said: GenerateProgress[] = [];
    await (await start(count)).generate({ prompts, repeats: 2, sampling }, (progress) => said.push(progress));
    return said;
  };
  it('is that of one thread', async () => {
    expect(await told(2)).toEqual(await told(1));
  });
});

it('replies to one prompt are dealt out, too, and drawn as they would be', async () => {
  const request = { prompts: prompts.slice(3, 4), repeats: 7, sampling };
  expect(partsOf(request, 3).map(({ repeats, sampling: { firstRow } }) => [repeats, firstRow])).toEqual([
    [2, 8],
    [2, 10],
    [3, 12],
  ]);
  expect(await (await start(3)).generate(request)).toEqual(await (await start(1)).generate(request));
});

it('what a thread gave is let go once it was used', async () => {
  const gc = collector();
  const { startThread } = testThreads();
  const config = { config: tinyConfig, lora: null, threads: 2 };
  const thread = await RemoteThread.start(startThread, config, tensorsOf(tinyConfig, weights));
  const given: WeakRef<object>[] = [];
  for (let step = 0; step < 3; step++) {
    const shard = await thread.run((remote) => remote.gradient(forcedBatch(step, tinyConfig.vocabSize), forcedObjective, 0, 10));
    given.push(new WeakRef(shard.numbers!));
  }
  await new Promise((resolve) => setTimeout(resolve, 20));
  gc();
  // The newest may still be in a register.
  expect(given.slice(0, -1).filter((one) => one.deref() !== undefined)).toEqual([]);
  thread.end();
  await expect(thread.run((remote) => remote.setReference())).rejects.toThrow('it was ended');
});

/** The garbage collector, which Node hands out when it is asked to. */
function collector(): () => void {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as () => void;
}
