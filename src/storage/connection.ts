/**
 * The connection to the database, which a browser may close by itself: to upgrade it for another tab, to clear site data, or because its
 * storage process died. Every operation goes through `use`; one that meets a closed connection is made once more, on a new one.
 */
import { guarded, type LabDatabase } from './database.ts';

export class Connection {
  #database: LabDatabase;
  readonly #reopen: () => Promise<LabDatabase>;
  /** Closed, and not by us; what fails then failed for that. */
  #lost = false;
  #ended = false;
  #reopening: Promise<void> | null = null;

  /** @param reopen another connection to the same database; rejects where there is none to be had */
  constructor(database: LabDatabase, reopen: () => Promise<LabDatabase>) {
    this.#database = database;
    this.#reopen = reopen;
    this.#watch();
  }

  /** Failures are LabErrors `storage`. The operation is one transaction: cut off by a closed connection, it has not happened at all. */
  use<T>(operation: (database: LabDatabase) => Promise<T>): Promise<T> {
    return guarded(async () => {
      try {
        return await operation(this.#database);
      } catch (error) {
        if (this.#ended || !(this.#lost || connectionGone(error))) throw error;
        await this.#again();
        return operation(this.#database);
      }
    });
  }

  close(): void {
    this.#ended = true;
    this.#database.close();
  }

  /** Operations that fail together wait for one new connection. */
  #again(): Promise<void> {
    this.#reopening ??= this.#reopen()
      .then((database) => {
        this.#database.close();
        this.#database = database;
        this.#lost = false;
        this.#watch();
      })
      .finally(() => (this.#reopening = null));
    return this.#reopening;
  }

  #watch(): void {
    const database = this.#database;
    database.addEventListener('close', () => {
      if (database === this.#database) this.#lost = true;
    });
  }
}

/** A transaction on a closed connection is an InvalidStateError; WebKit's storage process, when it dies, is an UnknownError. */
function connectionGone(error: unknown): boolean {
  const { name, message = '' } = (error ?? {}) as Partial<DOMException>;
  return name === 'InvalidStateError' || (name === 'UnknownError' && /connection/i.test(message));
}
