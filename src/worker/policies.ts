/**
 * The policies that can be used here: the one that comes with the page, and the reader's own, in the browser's storage or for this visit. It lists,
 * loads and removes them; how one comes in is `add-policy.ts`. One at a time does.
 */
import type { Adapters } from '../engine/engine.ts';
import { LabError } from '../errors.ts';
import { adaptedSource } from '../policy/adapted.ts';
import type { LoraSpec } from '../policy/adapters.ts';
import type { GivenFile } from '../policy/given.ts';
import { readPeft } from '../policy/peft.ts';
import { loadPolicy, type Policy } from '../policy/policy.ts';
import { suited } from '../rl/suited.ts';
import { defaultsOfSize } from '../rl/policy-defaults.ts';
import { recipes } from '../rl/recipes.ts';
import { MemoryFolders, type FolderStore } from '../storage/folders.ts';
import { MemoryStorage } from '../storage/memory.ts';
import { namesPolicy, readablePolicy, type AdaptersRecord, type PolicyFacts, type PolicyRecord } from '../storage/policies.ts';
import { estimate } from '../storage/quota.ts';
import type { LabStorage } from '../storage/storage.ts';
import { addFromHub, addGiven, drop, forget, type Added, type AddTools } from './add-policy.ts';
import { baseQuestion, type PossibleBase } from './base-of-adapters.ts';
import { bundledPolicy } from './bench.ts';
import type { RunLocks } from './locks.ts';
import { factsOf } from './look-at-policy.ts';
import type { AddedPolicy, BaseQuestion, PolicyFetch, PolicyInfo, PolicyList, PolicyProgress } from './policies-api.ts';
import { recordedSource, type Shelf } from './shelf.ts';

export interface PoliciesSetup {
  /** The one that comes with the page. */
  bundled(): Promise<Policy>;
  storage(): Promise<LabStorage>;
  /** Rejects where the browser gives none; absent: there are none here. */
  readonly openFolders?: (() => Promise<FolderStore>) | undefined;
  readonly locks: RunLocks;
  readonly patienceMs?: number | undefined;
}

interface Shelves {
  readonly browser: Shelf | null;
  readonly visitOnly: string | null;
}

interface Found {
  readonly shelf: Shelf;
  readonly record: PolicyRecord;
}

/** What a run of adapters trains, and begins with. */
export interface AdaptersToTrain {
  /** What they are called. */
  readonly name: string;
  readonly base: string;
  readonly adapters: Adapters;
}

/** As other tabs know that a folder is being written. */
const lockName = (folder: string): string => `folder/${folder}`;

export class Policies {
  readonly #visit: Shelf<MemoryFolders> = { keeping: 'visit', folders: new MemoryFolders(), records: new MemoryStorage() };
  #shelves: Promise<Shelves> | null = null;
  #adding: AbortController | null = null;

  constructor(private readonly setup: PoliciesSetup) {}

