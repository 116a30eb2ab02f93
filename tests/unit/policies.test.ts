/** The library of policies: what is added stays or leaves nothing, whatever is wrong with it, with the hub, or with the room there is. */
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import 'fake-indexeddb/auto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { labErrorCode } from '../../src/errors.ts';
import type { GivenFile } from '../../src/policy/given.ts';
import { loadPolicy } from '../../src/policy/policy.ts';
import { policySource } from '../../src/cli/folder.ts';
import type { LabStorage } from '../../src/storage/storage.ts';
import { webLocks } from '../../src/worker/locks.ts';
import { Policies } from '../../src/worker/policies.ts';
import type { PolicyProgress } from '../../src/worker/policies-api.ts';
import { DiskFolders } from '../helpers/disk-folders.ts';
import { commit, cutOff, hubServer, type HubServer } from '../helpers/hub-server.ts';
import { database } from '../helpers/lab-session.ts';
import { tinyPolicyFiles, tinyWeights } from '../helpers/tiny-folder.ts';

const bundled = () => policySource('public/models/permix-tiny').then(loadPolicy);
const card = new TextEncoder().encode('---\nlicense: mit\n---\n# Tiny');
const gguf = new Uint8Array(readFileSync('tests/fixtures/gguf/llama.gguf'));
const given = (files: Record<string, Uint8Array<ArrayBuffer>>, folder = 'tiny/'): GivenFile[] =>
  Object.entries(files).map(([name, bytes]) => ({ path: `${folder}${name}`, file: new Blob([bytes]) }));

/** The browser's locks, among tabs of one process. */
function tabLocks() {
  const held = new Set<string>();
  const manager = {
    async request(name: string, _options: unknown, work: (lock: object | null) => Promise<void> | void) {
      if (held.has(name)) return work(null);
      held.add(name);
      await Promise.resolve(work({ name })).finally(() => held.delete(name));
    },
    query: async () => ({ held: [...held].map((name) => ({ name })) }),
  };
  return webLocks(manager as unknown as LockManager);
}

let root: string;
let disk: DiskFolders;
let storage: LabStorage;
let hub: HubServer | undefined;
let count = 0;
let locks = tabLocks();
beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'permix-policies-'));
  disk = new DiskFolders(root);
  storage = await database(`policies-${count++}`);
  locks = tabLocks();
});
afterEach(async () => {
  await hub?.close();
  hub = undefined;
  storage.close();
  rmSync(root, { recursive: true });
});

/** As another tab, or the same after a reload. */
const library = (openFolders: (() => Promise<DiskFolders>) | undefined = async () => disk) =>
  new Policies({ bundled, storage: async () => storage, openFolders, locks, patienceMs: 300 });
const ids = async (policies = library()) => (await policies.list()).policies.slice(1).map(({ id, keeping }) => `${id} ${keeping}`);
const failure = (work: Promise<unknown>) =>
  work.then(
    () => 'it worked',
    (error: Error) => error.message,
  );
const silent = () => undefined;
/** Nothing of a policy is there. */
async function expectNothing(): Promise<void> {
  expect(readdirSync(root)).toEqual([]);
  expect(await storage.policies()).toEqual([]);
  expect(await storage.unfinishedPolicies()).toEqual([]);
}

