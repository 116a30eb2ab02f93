/** Persona libraries of the reader's own: those that are kept in the browser, and those that are being edited, of which one may be open. */
import type { PersonaLibrary } from '../persona/file.ts';
import { libraryTitle, mostOwnPersonas, type Library, type OwnLibrary } from '../persona/library-names.ts';
import type { LibraryDraft, LibraryFacts } from '../storage/libraries.ts';
import type { Boot, TrainerApi } from '../worker/api.ts';
import { libraryIn } from './persona-library.ts';
import type { PersonaEditor, PromptView } from './persona-editor.svelte.ts';
import { tabMemory } from './remembered.ts';

/** Who asked for an editor: whose prompts it shows, and who takes what was made. */
export interface EditorGuest {
  readonly view: PromptView;
  readonly choose: (library: Library) => void;
}

const openKey = 'editing';

export class PersonaLibraries {
  /** Newest first. */
  kept = $state.raw<readonly LibraryFacts[]>([]);
  drafts = $state.raw<readonly LibraryDraft[]>([]);
  editor = $state.raw<PersonaEditor | null>(null);
  #guest: EditorGuest | null = null;

  constructor(
    private readonly api: () => TrainerApi,
    private readonly boot: () => Boot | null,
  ) {}

  async refresh(): Promise<void> {
    [this.kept, this.drafts] = [await this.api().libraries(), await this.api().libraryDrafts()];
  }

  /** What this tab was editing when it was reloaded is open again. */
  async begin(guest: EditorGuest): Promise<void> {
    await this.refresh();
    const draft = this.drafts.find(({ id }) => id === tabMemory(openKey));
    if (draft && !this.editor) await this.goOn(draft, guest);
  }

  of(name: string): Promise<OwnLibrary> {
    return this.api().ownLibrary(name);
  }

  /** One that came from files. @returns as it is called here */
  async keep(library: OwnLibrary): Promise<OwnLibrary> {
    const { name } = await this.api().keepLibrary(library);
    await this.refresh();
    return { ...library, name };
  }

  /** Name of a kept one with just these personas. */
  known(library: OwnLibrary): Promise<string | null> {
    return this.api().knownLibrary(library);
  }

  async remove(name: string): Promise<void> {
    await this.api().removeLibrary(name);
    await this.refresh();
  }

  /** Why a library is not opened in the editor, a sentence; null: it can be. */
  tooMany({ personas }: PersonaLibrary): string | null {
    if (personas.length <= mostOwnPersonas) return null;
    const count = (n: number) => n.toLocaleString('en-US');
    return `${count(personas.length)} personas are too many to be edited here; at most ${count(mostOwnPersonas)} are. A part of them: permix personas --count.`;
  }

  /** One that is kept is edited itself, where it is not being edited already; of any other a copy. @param of the name under which it is kept */
  async edit(library: Library, of: string | null, guest: EditorGuest): Promise<void> {
    const begun = of === null ? undefined : this.drafts.find((draft) => draft.of === of);
    if (begun) return this.goOn(begun, guest);
    const { voices, personas, source, licence } = libraryIn(this.boot(), library);
    const about = { ...(source === undefined ? {} : { source }), ...(licence === undefined ? {} : { licence }) };
    await this.#open(
      { of, name: of ?? this.#free(`${libraryTitle(library).replace(/^the /, '')}, copy`), library: { voices, personas, ...about } },
      guest,
    );
  }

  editNew(guest: EditorGuest): Promise<void> {
    return this.#open({ of: null, name: this.#free('My personas'), library: { voices: [], personas: [] } }, guest);
  }

  goOn(draft: LibraryDraft, guest: EditorGuest): Promise<void> {
    return this.#open(draft, guest);
  }

  /** What was changed stays a draft. */
  async leave(): Promise<void> {
    const { editor } = this;
    this.editor = null;
    tabMemory(openKey, '');
    await editor?.written();
    await this.refresh();
  }

  /** Keeps what the editor has, and hands it to whoever asked. False where it cannot be kept; why is said in the editor. */
  async save(): Promise<boolean> {
    const [made, guest] = [await this.editor?.save(), this.#guest];
    if (!made) return false;
    await this.leave();
    guest?.choose(made);
    return true;
  }

  /** @returns brings it back */
  discard(draft: LibraryDraft): { readonly commit: () => Promise<void>; readonly back: () => void } {
    if (this.editor?.id === draft.id) {
      this.editor = null;
      tabMemory(openKey, '');
    }
    const drafts = () => this.drafts.filter(({ id }) => id !== draft.id);
    this.drafts = drafts();
    return {
      commit: () => this.api().deleteLibraryDraft(draft.id),
      back: () => void (this.drafts = [draft, ...drafts()]),
    };
  }

  async #open(begins: Omit<LibraryDraft, 'id' | 'at' | 'changed'> & Partial<LibraryDraft>, guest: EditorGuest): Promise<void> {
    this.#guest = guest;
    const others = () => this.kept.map(({ name }) => name);
    // The page is there before it, and most readers never edit.
    const { PersonaEditor } = await import('./persona-editor.svelte.ts');
    this.editor = new PersonaEditor(this.api, begins, guest.view, others, (id) => tabMemory(openKey, id));
  }

  #free(name: string): string {
    const taken = [...this.kept, ...this.drafts].map((one) => one.name);
    let [free, n] = [name, 2];
    while (taken.includes(free)) free = `${name} ${n++}`;
    return free;
  }
}