  async list(): Promise<PolicyList> {
    const { visitOnly } = await this.#opened();
    const own: PolicyInfo[] = [];
    const unfinished: PolicyList['unfinished'][number][] = [];
    for (const shelf of await this.#all()) {
      own.push(...(await shelf.records.policies()).map((record) => infoOf(shelf, record)));
      for (const one of await shelf.records.unfinishedPolicies()) {
        let arrived = 0;
        for (const { path } of one.files) arrived += (await shelf.folders.open(one.folder, path, path))?.size ?? 0;
        unfinished.push({ ...one, arrived });
      }
    }
    return { policies: [await this.#bundled(), ...own], unfinished, storage: await estimate(), visitOnly };
  }

  /** Whether there is a policy of this id; an own one also where its name was another elsewhere. */
  async has(id: string): Promise<boolean> {
    return id === bundledPolicy.id || (await this.#find(id)) !== null;
  }

  /** For sentences. */
  async nameOf(id: string): Promise<string> {
    return id === bundledPolicy.id ? bundledPolicy.name : ((await this.#find(id))?.record.name ?? readablePolicy(id));
  }

  /** What is missing of it here, a sentence; null: nothing is. */
  async missing(id: string): Promise<string | null> {
    if (id === bundledPolicy.id) return null;
    const record = (await this.#find(id))?.record;
    if (!record) return notHere(id).message;
    return record.adapters && !(await this.has(record.adapters.base)) ? baseGone(record).message : null;
  }

  /** What adapters are; null for a policy that is whole, or not here. */
  async loraOf(id: string): Promise<LoraSpec | null> {
    return (await this.#find(id))?.record.adapters?.lora ?? null;
  }

  /** An own one. @throws LabError 'config' for one that is not here, or whose base is not, 'storage' for one whose files are gone */
  async load(id: string): Promise<Policy> {
    const { shelf, record } = await this.#found(id);
    const source = await recordedSource(shelf, record);
    return { ...(await loadPolicy(record.adapters ? await adaptedSource(await this.#baseOf(record), source) : source)), id };
  }

  /** Null for a policy that is whole. @throws LabError as `load` */
  async adaptersOf(id: string): Promise<AdaptersToTrain | null> {
    const found = await this.#find(id);
    if (!found?.record.adapters) return null;
    const { config, id: base } = await this.#baseOf(found.record);
    const { base: _, baseWeights: __, ...adapters } = await readPeft(await recordedSource(found.shelf, found.record), config);
    return { name: found.record.name, base, adapters };
  }

  /** @param from files, or a policy at a hub */
  baseQuestion(from: readonly GivenFile[] | PolicyFetch): Promise<BaseQuestion | null> {
    const { patienceMs } = this.setup;
    return this.#alone(async (signal) => baseQuestion(await this.#whole(), from, { signal, patienceMs }));
  }

  add(files: readonly GivenFile[], onProgress: (progress: PolicyProgress) => void, base?: string): Promise<AddedPolicy> {
    return this.#one(onProgress, (tools) => addGiven(tools, files, base));
  }

  fetch(wanted: PolicyFetch, onProgress: (progress: PolicyProgress) => void, base?: string): Promise<AddedPolicy> {
    return this.#one(onProgress, (tools) => addFromHub(tools, wanted, base));
  }

  pause(): void {
    this.#adding?.abort();
  }

  async discard(folder: string): Promise<void> {
    const release = await this.setup.locks.hold(lockName(folder));
    if (!release) throw new LabError('usage', 'This policy is being fetched.', 'Pause that first.');
    try {
      for (const shelf of await this.#all()) await drop(shelf, folder);
    } finally {
      release();
    }
  }

  /** Nobody may be using it. @returns its id, and those of the adapters that answer no longer without it */
  async remove(id: string): Promise<readonly string[]> {
    if (id === bundledPolicy.id) throw new LabError('usage', `${bundledPolicy.name} comes with the page.`, 'It cannot be removed.');
    const found = await this.#find(id);
    if (!found) return [];
    await forget(found.shelf, found.record);
    const all = await Promise.all((await this.#all()).map(({ records }) => records.policies()));
    return [id, ...all.flat().flatMap(({ id: one, adapters }) => (adapters && namesPolicy(adapters.base, found.record) ? [one] : []))];
  }

  /** Whether both name one policy. */
  async same(one: string, other: string): Promise<boolean> {
    return one === other || (await this.#find(one))?.record.id === ((await this.#find(other))?.record.id ?? null);
  }

  /** All of them, with their files. */
  async clear(): Promise<void> {
    for (const { folders, records } of await this.#all()) {
      for (const { id } of await records.policies()) await records.deletePolicy(id);
      for (const { folder } of await records.unfinishedPolicies()) await records.deleteUnfinishedPolicy(folder);
      for (const folder of await folders.folders()) await folders.remove(folder);
    }
  }

  #one(onProgress: (progress: PolicyProgress) => void, add: (tools: AddTools) => Promise<Added>): Promise<AddedPolicy> {
    return this.#alone(async (signal) => {
      const { browser } = await this.#opened();
      const { locks, patienceMs } = this.setup;
      const hold = (folder: string) => locks.hold(lockName(folder));
      const bases = { here: await this.#whole(), load: (id: string) => this.#any(id) };
      const { record, shelf, known, said } = await add({ bases, browser, visit: this.#visit, signal, onProgress, patienceMs, hold });
      return { policy: infoOf(shelf, record), known, said };
    });
  }

  /** @param work ends with the signal, which `pause` gives */
  async #alone<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    if (this.#adding) throw new LabError('usage', 'A policy is being added already.', 'Wait for it, or pause it first.');
    const abort = new AbortController();
    this.#adding = abort;
    try {
      return await work(abort.signal);
    } finally {
      this.#adding = null;
    }
  }

  /** What adapters can be of. */
  async #whole(): Promise<readonly PossibleBase[]> {
    const all = await Promise.all((await this.#all()).map(({ records }) => records.policies()));
    return [{ ...bundledPolicy, from: null }, ...all.flat().filter(({ adapters }) => !adapters)];
  }

  #any(id: string): Promise<Policy> {
    return id === bundledPolicy.id ? this.setup.bundled() : this.load(id);
  }

  async #baseOf(record: PolicyRecord): Promise<Policy> {
    const { base } = record.adapters!;
    if (!(await this.has(base))) throw baseGone(record);
    return this.#any((await this.#find(base))?.record.id ?? base);
  }

  async #found(id: string): Promise<Found> {
    const found = await this.#find(id);
    if (!found) throw notHere(id);
    return found;
  }

  async #find(id: string): Promise<Found | null> {
    const found: Found[] = [];
    for (const shelf of await this.#all()) {
      for (const record of await shelf.records.policies()) {
        if (record.id === id) return { shelf, record };
        if (namesPolicy(id, record)) found.push({ shelf, record });
      }
    }
    // Of several by one name none is meant.
    return found.length === 1 ? found[0]! : null;
  }

  async #bundled(): Promise<PolicyInfo> {
    const policy = await this.setup.bundled();
    const bytes = [...policy.weights.values()].reduce((sum, { byteLength }) => sum + byteLength, 0);
    return { ...bundledPolicy, keeping: 'page', from: null, facts: factsOf(policy, bytes, 'Apache-2.0'), adapters: null, recipes: null };
  }

  async #all(): Promise<readonly Shelf[]> {
    const { browser } = await this.#opened();
    return browser ? [browser, this.#visit] : [this.#visit];
  }

  #opened(): Promise<Shelves> {
    return (this.#shelves ??= this.#open());
  }

  async #open(): Promise<Shelves> {
    const { openFolders, storage } = this.setup;
    const records = await storage();
    const until = 'Policies that are added are kept only until this page is closed';
    if (!records.durable || !openFolders) return { browser: null, visitOnly: `${until}, because this browser keeps nothing of it.` };
    try {
      const browser: Shelf = { keeping: 'browser', folders: await openFolders(), records };
      await this.#sweep(browser);
      return { browser, visitOnly: null };
    } catch (error) {
      const why = error instanceof Error && error.message ? ` (${error.message.replace(/\.$/, '')})` : '';
      return { browser: null, visitOnly: `${until}, because this browser gives it no room for files${why}.` };
    }
  }

  /** Folders that no record names, left by a tab that died; one that is being written in another tab is not. */
  async #sweep({ folders, records }: Shelf): Promise<void> {
    const named = [...(await records.policies()), ...(await records.unfinishedPolicies())].map(({ folder }) => folder);
    for (const folder of await folders.folders()) {
      if (named.includes(folder)) continue;
      const release = await this.setup.locks.hold(lockName(folder));
      if (!release) continue;
      // It may have been finished since.
      const finished = (await records.policies()).some((record) => record.folder === folder);
      await (finished ? Promise.resolve() : folders.remove(folder)).finally(release);
    }
  }
}

function infoOf({ keeping }: Shelf, { id, name, from, facts, adapters: own }: PolicyRecord): PolicyInfo {
  const adapters = own ?? null;
  return { id, name, keeping, from, facts, adapters, recipes: ownRecipes(id, facts, adapters), trainedTurns: null };
}

/** Where its size and family have settings of their own (`rl/policy-defaults.ts`), or adapters say what is trained. */
function ownRecipes(policy: string, facts: PolicyFacts, adapters: AdaptersRecord | null): PolicyInfo['recipes'] {
  const defaults = defaultsOfSize(facts);
  if (!defaults && !adapters) return null;
  const own = { policy, ...(adapters && { lora: adapters.lora }) };
  return Object.fromEntries(Object.entries(recipes).map(([name, recipe]) => [name, { ...suited(recipe, defaults), ...own }]));
}

function baseGone({ name, adapters }: PolicyRecord): LabError {
  const { baseName } = adapters!;
  const what = `“${name}” are adapters, and their base, “${baseName}”, is not in this browser.`;
  return new LabError('config', what, 'Add it again under “Which policy?”, or choose another policy.');
}

export function notHere(id: string): LabError {
  return new LabError(
    'config',
    `The policy “${readablePolicy(id)}” is not in this browser.`,
    'Add it under “Which policy?” (fetched from a hub or from files, it is recognised by what is in it), or choose another.',
  );
}
