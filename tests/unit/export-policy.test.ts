/** `permix export --to`, and PEFT's adapters as a policy and as a beginning: whole commands on the tiny policy. What is in the files is tested beside. */
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { Arguments } from '../../src/cli/arguments.ts';
import { readCheckpointFile } from '../../src/cli/checkpoint-file.ts';
import { commands } from '../../src/cli/commands.ts';
import { diskFile } from '../../src/cli/disk-file.ts';
import { policySource } from '../../src/cli/folder.ts';
import { Output } from '../../src/cli/output.ts';
import { labErrorCode } from '../../src/errors.ts';
import { ownFormat } from '../../src/exchange/policy-files.ts';
import { loadPolicy } from '../../src/policy/policy.ts';
import { readSafetensors, writeSafetensors } from '../../src/policy/safetensors.ts';
import { encode, type WrittenFormat } from '../../src/policy/tensor-encoding.ts';
import { decode } from '../../src/policy/tensor-format.ts';
import { numbersOf } from '../../src/policy/tensor.ts';
import { weightsOf, type Weights } from '../../src/policy/weights.ts';
import { writeTinyPolicy } from '../helpers/tiny-folder.ts';

let at = '';
const inside = (...names: string[]) => join(at, ...names);
const small = {
  // Learns at every step, whatever is answered.
  recipe: 'sft',
  steps: 2,
  checkpointEvery: 1,
  promptsPerStep: 1,
  groupSize: 2,
  sampling: { maxNewTokens: 2 },
  heldOut: { questions: 0 },
};

async function run(name: string, ...argv: string[]): Promise<void> {
  const command = commands.find((one) => one.name === name)!;
  await command.run(new Arguments(command, argv), new Output(false));
}

async function refusal(work: Promise<void>): Promise<string> {
  const error: unknown = await work.then(
    () => null,
    (caught: unknown) => caught,
  );
  expect(labErrorCode(error)).toBe('usage');
  return (error as Error).message;
}

const weightsIn = async (path: string): Promise<Weights> => weightsOf((await loadPolicy(await policySource(path))).weights);

function through(format: WrittenFormat, weights: Weights): Weights {
  const some = (name: string, values: Float32Array) => {
    const out = new Float32Array(values.length);
    decode(format, encode(format, values), out);
    return [name, out] as const;
  };
  return Object.fromEntries(Object.entries(weights).map(([name, values]) => some(name, values)));
}

beforeAll(async () => {
  vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  at = await mkdtemp(join(tmpdir(), 'permix-export-'));
  await writeTinyPolicy(inside('policy'));
  await writeFile(inside('small.json'), JSON.stringify(small));
  const common = ['--config', inside('small.json'), '--model', inside('policy'), '--backend', 'cpu'];
  await run('train', ...common, '--out', inside('whole'));
  await run('train', ...common, '--out', inside('lora'), '--lora-rank', '2', '--lora-targets', 'v_proj,q_proj', '--lora-layers', '0');
});
afterAll(() => rm(at, { recursive: true, force: true }));
beforeEach(() => {
  vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  vi.spyOn(process.stderr, 'write').mockReturnValue(true);
});
afterEach(() => vi.restoreAllMocks());

