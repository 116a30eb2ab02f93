/**
 * One process at a time in a folder. Node has no lock that the operating system takes back from the dead, so the lock is a file that says
 * who holds it: process, when that began, machine. It is not for many waiters: who finds it taken is told by whom, or asks again for a while.
 *
 * The files are a chain. `lock` names the first holder and a token of its own; whoever takes over from a dead holder puts its file at
 * `lock.<token of the dead one>`, which only one process can do and no other is ever asked to do. The last of the chain holds the folder.
 * (Removing a dead lock and making a new one would let two processes do both in each other's middle.)
 */
import { randomBytes } from 'node:crypto';
import { constants, readFileSync } from 'node:fs';
import { copyFile, link, open, readdir, rm, rmdir } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { LabError, labErrorCode } from '../errors.ts';
import { z } from '../schema.ts';
import { makeFolder, readJson } from './files.ts';

export interface FolderLock {
  release(): Promise<void>;
}

export interface LockOptions {
  /** For a holder that is about to end. */
  readonly waitMs?: number;
  /** What to do instead, for the sentence of the refusal. */
  readonly otherwise: string;
}

const holderShape = z.object({
  pid: z.int().check(z.gt(0)),
  /** Tells the process from a later one with the same number; empty where the system does not say. */
  began: z.string(),
  host: z.string(),
  token: z.string().check(z.regex(/^[0-9a-f]{16}$/)),
  /** ISO time, for the reader. */
  since: z.string(),
});
type Holder = z.infer<typeof holderShape>;

const first = 'lock';
const retryMs = 100;

/** Whether a name in a folder is one of the lock's files. */
export const isLockFile = (name: string): boolean => /^lock(\.[0-9a-f]{16}(\.new)?)?$/.test(name);

/** Creates the folder where there is none. @throws LabError 'usage' naming the process that holds it */
export async function holdFolder(folder: string, { waitMs = 0, otherwise }: LockOptions): Promise<FolderLock> {
  const token = randomBytes(8).toString('hex');
  const mine: Holder = {
    pid: process.pid,
    began: beginningOf(process.pid) ?? '',
    host: hostname(),
    token,
    since: new Date().toISOString(),
  };
  const draft = join(folder, `${first}.${token}.new`);
  const deadline = Date.now() + waitMs;
  let made = await writeDraft(draft, JSON.stringify(mine));
  try {
    for (;;) {
      const { names, last } = await chain(folder);
      if (last && mayLive(last)) {
        if (Date.now() >= deadline) throw taken(folder, last, otherwise);
        await new Promise((done) => setTimeout(done, retryMs));
        continue;
      }
      const place = last ? `${first}.${last.token}` : first;
      const claimed = await claim(draft, join(folder, place));
      // Whoever let go took this draft for a dead one's, or the folder for one made for nothing.
      if (claimed === 'no draft') made = (await writeDraft(draft, JSON.stringify(mine))) || made;
      if (claimed !== true) continue;
      // The chain may have been let go between the look and the claim: then this file hangs on nothing.
      if ((await chain(folder)).last?.token === token) return { release: () => release(folder, [...names, place], token, made) };
      await rm(join(folder, place), { force: true });
    }
  } finally {
    await rm(draft, { force: true });
  }
}

/** Does the work of a command while it holds the folder of its --out, where one is given. */
export async function holdingOut<T>(out: string | undefined, work: () => Promise<T>): Promise<T> {
  if (out === undefined) return work();
  const lock = await holdFolder(resolve(out), { otherwise: 'choose another --out' });
  try {
    return await work();
  } finally {
    await lock.release();
  }
}

/** From its beginning, so that nobody finds a part of it without the rest. */
async function release(folder: string, names: readonly string[], token: string, made: boolean): Promise<void> {
  if ((await chain(folder)).last?.token !== token) return;
  for (const name of names) await rm(join(folder, name), { force: true });
  // Drafts of processes that died while they asked.
  for (const name of await readdir(folder)) {
    if (/^lock\.[0-9a-f]{16}\.new$/.test(name) && !(await maybeLiving(join(folder, name)))) await rm(join(folder, name), { force: true });
  }
  // A folder that was made for nothing.
  if (made) await rmdir(folder).catch(() => {});
}

/** Of a draft. One that says nothing after a second was left by a process that died as it wrote it; a live one would write it again. */
async function maybeLiving(draft: string): Promise<boolean> {
  try {
    const holder = await read(draft);
    return holder !== null && mayLive(holder);
  } catch (error) {
    return labErrorCode(error) !== 'format';
  }
}

async function chain(folder: string): Promise<{ readonly names: string[]; readonly last: Holder | null }> {
  const names: string[] = [];
  let last: Holder | null = null;
  for (let name = first; ; name = `${first}.${last.token}`) {
    const holder = await read(join(folder, name));
    if (!holder) return { names, last };
    names.push(name);
    last = holder;
  }
}

/** Null where there is no such file. */
async function read(file: string): Promise<Holder | null> {
  for (let attempt = 0; ; attempt++) {
    try {
      const holder = holderShape.safeParse(await readJson(file));
      if (holder.success) return holder.data;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
      if (labErrorCode(error) !== 'format') throw error;
    }
    // Where a disk has no hard links, a lock is seen while it is being written.
    if (attempt === 20) throw new LabError('format', `${file} is not a lock of permix.`, 'If no permix works there, delete it.');
    await new Promise((done) => setTimeout(done, 50));
  }
}

/** One process makes the file, whole; all others are told false. */
async function claim(draft: string, place: string): Promise<boolean | 'no draft'> {
  try {
    await link(draft, place);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return false;
    if (code === 'ENOENT') return 'no draft';
  }
  // No hard links here, as on exFAT.
  try {
    await copyFile(draft, place, constants.COPYFILE_EXCL);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** @returns whether its folder was made for it */
async function writeDraft(draft: string, text: string): Promise<boolean> {
  for (let attempt = 0; ; attempt++) {
    const made = await makeFolder(dirname(draft));
    try {
      const handle = await open(draft, 'wx');
      await handle.writeFile(text);
      await handle.sync();
      await handle.close();
      return made;
    } catch (error) {
      // Whoever made the folder for nothing has just taken it away again.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || attempt === 3) throw error;
    }
  }
}

/** Of another machine nothing is known, so its process is taken to be there. */
function mayLive({ pid, began, host }: Holder): boolean {
  if (host !== hostname()) return true;
  const is = beginningOf(pid);
  return is !== null && (is === '' || began === '' || is === began);
}

/** When the process began, as the system counts; null: there is no such process; empty: there is, and no more is known. */
function beginningOf(pid: number): string | null {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return null;
  }
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name in brackets may hold anything; what follows is numbered from 3 in proc(5): the state is 3, the start time 22.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? null : `${boot} ${fields[19]}`;
  } catch {
    return '';
  }
}

function taken(folder: string, { pid, host, since }: Holder, otherwise: string): LabError {
  const here = host === hostname();
  return new LabError(
    'usage',
    `Process ${pid}${here ? '' : ` of the machine ${host}`} has been working in ${folder} since ${since}.`,
    here ? `Wait for it or stop it, or ${otherwise}.` : `Wait for it, or ${otherwise}; if it is no more, delete ${join(folder, first)}.`,
  );
}
