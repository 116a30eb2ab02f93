/**
 * LoRA of a real policy: log-probs, loss and every adapter's gradient of one batch by our engines, and by peft under TRL's `_compute_loss`.
 * The adapters are peft's own, of random numbers.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readPolicy } from '../../src/cli/engine.ts';
import { folderSource } from '../../src/cli/folder.ts';
import { createEngine } from '../../src/engine/create.ts';
import { untrained, type PolicyEngine, type TrainBatch } from '../../src/engine/engine.ts';
import { renderPrompt } from '../../src/persona/prompt.ts';
import { adaptedSource } from '../../src/policy/adapted.ts';
import type { Policy } from '../../src/policy/policy.ts';
import type { Weights } from '../../src/policy/weights.ts';
import { supervisedBatch } from '../../src/rl/batch.ts';
import type { RunConfig } from '../../src/rl/config.ts';
import { objectiveSpec } from '../../src/rl/objectives.ts';
import { recipes } from '../../src/rl/recipes.ts';
import { gradientsOf } from '../helpers/gradients.ts';
import { askTrl, moved } from './batch.ts';
import { backendOf, contenders } from './contenders.ts';
import { folderOf } from './exports.ts';
import { gradientRow, numbersIn } from './gradients.ts';
import type { Row, Skipped } from './main.ts';
import type { Python } from './python.ts';

const tolerance = 1e-3;
const lora = { rank: 8, alpha: 16 };
const run: RunConfig = {
  ...recipes.rlvr,
  promptsPerStep: 2,
  groupSize: 2,
  objective: { ...recipes.rlvr.objective, beta: 0.04 },
  lora,
};

/** Two questions, two replies each. */
const asked = [
  { persona: null, question: 'What is 4 + 3?', replies: ['4 + 3 = 7', 'It is 8, because 4 and 3 are 8.'] },
  { persona: 'You are a terse robot.', question: 'What is 2 + 6?', replies: ['SUM: 8', 'I do not know that one.'] },
];

/** @param path of the policy, a folder or a GGUF file */
export async function* loraRows(peer: Python, path: string): AsyncGenerator<Row | Skipped> {
  const scratch = mkdtempSync(join(tmpdir(), 'permix-peers-'));
  try {
    const folder = await folderOf(path, scratch);
    const out = join(scratch, 'adapters');
    await peer.ask('adapt', { folder, out, targets: 'all-linear', layers: null, ...lora });
    const policy = await readPolicy(folder);
    const { adapters } = await adaptedSource(policy, await folderSource(out));
    let theirs: Theirs | null = null;
    for await (const contender of contenders()) {
      if (typeof contender !== 'string') {
        yield contender;
        continue;
      }
      const { config, weights } = policy;
      const engine = await createEngine({ config, weights, lora: { ...lora, seed: 1 }, engine: contender, backend: backendOf(contender) });
      try {
        await engine.importState({ ...untrained, adapters });
        await engine.setReference();
        if (!theirs) {
          const batch = await batchOf(policy, engine);
          const file = join(scratch, 'gradients.safetensors');
          const answer = await askTrl<Answer>(peer, { folder, adapters: out, gradients: file }, batch, run);
          theirs = { batch, answer, gradients: await numbersIn(file) };
        }
        yield* compared(engine, theirs);
      } finally {
        engine.dispose();
      }
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

interface Answer {
  readonly loss: number;
  readonly gradientNorm: number;
  /** Of every completion, with the adapters and without them. */
  readonly logprobs: readonly (readonly number[])[];
  readonly baseLogprobs: readonly (readonly number[])[];
}

/** One batch, and what peft makes of it. */
interface Theirs {
  readonly batch: TrainBatch;
  readonly answer: Answer;
  readonly gradients: Weights;
}

/** Old and reference log-probs are those of some engine, moved so far that ratios are clipped and the KL is none of 0. */
async function batchOf({ tokenizer }: Policy, engine: PolicyEngine): Promise<TrainBatch> {
  const words = tokenizer!;
  const pairs = asked.flatMap(({ persona, question, replies }) =>
    replies.map((reply) => ({
      prompt: renderPrompt(words, persona, question, 200).tokens,
      reply: words.encode(`${reply}<|im_end|>`),
    })),
  );
  const batch = supervisedBatch(pairs, run);
  const { logprobs } = await engine.score(batch, { temperature: 1, policy: 'current' });
  return {
    ...batch,
    advantages: Float32Array.of(1, -1, 0.5, -0.5),
    oldLogprobs: moved(logprobs, batch.mask, 0.4),
    refLogprobs: moved(logprobs, batch.mask, 0.7),
  };
}

async function* compared(engine: PolicyEngine, { batch, answer, gradients }: Theirs): AsyncGenerator<Row> {
  const of = `LoRA of SmolLM2, ${engine.info.engine} engine`;
  const sides = [
    ['current', answer.logprobs, 'log-probs'],
    ['reference', answer.baseLogprobs, 'log-probs without the adapters'],
  ] as const;
  for (const [policy, said, what] of sides) {
    const { logprobs } = await engine.score(batch, { temperature: 1, policy });
    const apart = said.flatMap((row, i) => row.map((value, t) => Math.abs(value - logprobs[i * batch.completionWidth + t]!)));
    yield { what, of: `${of}, ${apart.length} tokens`, difference: Math.max(...apart), tolerance };
  }
  const own = await gradientsOf(engine, batch, objectiveSpec(run));
  const { loss } = own.metrics;
  const said = `${loss.toPrecision(6)} here, ${answer.loss.toPrecision(6)} there`;
  yield { what: 'loss', of: `${of}, grpo with KL`, difference: Math.abs(loss - answer.loss), tolerance, said };
  yield gradientRow(`${of}, adapters`, own.gradients, gradients);
}
