/**
 * How a policy comes in: looked at first, its headers, names, shapes and tokenizer, before anything of it is kept; then copied or fetched into a
 * folder, hashed on the way; read once through, so that every number is one; recorded last. What is refused leaves nothing behind; where no room
 * is left the policy works from memory, or from the files that were given, until the page is closed.
 */
import { LabError, labErrorCode } from '../errors.ts';
import { cardName } from '../policy/card.ts';
import { baseName, isGguf, isWeights, type PolicyFile } from '../policy/file.ts';
import type { FolderFiles } from '../policy/folder.ts';
import { givenFolder, type GivenFile, type GivenFolder } from '../policy/given.ts';
import type { Hub } from '../policy/hub.ts';
import { hubTitle, nameAtHub } from '../policy/hub-name.ts';
import { growingSha256, sha256 } from '../policy/sha256.ts';
import type { PolicySource } from '../policy/source.ts';
import { finitePieces } from '../policy/weights.ts';
import { isFull, type MemoryFolders } from '../storage/folders.ts';
import {
  policyId,
  type AdaptersRecord,
  type HubOrigin,
  type PolicyOrigin,
  type PolicyRecord,
  type StoredFile,
  type UnfinishedPolicy,
} from '../storage/policies.ts';
import { estimate } from '../storage/quota.ts';
import { newId } from '../storage/seal.ts';
import { adaptersAmong, adaptersAtHub, baseOf, hubOf, type Base, type Bases } from './base-of-adapters.ts';
import type { PolicyFetch, PolicyPhase, PolicyProgress } from './policies-api.ts';
import { checkedPolicy, look, lookAtAdapters, lookAtHub, lookAtHubAdapters, type Looked } from './look-at-policy.ts';
import { folderFiles, recordedSource, size, storageFigures, type Shelf } from './shelf.ts';
import { nextTask } from './turns.ts';

export interface AddTools {
  readonly bases: Bases;
  /** Null: the browser keeps none. */
  readonly browser: Shelf | null;
  readonly visit: Shelf<MemoryFolders>;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: PolicyProgress) => void;
  /** As in `HubOptions`. */
  readonly patienceMs?: number | undefined;
  /** What says that a folder is being written, so that no other tab sweeps it. Null: another tab writes it. */
  hold(folder: string): Promise<(() => void) | null>;
}

export interface Added {
  readonly record: PolicyRecord;
  readonly shelf: Shelf;
  readonly known: boolean;
  readonly said: string | null;
}

/** Bytes copied at a time. */
const pieceBytes = 2 ** 22;

interface LookedAt extends Looked {
  readonly name: string;
  readonly adapters?: AdaptersRecord;
}

/** @param chosen id of the base; undefined: the one that the file names */
async function lookAtGiven(tools: AddTools, given: GivenFolder, chosen?: string): Promise<LookedAt> {
  const { name, files } = given;
  const coming = await adaptersAmong(given);
  if (!coming) return { name, ...(await look(name, files)) };
  return adaptersOn(await baseOf(tools.bases, coming, chosen), name, files);
}

const draftOf = ({ name, facts, adapters }: LookedAt, kept: Pick<PolicyRecord, 'folder' | 'from' | 'files'>) => ({
  ...{ name, ...kept, facts },
  ...(adapters && { adapters }),
});

/** @throws LabError as `lookAtAdapters` */
async function adaptersOn(base: Base, name: string, files: FolderFiles): Promise<LookedAt> {
  const { lora, ...looked } = await lookAtAdapters(name, files, base.policy);
  return { name: `${name} on ${base.name}`, ...looked, adapters: { base: base.id, baseName: base.name, lora } };
}

/**
 * @param base of adapters, where the reader chose it
 * @throws LabError naming file, place and reason where it is none that could be used here
 */
