/**
 * A persona library that is being edited: its history, what is wrong with it, the prompt of the persona that is looked at, and the draft that
 * follows every change into storage. What it looks like is `ui/personas/`; where drafts come from is `persona-libraries.svelte.ts`.
 */
import { errorSentence } from '../errors.ts';
import { added, changed, duplicated, faultsOf, removed, type Edited, type PersonaChange } from '../persona/edit.ts';
import type { OwnLibrary } from '../persona/library-names.ts';
import type { Persona } from '../persona/persona.ts';
import type { TemplateAsking } from '../rl/asking.ts';
import type { LibraryDraft } from '../storage/libraries.ts';
import type { TrainerApi } from '../worker/api.ts';
import type { PromptLook } from '../worker/libraries-api.ts';
import { History } from './history.svelte.ts';

/** Whose prompt is shown, and to which question. */
export interface PromptView {
  readonly policy: string;
  /** For the reader. */
  readonly policyName: string;
  readonly asking: TemplateAsking;
  /** Under the question; empty: nothing. */
  readonly instruction: string;
  readonly question: string;
  /** Kept free for the reply, in tokens. */
  readonly maxNewTokens: number;
}

type Begins = Pick<LibraryDraft, 'of' | 'name' | 'library'> & Partial<LibraryDraft>;

const longestName = 120;

export class PersonaEditor {
  readonly id: string;
  readonly of: string | null;
  readonly history: History<Edited>;
  question = $state('');
  prompt = $state.raw<PromptLook | null>(null);
  /** Why there is no prompt. */
  promptProblem = $state<string | null>(null);
  /** When the draft was kept; null: nothing was changed yet. */
  draftedAt = $state<number | null>(null);
  problem = $state<string | null>(null);
  saving = $state(false);
  readonly faults = $derived.by(() => faultsOf(this.history.now.library));
  #writing: Promise<void> | null = null;
  #again = false;

  constructor(
    private readonly api: () => TrainerApi,
    { id = newId(), of, name, library, at = 0, changed: when }: Begins,
    readonly view: PromptView,
    private readonly taken: () => readonly string[],
    private readonly onChange: (id: string) => void,
  ) {
    [this.id, this.of, this.question] = [id, of, view.question];
    this.history = new History({ name, library, at: Math.min(at, Math.max(0, library.personas.length - 1)) });
    if (when !== undefined) {
      this.draftedAt = when;
      onChange(id);
    }
  }

  get name(): string {
    return this.history.now.name;
  }

  get personas(): readonly Persona[] {
    return this.history.now.library.personas;
  }

  get at(): number {
    return this.history.now.at;
  }

  get persona(): Persona | null {
    return this.personas[this.at] ?? null;
  }

  /** What is wrong with its name, a sentence; null: nothing. */
  get nameFault(): string | null {
    const name = this.name.trim();
    if (name === '') return 'The library needs a name.';
    if (name.length > longestName) return `A name has at most ${longestName} characters; this one has ${name.length}.`;
    return name !== this.of && this.taken().includes(name) ? `There are personas called ${name} already.` : null;
  }

  /** What keeps it from being saved, a sentence; null: nothing. */
  get obstacle(): string | null {
    if (this.nameFault) return this.nameFault;
    if (this.personas.length === 0) return 'There is no persona in it yet.';
    const { size } = this.faults;
    return size === 0 ? null : `${size} ${size === 1 ? 'persona has' : 'personas have'} something to mend.`;
  }

  choose(at: number): void {
    if (at >= 0 && at < this.personas.length) this.history.look({ ...this.history.now, at });
  }

  rename(name: string): void {
    this.#change({ ...this.history.now, name }, 'name');
  }

  add(): void {
    this.#change(added(this.history.now));
  }

  duplicate(): void {
    this.#change(duplicated(this.history.now));
  }

  remove(): void {
    this.#change(removed(this.history.now));
  }

  change(change: PersonaChange): void {
    this.#change(changed(this.history.now, change), `${this.at} ${Object.keys(change).join()}`);
  }

  undo(): void {
    this.history.undo();
    this.#write();
  }

  redo(): void {
    this.history.redo();
    this.#write();
  }

  /** The prompt of the persona that is looked at; of none, that of nobody. */
  async look(): Promise<void> {
    const { policy, asking, instruction, maxNewTokens } = this.view;
    const [persona, question] = [this.persona, this.question];
    const text = instruction === '' ? question : `${question}\n${instruction}`;
    try {
      const prompt = await this.api().lookAtPrompt(
        policy,
        persona?.text ?? null,
        text,
        maxNewTokens,
        $state.snapshot(asking) as TemplateAsking,
      );
      if (persona === this.persona && question === this.question) [this.prompt, this.promptProblem] = [prompt, null];
    } catch (error) {
      [this.prompt, this.promptProblem] = [null, errorSentence(error)];
    }
  }

  /** Resolves when the draft is in storage as it is now. */
  async written(): Promise<void> {
    while (this.#writing) await this.#writing;
  }

  /** Null where it could not be kept; `problem` says why. */
  async save(): Promise<OwnLibrary | null> {
    if (this.obstacle || this.saving) return null;
    [this.saving, this.problem] = [true, null];
    await this.written();
    const { name, library } = this.history.now;
    // Whoever has no name is called by the id.
    const personas = library.personas.map((one) => ({ ...one, name: one.name.trim() === '' ? one.id : one.name }));
    try {
      const facts = await this.api().keepLibrary({ ...library, personas, name: name.trim() }, { of: this.of, draft: this.id });
      return await this.api().ownLibrary(facts.name);
    } catch (error) {
      this.problem = errorSentence(error);
      return null;
    } finally {
      this.saving = false;
    }
  }

  #change(next: Edited, what: string | null = null): void {
    if (this.saving) return;
    this.history.change(next, what);
    this.#write();
  }

  /** One write at a time, the newest state last. */
  #write(): void {
    this.onChange(this.id);
    this.#again = true;
    this.#writing ??= this.#writeAll();
  }

  async #writeAll(): Promise<void> {
    while (this.#again) {
      this.#again = false;
      const { name, library, at } = this.history.now;
      const draft: LibraryDraft = { id: this.id, of: this.of, name, library, at, changed: Date.now() };
      try {
        await this.api().saveLibraryDraft(draft);
        [this.draftedAt, this.problem] = [draft.changed, null];
      } catch (error) {
        this.problem = errorSentence(error);
      }
    }
    this.#writing = null;
  }
}

/** No two tabs begin a draft in the same moment with the same number. */
const newId = (): string => `draft-${Date.now().toString(36)}-${Math.floor(Math.random() * 0x7fffffff).toString(36)}`;
