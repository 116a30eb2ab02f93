/** The page's way to take a policy along: what the worker hands over is a policy that is read here, and its adapters are PEFT's. */
import 'fake-indexeddb/auto';
import { expect, it } from 'vitest';
import { labErrorCode } from '../../src/errors.ts';
import { blobFile } from '../../src/policy/file.ts';
import { ggufSource } from '../../src/policy/gguf.ts';
import { answeringTensors } from '../../src/policy/merged.ts';
import { readPeft } from '../../src/policy/peft.ts';
import { loadPolicy } from '../../src/policy/policy.ts';
import type { PolicySource } from '../../src/policy/source.ts';
import { encode } from '../../src/policy/tensor-encoding.ts';
import { decode } from '../../src/policy/tensor-format.ts';
import { numbersOf } from '../../src/policy/tensor.ts';
import { initialWeights, tensorsOf, weightsOf } from '../../src/policy/weights.ts';
import { zipEntries } from '../../src/policy/zip.ts';
import type { RunConfig } from '../../src/rl/config.ts';
import { recipes } from '../../src/rl/recipes.ts';
import { database, SessionProbe, smallRun } from '../helpers/lab-session.ts';
import { tinyConfig } from '../helpers/tiny-policy.ts';

const config: RunConfig = {
  ...smallRun,
  recipe: 'sft',
  mix: recipes.sft.mix,
  objective: recipes.sft.objective,
  steps: 2,
  lora: { rank: 2, alpha: 4, targets: ['v_proj', 'up_proj'] },
};

/** A zip of one folder as a source. */
async function unzipped(file: File): Promise<PolicySource> {
  const entries = await zipEntries(file.name, file);
  const folder = file.name.replace(/\.zip$/, '');
  const open = async (path: string) => {
    const entry = entries.find((one) => one.path === `${folder}/${path}`);
    return entry ? entry.open(path) : null;
  };
  return {
    id: folder,
    local: true,
    open,
    read: async (path) => {
      const found = await open(path);
      return found && found.read(0, found.size);
    },
  };
}

it('is a Hugging Face folder, a GGUF file and adapters, all of the newest step', { timeout: 60_000 }, async () => {
  const storage = await database('saved-policy');
  const probe = new SessionProbe(storage);
  await probe.boot('cpu');
  const id = await probe.train(config);
  expect((await storage.run(id)).status).toBe('finished');
  const [newest] = await storage.checkpoints(id);
  const { state } = await storage.checkpoint(newest!.id);
  const own = tensorsOf(tinyConfig, initialWeights(tinyConfig, 3));
  const expected = await weightsOf(answeringTensors(tinyConfig, own, state));
  expect(expected).not.toEqual(await weightsOf(own));

  const zip = await probe.session.savePolicy(id, 'hf', {});
  expect(zip.name).toBe('permix-tiny-sft-step-2.zip');
  const folder = await loadPolicy(await unzipped(zip));
  expect(await weightsOf(folder.weights)).toEqual(expected);
  expect(folder.config).toEqual(tinyConfig);
  expect([...folder.tokenizer!.encode('What is 1+1?')].length).toBeGreaterThan(3);

  const gguf = await probe.session.savePolicy(id, 'gguf', { format: 'f16' });
  expect(gguf.name).toBe('permix-tiny-sft-step-2-F16.gguf');
  const file = await loadPolicy(await ggufSource('x', blobFile(gguf.name, gguf)));
  for (const [name, tensor] of file.weights) {
    const numbers = expected[name]!;
    if (tensor.shape.length > 1) decode('f16', encode('f16', numbers), numbers);
    expect(await numbersOf(tensor), name).toEqual(numbers);
  }

  const adapters = await readPeft(await unzipped(await probe.session.savePolicy(id, 'peft', { base: 'somebody/tiny' })), tinyConfig);
  expect(adapters).toEqual({ ...state.adapters, base: 'somebody/tiny' });
  const project = await probe.session.saveProject(id, 'trl', null).catch((error: unknown) => (error as Error).message);
  expect(project).toMatch(/^A run of the recipe SFT learns from given replies/);
  const nameless: unknown = await probe.session.savePolicy(id, 'peft', {}).catch((error: unknown) => error);
  expect([labErrorCode(nameless), (nameless as Error).message]).toEqual(['usage', expect.stringMatching(/^PEFT asks which policy/)]);
});
