/**
 * PEFT's adapters in a session with a real engine: which policy they are of, what is refused and leaves nothing, and that they are a policy to
 * ask, evaluate and train on like others.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import 'fake-indexeddb/auto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { policySource } from '../../src/cli/folder.ts';
import { labErrorCode } from '../../src/errors.ts';
import { filesSource } from '../../src/policy/folder.ts';
import { bytesFile } from '../../src/policy/file.ts';
import type { GivenFile } from '../../src/policy/given.ts';
import { loadPolicy } from '../../src/policy/policy.ts';
import type { IndexedStorage } from '../../src/storage/indexed.ts';
import { baseNamed, type PossibleBase } from '../../src/worker/base-of-adapters.ts';
import type { SessionSetup } from '../../src/worker/session.ts';
import { adapterFiles } from '../helpers/tiny-adapters.ts';
import { DiskFolders } from '../helpers/disk-folders.ts';
import { commit, cutOff, hubServer, type HubServer } from '../helpers/hub-server.ts';
import { database, says, SessionProbe, smallRun } from '../helpers/lab-session.ts';
import { tinyPolicyFiles } from '../helpers/tiny-folder.ts';
import { tinyConfig } from '../helpers/tiny-policy.ts';

let count = 0;
let root: string;
let storage: IndexedStorage;
beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'permix-adapters-'));
  storage = await database(`adapters-${count++}`);
});
afterEach(() => {
  storage.close();
  rmSync(root, { recursive: true });
});

type Files = Record<string, Uint8Array<ArrayBuffer>>;
const given = (files: Files, folder = 'mine'): GivenFile[] =>
  Object.entries(files).map(([name, bytes]) => ({ path: folder ? `${folder}/${name}` : name, file: new Blob([bytes]) }));
const silent = () => undefined;
const failure = (work: Promise<unknown>) =>
  work.then(
    () => 'it worked',
    (error: Error) => error.message,
  );
const edited = (files: Files, changes: object): Files => ({
  ...files,
  'adapter_config.json': new TextEncoder().encode(
    JSON.stringify({ ...(JSON.parse(new TextDecoder().decode(files['adapter_config.json'])) as object), ...changes }),
  ),
});

/** Its last number. */
function noNumber(files: Files): Files {
  const weights = files['adapter_model.safetensors']!.slice();
  new DataView(weights.buffer).setFloat32(weights.length - 4, NaN, true);
  return { ...files, 'adapter_model.safetensors': weights };
}

/** What comes with the page: a tiny policy, from files. */
const bundled = async (id: string) =>
  loadPolicy(
    await filesSource(id, new Map(Object.entries(tinyPolicyFiles()).map(([name, bytes]) => [name, async () => bytesFile(name, bytes)]))),
  );

async function open(setup: Partial<SessionSetup> = {}) {
  const probe = new SessionProbe(storage, { loadPolicy: bundled, openFolders: async () => new DiskFolders(root), ...setup });
  await probe.boot('cpu');
  return { probe, session: probe.session };
}

const from = (name: string, hub: string | null = null, id = `${name}~0123456789ab`): PossibleBase => ({
  ...{ id, name },
  from:
    hub === null ? { kind: 'files', name } : { kind: 'hub', base: 'https://hub', name: hub, revision: 'main', file: null, commit: null },
});

describe('the base that a file names', () => {
  const here = [
    { id: 'permix-tiny', name: 'PerMix tiny', from: null },
    from('smol', 'some/smol'),
    from('folder', null, 'folder~aaaaaaaaaaaa'),
    from('twice', null, 'twice~bbbbbbbbbbbb'),
    from('twice', null, 'twice~cccccccccccc'),
  ];
  it.each([
    ['permix-tiny', 'permix-tiny'],
    ['PerMix tiny', 'permix-tiny'],
    ['somebody/permix-tiny', 'permix-tiny'],
    ['Some/Smol', 'smol~0123456789ab'],
    ['/home/me/models/folder/', 'folder~aaaaaaaaaaaa'],
    ['C:\\models\\folder', 'folder~aaaaaaaaaaaa'],
    ['renamed~aaaaaaaaaaaa', 'folder~aaaaaaaaaaaa'],
    ['twice~cccccccccccc', 'twice~cccccccccccc'],
  ])('%s is %s', (named, id) => expect(baseNamed('mine', named, here)).toMatchObject({ id }));

  it.each([
    [null, 'The adapters in mine do not say of which policy they are.'],
    ['other/smol', 'The adapters in mine are of "other/smol", which is not here.'],
    ['folder~000000000000', 'The adapters in mine are of "folder~000000000000", which is not here.'],
    ['twice', 'The adapters in mine are of "twice", and 2 policies here are called that.'],
  ])('%s is asked for', (named, said) => expect(baseNamed('mine', named, here)).toEqual({ id: null, said }));
});

