/** Questions of the reader's own: looked at, kept in the browser's storage by the hash of their file, and read for the runs that name them. */
import { LabError, type Complaint } from '../errors.ts';
import { checkQuestions, readQuestions } from '../evaluate/question-file.ts';
import type { RunConfig } from '../rl/config.ts';
import type { RunRecord } from '../storage/records.ts';
import type { SetFacts } from '../storage/sets.ts';
import type { LabStorage } from '../storage/storage.ts';
import type { SetFile } from '../tasks/sets/bytes.ts';
import type { Columns } from '../tasks/sets/columns.ts';
import { splitSet } from '../tasks/sets/imported.ts';
import { refuseTooFew, refuseUnusable } from '../tasks/sets/read.ts';
import { usualSplit, type ImportedSet, type ImportedSets, type SetChoice } from '../tasks/source.ts';
import type { SetLook, SetsApi } from './sets-api.ts';

/** Sets that stay in memory between two looks at a run. */
const remembered = 4;

export class Sets implements SetsApi {
  readonly #read = new Map<string, ImportedSet>();
  #reading: AbortController | null = null;

  /** @param training runs that are under way */
  constructor(
    private readonly storage: () => Promise<LabStorage>,
    private readonly training: () => readonly { readonly record: RunRecord }[],
  ) {}

  async sets(): Promise<readonly SetFacts[]> {
    return (await (await this.storage()).sets()).map(({ file: _, ...facts }) => facts);
  }

  /** @throws LabError 'format' for what is no set at all, 'cancelled' */
  lookAtSet(file: File, columns: Columns | null, onProgress: (bytes: number) => void): Promise<SetLook> {
    return this.#alone(async (signal) => {
      const questions: { asked: string; gold: string }[] = [];
      const summary = await checkQuestions(blobSet(file, file.name), {
        ...(columns ? { columns } : {}),
        signal,
        onProgress,
        // What is asked decides the split.
        onQuestion: ({ asked }) => questions.push({ asked, gold: '' }),
      });
      const { train, evaluation } = splitSet({ questions }, usualSplit);
      return { ...summary, split: { train: train.length, evaluation: evaluation.length } };
    });
  }

  /** @throws LabError as `lookAtSet`, and where nothing is left or storage has no room; nothing is kept then */
  async keepSet(file: File, columns: Columns | null, onProgress: (bytes: number) => void): Promise<SetFacts> {
    const look = await this.lookAtSet(file, columns, onProgress);
    refuseUnusable(look, true);
    refuseTooFew(look);
    const { name, sha256, bytes, format, split, questions, rows } = look;
    const choice: SetChoice = { sha256, questions, kind: look.kind!, ...(columns ? { columns } : {}) };
    const facts: SetFacts = { name, sha256, bytes, format, split, choice, leftOut: rows - questions, added: Date.now() };
    await (await this.storage()).saveSet({ ...facts, file: new Blob([file]) });
    return facts;
  }

  async cancelSet(): Promise<void> {
    this.#reading?.abort();
  }

  async removeSet(sha256: string): Promise<void> {
    const using = this.training().find(({ record }) => usesSet(record.config, sha256));
    if (using) throw new LabError('usage', `“${using.record.name}” is being trained on these questions.`, 'Pause it first.');
    await (await this.storage()).deleteSet(sha256);
    this.#read.clear();
  }

  /** Those that a configuration names. @throws LabError 'config' for one that is not here, 'storage' for one whose bytes are not what they were */
  async read({ tasks }: Pick<RunConfig, 'tasks'>): Promise<ImportedSets> {
    const sets: Record<string, ImportedSet> = {};
    for (const { id, set } of tasks) if (set) sets[id] = await this.#setOf(id, set);
    return sets;
  }

  /** What is missing here. */
  async complaints({ tasks }: Pick<RunConfig, 'tasks'>): Promise<readonly Complaint[]> {
    const named = tasks.flatMap(({ id, set }) => (set ? [{ id, set }] : []));
    if (named.length === 0) return [];
    const here = await (await this.storage()).sets();
    return named.flatMap(({ id, set }) =>
      here.some(({ sha256 }) => sha256 === set.sha256) ? [] : [{ field: 'tasks', problem: notHere(id, set).message }],
    );
  }

  async #setOf(id: string, choice: SetChoice): Promise<ImportedSet> {
    const { sha256, columns } = choice;
    const key = JSON.stringify([sha256, columns]);
    const known = this.#read.get(key);
    if (known) return known;
    const record = (await (await this.storage()).sets()).find((one) => one.sha256 === sha256);
    if (!record) throw notHere(id, choice);
    const { set, summary } = await readQuestions(blobSet(record.file, record.name), { ...(columns ? { columns } : {}), skipBroken: true });
    if (summary.sha256 !== sha256) {
      throw new LabError('storage', `The browser’s copy of ${record.name} is not what was kept.`, 'Remove it, and add the file again.');
    }
    if (this.#read.size >= remembered) this.#read.clear();
    this.#read.set(key, set);
    return set;
  }

  async #alone<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    if (this.#reading) throw new LabError('usage', 'A file of questions is being read already.', 'Wait for it, or stop it first.');
    const abort = new AbortController();
    this.#reading = abort;
    try {
      return await work(abort.signal);
    } finally {
      this.#reading = null;
    }
  }
}

const usesSet = ({ tasks }: Pick<RunConfig, 'tasks'>, sha256: string): boolean => tasks.some(({ set }) => set?.sha256 === sha256);

function notHere(id: string, { sha256 }: SetChoice): LabError {
  return new LabError(
    'config',
    `The questions of ${id} are not in this browser (SHA-256 ${sha256.slice(0, 12)}…).`,
    'Add that file again under “What is it asked?”: it is recognised by what is in it.',
  );
}

function blobSet(blob: Blob, name: string): SetFile {
  return {
    name,
    size: blob.size,
    async *bytes() {
      const reader = blob.stream().getReader();
      try {
        for (let next = await reader.read(); !next.done; next = await reader.read()) yield next.value;
      } finally {
        await reader.cancel();
      }
    },
  };
}
