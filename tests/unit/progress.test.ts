/** What a person is told of work that goes on: how far it is, and how long it takes still. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Arguments } from '../../src/cli/arguments.ts';
import { commands } from '../../src/cli/commands.ts';
import { Output } from '../../src/cli/output.ts';
import { Part, Progress } from '../../src/cli/progress.ts';
import { writeTinyPolicy } from '../helpers/tiny-folder.ts';

let now = 0;
let told: string[] = [];
beforeEach(() => {
  [now, told] = [0, []];
  vi.spyOn(performance, 'now').mockImplementation(() => now);
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => told.push(String(text)) > 0);
});
afterEach(() => vi.restoreAllMocks());

it('a part says its share and its own time', () => {
  const part = new Part('held-out questions');
  expect(part.at(0)).toBe('held-out questions');
  now = 8_000;
  expect(part.at(0.2), 'too soon to say').toBe('held-out questions 20 %');
  now = 29_000;
  expect(part.at(0.09), 'too little to say').toBe('held-out questions 9 %');
  now = 30_000;
  expect(part.at(0.25)).toBe('held-out questions 25 %, 1 min 30 s to go');
  // Asked again later, it begins anew.
  expect(part.at(0)).toBe('held-out questions');
  now = 40_000;
  expect(part.at(0.5)).toBe('held-out questions 50 %, 10 s to go');
});

it('in a log file a line comes now and then, with the time that is left of the whole and none where only its end is asked about', () => {
  const progress = new Progress('training', 4);
  now = 20_000;
  progress.at(1, 'update');
  now = 25_000;
  progress.at(2, 'update');
  now = 40_000;
  progress.at(4, 'held-out questions 50 %, 5 s to go');
  expect(told).toEqual(['training 1/4 · update · 1 min 0 s left\n', 'training 4/4 · held-out questions 50 %, 5 s to go\n']);
});

it('of many units nothing is foretold by a small part of the first', () => {
  const progress = new Progress('evaluating', 277);
  now = 20_000;
  progress.at(0.02);
  now = 40_000;
  progress.at(1);
  expect(told).toEqual(['evaluating 0/277\n', 'evaluating 1/277 · 3 h 4 min left\n']);
});

it('of a run that share is shown while the held-out questions are asked', async () => {
  const scratch = await mkdtemp(join(tmpdir(), 'permix-progress-'));
  const at = vi.spyOn(Progress.prototype, 'at');
  vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  await writeTinyPolicy(join(scratch, 'policy'));
  const tasks = [{ id: 'comparing', weight: 1, knobs: { max: 9 } }];
  await writeFile(join(scratch, 'settings.json'), JSON.stringify({ tasks, promptsPerStep: 1, groupSize: 2 }));
  const command = commands.find(({ name }) => name === 'train')!;
  const sizes = ['--steps', '1', '--held-out', '2', '--max-new', '4', '--backend', 'cpu'];
  const files = ['--config', join(scratch, 'settings.json'), '--model', join(scratch, 'policy'), '--out', join(scratch, 'run')];
  await command.run(new Arguments(command, [...files, ...sizes]), new Output(false));
  const notes = at.mock.calls.map(([done, note]) => `${done} ${note}`);
  for (const step of [0, 1])
    expect(notes.filter((note) => new RegExp(`^${step} held-out questions \\d+ %`).test(note)).length).toBeGreaterThan(2);
  await rm(scratch, { recursive: true });
});
