/** What `permix pretrain` goes on from: the same work, whole, at every moment. */
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { PretrainFolder } from '../../src/cli/pretrain-folder.ts';
import { named, programParts, settingParts } from '../../src/run/identity.ts';
import { packState } from '../../src/storage/pack.ts';
import { policyState } from '../helpers/run-records.ts';

let scratch = '';
beforeAll(async () => void (scratch = await mkdtemp(join(tmpdir(), 'permix-pretrain-'))));
afterAll(() => rm(scratch, { recursive: true, force: true }));

const identity = {
  ...named({ weights: 'w', config: 'c', tokenizer: 't', corpus: 'd' }),
  ...settingParts({ seed: 1, style: 'latent', steps: 100, rows: 8 }),
  ...programParts({ engine: 'portable', backend: 'wasm' }),
};
const reached = (step: number) => ({ step, loss: 1 / step, seconds: step });

async function begun(name: string): Promise<string> {
  const path = join(scratch, name);
  const folder = await PretrainFolder.open(path, identity, []);
  expect([folder.reached.step, folder.state]).toEqual([0, null]);
  await folder.save(policyState(50), reached(50));
  await folder.save(policyState(100), reached(100));
  return path;
}

it('goes on from the newest state, and keeps no older one', async () => {
  const path = await begun('same');
  const folder = await PretrainFolder.open(path, identity, []);
  expect(folder.reached).toEqual(reached(100));
  expect(folder.state).toEqual(policyState(100));
  expect((await readdir(path)).sort()).toEqual(['progress.json', 'state-100.bin']);
});

it.each([
  ['weights', 'the weights were w, now x'],
  ['config', 'config.json was c, now x'],
  ['tokenizer', 'tokenizer.json was t, now x'],
  ['corpus', 'the corpus was d, now x'],
  ['settings.steps', 'the setting steps was 100, now x'],
  ['settings.rows', 'the setting rows was 8, now x'],
  ['format', 'the format of stored work was 1, now x'],
])('does not go on with another %s', async (part, sentence) => {
  const path = await begun(part);
  await expect(PretrainFolder.open(path, { ...identity, [part]: 'x' }, [part])).rejects.toThrow(
    `${sentence}. Go back to what it began with, or add --fresh to start over.`,
  );
});

it.each(['engine', 'backend', 'numerics'])('goes on with another %s where that is accepted', async (part) => {
  const path = await begun(part);
  const other = { ...identity, [part]: 'x' };
  await expect(PretrainFolder.open(path, other, [])).rejects.toThrow(`or add --accept ${part} to take over`);
  const folder = await PretrainFolder.open(path, other, [part]);
  await folder.save(policyState(150), reached(150));
  expect((await PretrainFolder.open(path, other, [])).origin.takenOver).toMatchObject([{ part, now: 'x', at: 'step 100' }]);
});

it('refuses a state in which a bit was flipped', async () => {
  const path = await begun('flipped');
  const file = join(path, 'state-100.bin');
  const bytes = await readFile(file);
  bytes[bytes.length - 3]! ^= 1;
  await writeFile(file, bytes);
  await expect(PretrainFolder.open(path, identity, [])).rejects.toThrow(/state-100\.bin is damaged/);
});

it('refuses a progress.json in which a bit was flipped', async () => {
  const file = join(await begun('flipped-progress'), 'progress.json');
  const whole = await readFile(file);
  for (let bit = 0; bit < 8 * whole.length; bit += 13) {
    const bytes = Buffer.from(whole);
    bytes[bit >> 3]! ^= 1 << (bit & 7);
    await writeFile(file, bytes);
    await expect(PretrainFolder.open(join(scratch, 'flipped-progress'), identity, []), `bit ${bit}`).rejects.toThrow(
      /progress\.json is damaged/,
    );
  }
});

it('asks about the files of an earlier version', async () => {
  const path = join(scratch, 'old');
  await PretrainFolder.open(path, identity, []);
  await writeFile(join(path, 'state.bin'), new Uint8Array(packState(policyState(50))));
  await writeFile(join(path, 'progress.json'), JSON.stringify(reached(50)));
  await expect(PretrainFolder.open(path, identity, [])).rejects.toThrow(/did not record what it depends on\. .*--accept unrecorded/);
  expect((await PretrainFolder.open(path, identity, ['unrecorded'])).state).toEqual(policyState(50));
});
