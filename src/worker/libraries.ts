/** Persona libraries of the reader's own, kept in the browser's storage by name, each with the hash of its file; and those that are being edited. */
import { LabError } from '../errors.ts';
import { ownLibrary } from '../persona/libraries.ts';
import type { OwnLibrary } from '../persona/library-names.ts';
import { renderPrompt } from '../persona/prompt.ts';
import { personaJson } from '../persona/write.ts';
import { sha256 } from '../policy/sha256.ts';
import type { TemplateAsking } from '../rl/asking.ts';
import type { LibraryDraft, LibraryEnd, LibraryFacts, LibraryStore } from '../storage/libraries.ts';
import type { LabStorage } from '../storage/storage.ts';
import type { Bench } from './bench.ts';
import type { LibrariesApi, PromptLook } from './libraries-api.ts';
import { checkedName, shortName } from './names.ts';

interface LibraryTools {
  opened(): Promise<{ readonly storage: Pick<LabStorage, 'libraries'> }>;
  bench(): Pick<Bench, 'tokenizer'>;
}

export class Libraries implements LibrariesApi {
  constructor(private readonly tools: LibraryTools) {}

  async #store(): Promise<LibraryStore> {
    return (await this.tools.opened()).storage.libraries;
  }

  async libraries(): Promise<readonly LibraryFacts[]> {
    return (await (await this.#store()).all()).map(({ file: _, ...facts }) => facts);
  }

  /** @throws LabError 'storage' for one that is not here, or whose bytes are not what they were */
  async ownLibrary(name: string): Promise<OwnLibrary> {
    const record = (await (await this.#store()).all()).find((one) => one.name === name);
    if (!record) throw new LabError('storage', `There are no personas ${name} in this browser.`, 'Add their file again.');
    const text = await record.file.text();
    if ((await sha256(text)) !== record.sha256) {
      throw new LabError('storage', `The browser’s copy of ${name} is not what was kept.`, 'Remove it, and add the file again.');
    }
    return ownLibrary(text, name);
  }

  async knownLibrary(library: OwnLibrary): Promise<string | null> {
    const hash = await sha256(personaJson(library));
    const same = (await this.libraries()).filter((one) => one.sha256 === hash);
    return (same.find(({ name }) => name === library.name) ?? same[0])?.name ?? null;
  }

  /** @throws LabError 'format' for what is no library, 'usage' for a name that is taken, 'storage' where there is no room; nothing is kept then */
  async keepLibrary(library: OwnLibrary, edited?: LibraryEnd): Promise<LibraryFacts> {
    // As it is read back: without the blanks around its words.
    const text = personaJson(ownLibrary(personaJson(library), library.name));
    const [hash, kept] = [await sha256(text), await this.libraries()];
    const wanted = edited ? checkedName(library.name) : shortName(library.name);
    const other = kept.find((one) => one.name === wanted && one.name !== edited?.of);
    if (other?.sha256 === hash && !edited) return other;
    if (other && edited) throw new LabError('usage', `There are personas called ${wanted} already.`, 'Choose another name.');
    const name = other ? shortName(`${wanted} (${hash.slice(0, 6)})`) : wanted;
    const facts: LibraryFacts = { name, sha256: hash, personas: library.personas.length, added: Date.now() };
    await (await this.#store()).save({ ...facts, file: new Blob([text], { type: 'application/json' }) }, edited);
    return facts;
  }

  async removeLibrary(name: string): Promise<void> {
    await (await this.#store()).delete(name);
  }

  async libraryDrafts(): Promise<readonly LibraryDraft[]> {
    return (await this.#store()).drafts();
  }

  async saveLibraryDraft(draft: LibraryDraft): Promise<void> {
    await (await this.#store()).saveDraft(draft);
  }

  async deleteLibraryDraft(id: string): Promise<void> {
    await (await this.#store()).deleteDraft(id);
  }

  async lookAtPrompt(
    policy: string,
    personaText: string | null,
    question: string,
    maxNewTokens: number,
    asking: TemplateAsking,
  ): Promise<PromptLook> {
    const tokenizer = await this.tools.bench().tokenizer(policy, asking);
    const { text, tokens } = renderPrompt(tokenizer, personaText, question, Infinity);
    return { text, tokens: tokens.length, room: tokenizer.maxLength === null ? null : tokenizer.maxLength - maxNewTokens };
  }
}
