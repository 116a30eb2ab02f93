/** A policy of the reader's own in a session with a real engine: all that the bundled one does, it does too. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import 'fake-indexeddb/auto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { GivenFile } from '../../src/policy/given.ts';
import type { EvaluationSettings } from '../../src/storage/records.ts';
import type { IndexedStorage } from '../../src/storage/indexed.ts';
import { deliveryInterval } from '../../src/worker/event-stream.ts';
import { DiskFolders } from '../helpers/disk-folders.ts';
import { database, says, SessionProbe, smallRun } from '../helpers/lab-session.ts';
import { tinyPolicyFiles } from '../helpers/tiny-folder.ts';

let count = 0;
let root: string;
let storage: IndexedStorage;
beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'permix-own-'));
  storage = await database(`own-policies-${count++}`);
});
afterEach(() => {
  storage.close();
  rmSync(root, { recursive: true });
});

const given = (seed: number): GivenFile[] =>
  Object.entries(tinyPolicyFiles(seed)).map(([name, bytes]) => ({ path: `own/${name}`, file: new Blob([bytes]) }));
const silent = () => undefined;
const failure = (work: Promise<unknown>) =>
  work.then(
    () => 'it worked',
    (error: Error) => error.message,
  );

async function open() {
  const probe = new SessionProbe(storage, { openFolders: async () => new DiskFolders(root) });
  await probe.boot('cpu');
  return { probe, session: probe.session };
}
async function opened() {
  const { probe, session } = await open();
  const { policy } = await session.addPolicy(given(8), silent);
  return { probe, session, own: policy.id };
}

const evaluation: EvaluationSettings = {
  ...{ checkpoints: [], task: 'comparing', personas: 'voices', problems: 2, samples: 1, temperature: 1 },
  ...{ maxNewTokens: 3, seed: 1, fidelityReplies: 0 },
};

describe('a policy of one’s own', () => {
  it('answers as itself, beside the bundled one and beside a run of another that rests', async () => {
    const { probe, session, own } = await opened();
    const [bundled, itself] = [await says(session, 'permix-tiny'), await says(session, own)];
    expect(itself).not.toBe(bundled);
    await probe.train({ ...smallRun, steps: 2 });
    expect(await says(session, own)).toBe(itself);
    // The run is still what it was.
    const trained = await says(session, 'permix-tiny', 'current');
    await says(session, own);
    expect(await says(session, 'permix-tiny', 'current')).toBe(trained);
  });

  it('is trained, and goes on after a reload; where it is gone, a run says so', async () => {
    const { probe, session, own } = await opened();
    const id = await probe.train({ ...smallRun, steps: 2, policy: own });
    expect((await storage.run(id)).status).toBe('finished');
    const checkpoint = (await storage.checkpoints(id))[0]!.id;
    const again = await open();
    expect(await says(again.session, own, checkpoint)).toBe(await says(session, own, checkpoint));
    await again.session.removePolicy(own);
    expect(readdirSync(root)).toEqual([]);
    const told = /^The policy “own” is not in this browser\. Add it/;
    expect(await failure(again.session.resume(id, checkpoint))).toMatch(told);
    expect((await again.session.check({ ...smallRun, policy: own }))[0]).toMatchObject({
      field: 'policy',
      problem: expect.stringMatching(told) as string,
    });
    // The same files are the same policy.
    await again.session.addPolicy(given(8), silent);
    expect(await again.session.check({ ...smallRun, policy: own })).toEqual([]);
    expect(await says(again.session, own, checkpoint)).toBe(await says(session, own, checkpoint));
  });

  it('is told of while it is opened and put on the engine, and not once it is there', async () => {
    const { probe, session, own } = await opened();
    const loading = () => probe.events.flatMap((event) => (event.type === 'loading' ? [event] : []));
    await says(session, own);
    await expect.poll(() => loading().at(-1)).toMatchObject({ policy: null });
    expect(loading()[0]).toMatchObject({ policy: 'own' });
    const told = loading().length;
    await says(session, own);
    await says(session, 'permix-tiny');
    await new Promise((done) => setTimeout(done, 2 * deliveryInterval));
    expect(loading()).toHaveLength(told);
  });

  it('is talked to as itself, and of the bundled one alone it is known what it was taught', async () => {
    const { session, own } = await opened();
    const talk = async (policy: string) => {
      const messages: { role: 'user' | 'assistant'; content: string }[] = [{ role: 'user', content: 'Which is larger, 3 or 7?' }];
      const asked = { policy, checkpoint: null, persona: null, temperature: 1, maxNewTokens: 6, seed: 5 };
      for (const next of ['And 2 or 1?', 'So?']) {
        const { text } = (await session.chat({ ...asked, messages }, silent))!;
        messages.push({ role: 'assistant', content: text }, { role: 'user', content: next });
      }
      return messages.map(({ content }) => content);
    };
    const [bundled, itself] = [await talk('permix-tiny'), await talk(own)];
    expect(itself).not.toEqual(bundled);
    expect(await talk(own)).toEqual(itself);
    expect((await session.policies()).policies.map(({ id, trainedTurns }) => [id, trainedTurns])).toEqual([
      ['permix-tiny', 1],
      [own, null],
    ]);
  });

  it('is not removed while it is trained', async () => {
    const { probe, session, own } = await opened();
    const id = await session.start({ ...smallRun, steps: 500, policy: own });
    expect(await failure(session.removePolicy(own))).toMatch(/is being trained/);
    const rest = probe.phase('paused');
    await session.pause();
    await rest;
    expect((await storage.run(id)).status).toBe('paused');
    expect((await session.policies()).policies.map(({ id: one }) => one)).toEqual(['permix-tiny', own]);
  });

  it('is evaluated as the base of its checkpoints, and not of another’s', async () => {
    const { probe, session, own } = await opened();
    const alone = await session.examine('evaluation', { ...evaluation, policy: own }, silent);
    expect(alone.policies.map(({ name }) => name)).toEqual(['Base policy, own']);
    const id = await probe.train({ ...smallRun, steps: 1, policy: own });
    const [checkpoint] = await storage.checkpoints(id);
    const compared = await session.examine('evaluation', { ...evaluation, policy: own, checkpoints: [checkpoint!.id] }, silent);
    expect(compared.reports).toHaveLength(1);
    expect(await failure(session.examine('evaluation', { ...evaluation, checkpoints: [checkpoint!.id] }, silent))).toMatch(
      /trained own, and the base is PerMix tiny\. Compare checkpoints of one policy with it/,
    );
  });

  it('races', { timeout: 60_000 }, async () => {
    const { probe, session, own } = await opened();
    const done = probe.next((event) => event.type === 'session' && event.phase === 'finished');
    const pair = await session.race({ ...smallRun, steps: 1, policy: own });
    await done;
    expect((await storage.run(pair.rlvr)).config.policy).toBe(own);
  });
});
