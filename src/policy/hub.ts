/**
 * Policies on a hub: any server that lays them out as Hugging Face's does, `BASE/owner/name/resolve/REVISION/FILE`. Only files that a policy
 * has are asked for, and nothing but them; a token goes to the origin of BASE and to no other. Where they are kept is not known here.
 */
import { limitedBody } from '../body.ts';
import { LabError } from '../errors.ts';
import { bytesFile, isWeights, type PolicyFile } from './file.ts';
import { hubTitle, type HubPolicy } from './hub-name.ts';
import { maxTextBytes, type PolicySource } from './source.ts';

export interface HubOptions {
  /** Of the reader, for policies that are not everybody's; kept nowhere. */
  readonly token?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** How long a server may send nothing. */
  readonly patienceMs?: number | undefined;
}

const encoded = (path: string): string => path.split('/').map(encodeURIComponent).join('/');

/** What a file on the hub is called for the reader, and what it lies at. */
export class Hub {
  /** That of all files: one name of a branch may mean another revision a moment later. */
  #commit: string | null = null;

  constructor(
    readonly policy: HubPolicy,
    private readonly options: HubOptions = {},
  ) {
    if (options.token !== undefined && !/^[\x21-\x7e]{1,500}$/.test(options.token))
      throw new LabError('usage', 'The token has blanks or marks that no token has.', 'Copy it again, without what stands around it.');
  }

  /** The commit that the revision was when it was first asked for, where the hub says so. */
  get commit(): string | null {
    return this.#commit;
  }

  /** The rest of it, as the one that was begun with. */
  pin(commit: string | null): void {
    this.#commit = commit;
  }

  title(path: string): string {
    return `${path} of ${hubTitle(this.policy)}`;
  }

