/** A persona library under the reader's hands: the list, what is wrong with it, and every step back and forth again. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { added, changed, duplicated, faultsOf, removed, type Edited } from '../../src/persona/edit.ts';
import { parsePersonas } from '../../src/persona/file.ts';
import { libraryOf } from '../../src/persona/libraries.ts';
import { personaJson } from '../../src/persona/write.ts';
import { History } from '../../src/state/history.svelte.ts';

const empty: Edited = { name: 'mine', library: { voices: [], personas: [] }, at: 0 };
const world: Edited = { name: 'world', library: libraryOf('world'), at: 0 };
const ids = ({ library }: Edited) => library.personas.map(({ id }) => id);

describe('the list', () => {
  it('takes a new one behind the one that is looked at, under an id of its own', () => {
    const one = added(empty);
    expect(ids(one)).toEqual(['new-persona']);
    const two = added(one);
    expect([ids(two), two.at]).toEqual([['new-persona', 'new-persona-2'], 1]);
    const between = added({ ...two, at: 0 });
    expect([ids(between), between.at]).toEqual([['new-persona', 'new-persona-3', 'new-persona-2'], 1]);
  });

  it('copies all of a persona but its id and name', () => {
    const { library, at } = duplicated(world);
    const [first, copy] = library.personas;
    expect(at).toBe(1);
    expect(copy).toEqual({ ...first, id: 'brilliant-professor-copy', name: 'Brilliant professor (copy)' });
    expect(ids(duplicated({ ...empty })).length).toBe(0);
  });

  it('loses one, and looks at the next, or at the last', () => {
    expect(removed(world)).toMatchObject({ at: 0, library: { personas: { length: 39 } } });
    expect(removed({ ...world, at: 39 }).at).toBe(38);
    expect(removed(empty)).toEqual(empty);
  });

  it('gives an id after the name as long as nobody has given another', () => {
    const baker = changed(added(empty), { name: 'A baker' });
    expect(ids(baker)).toEqual(['a-baker']);
    expect(ids(changed(changed(baker, { id: 'oven' }), { name: 'A cook' }))).toEqual(['oven']);
    const twin = changed(added(baker), { name: 'A baker' });
    expect(ids(twin)).toEqual(['a-baker', 'a-baker-2']);
  });

  it('forgets what was expected, and leaves nothing behind', () => {
    const awaited = changed(added(empty), { expected: { order: 'education', rank: 2 } });
    expect(awaited.library.personas[0]).toMatchObject({ expected: { order: 'education', rank: 2 } });
    expect(changed(awaited, { expected: undefined }).library.personas[0]).not.toHaveProperty('expected');
  });
});

describe('what is wrong', () => {
  const faults = (change: Parameters<typeof changed>[1]) => faultsOf(changed({ ...world, at: 1 }, change).library).get(1);

  it('is said at its field', () => {
    expect(faultsOf(world.library).size).toBe(0);
    expect(faults({ text: ' ' })).toEqual({ text: expect.stringMatching(/needs a text/) as string });
    expect(faults({ text: 'x'.repeat(4001) })).toEqual({ text: expect.stringMatching(/4,001 characters/) as string });
    expect(faults({ id: 'brilliant-professor ' })).toEqual({ id: 'Persona 1 has this id, too.' });
    expect(faults({ id: '' })).toEqual({ id: 'A persona needs an id.' });
    expect(faults({ id: 'none' })).toEqual({ id: expect.stringMatching(/no persona/) as string });
    expect(faults({ voice: 'ghost' })).toEqual({ voice: expect.stringMatching(/no voice “ghost”/) as string });
    expect(faults({ expected: { order: ' ', rank: 1 } })).toEqual({ expected: expect.stringMatching(/needs a name/) as string });
    expect(faults({ expected: { order: 'age', rank: NaN } })).toEqual({ expected: expect.stringMatching(/must be a number/) as string });
  });

  it('is exactly what a file with it is refused for', () => {
    const field = fc.constantFrom('', ' ', 'a', 'b', 'none', 'You are a cook.');
    const persona = fc.record({ id: field, text: field, voice: fc.constantFrom(null, 'v', 'w'), heldOut: fc.boolean() });
    fc.assert(
      fc.property(fc.array(persona, { minLength: 1, maxLength: 4 }), (list) => {
        const personas = list.map((one) => ({ ...one, name: 'N', trait: null, kind: 'neutral' as const }));
        const library = { voices: [{ id: 'v', name: 'V', openers: [], closers: [] }], personas };
        const refused = (() => {
          try {
            parsePersonas(personaJson(library), 'x.json');
            return false;
          } catch {
            return true;
          }
        })();
        expect(faultsOf(library).size > 0).toBe(refused);
      }),
    );
  });
});

describe('history', () => {
  it('goes all the way back and all the way forth', () => {
    const act = fc.constantFrom(added, duplicated, removed, (edited: Edited) => changed(edited, { text: 'You are new.' }));
    fc.assert(
      fc.property(fc.array(act, { maxLength: 30 }), (acts) => {
        const history = new History(world);
        const states = [world];
        for (const one of acts) {
          history.change(one(history.now));
          states.push(history.now);
        }
        for (const state of states.slice(0, -1).reverse()) {
          history.undo();
          expect(history.now).toBe(state);
        }
        expect(history.canUndo).toBe(false);
        for (const state of states.slice(1)) {
          history.redo();
          expect(history.now).toBe(state);
        }
        expect(history.canRedo).toBe(false);
      }),
    );
  });

  it('takes what is typed without a pause back as one, and forgets what was undone once something else is done', () => {
    let time = 0;
    const history = new History('', () => time);
    for (const text of ['a', 'ab', 'abc']) history.change(text, 'text');
    time = 2000;
    history.change('abcd', 'text');
    history.change('other', 'name');
    history.undo();
    history.undo();
    expect(history.now).toBe('abc');
    history.change('abx', 'text');
    expect([history.canRedo, history.now]).toEqual([false, 'abx']);
    history.undo();
    history.undo();
    expect([history.now, history.canUndo]).toEqual(['', false]);
    history.look('elsewhere');
    expect(history.canUndo).toBe(false);
  });
});
