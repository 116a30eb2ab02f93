/**
 * A long piece of work that is kept piece by piece: started, cancelled without loss, continued by its id, listed and deleted. One of a kind
 * runs at a time. What is asked and measured is its subclasses' (`evaluation.ts`, `judge.ts`).
 */
import { LabError } from '../errors.ts';
import { begun, continued, examinationMayDiffer, type Comparison, type Identity, type Origin } from '../run/identity.ts';
import type { EvaluationTools } from './candidates.ts';
import type { ExaminationKind, Examinations } from './examinations.ts';
import { howToGoOn } from './origin.ts';

type Request<K extends ExaminationKind> = Examinations[K]['request'];
export type New<K extends ExaminationKind> = Exclude<Request<K>, { readonly id: string }>;

/** As sentences say it: "An evaluation is under way", "This evaluation". */
export interface JobWords {
  readonly a: string;
  readonly this: string;
  /** What to do instead of going on with something else. */
  readonly again: string;
}

export abstract class Job<K extends ExaminationKind> {
  protected readonly tools: EvaluationTools;
  protected abstract readonly words: JobWords;
  /** The id is empty until it is stored. */
  #running: { id: string; readonly abort: AbortController } | null = null;

  constructor(tools: EvaluationTools) {
    this.tools = tools;
  }

  abstract list(): Promise<readonly Examinations[K]['info'][]>;
  abstract view(id: string): Promise<Examinations[K]['result']>;

  protected abstract read(id: string): Promise<Examinations[K]['record']>;
  protected abstract save(record: Examinations[K]['record']): Promise<void>;
  protected abstract erase(id: string): Promise<void>;
  /** Checks what is asked for; stores nothing. */
  protected abstract plan(request: New<K>): Promise<Examinations[K]['record']>;
  /** What it would be carried out with here and now. @throws LabError 'storage' where one of its policies was deleted */
  protected abstract identity(record: Examinations[K]['record']): Promise<Identity>;
  /** How far it is, in words; null: there is nothing left to do. */
  protected abstract reached(record: Examinations[K]['record']): Promise<string | null>;
  protected abstract carryOut(
    record: Examinations[K]['record'],
    request: Request<K>,
    signal: AbortSignal,
    onUpdate: (update: Examinations[K]['update']) => void,
  ): Promise<Examinations[K]['result']>;

  cancel(): void {
    this.#running?.abort.abort();
  }

  /** A new one, or one that was left unfinished. Resolves with what is stored at its end, also where it was cancelled. */
  async run(request: Request<K>, onUpdate: (update: Examinations[K]['update']) => void): Promise<Examinations[K]['result']> {
    const { a } = this.words;
    if (this.#running) throw new LabError('usage', `${a} is already under way.`, 'Wait for it, or cancel it first.');
    const running = { id: 'id' in request ? request.id : '', abort: new AbortController() };
    this.#running = running;
    try {
      const record = 'id' in request ? await this.#reopen(request) : await this.#create(request as New<K>);
      if (!record) return await this.view(running.id);
      running.id = record.id;
      return await this.carryOut(record, request, running.abort.signal, onUpdate);
    } finally {
      this.#running = null;
    }
  }

  async delete(id: string): Promise<void> {
    if (this.#running?.id === id) throw new LabError('usage', `${this.words.this} is under way.`, 'Cancel it first.');
    await this.erase(id);
  }

  /** What it began with, beside what it would go on with. @throws LabError 'storage' where one of its policies was deleted */
  async compare(id: string): Promise<Comparison> {
    const record = await this.read(id);
    return { origin: record.origin, now: await this.identity(record), mayDiffer: examinationMayDiffer };
  }

  async #create(request: New<K>): Promise<Examinations[K]['record']> {
    const planned = await this.plan(request);
    const record: Examinations[K]['record'] = { ...planned, origin: begun(await this.identity(planned)) };
    await this.save(record);
    return record;
  }

  /** Null: there is nothing left to do. */
  async #reopen({ id, accept = [] }: { readonly id: string; readonly accept?: readonly string[] }) {
    const record = await this.read(id);
    const at = await this.reached(record);
    if (at === null) return null;
    const next = howToGoOn(this.words.again);
    const origin: Origin = continued({ ...(await this.compare(id)), what: this.words.this, accept, at, next });
    const now: Examinations[K]['record'] = { ...record, origin };
    await this.save(now);
    return now;
  }
}
