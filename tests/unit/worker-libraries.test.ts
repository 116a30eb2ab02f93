/** Persona libraries of one's own in a session: kept by name and hash, edited with a draft that survives a reload, asked of in a run, removed. */
import 'fake-indexeddb/auto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { OwnLibrary } from '../../src/persona/library-names.ts';
import { libraryOf } from '../../src/persona/libraries.ts';
import { openDatabase, upgrades } from '../../src/storage/database.ts';
import { IndexedStorage } from '../../src/storage/indexed.ts';
import type { LibraryDraft } from '../../src/storage/libraries.ts';
import { MemoryStorage } from '../../src/storage/memory.ts';
import type { LabStorage } from '../../src/storage/storage.ts';
import { PersonaEditor } from '../../src/state/persona-editor.svelte.ts';
import type { TrainerApi } from '../../src/worker/api.ts';
import { SessionProbe, smallRun } from '../helpers/lab-session.ts';

let count = 0;
let name: string;
let storage: IndexedStorage;
beforeEach(async () => {
  name = `libraries-${count++}`;
  storage = new IndexedStorage(await openDatabase(name));
});
afterEach(() => storage.close());

const persona = (id: string, text = `You are ${id}.`) => ({
  id,
  name: id,
  text,
  voice: null,
  trait: null,
  kind: 'neutral' as const,
  heldOut: false,
});
const cooks: OwnLibrary = { name: 'cooks.json', voices: [], personas: [persona('a-cook'), persona('a-baker')] };
const failure = (work: Promise<unknown>) =>
  work.then(
    () => 'it worked',
    (error: Error) => error.message,
  );

async function open(kept: LabStorage = storage) {
  const probe = new SessionProbe(kept);
  await probe.boot('cpu');
  return { probe, session: probe.session, libraries: probe.session.libraries };
}

describe('libraries of one’s own', () => {
  it('are kept once under a name, by what is in them', async () => {
    const { libraries } = await open();
    const facts = await libraries.keepLibrary(cooks);
    expect(facts).toMatchObject({ name: 'cooks.json', personas: 2, sha256: expect.stringMatching(/^[0-9a-f]{64}$/) as string });
    expect(await libraries.keepLibrary(cooks)).toEqual(facts);
    const other = await libraries.keepLibrary({ ...cooks, personas: cooks.personas.slice(1) });
    expect(other.name).toBe(`cooks.json (${other.sha256.slice(0, 6)})`);
    expect(await libraries.ownLibrary('cooks.json')).toEqual(cooks);
    expect(await libraries.knownLibrary({ ...cooks, name: 'as a run calls it' })).toBe('cooks.json');
    expect(await libraries.knownLibrary({ ...cooks, personas: [] })).toBeNull();
    expect((await libraries.libraries()).map((one) => one.name).sort()).toEqual(['cooks.json', other.name]);
    await libraries.removeLibrary('cooks.json');
    expect(await failure(libraries.ownLibrary('cooks.json'))).toMatch(/no personas cooks\.json in this browser/);
  });

  it('are known whatever blanks they were written with, and refused when they are none', async () => {
    const { libraries } = await open();
    const blank = { ...cooks, personas: [persona('a-cook', '  You cook. \n'), persona('a-baker')] };
    await libraries.keepLibrary(blank);
    const kept = await libraries.ownLibrary('cooks.json');
    expect(kept.personas[0]!.text).toBe('You cook.');
    expect(await libraries.knownLibrary(kept)).toBe('cooks.json');
    expect(await failure(libraries.keepLibrary({ ...cooks, name: 'x', personas: [persona('a', ' ')] }))).toMatch(/text.*must not be empty/);
    expect((await libraries.libraries()).length).toBe(1);
  });

  it('whose copy in storage was changed are refused', async () => {
    const { libraries } = await open();
    const facts = await libraries.keepLibrary(cooks);
    await storage.libraries.save({ ...facts, file: new Blob(['{"personas": []}']) });
    expect(await failure(libraries.ownLibrary('cooks.json'))).toMatch(/is not what was kept/);
  });

  it('are trained under', async () => {
    const { probe, session, libraries } = await open();
    await libraries.keepLibrary(cooks);
    const config = {
      ...smallRun,
      steps: 1,
      library: await libraries.ownLibrary('cooks.json'),
      mix: { ...smallRun.mix, noneShare: 0, weights: {} },
    };
    expect(await session.check(config)).toEqual([]);
    const id = await probe.train(config);
    const said = new Set((await session.rollouts(id, 1)).map(({ personaId }) => personaId));
    expect([...said].every((one) => one === 'a-cook' || one === 'a-baker')).toBe(true);
  });

  it('are there where nothing can be stored, and came later than older databases', async () => {
    const { libraries } = await open(new MemoryStorage());
    await libraries.keepLibrary(cooks);
    expect(await libraries.ownLibrary('cooks.json')).toEqual(cooks);
    const older = await openDatabase(`${name}-older`, upgrades.slice(0, 6));
    older.close();
    const newer = new IndexedStorage(await openDatabase(`${name}-older`));
    expect(await newer.libraries.all()).toEqual([]);
    newer.close();
  });

  it('show the prompt as the policy will read it, and say how much room there is', async () => {
    const { libraries } = await open();
    const look = await libraries.lookAtPrompt('permix-tiny', 'You are a cook.', 'Which?', 8, {});
    expect(look.text).toContain('You are a cook.');
    const longer = await libraries.lookAtPrompt('permix-tiny', 'You are a cook. '.repeat(40), 'Which?', 8, {});
    expect(longer.tokens).toBeGreaterThan(look.tokens);
    expect(longer.room).toBe(look.room);
    expect((await libraries.lookAtPrompt('permix-tiny', null, 'Which?', 8, {})).text).not.toContain('cook');
    expect(await failure(libraries.lookAtPrompt('permix-tiny', 'x'.repeat(4001), 'Which?', 8, {}))).toMatch(/4,001 characters/);
  });
});

