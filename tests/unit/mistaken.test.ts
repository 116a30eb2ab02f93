/** A run where a policy or adapters are expected: it is recognised, and what is advised works when it is followed. */
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { Arguments } from '../../src/cli/arguments.ts';
import { commands } from '../../src/cli/commands.ts';
import { Output } from '../../src/cli/output.ts';
import { labErrorCode } from '../../src/errors.ts';
import { writeTinyPolicy } from '../helpers/tiny-folder.ts';

let at = '';
let made = 0;
const inside = (...names: string[]) => join(at, ...names);
const sizes = { recipe: 'sft', steps: 1, checkpointEvery: 1, promptsPerStep: 1, groupSize: 2, heldOut: { questions: 0 } };

async function run(name: string, ...argv: string[]): Promise<void> {
  const command = commands.find((one) => one.name === name)!;
  await command.run(new Arguments(command, argv), new Output(false));
}

async function refusal(name: string, ...argv: string[]): Promise<string> {
  const error: unknown = await run(name, ...argv).then(
    () => null,
    (caught: unknown) => caught,
  );
  expect(labErrorCode(error)).toBe('usage');
  return (error as Error).message;
}

/** Does what a sentence says, `permix export … --out DIR`, and gives the folder that comes of it. */
async function followed(sentence: string): Promise<string> {
  const [, words] = /permix (export .+ --out) DIR /.exec(sentence)!;
  const [name, ...argv] = words!.split(' ');
  const out = inside(`made-${made++}`);
  await run(name!, ...argv, out);
  return out;
}

const train = (...argv: string[]) => run('train', '--config', inside('sizes.json'), '--backend', 'cpu', '--max-new', '2', ...argv);
const asked = (model: string) => run('logits', '--model', model, '--tokens', '1,2', '--backend', 'cpu');

beforeAll(async () => {
  vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  at = await mkdtemp(join(tmpdir(), 'permix-mistaken-'));
  await writeTinyPolicy(inside('base'));
  await writeFile(inside('sizes.json'), JSON.stringify(sizes));
  await train('--model', inside('base'), '--out', inside('whole'));
  await train('--model', inside('base'), '--out', inside('lora'), '--lora-rank', '2');
  await cp(inside('lora'), inside('unfinished'), { recursive: true });
  await rm(inside('unfinished', 'policy'), { recursive: true });
  await run('export', inside('lora'), '--out', inside('lora.permix-run'));
});
afterAll(async () => {
  vi.restoreAllMocks();
  await rm(at, { recursive: true, force: true });
});

describe('a run in place of a policy', () => {
  it('is sent to its folder policy/, whatever the command and the option', async () => {
    const next = `Its policy is in ${inside('whole', 'policy')}.`;
    const given: readonly (readonly [name: string, ...argv: string[]])[] = [
      ['logits', '--model', inside('whole'), '--tokens', '1'],
      ['probe', '--model', inside('whole'), '--question', 'Why?'],
      ['settings', '--model', inside('whole')],
      ['eval', '--model', inside('base'), '--base', inside('whole'), '--out', inside('never')],
      ['train', '--model', inside('whole'), '--out', inside('never')],
      [
        'train',
        '--model',
        inside('base'),
        '--recipe',
        'distill',
        '--teacher',
        inside('whole'),
        '--backend',
        'cpu',
        '--out',
        inside('never'),
      ],
    ];
    for (const argv of given) expect(await refusal(...argv)).toContain(next);
    await asked(inside('whole', 'policy'));
  });

  it('that has made none yet, a checkpoint or a file is exported first', async () => {
    for (const path of [inside('unfinished'), inside('unfinished', 'checkpoints'), inside('lora', 'checkpoints', 'step-0')]) {
      await asked(await followed(await refusal('logits', '--model', path, '--tokens', '1')));
    }
    expect(await refusal('logits', '--model', inside('lora.permix-run'), '--tokens', '1')).toContain(
      `permix export ${inside('lora.permix-run')} --to hf`,
    );
  });
});

it('what lies around a policy, or elsewhere, is said', async () => {
  await mkdir(inside('around'));
  await cp('tests/fixtures/gguf/qwen3.gguf', inside('around', 'qwen3.gguf'));
  const given = (model: string) => refusal('logits', '--model', model, '--tokens', '1');
  expect(await given(inside('around'))).toContain(`Give the GGUF file in it: ${inside('around', 'qwen3.gguf')}.`);
  const missing = (model: string) => run('logits', '--model', model, '--tokens', '1').catch((error: unknown) => (error as Error).message);
  expect(await missing(inside('none.gguf'))).toContain(`There is no file ${inside('none.gguf')}.`);
  expect(await missing('owner/name')).toContain('hf download owner/name, of Hugging Face’s own tools');
  expect(await refusal('eval', '--model', inside('base'), '--personas', 'mathematician')).toContain('world, general or a file of personas');
});

describe('what is no adapters', () => {
  it('is a run that has some: they are exported', async () => {
    for (const path of [inside('lora'), inside('lora', 'policy'), inside('lora', 'checkpoints', 'step-1')]) {
      const adapters = await followed(await refusal('train', '--adapters', path, '--out', inside('never')));
      await train('--adapters', adapters, '--out', inside(`on-${made++}`));
    }
  });

  it('is a run that has none, or a whole policy: it is given as --model', async () => {
    const none = await refusal('train', '--adapters', inside('whole'), '--out', inside('never'));
    expect(none).toContain(`--model goes on from its policy. Its policy is in ${inside('whole', 'policy')}.`);
    expect(await refusal('train', '--adapters', inside('base'), '--out', inside('never'))).toContain('Give it as --model.');
  });
});

it('a part of a run in place of a run is sent to the run', async () => {
  const next = `It is a part of the run in ${inside('lora')}: give that folder.`;
  expect(await refusal('train', '--from', inside('lora', 'policy'), '--out', inside('never'))).toContain(next);
  expect(await refusal('export', inside('lora', 'checkpoints'), '--out', inside('never.permix-run'))).toContain(next);
});
