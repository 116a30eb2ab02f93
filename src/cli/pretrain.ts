/**
 * `permix pretrain`: makes the bundled policy from nothing and writes it as a Hugging Face folder with its model card.
 * Working files (the state to resume from) live in the reader's cache folder, never in the checkout.
 */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { BackendName, EngineName, PolicyEngine } from '../engine/engine.ts';
import { accuracyByPersona } from '../evaluate/accuracy.ts';
import { toHuggingFaceConfig, parameterShapes } from '../policy/config.ts';
import { writeSafetensors } from '../policy/safetensors.ts';
import { loadTokenizer, type Tokenizer } from '../policy/tokenizer.ts';
import { initialWeights, tensorsOf, type PolicyTensors } from '../policy/weights.ts';
import { weightsFingerprint } from '../policy/fingerprint.ts';
import { sha256 } from '../policy/sha256.ts';
import { modelCard } from '../pretrain/card.ts';
import { corpusPhases, dialogue, type Style } from '../pretrain/corpus.ts';
import { endId } from '../pretrain/bpe.ts';
import { measureBase } from '../pretrain/measure.ts';
import { pretrain, pretrainDefaults, pretrainTokenizer, tinyConfig } from '../pretrain/recipe.ts';
import { named, programParts, settingParts, type Identity } from '../run/identity.ts';
import { taskById } from '../tasks/index.ts';
import { chosenEngine, openEngine } from './engine.ts';
import { tryFolder } from './output-files.ts';
import { PretrainFolder } from './pretrain-folder.ts';
import { notice, Progress } from './progress.ts';

const saveEvery = 50;
const measuredTask = 'addition';
const measuredProblems = 200;

export interface PretrainOptions {
  readonly seed: number;
  readonly style: Style;
  readonly steps: number;
  readonly out: string;
  /** Start over instead of resuming. */
  readonly fresh: boolean;
  /** Parts in which it may differ from what it began with. */
  readonly accept: readonly string[];
  readonly engine: EngineName | undefined;
  readonly backend: BackendName | undefined;
}

export async function pretrainCommand(options: PretrainOptions): Promise<void> {
  const { seed, style, steps, out } = options;
  await tryFolder('out', out);
  const cache = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache');
  const work = join(cache, 'permix-lab', `pretrain-seed${seed}${style === 'latent' ? '' : `-${style}`}`);
  if (options.fresh) await rm(work, { recursive: true, force: true });
  notice(`Working files: ${work}`);

  notice('Training the tokenizer …');
  const files = pretrainTokenizer(seed, style);
  const tokenizer = loadTokenizer(files.tokenizer, files.config);
  const weights = tensorsOf(tinyConfig, initialWeights(tinyConfig, seed));
  const folder = await PretrainFolder.open(work, await identityOf(options, weights, files), options.accept);
  const engine = await openEngine({ config: tinyConfig, weights, engineRequest: { engine: options.engine, backend: options.backend } });

  const saved = folder.reached;
  if (folder.state) await engine.importState(folder.state);
  if (saved.step > 0) notice(`Resuming at step ${saved.step} of ${steps}.`);
  let { loss, seconds } = saved;
  const progress = new Progress('pre-training', steps, saved.step);
  let last = performance.now();
  for await (const report of pretrain({ engine, tokenizer, seed, style, steps, rows: pretrainDefaults.rows, fromStep: saved.step })) {
    // A running mean: single batches are too noisy to read.
    loss = report.step === 1 ? report.loss : 0.98 * loss + 0.02 * report.loss;
    seconds += (performance.now() - last) / 1000;
    last = performance.now();
    progress.at(report.step, `loss ${loss.toFixed(3)}`);
    if (report.step % saveEvery === 0 || report.step === steps)
      await folder.save(await engine.exportState(), { step: report.step, loss, seconds });
  }
  progress.done();

  const measuring = new Progress('measuring', 41, 0);
  const measures = await measureBase({
    engine,
    tokenizer,
    taskId: measuredTask,
    problems: measuredProblems,
    seed,
    eosIds: [endId],
    onProgress: (done) => measuring.at(done, 'personas'),
  });
  measuring.done();
  const taskAccuracies = await accuracyByTask(engine, tokenizer, seed);

  const { weights: trained } = await engine.exportState();
  const shapes = parameterShapes(tinyConfig);
  const card = modelCard({
    config: tinyConfig,
    parameters: shapes.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0),
    seed,
    style,
    steps,
    rows: pretrainDefaults.rows,
    finalLoss: loss,
    engine: engine.info,
    minutes: seconds / 60,
    date: new Date().toISOString().slice(0, 10),
    taskId: measuredTask,
    problems: measuredProblems,
    taskAccuracies,
    measures,
  });
  engine.dispose();

  await mkdir(out, { recursive: true });
  const json = (value: unknown) => `${JSON.stringify(value, null, 1)}\n`;
  const tensors = shapes.map(({ name, shape }) => ({ name, shape: [...shape], data: trained![name]! }));
  await writeFile(join(out, 'config.json'), json(toHuggingFaceConfig(tinyConfig)));
  await writeFile(join(out, 'generation_config.json'), json({ eos_token_id: endId, pad_token_id: 0, do_sample: true, temperature: 1 }));
  await writeFile(join(out, 'tokenizer.json'), json(files.tokenizer));
  await writeFile(join(out, 'tokenizer_config.json'), json(files.config));
  await writeFile(join(out, 'model.safetensors'), writeSafetensors(tensors, { format: 'pt' }));
  await writeFile(join(out, 'README.md'), card);
  notice(`Wrote the policy to ${out}.`);
}

/** All that decides the weights that come out. */
async function identityOf(
  { seed, style, steps, engine, backend }: PretrainOptions,
  weights: PolicyTensors,
  tokenizer: unknown,
): Promise<Identity> {
  const firsts = [0, corpusPhases.drills.until, corpusPhases.world.until];
  const sample = firsts.flatMap((first) => Array.from({ length: 200 }, (_, n) => dialogue(seed, first + n, style)));
  return {
    ...named({
      weights: await weightsFingerprint(weights),
      config: await sha256(JSON.stringify(tinyConfig)),
      tokenizer: await sha256(JSON.stringify(tokenizer)),
      corpus: await sha256(JSON.stringify([corpusPhases, sample])),
    }),
    ...settingParts({ seed, style, steps, rows: pretrainDefaults.rows }),
    ...programParts(await chosenEngine({ engine, backend })),
  };
}

/** Greedy accuracy without a persona on each task of the corpus. */
async function accuracyByTask(engine: PolicyEngine, tokenizer: Tokenizer, seed: number): Promise<Record<string, number>> {
  const result: Record<string, number> = {};
  for (const id of Object.keys(corpusPhases.world.tasks)) {
    const request = { engine, tokenizer, eosIds: [endId], personas: [null], task: taskById(id), problems: 128, seed, temperature: 0 };
    const [score] = await accuracyByPersona({ ...request, maxNewTokens: 40 });
    result[id] = score!.correct / score!.total;
  }
  return result;
}