  /** A folder as a source that nothing is kept of: for a look at its headers before it is fetched. */
  source(): PolicySource {
    // `local`: what a folder would be asked for is asked for here too, so that both are the same policy.
    return { id: hubTitle(this.policy), local: true, read: (path) => this.#read(path), open: (path) => this.open(path) };
  }

  /**
   * A file from a byte on. @param from what is there already  @param tag of that, so that both belong to one file
   * @returns null where there is no such file; `from` is 0 where the server begins again
   */
  async stream(path: string, from: number, tag: string | null): Promise<HubStream | null> {
    const response = await this.#ask(path, from > 0 ? { range: `bytes=${from}-` } : {});
    if (response.status === 416) {
      await drop(response);
      return from > 0 ? this.stream(path, 0, null) : null;
    }
    if (response.status === 404) {
      await drop(response);
      return null;
    }
    const now = response.headers.get('etag');
    const part = response.status === 206 && from > 0;
    if (part && tag !== now) {
      await drop(response);
      return this.stream(path, 0, null);
    }
    const start = part ? from : 0;
    // Texts may come packed, which a browser hides from a page of another origin: their length is then that of the packing.
    const length = isWeights(path) ? lengthOf(response) : null;
    return { from: start, size: length === null ? null : start + length, tag: now, chunks: () => this.#chunks(path, response) };
  }

  /** By range; from a server that knows none as far as its beginning. Null: there is no such file. */
  async open(path: string): Promise<PolicyFile | null> {
    const response = await this.#ask(path);
    if (response.status === 404) {
      await drop(response);
      return null;
    }
    const size = lengthOf(response);
    if (size === null) return bytesFile(this.title(path), await this.#whole(path, response));
    await drop(response);
    return { name: this.title(path), size, read: (from, to) => this.#range(path, from, to) };
  }

  async #range(path: string, from: number, to: number): Promise<Uint8Array> {
    if (from === to) return new Uint8Array();
    const response = await this.#ask(path, { range: `bytes=${from}-${to - 1}` });
    const skipped = response.status === 206 ? 0 : from;
    if (response.status === 404 || skipped > maxSkipped) {
      await drop(response);
      throw this.#failed(path, response.status === 404 ? 'it is gone' : 'its server sends no parts of it');
    }
    const bytes = new Uint8Array(to - from);
    let at = -skipped;
    for await (const chunk of this.#chunks(path, response)) {
      const rest = at < 0 ? chunk.subarray(Math.min(-at, chunk.length)) : chunk;
      const start = Math.max(0, at);
      bytes.set(rest.subarray(0, Math.max(0, bytes.length - start)), start);
      at += chunk.length;
      if (at >= bytes.length) break;
    }
    if (at < bytes.length) throw this.#failed(path, `its server sent ${Math.max(0, at)} bytes of ${bytes.length}`);
    return bytes;
  }

  async #read(path: string): Promise<Uint8Array | null> {
    const response = await this.#ask(path);
    if (response.status !== 404) return this.#whole(path, response);
    await drop(response);
    return null;
  }

  async #whole(path: string, response: Response): Promise<Uint8Array> {
    const body = new Response(streamOf(this.#chunks(path, response)));
    const bytes = await limitedBody(body, maxTextBytes);
    if (bytes) return bytes;
    throw new LabError('format', `${this.title(path)} has more than ${maxTextBytes / 1e6} MB.`, 'Check that it is the right file.');
  }

  /** The answer for a file: its body, a part of it, or that there is none. @throws LabError `network` for every other */
  async #ask(path: string, headers: Record<string, string> = {}): Promise<Response> {
    const { base, name, revision } = this.policy;
    const url = `${base}/${encoded(name)}/resolve/${encodeURIComponent(this.#commit ?? revision)}/${encoded(path)}`;
    const { token } = this.options;
    // On the way to another origin a browser takes it off by itself.
    const authorization: Record<string, string> = token ? { authorization: `Bearer ${token}` } : {};
    const { signal, done } = this.#patience();
    let response: Response;
    try {
      response = await fetch(url, {
        headers: { ...headers, ...authorization },
        signal,
        credentials: 'omit',
        // What is kept lies in a folder; a second copy of gigabytes in the browser's cache helps nobody.
        cache: 'no-store',
        referrerPolicy: 'no-referrer',
      });
    } catch (cause) {
      throw this.#told(path, cause);
    } finally {
      done();
    }
    const refusal = this.#refusal(path, response);
    if (!refusal) {
      this.#commit ??= /^[0-9a-f]{40}$/.exec(response.headers.get('x-repo-commit') ?? '')?.[0] ?? null;
      return response;
    }
    await drop(response);
    throw refusal;
  }

  #refusal(path: string, response: Response): LabError | null {
    const { status, headers } = response;
    const hub = new URL(this.policy.base).host;
    const { token } = this.options;
    if (status === 401) {
      return new LabError(
        'network',
        `${hub} asks who wants ${this.title(path)} (it answered 401).`,
        token
          ? 'It does not know the token: copy it again, and check that it may read.'
          : 'Check the name; if it is right, the policy is private or gated: type a token of yours that may read it.',
      );
    }
    if (status === 403) {
      return new LabError(
        'network',
        `${hub} does not give ${this.title(path)} to you (it answered 403).`,
        token
          ? 'Accept the conditions of the policy on its page at the hub, and use a token that may read gated policies.'
          : 'The policy is gated: accept its conditions on its page at the hub, then type a token of yours.',
      );
    }
    if (status === 429) {
      const wait = /^\d{1,5}$/.exec(headers.get('retry-after') ?? '')?.[0];
      const when = wait ? `in ${wait} seconds` : 'in some minutes';
      return new LabError('network', `${hub} wants fewer requests for now (it answered 429).`, `Go on ${when}; what has arrived is kept.`);
    }
    if (status === 404) return /^(Repo|Revision)NotFound$/.test(headers.get('x-error-code') ?? '') ? this.#nothing(headers) : null;
    if (!response.ok && status !== 416) return this.#failed(path, `the hub answered ${status}`);
    if (response.ok && headers.get('content-type')?.startsWith('text/html'))
      return new LabError(
        'network',
        `${hub} answered with a web page instead of ${this.title(path)}.`,
        'Check the address of the hub; behind a sign-in of your network, sign in first.',
      );
    return null;
  }

  #nothing(headers: Headers): LabError {
    const revision = headers.get('x-error-code') === 'RevisionNotFound';
    const what = revision ? `${this.policy.name} has no revision “${this.policy.revision}”` : `There is no policy ${this.policy.name}`;
    return new LabError('network', `${what} at ${new URL(this.policy.base).host}.`, 'Check the name and the revision.');
  }

