/** What the page can ask about persona libraries of the reader's own. Types only. */
import type { OwnLibrary } from '../persona/library-names.ts';
import type { TemplateAsking } from '../rl/asking.ts';
import type { LibraryDraft, LibraryEnd, LibraryFacts } from '../storage/libraries.ts';

/** A prompt as the policy will read it. */
export interface PromptLook {
  readonly text: string;
  readonly tokens: number;
  /** Tokens there are for it beside the reply; null: no limit is known. */
  readonly room: number | null;
}

export interface LibrariesApi {
  /** Newest first. */
  libraries(): Promise<readonly LibraryFacts[]>;
  /** One that is kept. */
  ownLibrary(name: string): Promise<OwnLibrary>;
  /** Name of a kept one with just these personas; null: there is none. */
  knownLibrary(library: OwnLibrary): Promise<string | null>;
  /**
   * Keeps it in the browser. One that came from files and is called as another is gets a part of its hash into its name.
   * @param edited absent: it came from files
   */
  keepLibrary(library: OwnLibrary, edited?: LibraryEnd): Promise<LibraryFacts>;
  /** Runs and evaluations that were asked under it carry it with them. */
  removeLibrary(name: string): Promise<void>;
  /** Those that are being edited, newest first. */
  libraryDrafts(): Promise<readonly LibraryDraft[]>;
  saveLibraryDraft(draft: LibraryDraft): Promise<void>;
  deleteLibraryDraft(id: string): Promise<void>;
  /** The prompt of a persona, null: of none, and how much room it takes. @param maxNewTokens kept free for the reply; what does not fit is no failure */
  lookAtPrompt(
    policy: string,
    personaText: string | null,
    question: string,
    maxNewTokens: number,
    asking: TemplateAsking,
  ): Promise<PromptLook>;
}
