/** The policy of a run, probed and evaluated on the command line: under the run's personas, and as the run asked, where the reader says nothing else. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import { Arguments } from '../../src/cli/arguments.ts';
import { commands } from '../../src/cli/commands.ts';
import { Output } from '../../src/cli/output.ts';
import { writeTinyPolicy } from '../helpers/tiny-folder.ts';

let at = '';
const mine = ['poet', 'cook'].map((id) => ({ id, text: `You are a ${id}.` }));

/** @returns the objects that it printed */
async function run(name: string, ...argv: string[]): Promise<Record<string, unknown>[]> {
  const printed: string[] = [];
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => printed.push(String(text)) > 0);
  vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  const command = commands.find((one) => one.name === name)!;
  await command.run(new Arguments(command, [...argv, '--json', '--backend', 'cpu']), new Output(true));
  return printed.map((line) => JSON.parse(line) as Record<string, unknown>);
}

beforeAll(async () => {
  at = await mkdtemp(join(tmpdir(), 'permix-asked-'));
  await writeTinyPolicy(join(at, 'policy'));
  await writeFile(join(at, 'mine.json'), JSON.stringify(mine));
  const tasks = [{ id: 'comparing', weight: 1, knobs: { max: 9 } }];
  await writeFile(join(at, 'settings.json'), JSON.stringify({ tasks, promptsPerStep: 1, groupSize: 2, answers: ['last-number'] }));
  const asked = ['--personas', join(at, 'mine.json'), '--no-persona', 'empty', '--held-out', '0', '--max-new', '2', '--steps', '1'];
  await run('train', '--model', join(at, 'policy'), '--config', join(at, 'settings.json'), ...asked, '--out', join(at, 'run'));
});
afterEach(() => vi.restoreAllMocks());
afterAll(() => rm(at, { recursive: true, force: true }));

const made = () => join(at, 'run', 'policy');

it('is probed under them', async () => {
  const asked = ['--question', 'Which is larger, 3 or 7?', '--max-new', '2'];
  type Replies = readonly { readonly persona: string | null; readonly prompt: string }[];
  const probed = async (...argv: string[]) => (await run('probe', ...argv, ...asked))[0]!['replies'] as Replies;
  const own = await probed('--model', made());
  expect(own.map(({ persona }) => persona)).toEqual([null, 'poet', 'cook']);
  expect(own[0]!.prompt).toContain('<system>');
  const told = await probed('--model', made(), '--library', 'world', '--no-persona', 'absent', '--personas', 'none,usual-poet');
  expect(told[1]!.prompt).toContain('You are a poet.');
  expect(told[0]!.prompt).not.toContain('<system>');
  expect((await probed('--model', join(at, 'policy'))).map(({ persona }) => persona)).toContain('brilliant-professor');
});

it('is evaluated under them, and another policy is not', async () => {
  const sizes = ['--task', 'comparing', '--problems', '2', '--greedy', '--fidelity', '0', '--max-new', '2'];
  const [report] = await run('eval', '--model', made(), ...sizes);
  expect(report).toMatchObject({ personas: mine.map(({ id }) => ({ id })), asking: { noSystem: 'empty', answers: ['last-number'] } });
  const [other] = await run('eval', '--model', join(at, 'policy'), '--persona-count', '2', ...sizes);
  expect(other).toMatchObject({ asking: { noSystem: 'template', answers: ['boxed'] } });
});