describe('the editor', () => {
  const view = { policy: 'permix-tiny', policyName: 'tiny', asking: {}, instruction: 'Be short.', question: 'Which?', maxNewTokens: 8 };
  const edited = async (begins: Pick<LibraryDraft, 'of' | 'name' | 'library'> & Partial<LibraryDraft>) => {
    const { libraries } = await open();
    const taken = (await libraries.libraries()).map((one) => one.name);
    const api = libraries as unknown as TrainerApi;
    return {
      libraries,
      editor: new PersonaEditor(
        () => api,
        begins,
        view,
        () => taken,
        () => {},
      ),
    };
  };

  it('keeps every change as a draft, which goes when the library is saved', async () => {
    const { libraries, editor } = await edited({ of: null, name: 'mine', library: libraryOf('world') });
    expect(await libraries.libraryDrafts()).toEqual([]);
    editor.add();
    editor.change({ text: '' });
    await editor.written();
    expect(editor.obstacle).toBe('1 persona has something to mend.');
    expect(await editor.save()).toBeNull();
    const [draft] = await libraries.libraryDrafts();
    expect(draft).toMatchObject({ name: 'mine', at: 1, library: { personas: { length: 41 } } });

    // As after a reload.
    const again = (await edited(draft!)).editor;
    expect([again.at, again.persona?.text]).toEqual([1, '']);
    again.change({ text: 'You are a cook.', name: '' });
    const saved = await again.save();
    expect(saved?.personas[1]).toMatchObject({ text: 'You are a cook.', name: again.persona!.id });
    expect(await libraries.libraryDrafts()).toEqual([]);
    expect((await libraries.libraries()).map((one) => one.name)).toEqual(['mine']);
  });

  it('puts what is saved in the place of what was edited, and takes no other’s name', async () => {
    const first = (await open()).libraries;
    await first.keepLibrary(cooks);
    await first.keepLibrary({ ...cooks, name: 'others' });
    const { libraries, editor } = await edited({ of: 'cooks.json', name: 'cooks.json', library: cooks });
    editor.remove();
    editor.rename('others');
    expect(editor.nameFault).toMatch(/called others already/);
    editor.rename('bakers');
    expect((await editor.save())?.personas.map(({ id }) => id)).toEqual(['a-baker']);
    expect((await libraries.libraries()).map((one) => one.name).sort()).toEqual(['bakers', 'others']);
    const another = { of: null, draft: 'x' };
    expect(await failure(libraries.keepLibrary({ ...cooks, name: 'others' }, another))).toMatch(/called others already/);
  });

  it('shows the prompt of the persona that is looked at, with what stands under every question', async () => {
    const { editor } = await edited({ of: null, name: 'mine', library: cooks });
    await editor.look();
    expect(editor.prompt?.text).toMatch(/You are a-cook\.[^]*Which\?\nBe short\./);
    editor.choose(1);
    editor.question = 'What?';
    await editor.look();
    expect(editor.prompt?.text).toMatch(/You are a-baker\.[^]*What\?\nBe short\./);
    editor.change({ text: 'x'.repeat(4001) });
    await editor.look();
    expect([editor.prompt, editor.promptProblem]).toEqual([null, expect.stringMatching(/4,001 characters/)]);
  });
});