  async *#chunks(path: string, response: Response): AsyncGenerator<Uint8Array> {
    const reader = response.body?.getReader();
    let whole = false;
    try {
      while (reader) {
        const { signal, done } = this.#patience();
        const given = new Promise<never>((_, reject) =>
          signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true }),
        );
        given.catch(() => undefined);
        try {
          if (signal.aborted) throw signal.reason;
          const { done: end, value } = await Promise.race([reader.read(), given]);
          if (end) {
            whole = true;
            return;
          }
          yield value;
        } finally {
          done();
        }
      }
    } catch (cause) {
      throw this.#told(path, cause);
    } finally {
      if (!whole) await reader?.cancel().catch(() => undefined);
    }
  }

  /** A signal of the reader's that also ends a silence. */
  #patience(): { readonly signal: AbortSignal; done(): void } {
    const { signal: given, patienceMs = usualPatienceMs } = this.options;
    const own = new AbortController();
    const timer = setTimeout(() => own.abort(new Silence(`it sent nothing for ${Math.round(patienceMs / 1000)} seconds`)), patienceMs);
    const stop = () => own.abort(given?.reason);
    if (given?.aborted) stop();
    given?.addEventListener('abort', stop, { once: true });
    return {
      signal: own.signal,
      done() {
        clearTimeout(timer);
        given?.removeEventListener('abort', stop);
      },
    };
  }

  #told(path: string, cause: unknown): LabError {
    if (cause instanceof LabError) return cause;
    if (this.options.signal?.aborted) return new LabError('cancelled', `Fetching ${this.title(path)} was stopped.`, 'It can go on later.');
    return this.#failed(path, cause instanceof Error ? cause.message : String(cause), cause);
  }

  #failed(path: string, reason: string, cause?: unknown): LabError {
    return new LabError(
      'network',
      `${this.title(path)} could not be fetched from ${new URL(this.policy.base).host} (${reason}).`,
      'Check the connection and go on; what has arrived is kept.',
      { cause },
    );
  }
}

export interface HubStream {
  readonly from: number;
  /** Of the whole file; null where the server does not say. */
  readonly size: number | null;
  readonly tag: string | null;
  chunks(): AsyncGenerator<Uint8Array>;
}

class Silence extends Error {}

const usualPatienceMs = 30_000;
/** A header lies at the beginning of its file; to skip more than this is to fetch the file. */
const maxSkipped = 64 * 2 ** 20;

/** What is packed on the way has another length than the file. */
function lengthOf({ headers }: Response): number | null {
  const said = /^\d{1,15}$/.exec(headers.get('content-length') ?? '')?.[0];
  return said === undefined || headers.has('content-encoding') ? null : Number(said);
}

function streamOf(chunks: AsyncGenerator<Uint8Array>): ReadableStream<Uint8Array<ArrayBuffer>> {
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await chunks.next();
      if (done) controller.close();
      else controller.enqueue(value as Uint8Array<ArrayBuffer>);
    },
    cancel: () => void chunks.return(undefined),
  });
}

async function drop(response: Response): Promise<void> {
  await response.body?.cancel().catch(() => undefined);
}