describe('adapters', () => {
  it('whose base is here are a policy that answers as itself, in the next visit too, and can be removed', async () => {
    const { session } = await open();
    const files: Files = { ...(await adapterFiles('permix-tiny')), 'optimizer.pt': new Uint8Array(9) };
    expect(await session.baseQuestion(given(files))).toBeNull();
    const { policy } = await session.addPolicy(given(files), silent);
    expect(policy).toMatchObject({
      name: 'mine on PerMix tiny',
      keeping: 'browser',
      from: { kind: 'files', name: 'mine' },
      facts: { format: 'LoRA of rank 2', bytes: files['adapter_config.json']!.length + files['adapter_model.safetensors']!.length },
      adapters: { base: 'permix-tiny', baseName: 'PerMix tiny', lora: { rank: 2, alpha: 4 } },
    });
    const [own, base] = [await says(session, policy.id), await says(session, 'permix-tiny')];
    expect(own).not.toBe(base);
    expect(await session.addPolicy(given(files, 'renamed'), silent)).toMatchObject({ known: true, policy: { id: policy.id } });
    const again = await open();
    expect(await says(again.session, policy.id)).toBe(own);
    const { reports } = await again.session.examine(
      'evaluation',
      {
        ...{ policy: policy.id, checkpoints: [], task: 'comparing', personas: 'voices', problems: 2, samples: 1, temperature: 1 },
        ...{ maxNewTokens: 3, seed: 1, fidelityReplies: 0 },
      },
      silent,
    );
    expect(reports).toHaveLength(1);
    await again.session.removePolicy(policy.id);
    expect(readdirSync(root)).toEqual([]);
  });

  it('without their base ask for it, take the one that is chosen, and say when it was removed', async () => {
    const { session } = await open();
    const files = await adapterFiles('some/base', { targets: ['v_proj', 'up_proj'] });
    const said = 'The adapters in mine are of "some/base", which is not here.';
    expect(await session.baseQuestion(given(files))).toEqual({ adapters: 'mine', named: 'some/base', said });
    expect(await failure(session.addPolicy(given(files), silent))).toBe(`${said} Choose their base, or add it first.`);
    const { policy: base } = await session.addPolicy(given(tinyPolicyFiles(8), 'base'), silent);
    expect(await session.baseQuestion(given(files))).toBeNull();
    const { policy } = await session.addPolicy(given(files), silent);
    const other = (await session.addPolicy(given(files), silent, 'permix-tiny')).policy;
    expect([policy.name, other.name]).toEqual(['mine on base', 'mine on PerMix tiny']);
    expect(await says(session, policy.id)).not.toBe(await says(session, other.id));
    // Adapters are no base, and neither is what is not here.
    for (const one of [policy.id, 'gone'])
      expect(await failure(session.addPolicy(given(files), silent, one))).toMatch(/^The policy that was chosen as the base is not here\./);

    await session.removePolicy(base.id);
    const gone =
      '“mine on base” are adapters, and their base, “base”, is not in this browser. Add it again under “Which policy?”, or choose another policy.';
    expect(await failure(says(session, policy.id))).toBe(gone);
    const config = { ...smallRun, policy: policy.id, lora: policy.adapters!.lora };
    expect(await session.check(config)).toEqual([{ field: 'policy', problem: gone }]);
    expect(await failure(session.start(config))).toBe(gone);
    // Under another name it is the same.
    await session.addPolicy(given(tinyPolicyFiles(8), 'renamed'), silent);
    expect(await session.check(config)).toEqual([]);
    expect(await says(session, policy.id)).not.toBe(await says(session, other.id));
  });

  it('are trained on: the run is of their base, begins from them, and keeps what they have', async () => {
    const { probe, session } = await open();
    const { policy } = await session.addPolicy(given(await adapterFiles('permix-tiny')), silent);
    const own = await says(session, policy.id);
    const { recipes } = policy;
    expect(recipes!['permix']).toMatchObject({ policy: policy.id, lora: { rank: 2, alpha: 4 } });
    const config = { ...smallRun, steps: 1, policy: policy.id, lora: policy.adapters!.lora };
    const problem = 'A run that begins from adapters keeps what they have (rank 2, alpha 4, projections: all, layers: all).';
    for (const lora of [null, { rank: 4, alpha: 4 }])
      expect(await session.check({ ...config, lora })).toEqual([{ field: 'lora', problem }]);
    expect(await failure(session.start({ ...config, lora: null }))).toContain(problem);
    const id = await probe.train(config);
    const run = await storage.run(id);
    expect(run).toMatchObject({ status: 'finished', config: { ...config, policy: 'permix-tiny' } });
    const checkpoints = await storage.checkpoints(id);
    const start = checkpoints.find(({ step }) => step === 0)!;
    expect(await says(session, 'permix-tiny', start.id)).toBe(own);
    expect(start.name).toBe('Start, from mine on PerMix tiny');
    // Begun again with other settings, it is from the same adapters, or not at all.
    const began = (await storage.checkpoint(start.id)).state;
    const other = { ...run.config, seed: run.config.seed + 1 };
    const rest = probe.phase('finished', 'failed', 'paused');
    const fork = await session.resume(id, start.id, other);
    await rest;
    const [first] = (await storage.checkpoints(fork)).slice(-1);
    expect((await storage.checkpoint(first!.id)).state.adapters).toEqual(began.adapters);
    expect(await failure(session.resume(id, start.id, { ...other, lora: null }))).toMatch(/^The run began from adapters that were trained/);
    // What it has learned is adapters again.
    const { state } = await storage.checkpoint(checkpoints.find(({ step }) => step === 1)!.id);
    expect(state.adapters!.tensors).not.toEqual(began.adapters!.tensors);
    expect(Object.keys(state.adapters!.tensors)).toEqual(Object.keys(began.adapters!.tensors));
    expect((await session.race({ ...config })).rlvr).toMatch(/^run/);
    await session.stop();
  });

  it('are of a GGUF file as of a folder', async () => {
    const { session } = await open();
    const gguf = new Uint8Array(readFileSync('tests/fixtures/gguf/llama.gguf'));
    const { policy: base } = await session.addPolicy(given({ 'llama.gguf': gguf }), silent);
    const { config } = await loadPolicy(await policySource('tests/fixtures/gguf/llama.gguf'));
    const { policy } = await session.addPolicy(given(await adapterFiles('llama', { config })), silent);
    expect(policy).toMatchObject({ name: 'mine on llama', adapters: { base: base.id } });
    expect(await says(session, policy.id)).not.toBe(await says(session, base.id));
  });

  it('work until the page is closed where the browser keeps nothing', async () => {
    const { session } = await open({ openFolders: async () => Promise.reject(new Error('Storage is blocked.')) });
    const { policy } = await session.addPolicy(given(await adapterFiles('permix-tiny')), silent);
    expect(policy.keeping).toBe('visit');
    expect(await says(session, policy.id)).not.toBe(await says(session, 'permix-tiny'));
    expect(readdirSync(root)).toEqual([]);
  });

  const larger = { ...tinyConfig, hiddenSize: tinyConfig.hiddenSize * 2 };
  const deeper = { ...tinyConfig, layers: tinyConfig.layers + 1 };
  it.each<[string, () => Promise<GivenFile[]>, RegExp]>([
    [
      'of another base by its shapes',
      async () => given(await adapterFiles('permix-tiny', { config: larger })),
      /^adapter_model\.safetensors of mine: the tensor \S+ is \[2, 64\], rank and base ask for \[2, 32\]\. Check that these are the adapters of this base\.$/,
    ],
    [
      'of a base with more layers',
      async () => given(await adapterFiles('permix-tiny', { config: deeper })),
      /has a tensor \S+layers\.1\.\S+; read are adapters of the 7 projections of the 1 layers of its base/,
    ],
    [
      'without their weights',
      async () => given({ 'adapter_config.json': (await adapterFiles('permix-tiny'))['adapter_config.json']! }),
      /^There is no adapter_model\.safetensors in mine\./,
    ],
    [
      'that claim another rank',
      async () => given(edited(await adapterFiles('permix-tiny'), { r: 4 })),
      /is \[2, 32\], rank and base ask for \[4, 32\]/,
    ],
    [
      'that claim other targets',
      async () => given(edited(await adapterFiles('permix-tiny'), { target_modules: ['q_proj'] })),
      /^adapter_config\.json of mine: target_modules are q_proj, the weights are of q_proj, k_proj/,
    ],
    [
      'of another kind',
      async () => given(edited(await adapterFiles('permix-tiny'), { use_dora: true })),
      /use_dora is true, which is not supported/,
    ],
    [
      'whose numbers are none',
      async () => given(noNumber(await adapterFiles('permix-tiny'))),
      /number \d+ of the tensor \S+lora_\S+ is NaN/,
    ],
    [
      'in two folders',
      async () => [...given(await adapterFiles('permix-tiny'), 'all/one'), ...given(tinyPolicyFiles(), 'all/two')],
      /^There is more than one policy in all: /,
    ],
  ])('%s are refused in a sentence, and leave nothing', async (_what, files, said) => {
    const { session } = await open();
    expect(await failure(session.addPolicy(await files(), silent))).toMatch(said);
    expect(readdirSync(root)).toEqual([]);
    expect(await storage.policies()).toEqual([]);
  });

  it('of another base by its hash are refused, whatever the reader chooses', async () => {
    const { session } = await open();
    const files = given(await adapterFiles('tiny~0123456789ab'));
    expect((await session.baseQuestion(files))!.said).toMatch(/are of "tiny~0123456789ab", which is not here\.$/);
    const refused = session.addPolicy(files, silent, 'permix-tiny');
    expect(await failure(refused)).toBe(
      'The adapters in mine are of tiny~0123456789ab, and PerMix tiny is permix-tiny: another policy. Choose their base, or add it first.',
    );
    expect(labErrorCode(await refused.catch((error: unknown) => error))).toBe('format');
    expect(readdirSync(root)).toEqual([]);
  });

  it('lying loose, or beside a whole policy of the same folder, are what they are', async () => {
    const { session } = await open();
    const files = await adapterFiles('permix-tiny');
    expect((await session.addPolicy(given(files, ''), silent)).policy.name).toBe('adapters on PerMix tiny');
    expect((await session.addPolicy(given({ ...tinyPolicyFiles(9), ...files }, 'whole'), silent)).policy).toMatchObject({
      name: 'whole',
      adapters: null,
    });
  });
});

