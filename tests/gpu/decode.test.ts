/** Rollouts on the GPU against a plain loop: who stops where, what is drawn, and the rows that come of it. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { advance, beginRollouts, samplerPieces, sampleTokens, type DecodeShape } from '../../src/engine/fused/kernels/decode.ts';
import { acquireGpu, type GpuContext } from '../../src/engine/gpu/device.ts';
import type { BufferView, Work } from '../../src/engine/gpu/work.ts';
import { drawToken, tokenDistribution } from '../../src/engine/sampler.ts';
import { counterUniform } from '../../src/random/counter.ts';
import { untouched, WorkBench } from '../helpers/gpu-work.ts';
import { expectClose, integers, normals } from '../helpers/numbers.ts';
import { referenceRow } from '../helpers/reference-kernels.ts';

let gpu: GpuContext;
let bench: WorkBench;

beforeAll(async () => {
  gpu = await acquireGpu();
  bench = new WorkBench(gpu.device);
});
afterEach(() => gpu.check());
afterAll(() => {
  bench.dispose();
  gpu.release();
});

const padId = 3;

interface Case {
  readonly shape: DecodeShape;
  readonly promptLengths: readonly number[];
  readonly eosIds: readonly number[];
}

/** What the host would have kept. */
function plainRollouts({ shape, promptLengths, eosIds }: Case) {
  const { rows, completionWidth, repeats, maxNewTokens, maxPositions } = shape;
  const tokens = new Int32Array(rows * completionWidth).fill(padId);
  const logprobs = new Float32Array(rows * completionWidth);
  const entropies = new Float32Array(rows * completionWidth);
  const lengths = new Int32Array(rows);
  const ended = new Int32Array(rows);
  let active = Array.from({ length: rows }, (_, row) => row);
  let next: number[] = [];
  let position = 0;
  return {
    tokens,
    logprobs,
    entropies,
    lengths,
    ended,
    get active() {
      return active;
    },
    get next() {
      return next;
    },
    get position() {
      return position;
    },
    /** @param drawn of the running rows, in their order */
    advance(drawn: readonly (readonly [token: number, logprob: number, entropy: number])[]): void {
      if (active.length === 0) return;
      const going: number[] = [];
      next = [];
      active.forEach((row, place) => {
        const [token, logprob, entropy] = drawn[place]!;
        tokens[row * completionWidth + position] = token;
        logprobs[row * completionWidth + position] = logprob;
        entropies[row * completionWidth + position] = entropy;
        lengths[row] = position + 1;
        if (eosIds.includes(token)) ended[row] = 1;
        else if (position + 1 < maxNewTokens && promptLengths[Math.floor(row / repeats)]! + position + 1 < maxPositions) {
          going.push(row);
          next.push(token);
        }
      });
      active = going;
      position++;
    },
  };
}

function rolloutBuffers({ shape, promptLengths, eosIds }: Case) {
  const { rows, completionWidth } = shape;
  return {
    active: bench.output(2 * rows),
    state: bench.output(2),
    tokens: bench.output(rows * completionWidth),
    logprobs: bench.output(rows * completionWidth),
    entropies: bench.output(rows * completionWidth),
    lengths: bench.output(rows),
    ended: bench.output(rows),
    eosIds: bench.input(Int32Array.from(eosIds.length ? eosIds : [-1])),
    promptLengths: bench.input(Int32Array.from(promptLengths)),
    nextTokens: bench.output(rows),
  };
}

async function expectRollouts(buffers: ReturnType<typeof rolloutBuffers>, plain: ReturnType<typeof plainRollouts>): Promise<void> {
  const first = async (view: BufferView, count: number) => [...(await bench.readIntegers(view))].slice(0, count);
  expect([...(await bench.readIntegers(buffers.state))]).toEqual([plain.active.length, plain.position]);
  expect(await first(buffers.active, plain.active.length)).toEqual(plain.active);
  expect(await first(buffers.nextTokens, plain.next.length)).toEqual(plain.next);
  expect(await bench.readIntegers(buffers.tokens)).toEqual(plain.tokens);
  expect(await bench.readIntegers(buffers.lengths)).toEqual(plain.lengths);
  expect(await bench.readIntegers(buffers.ended)).toEqual(plain.ended);
}