export async function addGiven(tools: AddTools, given: readonly GivenFile[], base?: string): Promise<Added> {
  const { browser, visit } = tools;
  const told = new Progress(tools);
  told.at('checking', given[0]?.path ?? '');
  const folderGiven = await givenFolder(given);
  const { files } = folderGiven;
  const looked = await lookAtGiven(tools, folderGiven, base);
  const { name } = looked;
  told.total = looked.bytes;
  const folder = newId('policy');
  const from: PolicyOrigin = { kind: 'files', name: folderGiven.name };
  const wanted = new Map([...looked.sizes.keys()].map((path) => [path, files.get(path)!]));
  let full: string | null = null;
  const target = browser && (full = await lacksRoom(looked.bytes)) === null ? browser : null;
  const release = target && (await tools.hold(folder));
  let done = false;
  try {
    const stored: StoredFile[] = [];
    let keeping = target !== null;
    for (const [path, open] of wanted) {
      const file = await open();
      const copied = await copy(tools, told, file, keeping ? { shelf: target!, folder, path } : null);
      if (copied.full) {
        keeping = false;
        full = await storageFigures();
        await target!.folders.remove(folder);
      }
      stored.push({ path, size: file.size, sha256: copied.sha256 });
    }
    const shelf = keeping ? target! : visit;
    if (!keeping) visit.folders.lend(folder, wanted);
    const added = await record(tools, told, shelf, draftOf(looked, { folder, from, files: stored }));
    done = !added.known;
    return {
      ...added,
      said: keeping || added.known || !browser ? null : fullSentence(name, full, 'from the files you gave, which must stay where they are'),
    };
  } finally {
    if (!done) {
      await target?.folders.remove(folder);
      await visit.folders.remove(folder);
    }
    release?.();
  }
}

/**
 * Goes on where an earlier fetching of the same stopped.
 * @param chosen id of the base of adapters, where the reader chose it
 * @throws LabError; what has arrived stays for the next time, but for what is no policy
 */
export async function addFromHub(tools: AddTools, fetch: PolicyFetch, chosen?: string): Promise<Added> {
  const { browser, visit } = tools;
  const told = new Progress(tools);
  const hub = hubOf(fetch, tools);
  const wanted = hub.policy;
  const name = nameAtHub(wanted);
  told.at('checking', hubTitle(wanted));
  const before = await begunBefore(tools, { kind: 'hub', ...wanted, commit: null });
  if (before) hub.pin(before.unfinished.from.commit);
  const coming = await adaptersAtHub(hub);
  const base = coming && (await baseOf(tools.bases, coming, chosen));
  const whole = base ? null : await lookAtHub(name, hub);
  const { sizes, bytes } = whole ?? (await lookAtHubAdapters(hub, base!.policy));
  told.total = bytes;
  const from: HubOrigin = { kind: 'hub', ...wanted, commit: hub.commit };
  const folder = before?.unfinished.folder ?? newId('policy');
  let full: string | null = null;
  let shelf: Shelf = before?.shelf ?? (browser && (full = await lacksRoom(bytes)) === null ? browser : visit);
  const release = await tools.hold(folder);
  if (!release) throw new LabError('usage', `${hubTitle(wanted)} is being fetched in another tab.`, 'Wait for it there.');
  try {
    let unfinished: UnfinishedPolicy = before?.unfinished ?? { folder, begun: Date.now(), from, bytes, files: [] };
    const remember = async (path: string, size: number, tag: string | null): Promise<void> => {
      const others = unfinished.files.filter((one) => one.path !== path);
      unfinished = { ...unfinished, files: [...others, { path, size, tag }] };
      await shelf.records.saveUnfinishedPolicy(unfinished);
    };
    const stored: StoredFile[] = [];
    for (const [path, size] of sizes) {
      const tag = unfinished.files.find((one) => one.path === baseName(path))?.tag ?? null;
      for (;;) {
        try {
          stored.push(await fetchFile(tools, told, hub, { shelf, folder, path, size, tag }, remember));
          break;
        } catch (error) {
          if (!isFull(error) || shelf === visit) throw error;
          full = await storageFigures();
          await moveToMemory(shelf, visit, folder, [...sizes.keys()].map(baseName));
          shelf = visit;
          await shelf.records.saveUnfinishedPolicy(unfinished);
        }
      }
    }
    try {
      const paths = stored.map(({ path }) => path);
      const looked = whole ? { name, ...whole } : await adaptersOn(base!, name, folderFiles(shelf, folder, hubTitle(wanted), paths));
      const added = await record(tools, told, shelf, draftOf(looked, { folder, from, files: stored }));
      if (added.known) await drop(shelf, folder);
      return { ...added, said: shelf !== visit || added.known || !browser ? null : fullSentence(name, full, 'from memory') };
    } catch (error) {
      // What arrived is no policy: to go on with it would end here again.
      if (labErrorCode(error) === 'format' || labErrorCode(error) === 'config') await drop(shelf, folder);
      throw error;
    }
  } finally {
    release();
  }
}

/** All that is left of one that was begun. */
export async function drop({ folders, records }: Shelf, folder: string): Promise<void> {
  await records.deleteUnfinishedPolicy(folder);
  await folders.remove(folder);
}

/** The record goes first: what is left then is swept. */
export async function forget({ folders, records }: Shelf, { id, folder }: PolicyRecord): Promise<void> {
  await records.deletePolicy(id);
  await folders.remove(folder);
}