describe('what is given', () => {
  it('is kept with its hashes and its facts, is there in the next visit, and is the same policy', async () => {
    const told: PolicyProgress[] = [];
    const added = await library().add(given({ ...tinyPolicyFiles(), 'README.md': card, 'unused.bin': new Uint8Array(9) }), (one) =>
      told.push(one),
    );
    const { policy } = added;
    expect(added).toMatchObject({
      known: false,
      said: null,
      policy: { name: 'tiny', keeping: 'browser', from: { kind: 'files', name: 'tiny' } },
    });
    expect(policy.id).toMatch(/^tiny~[0-9a-f]{12}$/);
    const files = { ...tinyPolicyFiles(), 'README.md': card };
    const bytes = Object.values(files).reduce((sum, one) => sum + one.length, 0);
    expect(policy.facts).toMatchObject({ family: 'llama', layers: 1, hiddenSize: 32, format: 'F32', licence: 'mit', bytes });
    const [record] = await storage.policies();
    expect(readdirSync(join(root, record!.folder)).sort()).toEqual(Object.keys(files).sort());
    expect(Object.fromEntries(record!.files.map(({ path, sha256 }) => [path, sha256]))).toEqual(
      Object.fromEntries(Object.entries(files).map(([path, one]) => [path, createHash('sha256').update(one).digest('hex')])),
    );
    expect([told[0]?.phase, told.some(({ phase }) => phase === 'keeping'), told.some(({ phase }) => phase === 'reading')]).toEqual([
      'checking',
      true,
      true,
    ]);
    const again = library();
    expect(await ids(again)).toEqual([`${policy.id} browser`]);
    expect((await again.load(policy.id)).files).toEqual((await library().load(policy.id)).files);
  });

  it('is known again by what is in it, wherever it came from and whatever it is called', async () => {
    const first = await library().add(given(tinyPolicyFiles()), silent);
    const again = await library().add(given(tinyPolicyFiles(), 'renamed/'), silent);
    expect({ known: again.known, id: again.policy.id }).toEqual({ known: true, id: first.policy.id });
    hub = await hubServer({ ...tinyPolicyFiles(), 'README.md': card });
    expect((await library().fetch({ name: 'some/tiny', base: hub.url }, silent)).known).toBe(true);
    expect(readdirSync(root)).toHaveLength(1);
    // A run of another browser names it as it is called there.
    const hash = first.policy.id.split('~')[1];
    expect(await library().has(`elsewhere~${hash}`)).toBe(true);
    expect(await library().has('tiny')).toBe(true);
    expect(await library().has('tiny~000000000000')).toBe(false);
  });

  it('brings the settings that suit its family and size', async () => {
    const { policy } = await library().add(given(tinyPolicyFiles()), silent);
    expect(policy.recipes).toBeNull();
    const [record] = await storage.policies();
    await storage.savePolicy({ ...record!, id: 'large~000000000000', facts: { ...record!.facts, vocabSize: 49152, parameters: 135e6 } });
    const large = (await library().list()).policies.find(({ id }) => id === 'large~000000000000')!;
    expect(large.recipes!['permix']).toMatchObject({
      policy: large.id,
      recipe: 'permix',
      lora: { rank: 16 },
      library: 'general',
      optim: { learningRate: 3e-4 },
    });
    expect(large.recipes!['base']).toMatchObject({ optim: { learningRate: 0 } });
  });

  it('as a GGUF file is kept under its name', async () => {
    const { policy } = await library().add(given({ 'Some.Q8_0.gguf': gguf }, ''), silent);
    expect(policy).toMatchObject({ name: 'Some.Q8_0', facts: { family: 'llama', bytes: gguf.length } });
    expect((await library().load(policy.id)).id).toBe(policy.id);
  });

  it('is removed with its files', async () => {
    const { policy } = await library().add(given(tinyPolicyFiles()), silent);
    await library().remove(policy.id);
    await expectNothing();
    expect(await failure(library().load(policy.id))).toBe(
      'The policy “tiny” is not in this browser. Add it under “Which policy?” (fetched from a hub or from files, it is recognised by what is in it), or choose another.',
    );
    expect(await failure(library().remove('permix-tiny'))).toMatch(/comes with the page/);
  });

  const files = tinyPolicyFiles();
  const nan = new Uint8Array(files['model.safetensors']!);
  new DataView(nan.buffer).setFloat32(nan.length - 4, NaN, true);
  const { 'tokenizer.json': _, ...mute } = files;
  it.each<[string, GivenFile[], RegExp]>([
    ['numbers that are none', given({ ...files, 'model.safetensors': nan }), /is NaN/],
    ['no number at all', given({ ...files, 'model.safetensors': tinyWeights(3, NaN) }), /number 1 of the tensor \S+ is NaN/],
    ['no tokenizer', given(mute), /has no tokenizer\.json, so that nothing can be asked of it in words/],
    [
      'weights that were cut off',
      given({ ...files, 'model.safetensors': files['model.safetensors']!.slice(0, 5000) }),
      /model\.safetensors of tiny is broken/,
    ],
    ['a GGUF that was cut off', given({ 'Some.gguf': gguf.slice(0, -100) }), /Some\.gguf/],
    ['a tokenizer that does not fit', given({ ...files, 'config.json': edited(files['config.json']!, { vocab_size: 20 }) }), /tokenizer/i],
    [
      'layers that are not there',
      given({ ...files, 'config.json': edited(files['config.json']!, { num_hidden_layers: 2 }) }),
      /have no tensor model\.layers\.1/,
    ],
    ['another family', given({ ...files, 'config.json': edited(files['config.json']!, { model_type: 'bert' }) }), /bert/],
  ])('with %s is refused in a sentence, and leaves nothing', async (_what, one, said) => {
    expect(await failure(library().add(one, silent))).toMatch(said);
    await expectNothing();
  });

  it('where the room ends in the middle works from the files themselves, and leaves nothing', async () => {
    disk.room = 5000;
    const policies = library();
    const { policy, said } = await policies.add(given(tinyPolicyFiles()), silent);
    expect(said).toMatch(
      /^This browser has no room to keep tiny.* It can be used until this page is closed, from the files you gave, which must stay where they are\.$/,
    );
    expect(policy.keeping).toBe('visit');
    await expectNothing();
    expect((await policies.load(policy.id)).tokenizer).not.toBeNull();
    expect(await ids(policies)).toEqual([`${policy.id} visit`]);
    expect(await ids()).toEqual([]);
    // Given again when there is room, it is kept.
    disk.room = Infinity;
    expect((await policies.add(given(tinyPolicyFiles()), silent)).policy.keeping).toBe('browser');
    expect(await ids(policies)).toEqual([`${policy.id} browser`]);
  });

  it('where the browser keeps nothing is there for the visit, and the list says so', async () => {
    const policies = library(async () => Promise.reject(new Error('Storage is blocked.')));
    const { policy, said } = await policies.add(given(tinyPolicyFiles()), silent);
    expect({ keeping: policy.keeping, said }).toEqual({ keeping: 'visit', said: null });
    expect((await policies.list()).visitOnly).toBe(
      'Policies that are added are kept only until this page is closed, because this browser gives it no room for files (Storage is blocked).',
    );
    await policies.remove(policy.id);
    expect(await ids(policies)).toEqual([]);
  });

  it('that was cleared away by the browser is said to be gone, and can be added again', async () => {
    const { policy } = await library().add(given(tinyPolicyFiles()), silent);
    rmSync(join(root, (await storage.policies())[0]!.folder), { recursive: true });
    const told = await library()
      .load(policy.id)
      .catch((error: unknown) => error);
    expect(labErrorCode(told)).toBe('storage');
    expect((told as Error).message).toMatch(/of tiny is no longer in this browser’s storage\. Remove the policy and add it again\./);
    expect((await library().add(given(tinyPolicyFiles()), silent)).known).toBe(false);
    expect(await library().load(policy.id)).toMatchObject({ id: policy.id });
  });

  it('a folder that a dead tab left is swept, one that another tab writes is not', async () => {
    await (await disk.append('left', 'model.safetensors')).close();
    await (await disk.append('written', 'model.safetensors')).close();
    const release = await locks.hold('folder/written');
    await library().list();
    expect(readdirSync(root)).toEqual(['written']);
    release!();
  });
});