describe('advance', () => {
  const cases: readonly (readonly [rows: number, repeats: number, steps: number, vocabulary: number])[] = [
    [1, 1, 3, 50],
    [1, 1, 9, 4],
    [67, 67, 12, 9],
    [300, 4, 7, 23],
    [4099, 1, 3, 5],
  ];
  it.each(cases)('%i rows, %i per prompt, %i tokens out of %i', async (rows, repeats, steps, vocabulary) => {
    const groups = Math.ceil(rows / repeats);
    // Prompts so long that some rows run into maxPositions before they have said maxNewTokens.
    const promptLengths = integers(groups, 11, 1, 12);
    const maxNewTokens = steps - 1;
    const shape = { rows, completionWidth: steps, repeats, maxNewTokens, maxPositions: 14, eosCount: 2, padId };
    const of = { shape, promptLengths, eosIds: [0, 2] };
    const buffers = rolloutBuffers(of);
    const plain = plainRollouts(of);
    const works: Work[] = [beginRollouts(buffers, shape)];
    for (let step = 0; step < steps; step++) {
      const tokens = integers(rows, 100 + step, 0, vocabulary - 1);
      const scores = normals(2 * rows, 200 + step);
      const drawn = plain.active.map((_, place) => [tokens[place]!, scores[2 * place]!, scores[2 * place + 1]!] as const);
      // Behind the running rows lies what the sampler left there earlier.
      const sampled = Float32Array.from({ length: 3 * rows }, () => NaN);
      drawn.forEach((one, place) => sampled.set(one, 3 * place));
      works.push(...advance({ ...buffers, sampled: bench.input(sampled) }, shape));
      plain.advance(drawn);
    }
    await bench.run(works);
    await expectRollouts(buffers, plain);
    expect(await bench.read(buffers.logprobs)).toEqual(plain.logprobs);
    expect(await bench.read(buffers.entropies)).toEqual(plain.entropies);
    // The last step found nobody to move: the limit of new tokens lies before it.
    expect(plain.active).toEqual([]);
    if (rows > 60) {
      const stops = new Set(plain.lengths);
      expect(stops.size).toBeGreaterThan(1);
      expect(new Set(plain.ended)).toEqual(new Set([0, 1]));
    }
  });

  it('keeps the order of the rows that go on, and what they go on from', async () => {
    const shape = { rows: 131, completionWidth: 4, repeats: 131, maxNewTokens: 4, maxPositions: 100, eosCount: 1, padId };
    const of = { shape, promptLengths: [5], eosIds: [0] };
    const buffers = rolloutBuffers(of);
    const plain = plainRollouts(of);
    const works = [beginRollouts(buffers, shape)];
    for (const step of [0, 1]) {
      const drawn = plain.active.map((row) => [(row + step) % 3, -1, 1] as const);
      works.push(...advance({ ...buffers, sampled: bench.input(drawn.flat()) }, shape));
      plain.advance(drawn);
    }
    await bench.run(works);
    await expectRollouts(buffers, plain);
    expect(plain.active.slice(0, 3)).toEqual([1, 4, 7]);
    expect(plain.next.slice(0, 3)).toEqual([2, 2, 2]);
  });

  it('without an EOS every row runs to the limit', async () => {
    const shape = { rows: 5, completionWidth: 3, repeats: 5, maxNewTokens: 2, maxPositions: 100, eosCount: 0, padId };
    const of = { shape, promptLengths: [5], eosIds: [] };
    const buffers = rolloutBuffers(of);
    const sampled = bench.input(new Array<number[]>(5).fill([-0, -1, 1]).flat());
    await bench.run([beginRollouts(buffers, shape), ...[0, 1, 2].flatMap(() => advance({ ...buffers, sampled }, shape))]);
    expect([...(await bench.readIntegers(buffers.lengths))]).toEqual([2, 2, 2, 2, 2]);
    expect([...(await bench.readIntegers(buffers.ended))]).toEqual([0, 0, 0, 0, 0]);
    expect([...(await bench.readIntegers(buffers.tokens))].slice(0, 6)).toEqual([0, 0, padId, 0, 0, padId]);
  });
});