async function begunBefore(
  { browser, visit }: AddTools,
  from: HubOrigin,
): Promise<{ readonly shelf: Shelf; readonly unfinished: UnfinishedPolicy } | null> {
  const same = (other: HubOrigin) =>
    other.base === from.base && other.name === from.name && other.revision === from.revision && other.file === from.file;
  for (const shelf of browser ? [browser, visit] : [visit]) {
    const unfinished = (await shelf.records.unfinishedPolicies()).find((one) => same(one.from));
    if (unfinished) return { shelf, unfinished };
  }
  return null;
}

/** Why the browser cannot keep so much, in its own figures; null: it can, as far as it says. */
async function lacksRoom(bytes: number): Promise<string | null> {
  const { used, quota } = await estimate();
  return quota > 0 && used + bytes > quota ? `: ${size(used)} of ${size(quota)} are used, and it has ${size(bytes)}` : null;
}

const fullSentence = (name: string, figures: string | null, how: string): string =>
  `This browser has no room to keep ${name}${figures ?? ''}. It can be used until this page is closed, ${how}.`;

interface Place {
  readonly shelf: Shelf;
  readonly folder: string;
  readonly path: string;
}

/** Read once: hashed, and kept where there is a place for it. `full`: that ran out of room in the middle. */
async function copy(
  tools: AddTools,
  told: Progress,
  file: PolicyFile,
  to: Place | null,
): Promise<{ readonly sha256: string; readonly full: boolean }> {
  const hash = await growingSha256();
  let writer = to && (await to.shelf.folders.append(to.folder, to.path).catch(fullOnly));
  let full = to !== null && writer === null;
  try {
    for (let at = 0; at < file.size; at += pieceBytes) {
      refuseStopped(tools, file.name);
      const bytes = await file.read(at, Math.min(file.size, at + pieceBytes));
      hash.update(bytes);
      if (writer && !(await written(writer.write(bytes)))) {
        await writer.close().catch(() => undefined);
        [writer, full] = [null, true];
      }
      told.add(to ? 'keeping' : 'reading', file.name, bytes.length);
      await nextTask();
    }
    if (writer && !(await written(writer.close()))) full = true;
    writer = null;
  } finally {
    await writer?.close().catch(() => undefined);
  }
  return { sha256: hash.digest(), full };
}

function fullOnly(error: unknown): null {
  if (isFull(error)) return null;
  throw error;
}
const written = (work: Promise<void>): Promise<boolean> => work.then(() => true).catch((error: unknown) => fullOnly(error) ?? false);

interface Wanted extends Place {
  readonly size: number;
  readonly tag: string | null;
}

async function fetchFile(
  tools: AddTools,
  told: Progress,
  hub: Hub,
  { shelf, folder, path, size: whole, tag }: Wanted,
  remember: (path: string, size: number, tag: string | null) => Promise<void>,
): Promise<StoredFile> {
  const own = baseName(path);
  const title = hub.title(path);
  const there = isWeights(path) ? await shelf.folders.open(folder, own, title) : null;
  // A file with a length of its own is whole with it; texts are small, and are fetched again.
  const from = there && there.size <= whole ? there.size : 0;
  let hash = await growingSha256();
  if (there && from > 0) await hashBeginning(tools, told, hash, there, from);
  if (from > 0 && from === whole) return { path: own, size: whole, sha256: hash.digest() };
  const stream = await hub.stream(path, from, tag);
  if (!stream || (stream.size !== null && stream.size !== whole)) {
    throw new LabError('network', `${title} was changed at the hub meanwhile.`, 'Fetch the policy again.');
  }
  const writer = await shelf.folders.append(folder, own);
  try {
    if (stream.from === 0) {
      told.add('fetching', title, -from);
      if (from > 0) hash = await growingSha256();
      await writer.restart();
    }
    await remember(own, whole, stream.tag);
    for await (const chunk of stream.chunks()) {
      // What is not written is not hashed: where the room ends, the rest goes on from there.
      await writer.write(chunk);
      hash.update(chunk);
      told.add('fetching', title, chunk.length);
    }
    if (isWeights(path) && writer.size !== whole) {
      throw new LabError('network', `${title} ended after ${writer.size} of ${whole} bytes.`, 'Go on; what has arrived is kept.');
    }
    return { path: own, size: writer.size, sha256: hash.digest() };
  } finally {
    await writer.close();
  }
}