function edited(json: Uint8Array, change: object): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(JSON.stringify({ ...(JSON.parse(new TextDecoder().decode(json)) as object), ...change }));
}

describe('what a hub has', () => {
  const fetched = (policies = library(), token?: string) => policies.fetch({ name: 'some/tiny', base: hub!.url, token }, silent);
  beforeEach(async () => {
    hub = await hubServer({ ...tinyPolicyFiles(), 'README.md': card, 'pytorch_model.bin': new Uint8Array(99) });
  });

  it('is fetched, the files that it needs and no other, and is kept', async () => {
    const { policy } = await fetched();
    expect(policy).toMatchObject({
      name: 'tiny',
      keeping: 'browser',
      from: { kind: 'hub', base: hub!.url, name: 'some/tiny', revision: 'main', file: null, commit },
      facts: { licence: 'mit' },
    });
    expect(hub!.requests.map(({ path }) => path)).not.toContain('pytorch_model.bin');
    expect(await storage.unfinishedPolicies()).toEqual([]);
    expect((await library().load(policy.id)).tokenizer).not.toBeNull();
  });

  it('goes on where it stopped, also after a reload', async () => {
    const bytes = hub!.files['model.safetensors']!;
    hub!.behave(
      ({ path, headers }, response) =>
        path === 'model.safetensors' && !headers.range && hub!.asked.includes('README.md') && cutOff(bytes, 9000, 'hang up')(response),
    );
    expect(await failure(fetched())).toMatch(
      /^model\.safetensors of some\/tiny could not be fetched from 127\.0\.0\.1:\d+ \(.*\)\. Check the connection and go on; what has arrived is kept\.$/,
    );
    const [unfinished] = (await library().list()).unfinished;
    expect(unfinished!.arrived).toBeGreaterThan(9000);
    expect(await ids()).toEqual([]);
    hub!.behave(() => false);
    hub!.asked.length = 0;
    const { policy } = await fetched();
    expect(hub!.asked).toContain('model.safetensors from 9000');
    expect(hub!.asked.filter((one) => /^model\.safetensors from (\d+)$/.test(one) && !/ (0|8|9000)$/.test(one))).toEqual([]);
    expect((await library().load(policy.id)).tokenizer).not.toBeNull();
    expect((await storage.policies())[0]!.files.find(({ path }) => path === 'model.safetensors')!.sha256).toBe(
      createHash('sha256').update(bytes).digest('hex'),
    );
  });

  it('that was changed meanwhile is not put together from two', async () => {
    const bytes = hub!.files['model.safetensors']!;
    hub!.behave(
      ({ path, headers }, response) =>
        path === 'model.safetensors' && !headers.range && hub!.asked.includes('README.md') && cutOff(bytes, 9000, 'hang up')(response),
    );
    await failure(fetched());
    hub!.behave(() => false);
    hub!.files = { ...tinyPolicyFiles(4), 'README.md': card };
    const { policy } = await fetched();
    expect((await storage.policies())[0]!.files.find(({ path }) => path === 'model.safetensors')!.sha256).toBe(
      createHash('sha256').update(hub!.files['model.safetensors']!).digest('hex'),
    );
    expect(policy.id).not.toBe((await library().add(given(tinyPolicyFiles()), silent)).policy.id);
  });

  it('can be paused, goes on, and can be given up', async () => {
    const bytes = hub!.files['model.safetensors']!;
    hub!.behave(
      ({ path, headers }, response) =>
        path === 'model.safetensors' && !headers.range && hub!.asked.includes('README.md') && cutOff(bytes, 9000, 'silence')(response),
    );
    const policies = library();
    const fetching = failure(policies.fetch({ name: 'some/tiny', base: hub!.url }, ({ done }) => done > 9000 && policies.pause()));
    expect(await fetching).toMatch(/was stopped\. It can go on later\.|sent nothing/);
    const [unfinished] = (await policies.list()).unfinished;
    await policies.discard(unfinished!.folder);
    await expectNothing();
  });

  it('without room is fetched into memory, what had arrived with it, and nothing is left in the browser', async () => {
    disk.room = 12_000;
    const policies = library();
    const { policy, said } = await fetched(policies);
    expect(said).toMatch(/^This browser has no room to keep tiny.* It can be used until this page is closed, from memory\.$/);
    expect(policy.keeping).toBe('visit');
    await expectNothing();
    expect((await policies.load(policy.id)).tokenizer).not.toBeNull();
  });

  it('that is no policy leaves nothing', async () => {
    hub!.files = { ...hub!.files, 'model.safetensors': tinyWeights(3, NaN) };
    expect(await failure(fetched())).toMatch(/is NaN/);
    await expectNothing();
    hub!.files = { ...tinyPolicyFiles(), 'config.json': edited(tinyPolicyFiles()['config.json']!, { hidden_size: 64 }) };
    expect(await failure(fetched())).toMatch(/has the shape|head/);
    // The shapes were seen in the headers.
    await expectNothing();
  });

  it('as one GGUF file', async () => {
    hub!.files = { 'a/Some.Q8_0.gguf': gguf };
    const { policy } = await library().fetch({ name: 'some/ggufs:a/Some.Q8_0.gguf', base: hub!.url }, silent);
    expect(policy).toMatchObject({ name: 'Some.Q8_0', from: { file: 'a/Some.Q8_0.gguf' }, facts: { bytes: gguf.length } });
    const dropped = await library().add(given({ 'other.gguf': gguf }, ''), silent);
    expect(dropped.known).toBe(true);
    expect(await failure(library().fetch({ name: 'some/ggufs:b.gguf', base: hub!.url }, silent))).toMatch(
      /^There is no b\.gguf of some\/ggufs:b\.gguf\./,
    );
  });

  it('the token is in nothing that is stored or said', async () => {
    hub!.behave(({ headers }, response) => {
      if (headers.authorization === 'Bearer hf_secret_token') return false;
      response.writeHead(401).end();
      return true;
    });
    expect(await failure(fetched())).toMatch(/type a token of yours/);
    await fetched(library(), 'hf_secret_token');
    const everything = JSON.stringify([await library().list(), await storage.policies(), await storage.unfinishedPolicies()]);
    expect(everything).not.toContain('hf_secret_token');
  });
});