describe('the sampler, prepared once', () => {
  const sampling = { temperature: 0.8, topK: 0, topP: 0.9, minP: 0, seed: 7, step: 2, firstRow: 30 };
  const draw = (logits: readonly number[], row: number, position: number): number => {
    const { weights } = tokenDistribution(Float32Array.from(logits), sampling);
    return drawToken(weights, counterUniform(sampling.seed, sampling.step, sampling.firstRow + row, position));
  };

  it('the same works for every token give the draws of the host, row by row', async () => {
    const [rows, vocabulary, maxNewTokens] = [70, 11, 9];
    const shape = { rows, completionWidth: maxNewTokens, repeats: rows, maxNewTokens, maxPositions: 100, eosCount: 1, padId };
    const of = { shape, promptLengths: [4], eosIds: [5] };
    const one = normals(vocabulary, 21);
    const buffers = rolloutBuffers(of);
    const sampled = bench.output(3 * rows);
    // A policy that always says the same: all rows share the one row of logits.
    const sample = sampleTokens({ ...buffers, logits: bench.input(one), sampled, rows, vocabulary, sampling, logitsRepeats: rows });
    const token = [...sample, ...advance({ ...buffers, sampled }, shape)];
    await bench.run([beginRollouts(buffers, shape), ...new Array<Work[]>(maxNewTokens + 2).fill(token).flat()]);

    const plain = plainRollouts(of);
    const reference = referenceRow(one, sampling.temperature);
    for (let position = 0; position < maxNewTokens; position++) {
      plain.advance(
        plain.active.map((row) => {
          const drawn = draw(one, row, position);
          return [drawn, reference.logprobs[drawn]!, reference.entropy] as const;
        }),
      );
    }
    await expectRollouts(buffers, plain);
    expectClose(await bench.read(buffers.logprobs), plain.logprobs, 'log-probs');
    expectClose(await bench.read(buffers.entropies), plain.entropies, 'entropies');
    expect(new Set(plain.ended)).toEqual(new Set([0, 1]));
  });

  it('reads the logits of the prompt first, then those of the place; rows that stopped are left alone', async () => {
    const [groups, repeats, vocabulary] = [3, 4, 17];
    const rows = groups * repeats;
    const logits = normals(rows * vocabulary, 22);
    const rowOf = (i: number) => logits.slice(i * vocabulary, (i + 1) * vocabulary);
    const everyone = bench.input(Int32Array.from({ length: 2 * rows }, (_, i) => i));
    const some = bench.input(Int32Array.from([2, 3, 8, 11, ...new Array<number>(rows).fill(99)]));
    const [first, later] = [bench.output(3 * rows), bench.output(3 * rows)];
    const work = { logits: bench.input(logits), rows, vocabulary, sampling };
    const state = (...values: number[]) => bench.input(Int32Array.from(values));
    await bench.run([
      ...sampleTokens({ ...work, active: everyone, state: state(rows, 0), sampled: first, logitsRepeats: repeats }),
      ...sampleTokens({ ...work, active: some, state: state(4, 6), sampled: later }),
    ]);
    const tokens = async (view: BufferView) => [...(await bench.read(view))].filter((_, i) => i % 3 === 0);
    expect(await tokens(first)).toEqual(Array.from({ length: rows }, (_, row) => draw(rowOf(Math.floor(row / repeats)), row, 0)));
    expect(await tokens(later)).toEqual([
      ...[2, 3, 8, 11].map((row, place) => draw(rowOf(place), row, 6)),
      ...new Array<number>(rows - 4).fill(untouched),
    ]);
  });

  it('logits in chunks of places give what they give at once', async () => {
    const [rows, vocabulary] = [6, 64];
    const logits = normals(rows * vocabulary, 23);
    const [whole, chunked] = [bench.output(3 * rows), bench.output(3 * rows)];
    const work = {
      active: bench.input(Int32Array.from([4, 1, 9, 7, 0, 3])),
      state: bench.input(Int32Array.of(5, 1)),
      vocabulary,
      sampling,
    };
    await bench.run([
      ...sampleTokens({ ...work, logits: bench.input(logits), sampled: whole, rows }),
      ...sampleTokens({ ...work, logits: bench.input(logits.slice(0, 4 * vocabulary)), sampled: chunked, rows: 4 }),
      ...sampleTokens({ ...work, logits: bench.input(logits.slice(4 * vocabulary)), sampled: chunked, rows: 2, firstPlace: 4 }),
    ]);
    expect(await bench.read(chunked)).toEqual(await bench.read(whole));
  });

  it.each([
    [{}, 300],
    [{ minP: 0.02, temperature: 1.3 }, 9001],
    [{ temperature: 0 }, 300],
  ])('a row in pieces draws what it draws in one, and the host too: %j, a vocabulary of %i', async (options, vocabulary) => {
    const [groups, repeats, firstPlace] = [2, 3, 2];
    const of = { ...sampling, topP: 1, ...options };
    const logits = normals(groups * vocabulary, 24, 3);
    // Equals of the largest: in one piece, and in another.
    for (const at of [5, vocabulary - 7, 70, 71]) logits[vocabulary + at] = 12;
    const ids = [4, 1, 9, 7, 0, 3, 8, 2];
    const work = {
      logits: bench.input(logits),
      active: bench.input(Int32Array.from(ids)),
      // The last place has stopped.
      state: bench.input(Int32Array.of(7, 1)),
      ...{ rows: groups * repeats, vocabulary, sampling: of, logitsRepeats: repeats, firstPlace },
    };
    const [whole, pieces] = [bench.output(3 * ids.length), bench.output(3 * ids.length)];
    const scratch = samplerPieces({ view: (_, length) => bench.output(length) }, { ...work, vocabulary: 2 ** 17, software: false });
    await bench.run([...sampleTokens({ ...work, sampled: whole }), ...sampleTokens({ ...work, sampled: pieces, pieces: scratch })]);
    const [expected, found] = [await bench.read(whole), await bench.read(pieces)];
    expectClose(found, expected, 'token, log-prob, entropy', { relative: 1e-6, absolute: 1e-6 });
    for (let place = firstPlace; place < 7; place++) {
      const row = Math.floor((place - firstPlace) / repeats);
      const { weights, argmax } = tokenDistribution(Float32Array.from(logits.slice(row * vocabulary, (row + 1) * vocabulary)), of);
      const drawn = drawToken(weights, counterUniform(of.seed, of.step, of.firstRow + ids[place]!, 1));
      expect(found[3 * place], `place ${place}`).toBe(of.temperature > 0 ? drawn : argmax);
    }
    expect([...found.slice(0, 6), ...found.slice(21)]).toEqual(new Array(9).fill(untouched));
  });

  it('is in pieces where a vocabulary is large, no filter wants it whole, and a barrier is cheap', () => {
    const view = () => ({ buffer: null!, offset: 0, size: 4 });
    const inPieces = (more: object, vocabulary = 49_152, software = false) =>
      samplerPieces({ view }, { rows: 1, vocabulary, sampling: { ...sampling, topP: 1, ...more }, software }) !== null;
    expect([inPieces({}), inPieces({ minP: 0.1 }), inPieces({ temperature: 0, topK: 5 })]).toEqual([true, true, true]);
    expect([inPieces({ topP: 0.9 }), inPieces({ topK: 5 }), inPieces({}, 512), inPieces({}, 49_152, true)]).toEqual(
      new Array(4).fill(false),
    );
  });
});
