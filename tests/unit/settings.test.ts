/** `permix settings` lists every setting there is and no other; what options and --config say of one section holds together. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { Arguments } from '../../src/cli/arguments.ts';
import { commands } from '../../src/cli/commands.ts';
import { Output } from '../../src/cli/output.ts';
import { newPlan } from '../../src/cli/train-plan.ts';
import { parseRunConfig } from '../../src/rl/check.ts';
import { objectiveNames, type RunConfig } from '../../src/rl/config.ts';
import { recipes } from '../../src/rl/recipes.ts';
import { runSettings, settingAt, settingMeanings } from '../../src/rl/settings.ts';
import { tasks } from '../../src/tasks/index.ts';
import { writeTinyPolicy } from '../helpers/tiny-folder.ts';

let scratch = '';
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'permix-settings-'));
  await writeTinyPolicy(join(scratch, 'policy'));
});
afterAll(() => rm(scratch, { recursive: true, force: true }));
afterEach(() => vi.restoreAllMocks());

/** @returns what it printed */
async function run(name: string, ...argv: string[]): Promise<string> {
  let printed = '';
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    printed += String(text);
    return true;
  });
  vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  const command = commands.find((one) => one.name === name)!;
  await command.run(new Arguments(command, argv), new Output(argv.includes('--json')));
  return printed;
}

/** Every path of a configuration, as `runSettings` writes it. */
function pathsOf(value: unknown, path = ''): string[] {
  if (Array.isArray(value)) return value.flatMap((one) => (typeof one === 'object' ? pathsOf(one, `${path}[]`) : [path]));
  const whole = ['mix.weights', 'tasks[].knobs', 'templateArguments'].includes(path);
  if (typeof value !== 'object' || value === null || whole) return [path];
  return Object.entries(value).flatMap(([key, part]) => pathsOf(part, path === '' ? key : `${path}.${key}`));
}

describe('the list of settings', () => {
  const settings = runSettings();

  it('has every field of the schema, a meaning for each, and no meaning of what is none', () => {
    expect(settings.map(({ path }) => path)).toEqual(Object.keys(settingMeanings));
  });

  it('has every field that a run can have', () => {
    const full: RunConfig = parseRunConfig({
      ...recipes.permix,
      tasks: [{ id: 'addition', weight: 1, knobs: { max: 9 } }],
      lora: { rank: 2, alpha: 4, targets: ['q_proj'], layers: [0] },
      ...{ library: 'general', noPersona: 'empty', noSystemRole: 'user', instruction: 'Add.', answers: ['hashes'] },
      templateArguments: { thinking: false },
    });
    const listed = new Set(settings.map(({ path }) => path));
    expect(pathsOf(full).filter((path) => !listed.has(path))).toEqual([]);
    expect(new Set(pathsOf(full)).size).toBeGreaterThan(40);
  });

  it('says what each may be, from the schema', () => {
    const may = (path: string) => settings.find((setting) => setting.path === path)!.may;
    expect(may('objective.name')).toBe(objectiveNames.join(', '));
    expect(may('groupSize')).toBe('a whole number from 2 to 256');
    expect(may('sampling.temperature')).toBe('a number over 0 to 10');
    expect(may('optim.beta1')).toBe('a number from 0 to under 1');
    expect(may('mix.weights')).toBe('an object, to each name a number from 0');
    expect(may('lora')).toBe('null, or a section');
    expect(may('tasks')).toBe('a list of sections');
    for (const { id } of tasks) expect(settingMeanings['tasks[].id']).toContain(id);
    expect(may('library')).toBe('world, general, or a library of your own, { name, personas, voices }');
  });

  it('says what each is by itself, in a recipe and for a policy', async () => {
    const listed = async (...argv: string[]) =>
      Object.fromEntries(
        (JSON.parse(await run('settings', '--json', ...argv)) as { settings: { path: string; is?: unknown }[] }).settings.map(
          ({ path, is }) => [path, is],
        ),
      );
    const bundled = ['--model', join(import.meta.dirname, '../../public/models/permix-tiny')];
    expect(await listed(...bundled)).toMatchObject({
      'mix.noneShare': 0.5,
      'objective.name': 'grpo',
      noPersona: 'template',
      policy: 'permix-tiny',
    });
    expect(await listed('--recipe', 'rlvr', '--model', join(scratch, 'policy'))).toMatchObject({ 'mix.noneShare': 1, policy: 'policy' });
    expect(settingAt(recipes.permix, 'lora.rank')).toBeUndefined();
    const text = await run('settings', ...bundled);
    for (const { path } of settings) expect(text).toContain(`\n${path}`);
  });
});

it('an option changes its part of a section and leaves the rest to the file', async () => {
  const out = join(scratch, 'run');
  const file = join(scratch, 'settings.json');
  const sizes = { promptsPerStep: 1, groupSize: 2, tasks: [{ id: 'comparing', weight: 1, knobs: { max: 9 } }] };
  await writeFile(file, JSON.stringify({ ...sizes, sampling: { temperature: 0.5, maxNewTokens: 9 }, heldOut: { every: 7 } }));
  const asked = ['--max-new', '3', '--held-out', '0', '--steps', '1', '--model', join(scratch, 'policy'), '--backend', 'cpu'];
  await run('train', '--config', file, '--out', out, ...asked);
  const { config } = JSON.parse(await readFile(join(out, 'run.json'), 'utf8')) as { config: RunConfig };
  expect(config.sampling).toMatchObject({ temperature: 0.5, maxNewTokens: 3 });
  expect(config.heldOut).toEqual({ questions: 0, every: 7 });
});

describe('a new run', () => {
  const command = commands.find(({ name }) => name === 'train')!;
  const planned = async (...argv: string[]) => (await newPlan(new Arguments(command, argv))).config.lora;
  let large = '';
  beforeAll(async () => {
    large = join(scratch, 'large');
    await mkdir(large);
    const config = {
      ...{ model_type: 'llama', vocab_size: 49152, hidden_size: 576, intermediate_size: 1536, num_hidden_layers: 30 },
      ...{ num_attention_heads: 9, num_key_value_heads: 3, tie_word_embeddings: true },
    };
    await writeFile(join(large, 'config.json'), JSON.stringify(config));
  });

  it('places the adapters that its policy brings where options say, and has none to place without', async () => {
    expect(await planned('--model', large)).toEqual({ rank: 16, alpha: 32 });
    expect(await planned('--model', large, '--lora-targets', 'q_proj')).toEqual({ rank: 16, alpha: 32, targets: ['q_proj'] });
    expect(await planned('--model', large, '--lora-rank', '4', '--lora-layers', '0-1')).toEqual({ rank: 4, alpha: 8, layers: [0, 1] });
    await expect(planned('--model', join(scratch, 'policy'), '--lora-targets', 'q_proj')).rejects.toThrow(
      '--lora-targets needs --lora-rank.',
    );
  });

  it('names the file whose settings are none', async () => {
    const file = join(scratch, 'wrong.json');
    await writeFile(file, JSON.stringify({ stepz: 3 }));
    await expect(planned('--model', large, '--config', file)).rejects.toThrow(new RegExp(`^${file}: .*stepz`));
  });
});