async function hashBeginning(
  tools: AddTools,
  told: Progress,
  hash: { update(bytes: Uint8Array): void },
  file: PolicyFile,
  to: number,
): Promise<void> {
  for (let at = 0; at < to; at += pieceBytes) {
    refuseStopped(tools, file.name);
    const bytes = await file.read(at, Math.min(to, at + pieceBytes));
    hash.update(bytes);
    told.add('reading', file.name, bytes.length);
    await nextTask();
  }
}

/** What has arrived is read back and kept in memory; then nothing of it is left in the browser's storage. */
async function moveToMemory(from: Shelf, to: Shelf, folder: string, paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    const file = await from.folders.open(folder, path, path);
    if (!file) continue;
    const writer = await to.folders.append(folder, path);
    for (let at = 0; at < file.size; at += pieceBytes) await writer.write(await file.read(at, Math.min(file.size, at + pieceBytes)));
    await writer.close();
  }
  await drop(from, folder);
}

/** Written last: until then nothing of it counts. */
async function record(
  tools: AddTools,
  told: Progress,
  shelf: Shelf,
  draft: Omit<PolicyRecord, 'id' | 'added'>,
): Promise<Omit<Added, 'said'>> {
  const hash = await filesHash(draft);
  const id = policyId(draft.name, hash);
  const known = await sameFiles(tools, id);
  const better = known?.shelf.keeping === 'visit' && shelf.keeping === 'browser';
  if (known && !better) return { ...known, known: true };
  const made: PolicyRecord = { ...draft, id, added: Date.now() };
  // Of adapters every number was read when they were looked at.
  if (!made.adapters) await readThrough(tools, told, await recordedSource(shelf, made));
  await shelf.records.savePolicy(made);
  if (known) await forget(known.shelf, known.record);
  return { record: made, shelf, known: false };
}

/** Of what the policy is: neither its card nor what a GGUF file or the base of adapters is called. */
async function filesHash({ files, adapters }: Pick<PolicyRecord, 'files' | 'adapters'>): Promise<string> {
  const lines = files.filter(({ path }) => path !== cardName).map(({ path, sha256 }) => `${isGguf(path) ? 'gguf' : path} ${sha256}`);
  if (adapters) lines.push(`base ${/~[0-9a-f]{12}$/.exec(adapters.base)?.[0] ?? adapters.base}`);
  return sha256(lines.sort().join('\n'));
}

async function sameFiles(
  { browser, visit }: AddTools,
  id: string,
): Promise<{ readonly record: PolicyRecord; readonly shelf: Shelf } | null> {
  const hash = id.slice(id.indexOf('~'));
  for (const shelf of browser ? [browser, visit] : [visit]) {
    const same = (await shelf.records.policies()).find((one) => one.id.endsWith(hash));
    if (!same) continue;
    const there = await recordedSource(shelf, same).then(
      () => true,
      (error: unknown) => labErrorCode(error) === null,
    );
    if (there) return { record: same, shelf };
    // The browser has cleared its files away; its record is of no use.
    await forget(shelf, same);
  }
  return null;
}

/** Every number of it is one. @throws LabError `format` naming tensor and place */
async function readThrough(tools: AddTools, told: Progress, source: PolicySource): Promise<void> {
  const { weights } = await checkedPolicy(source);
  told.again([...weights.values()].reduce((sum, { byteLength }) => sum + byteLength, 0));
  for (const tensor of weights.values()) {
    const count = tensor.shape.reduce((product, n) => product * n, 1);
    for await (const piece of finitePieces(tensor)) {
      refuseStopped(tools, source.id);
      told.add('reading', tensor.name, (tensor.byteLength * piece.length) / count);
      await nextTask();
    }
  }
}

function refuseStopped({ signal }: AddTools, name: string): void {
  if (signal.aborted) throw new LabError('cancelled', `Adding ${name} was stopped.`, 'It can be added again.');
}

const tellMs = 100;

/** How far it is, told not too often. */
class Progress {
  total = 0;
  #done = 0;
  #told = -Infinity;
  #phase: PolicyPhase | null = null;

  constructor(private readonly tools: Pick<AddTools, 'onProgress'>) {}

  at(phase: PolicyPhase, file: string): void {
    this.#phase = phase;
    this.#told = performance.now();
    this.tools.onProgress({ phase, file, done: Math.min(this.#done, this.total), total: this.total });
  }

  add(phase: PolicyPhase, file: string, bytes: number): void {
    this.#done += bytes;
    if (phase !== this.#phase || performance.now() - this.#told >= tellMs) this.at(phase, file);
  }

  /** From the beginning, over another length. */
  again(total: number): void {
    [this.total, this.#done] = [total, 0];
  }
}