describe('permix export --to', () => {
  it('hf is the policy that the run ended with, as its base stores it, or as it is asked for', async () => {
    for (const name of ['whole', 'lora']) {
      await run('export', inside(name), '--to', 'hf', '--out', inside(`${name}-hf`));
      expect(await weightsIn(inside(`${name}-hf`))).toEqual(await weightsIn(inside(name, 'policy')));
      const files = await readdir(inside(`${name}-hf`));
      expect(files.sort()).toEqual((await readdir(inside(name, 'policy'))).sort());
    }
    await run('export', inside('lora'), '--to', 'hf', '--dtype', 'bf16', '--out', inside('lora-bf16'));
    expect(await weightsIn(inside('lora-bf16'))).toEqual(through('bf16', await weightsIn(inside('lora', 'policy'))));
    expect(JSON.parse(await readFile(inside('lora-bf16', 'config.json'), 'utf8'))).toMatchObject({ torch_dtype: 'bfloat16' });
    expect(await weightsIn(inside('lora', 'policy'))).not.toEqual(await weightsIn(inside('policy')));
  });

  it('hf of an earlier step, and of a run that is a file', async () => {
    await run('export', inside('lora'), '--to', 'hf', '--step', '0', '--out', inside('begun'));
    expect(await weightsIn(inside('begun'))).toEqual(await weightsIn(inside('policy')));
    await run('export', inside('lora'), '--out', inside('lora.permix-run'));
    await run('export', inside('lora.permix-run'), '--to', 'hf', '--model', inside('policy'), '--out', inside('of-file'));
    expect(await weightsIn(inside('of-file'))).toEqual(await weightsIn(inside('lora', 'policy')));
  });

  it('gguf is the same policy in half the bytes, read where it is', async () => {
    await run('export', inside('lora'), '--to', 'gguf', '--out', inside('lora.gguf'));
    const [gguf, folder] = await Promise.all(
      [inside('lora.gguf'), inside('lora', 'policy')].map(async (path) => loadPolicy(await policySource(path))),
    );
    expect({ ...gguf!.config, eosIds: [], padId: 0 }).toEqual({ ...folder!.config, eosIds: [], padId: 0 });
    for (const [name, tensor] of folder!.weights) {
      const numbers = await numbersOf(tensor);
      const expected = tensor.shape.length === 1 ? numbers : through('f16', { x: numbers })['x'];
      expect(await numbersOf(gguf!.weights.get(name)!), name).toEqual(expected);
    }
  });

  it('peft is the adapters, which are a policy, and what another run goes on with', async () => {
    expect(await refusal(run('export', inside('lora'), '--to', 'peft', '--out', inside('no')))).toMatch(
      /^PEFT asks which policy .*--base NAME/,
    );
    await run('export', inside('lora'), '--to', 'peft', '--base', 'somebody/policy', '--out', inside('adapters'));
    const settings = JSON.parse(await readFile(inside('adapters', 'adapter_config.json'), 'utf8')) as object;
    expect(settings).toMatchObject({ base_model_name_or_path: 'somebody/policy', r: 2, lora_alpha: 4, layers_to_transform: [0] });
    expect(settings).toMatchObject({ target_modules: ['q_proj', 'v_proj'] });
    // The base is found beside them by the last part of its name.
    expect(await weightsIn(inside('adapters'))).toEqual(await weightsIn(inside('lora', 'policy')));

    await run('train', '--config', inside('small.json'), '--backend', 'cpu', '--adapters', inside('adapters'), '--out', inside('again'));
    const [begun, ended] = await Promise.all([
      readCheckpointFile(inside('again', 'checkpoints', 'step-0')),
      readCheckpointFile(inside('lora', 'checkpoints', 'step-2')),
    ]);
    // All layers of a policy of one.
    expect({ ...begun.state.adapters, layers: [0] }).toEqual(ended.state.adapters);
    expect(begun.config.lora).toEqual({ rank: 2, alpha: 4, targets: ['q_proj', 'v_proj'] });
    const said = () =>
      vi
        .mocked(process.stderr.write)
        .mock.calls.map(([text]) => String(text))
        .join('');
    expect(said()).not.toContain('say that they are of');
    const on = ['--config', inside('small.json'), '--backend', 'cpu', '--adapters', inside('adapters'), '--model'];
    await run('train', ...on, inside('policy'), '--out', inside('same'));
    expect(said()).not.toContain('say that they are of');
    const elsewhere = run('train', ...on, inside('lora', 'policy'), '--out', inside('twice'));
    await expect(elsewhere).rejects.toThrow(
      'The adapters in adapters were trained on other weights than those of policy. They are of "somebody/policy"',
    );
    // Of somebody else's, that is not known, and said.
    const weights = await readFile(inside('adapters', 'adapter_model.safetensors'));
    const { tensors } = await readSafetensors(await diskFile(inside('adapters', 'adapter_model.safetensors')));
    const list = await Promise.all(
      [...tensors.values()].map(async (of) => ({ name: of.name, shape: of.shape, data: await numbersOf(of) })),
    );
    await writeFile(inside('adapters', 'adapter_model.safetensors'), writeSafetensors(list));
    await run('train', ...on, inside('lora', 'policy'), '--out', inside('twice'));
    expect(said()).toMatch(/adapters say that they are of "somebody\/policy", and go on here on .*policy\. Only on the weights/);
    await writeFile(inside('adapters', 'adapter_model.safetensors'), weights);
    const other = run('train', '--adapters', inside('adapters'), '--lora-rank', '2', '--out', inside('never'));
    expect(await refusal(other)).toMatch(/^--adapters brings what --lora-rank would say\./);
  });

  it('says what there is not', async () => {
    const to = (...argv: string[]) => refusal(run('export', ...argv));
    // What is there is not written over, whatever is to be written; an empty file is no more than its name.
    const kept = inside('kept.txt');
    for (const argv of [[], ['--format', 'csv'], ['--to', 'gguf'], ['--to', 'hf']]) {
      await writeFile(kept, 'mine');
      expect(await to(inside('lora'), ...argv, '--out', kept)).toMatch(/kept\.txt is (not empty|a file)/);
      expect(await readFile(kept, 'utf8')).toBe('mine');
    }
    await writeFile(inside('empty.csv'), '');
    await run('export', inside('lora'), '--format', 'csv', '--out', inside('empty.csv'));
    expect(await readFile(inside('empty.csv'), 'utf8')).toMatch(/^step,/);
    expect(await to(inside('whole'), '--to', 'peft', '--base', 'x', '--out', inside('no'))).toMatch(
      /^This policy holds whole weights, .* its run still has the adapters/,
    );
    expect(await to(inside('whole'), '--to', 'hf')).toMatch(/^--out is missing: the folder that is written\./);
    expect(await to(inside('whole'), '--to', 'hf', '--out', inside('policy'))).toMatch(/is not empty\. Choose another --out\./);
    expect(await to(inside('whole'), '--to', 'hf', '--dtype', 'q8_0', '--out', inside('no'))).toMatch(
      /--dtype must be one of f32, bf16, f16, not/,
    );
    expect(await to(inside('lora'), '--to', 'hf', '--step', '7', '--out', inside('no'))).toMatch(
      /no checkpoint of step 7 in .*those of 0, 1, 2\./,
    );
    expect(await to(inside('lora'), '--to', 'hf', '--format', 'csv', '--out', inside('no'))).toMatch(/^--to and --format are two ways/);
    expect(await to(inside('lora'), '--dtype', 'f32', '--out', inside('no'))).toMatch(/^--dtype goes with --to\./);
    await writeTinyPolicy(inside('other'), 9);
    expect(await to(inside('lora'), '--to', 'hf', '--model', inside('other'), '--out', inside('no'))).toMatch(
      /has other weights than the policy/,
    );
    await cp(inside('adapters'), inside('lost', 'adapters'), { recursive: true });
    await expect(policySource(inside('lost', 'adapters'))).rejects.toThrow(
      /are of "somebody\/policy", which is not here\. Put its folder beside them/,
    );
  });

  it('takes a policy that is of no run too', async () => {
    await run('export', 'tests/fixtures/gguf/qwen3.gguf', '--to', 'hf', '--out', inside('qwen3'));
    const [folder, gguf] = await Promise.all(
      [inside('qwen3'), 'tests/fixtures/gguf/qwen3.gguf'].map(async (path) => loadPolicy(await policySource(path))),
    );
    expect(await weightsOf(folder!.weights)).toEqual(await weightsOf(gguf!.weights));
    expect({ ...folder!.config }).toEqual({ ...gguf!.config });
  });
});

describe('the format of a base', () => {
  const of = (...formats: ('f32' | 'bf16' | 'f16' | 'q4_1')[]) =>
    ownFormat({
      weights: null,
      base: new Map(
        formats.map((format, i) => [
          String(i),
          { name: String(i), shape: [2, 2], dtype: format, format, byteLength: 0, read: () => Promise.reject(new Error('not read')) },
        ]),
      ),
    });

  it('is its own where it has one, bf16 where it is quantised', () => {
    expect([of('f32', 'f32'), of('bf16'), of('f16', 'f16'), of('bf16', 'f32')]).toEqual(['f32', 'bf16', 'f16', 'f32']);
    expect([of('q4_1', 'q4_1'), of('q4_1', 'f32'), of('q4_1', 'f16')]).toEqual(['bf16', 'bf16', 'bf16']);
    expect(ownFormat({ base: new Map(), weights: {} })).toBe('f32');
  });
});