describe('adapters at a hub', () => {
  let hub: HubServer | null = null;
  afterEach(() => hub?.close());
  const card = new TextEncoder().encode('---\nlicense: mit\n---\n');
  const wanted = () => ({ name: 'some/adapters', base: hub!.url });

  it('are fetched once, file by file, and are then what they are from a folder', async () => {
    const files = await adapterFiles('permix-tiny');
    hub = await hubServer({ ...files, 'README.md': card, 'optimizer.pt': new Uint8Array(9) });
    const { session } = await open();
    expect(await session.baseQuestion(wanted())).toBeNull();
    const { policy } = await session.fetchPolicy(wanted(), silent);
    expect(policy).toMatchObject({
      name: 'adapters on PerMix tiny',
      keeping: 'browser',
      from: { kind: 'hub', name: 'some/adapters', revision: 'main', commit },
      facts: { format: 'LoRA of rank 2', licence: 'mit' },
      adapters: { base: 'permix-tiny', lora: { rank: 2, alpha: 4 } },
    });
    const weights = hub.asked.filter((asked) => asked.startsWith('adapter_model.safetensors'));
    // Its length, then the file.
    expect(weights).toHaveLength(2);
    expect(hub.asked).not.toContain('model.safetensors');
    expect(hub.asked).not.toContain('optimizer.pt');
    expect(await session.addPolicy(given(files), silent)).toMatchObject({ known: true, policy: { id: policy.id } });
    expect(await says(session, policy.id)).not.toBe(await says(session, 'permix-tiny'));
  });

  it('bring their own chat template, and go on where they stopped', async () => {
    const files = await adapterFiles('permix-tiny');
    const own = new TextEncoder().encode('{% for message in messages %}{{ message.content }}{% endfor %}');
    hub = await hubServer({ ...files, 'chat_template.jinja': own });
    const weights = files['adapter_model.safetensors']!;
    let times = 0;
    hub.behave(({ path }, response) => path === 'adapter_model.safetensors' && ++times === 2 && cutOff(weights, 2000, 'hang up')(response));
    const { session } = await open();
    expect(await failure(session.fetchPolicy(wanted(), silent))).toMatch(
      /^adapter_model\.safetensors of some\/adapters could not be fetched/,
    );
    const { policy } = await session.fetchPolicy(wanted(), silent);
    expect(hub.asked.find((asked) => / from [1-9]/.test(asked))).toMatch(/^adapter_model\.safetensors from \d+/);
    expect(
      (await storage.policies())
        .find(({ id }) => id === policy.id)!
        .files.map(({ path }) => path)
        .sort(),
    ).toEqual(['adapter_config.json', 'adapter_model.safetensors', 'chat_template.jinja']);
  });

  it('without their base ask for it; it can be fetched, and then they are on it', async () => {
    const files = await adapterFiles('some/base');
    hub = await hubServer({});
    const base = tinyPolicyFiles(8);
    const served = hub;
    hub.behave(({ policy }) => {
      served.files = policy === 'some/base' ? base : files;
      return false;
    });
    const { session } = await open();
    const said = 'The adapters in adapters are of "some/base", which is not here.';
    expect(await session.baseQuestion(wanted())).toEqual({ adapters: 'adapters', named: 'some/base', said });
    expect(await failure(session.fetchPolicy(wanted(), silent))).toBe(`${said} Choose their base, or add it first.`);
    const chosen = await session.fetchPolicy(wanted(), silent, 'permix-tiny');
    expect(chosen.policy.name).toBe('adapters on PerMix tiny');
    await session.fetchPolicy({ ...wanted(), name: 'some/base' }, silent);
    expect(await session.baseQuestion(wanted())).toBeNull();
    const { policy } = await session.fetchPolicy(wanted(), silent);
    expect(policy.name).toBe('adapters on base');
    expect(await says(session, policy.id)).not.toBe(await says(session, chosen.policy.id));
  });

  const larger = { ...tinyConfig, hiddenSize: tinyConfig.hiddenSize * 2 };
  it.each<[string, () => Promise<Files>, RegExp]>([
    [
      'of another base by its shapes',
      () => adapterFiles('permix-tiny', { config: larger }),
      /^adapter_model\.safetensors of some\/adapters: the tensor \S+ is \[2, 64\], rank and base ask for \[2, 32\]/,
    ],
    [
      'whose weights are not safetensors',
      async () => ({
        'adapter_config.json': (await adapterFiles('permix-tiny'))['adapter_config.json']!,
        'adapter_model.bin': new Uint8Array(9),
      }),
      /^There is no adapter_model\.safetensors in some\/adapters\. Add it; adapter_model\.bin is not read/,
    ],
    ['whose numbers are none', async () => noNumber(await adapterFiles('permix-tiny')), /number \d+ of the tensor \S+lora_\S+ is NaN/],
  ])('%s are refused in a sentence, and leave nothing', async (_what, files, said) => {
    hub = await hubServer(await files());
    const { session } = await open();
    expect(await failure(session.fetchPolicy(wanted(), silent))).toMatch(said);
    expect(readdirSync(root)).toEqual([]);
    expect([await storage.policies(), await storage.unfinishedPolicies()]).toEqual([[], []]);
  });
});
