/** Questions of one's own in a session with a real engine: looked at, kept, trained on, gone on with after a reload, removed. */
import 'fake-indexeddb/auto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { zipEntries } from '../../src/policy/zip.ts';
import type { RunConfig } from '../../src/rl/config.ts';
import type { IndexedStorage } from '../../src/storage/indexed.ts';
import { MemoryStorage } from '../../src/storage/memory.ts';
import type { LabStorage } from '../../src/storage/storage.ts';
import { database, SessionProbe, smallRun } from '../helpers/lab-session.ts';

let count = 0;
let storage: IndexedStorage;
beforeEach(async () => (storage = await database(`sets-${count++}`)));
afterEach(() => storage.close());

const lines = Array.from({ length: 20 }, (_, i) => JSON.stringify({ question: `What is ${i}+1?`, answer: String(i + 1) }));
const file = (text = [...lines, '{"question": "open?"}'].join('\n'), name = 'sums.jsonl') => new File([text], name);
const silent = () => undefined;
const failure = (work: Promise<unknown>) =>
  work.then(
    () => 'it worked',
    (error: Error) => error.message,
  );

async function open(kept: LabStorage = storage) {
  const probe = new SessionProbe(kept);
  await probe.boot('cpu');
  return { probe, session: probe.session, sets: probe.session.questionSets };
}

/** Kept, and a run on it. */
async function keptIn({ sets }: Awaited<ReturnType<typeof open>>): Promise<RunConfig> {
  const { name, choice } = await sets.keepSet(file(), null, silent);
  return { ...smallRun, steps: 4, heldOut: { questions: 2, every: 2 }, tasks: [{ id: name, weight: 1, set: choice }] };
}

describe('questions of one’s own', () => {
  it('are looked at before anything is kept', async () => {
    const { sets } = await open();
    const seen: number[] = [];
    const look = await sets.lookAtSet(file(), null, (bytes) => seen.push(bytes));
    expect(look).toMatchObject({ kind: 'questions', rows: 21, questions: 20, leftOut: { 'no answer': { count: 1, lines: [21] } } });
    expect(look.split.train + look.split.evaluation).toBe(20);
    expect(seen.at(-1)).toBe(file().size);
    expect(await sets.sets()).toEqual([]);
    expect(await failure(sets.keepSet(file('{"question": "a", "answer": 1}'), null, silent))).toMatch(/one question that can be used/);
    expect(await failure(sets.keepSet(file('a,b\n1,2', 'x.csv'), null, silent))).toMatch(/its columns are a, b/);
    expect(await sets.sets()).toEqual([]);
    const chosen = await sets.keepSet(file('ask,right\n1?,2\n2?,3', 'x.csv'), { question: 'ask', answer: 'right' }, silent);
    expect(chosen.choice).toMatchObject({ kind: 'columns', questions: 2, columns: { question: 'ask', answer: 'right' } });
  });

  it('are trained on, and a reload goes on as if there had been none', async () => {
    const first = await open();
    const config = await keptIn(first);
    expect(await first.session.check(config)).toEqual([]);
    const whole = await first.probe.train(config);
    const asked = async (id: string) =>
      (await Promise.all([1, 2, 3, 4].map(async (step) => storage.rollouts(id, step)))).flatMap((one) => one?.rollouts ?? []);
    const rollouts = await asked(whole);
    expect(rollouts.every(({ task, question }) => task === 'sums.jsonl' && /^What is \d+\+1\?/.test(question))).toBe(true);
    expect((await storage.heldOut(whole)).map(({ step }) => step)).toEqual([0, 2, 4]);

    const { file: project } = await first.session.saveProject(whole, 'trl', null);
    const data = (await zipEntries(project.name, project)).find(({ path }) => path.endsWith('data/train.jsonl'))!;
    const opened = await data.open('data');
    expect(new TextDecoder().decode(await opened.read(0, opened.size))).toMatch(/What is \d+\+1\?.*"answer":"\d+"/);

    const cut = await first.session.step(config);
    await first.session.step(undefined, cut);
    const again = await open();
    await again.session.step(undefined, cut);
    await again.session.step(undefined, cut);
    const same = ({ groupSize: _, ...one }: Record<string, unknown>) => one;
    expect((await asked(cut)).map((one) => same({ ...one }))).toEqual(rollouts.map((one) => same({ ...one })));
  });

  it('are not removed under a run, and a run without them says what it needs', async () => {
    const first = await open();
    const config = await keptIn(first);
    const id = await first.session.step(config);
    const { sha256 } = (await first.sets.sets())[0]!;
    await first.sets.removeSet(sha256);
    const again = await open();
    const told = /questions of sums\.jsonl are not in this browser \(SHA-256 [0-9a-f]{12}…\)\. Add that file again/;
    expect((await again.session.check(config))[0]).toMatchObject({ field: 'tasks', problem: expect.stringMatching(told) as string });
    expect(await failure(again.session.resume(id))).toMatch(told);
    // Under another name they are the same questions.
    await again.sets.keepSet(file(undefined, 'other.jsonl'), null, silent);
    await again.session.step(undefined, id);
    expect((await storage.run(id)).step).toBe(2);
  });

  it('are kept for the visit where the browser keeps nothing, and go with everything else', async () => {
    const { session, sets } = await open(new MemoryStorage());
    await sets.keepSet(file(), null, silent);
    expect((await sets.sets()).map(({ name }) => name)).toEqual(['sums.jsonl']);
    await session.clear();
    expect(await sets.sets()).toEqual([]);
  });
});
