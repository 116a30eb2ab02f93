/** A random Gemma 3 that transformers makes, by all our engines: logits and greedy tokens within its window and beyond it, loss and gradients. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readPolicy, wasmPath } from '../../src/cli/engine.ts';
import { createEngine } from '../../src/engine/create.ts';
import type { EngineName } from '../../src/engine/engine.ts';
import { Purpose, Stream } from '../../src/random/counter.ts';
import { supervisedBatch } from '../../src/rl/batch.ts';
import { objectiveSpec } from '../../src/rl/objectives.ts';
import { recipes } from '../../src/rl/recipes.ts';
import { gradientsOf } from '../helpers/gradients.ts';
import { backendOf, contenders } from './contenders.ts';
import { gradientRow, numbersIn } from './gradients.ts';
import type { Row, Skipped } from './main.ts';
import { answersCompared, answersOf, askAnswers } from './policies.ts';
import type { Python } from './python.ts';

/** Tokens that most of its layers look at. */
const window = 12;

export async function* gemmaRows(peer: Python): AsyncGenerator<Row | Skipped> {
  const folder = mkdtempSync(join(tmpdir(), 'permix-peers-'));
  try {
    await peer.ask('gemma3', { out: folder, window, seed: 3 });
    const policy = await readPolicy(folder);
    const { config, weights } = policy;
    const drawn = (length: number, row: number) => {
      const stream = new Stream(20_26, Purpose.weights, 2, row);
      return Int32Array.from({ length }, (_, at) => (at === 0 ? config.bosId! : stream.integer(3, config.vocabSize - 1)));
    };
    const prompts = [5, window - 1, window, window + 1, 2 * window + 5, 100].map(drawn);
    const theirs = await askAnswers(peer, { folder }, policy, prompts);

    const pairs = [
      { prompt: drawn(4, 10), reply: drawn(7, 11) },
      { prompt: drawn(2 * window, 12), reply: drawn(window + 6, 13) },
    ];
    const batch = supervisedBatch(pairs, recipes.sft);
    const file = join(folder, 'gradients.safetensors');
    const rows = pairs.map(({ prompt, reply }) => ({ prompt: [...prompt], completion: [...reply] }));
    const { loss } = await peer.ask<{ loss: number }>('supervised', { folder, rows, gradients: file });
    const gradients = await numbersIn(file);

    const compared = async function* (name: EngineName): AsyncGenerator<Row> {
      const of = `random Gemma 3 in bf16, window of ${window}, ${name} engine`;
      yield* answersCompared(of, await answersOf(policy, prompts, name), theirs);
      const engine = await createEngine({ config, weights, engine: name, backend: backendOf(name), wasmPath });
      try {
        const own = await gradientsOf(engine, batch, objectiveSpec(recipes.sft));
        const said = `${own.metrics.loss.toPrecision(6)} here, ${loss.toPrecision(6)} there`;
        yield { what: 'loss', of: `${of}, cross-entropy`, difference: Math.abs(own.metrics.loss - loss), tolerance: 1e-5, said };
        yield gradientRow(of, own.gradients, gradients);
      } finally {
        engine.dispose();
      }
    };
    yield* compared('portable');
    for await (const contender of contenders()) {
      if (typeof contender !== 'string') yield contender;
      else yield* compared(contender);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
