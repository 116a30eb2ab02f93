/**
 * A judge behind an OpenAI-compatible address: one chat completion at a time, with a time limit, retries and back-off, and a sentence for
 * every way in which it can go wrong. The key is held here, in memory, and appears in no message. What is asked is `rubric.ts`.
 */
import { LabError } from '../../errors.ts';
import { parseJson } from '../../json.ts';
import { completionsUrl, unreachableFromNode } from './address.ts';
import type { Message } from '../../policy/chat-template.ts';
import { readStream } from './event-stream.ts';
import { limitedText, maxBodyBytes, plain, withoutKey } from './words.ts';

export interface JudgeAccess {
  readonly address: string;
  readonly model: string;
  /** Sent as a bearer token; null: none. */
  readonly key: string | null;
}

export interface JudgeOptions {
  /** For one answer. */
  readonly timeoutMs?: number;
  /** Attempts after the first one. */
  readonly retries?: number;
  /** The first wait; it doubles from attempt to attempt. */
  readonly backoffMs?: number;
  /** Of its answer, at most; a judge that says more is cut there. */
  readonly maxTokens?: number;
  /** Asks for the answer piece by piece: a server or a proxy that ends silent connections keeps this one. */
  readonly stream?: boolean;
  /** Says why nothing came back, where somebody knows better than the system. @param reached something did before */
  readonly explain?: (url: string, error: unknown, reached: boolean) => Promise<LabError> | LabError;
}

export interface ChatReply {
  readonly text: string;
  /** The judge declined to judge. */
  readonly refused: boolean;
}

/** A reason of three sentences takes a tenth of it; a model that thinks first takes the rest. */
export const maxReplyTokens = 2048;
const longestWaitMs = 60_000;
/** Every token of a stream comes with some hundred bytes around it. */
const maxStreamBytes = 8 * maxBodyBytes;

/** What a failed attempt means: worth another one, after a while, or not. */
type Outcome = { readonly reply: ChatReply } | { readonly error: LabError; readonly again: boolean; readonly waitMs?: number };

export class JudgeClient {
  readonly url: string;
  readonly model: string;
  readonly #key: string | null;
  readonly #timeoutMs: number;
  readonly #retries: number;
  readonly #backoffMs: number;
  readonly #stream: boolean;
  readonly #maxTokens: number;
  readonly #explain: NonNullable<JudgeOptions['explain']>;
  /** Something came back before: a failed connection is then worth another attempt. */
  #reached = false;
  /** Some models take other names for these, or none. */
  #limitName: 'max_tokens' | 'max_completion_tokens' = 'max_tokens';
  #temperature = true;

  /** @throws LabError 'config' for a wrong address, model or key */
  constructor({ address, model, key }: JudgeAccess, options: JudgeOptions = {}) {
    this.url = completionsUrl(address);
    this.model = model.trim();
    if (this.model === '')
      throw new LabError('config', 'The name of the judge’s model is missing.', 'Give the name that the server knows it by.');
    this.#key = key?.trim() || null;
    if (this.#key && !/^[\x21-\x7e]+$/.test(this.#key)) {
      throw new LabError('config', 'The key has characters that no key has.', 'Copy it again, without spaces.');
    }
    this.#timeoutMs = options.timeoutMs ?? 180_000;
    this.#retries = options.retries ?? 4;
    this.#backoffMs = options.backoffMs ?? 1000;
    this.#stream = options.stream ?? false;
    this.#maxTokens = options.maxTokens ?? maxReplyTokens;
    this.#explain = options.explain ?? unreachableFromNode;
  }

  /** @throws LabError 'network' when it stays away or answers wrongly, 'cancelled' when the signal is aborted */
  async chat(messages: readonly Message[], signal: AbortSignal): Promise<ChatReply> {
    for (let attempt = 0; ; attempt++) {
      const outcome = await this.#attempt(messages, signal);
      if ('reply' in outcome) return outcome.reply;
      if (signal.aborted) throw cancelled();
      if (!outcome.again || attempt >= this.#retries) throw outcome.error;
      await pause(Math.min(longestWaitMs, outcome.waitMs ?? this.#backoffMs * 2 ** attempt), signal);
    }
  }

  async #attempt(messages: readonly Message[], signal: AbortSignal): Promise<Outcome> {
    if (signal.aborted) throw cancelled();
    const abort = new AbortController();
    const stop = () => abort.abort();
    signal.addEventListener('abort', stop);
    const sent = { limit: this.#limitName, temperature: this.#temperature };
    let late = false;
    let answered = false;
    const timer = setTimeout(() => {
      late = true;
      stop();
    }, this.#timeoutMs);
    try {
      const response = await fetch(this.url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...(this.#key ? { authorization: `Bearer ${this.#key}` } : {}) },
        body: JSON.stringify({
          model: this.model,
          messages,
          stream: this.#stream,
          [sent.limit]: this.#maxTokens,
          ...(sent.temperature ? { temperature: 0 } : {}),
        }),
        credentials: 'omit',
        referrerPolicy: 'no-referrer',
        cache: 'no-store',
        // Neither the questions nor the key go to an address that the reader did not give.
        redirect: 'manual',
        signal: abort.signal,
      });
      if (response.type === 'opaqueredirect' || (response.status >= 300 && response.status < 400)) return this.#redirected(response);
      answered = true;
      const streamed = response.ok && /^text\/event-stream\b/i.test(response.headers.get('content-type') ?? '');
      const limit = streamed ? maxStreamBytes : maxBodyBytes;
      const text = await limitedText(response, limit);
      this.#reached = true;
      if (text === null) return this.#wrong(`more than ${limit} bytes`);
      if (streamed) return this.#readStream(text);
      return response.ok ? this.#read(text) : this.#refusal(response, text, sent);
    } catch (error) {
      if (signal.aborted) throw cancelled();
      if (late) {
        const seconds = Math.round(this.#timeoutMs / 1000);
        const what = `The judge ${this.model} did not answer within ${seconds < 1 ? `${this.#timeoutMs} ms` : `${seconds} s`}.`;
        return { error: new LabError('network', what, 'Take a faster judge, or a longer limit.'), again: true };
      }
      if (answered) return this.#brokenOff();
      // Without its cause, which may hold what the server sent.
      const told = await this.#explain(this.url, error, this.#reached);
      return { error: new LabError('network', this.#safe(told.message), ''), again: this.#reached };
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', stop);
    }
  }

  /** A response that says it is one. */
  #read(text: string): Outcome {
    const json = parsed(text);
    if (json === undefined) return this.#wrong(`${/^\s*</.test(text) ? 'a web page' : 'something'} that is not JSON`);
    const said = errorOf(json);
    if (said.message) return this.#wrong(`an error: ${this.#clean(said.message)}`);
    const choice = at(at(json, 'choices'), 0);
    const message = at(choice, 'message');
    if (message === undefined) return this.#wrong('JSON without “choices”');
    const [content, refusal] = [at(message, 'content'), at(message, 'refusal')];
    if (typeof refusal === 'string' && refusal.trim() !== '') return { reply: { text: this.#safe(refusal), refused: true } };
    const parts = Array.isArray(content) ? content.map((part) => at(part, 'text')).filter((part) => typeof part === 'string') : [];
    const reply = typeof content === 'string' ? content : parts.join('');
    return { reply: { text: this.#safe(reply), refused: at(choice, 'finish_reason') === 'content_filter' } };
  }

  #readStream(body: string): Outcome {
    const stream = readStream(body);
    if (!stream) return this.#wrong('a stream of something else');
    if (stream.error !== undefined) return this.#wrong(`an error: ${this.#clean(errorOf(stream.error).message)}`);
    if (!stream.ended) return this.#brokenOff();
    if (stream.refusal.trim() !== '') return { reply: { text: this.#safe(stream.refusal), refused: true } };
    return { reply: { text: this.#safe(stream.text), refused: stream.finish === 'content_filter' } };
  }

  /** Half an answer is none. */
  #brokenOff(): Outcome {
    const what = `The judge ${this.model} broke off in the middle of its answer.`;
    return { error: new LabError('network', what, 'Look at the server, then continue.'), again: true };
  }

  #wrong(what: string): Outcome {
    return {
      error: new LabError(
        'network',
        `${this.url} answers with ${what}, which no OpenAI-compatible server does.`,
        'Check the address: it ends in /v1 or /v1/chat/completions.',
      ),
      again: false,
    };
  }

  #refusal(response: Response, text: string, sent: { readonly limit: string; readonly temperature: boolean }): Outcome {
    const { status } = response;
    const said = errorOf(parsed(text));
    const reason = this.#clean(said.message);
    const detail = reason ? ` It says: ${reason}` : '';
    const fatal = (what: string, next: string) => ({ error: new LabError('network', `${what}${detail}`, next), again: false });
    if (said.code === 'content_filter') return { reply: { text: reason, refused: true } };
    if (status === 401) {
      const given = this.#key ? 'does not accept the key' : 'wants a key, and none was given';
      return fatal(`The judge ${given} (401).`, 'Give the right key; it is kept in memory only.');
    }
    if (status === 403)
      return fatal('The judge refuses access (403).', 'Check the key, what it may do, and from where requests are allowed.');
    if (status === 404 || status === 405) {
      if (/model/i.test(`${reason} ${said.code}`)) {
        return fatal(
          `The judge has no model “${this.model}” (${status}).`,
          'Give a name that the server knows; with Ollama: ollama pull it first.',
        );
      }
      return fatal(`There is no chat completion at ${this.url} (${status}).`, 'Check the address: it ends in /v1 or /v1/chat/completions.');
    }
    if (status === 429 && /quota|billing|credit/i.test(`${reason} ${said.code}`)) {
      return fatal('The account of the judge has no quota left (429).', 'Look at the account, then continue.');
    }
    if (status === 408 || status === 425 || status === 429 || status >= 500) {
      const busy = status === 429 ? 'has too many requests' : status >= 500 ? 'has trouble of its own' : 'was too slow';
      const wait = retryAfter(response.headers.get('retry-after'));
      const error = new LabError(
        'network',
        `The judge ${busy} (${status}), and still had after ${this.#retries + 1} attempts.${detail}`,
        'Wait a while, then continue.',
      );
      return { error, again: true, ...(wait === null ? {} : { waitMs: wait }) };
    }
    const refused = fatal(`The judge refuses the request (${status}).`, 'Check address, model and key.');
    const [otherLimit, noTemperature] = [
      sent.limit === 'max_tokens' && /max_tokens/.test(reason),
      sent.temperature && /temperature/.test(reason),
    ];
    if (otherLimit) this.#limitName = 'max_completion_tokens';
    if (noTemperature) this.#temperature = false;
    return otherLimit || noTemperature ? { ...refused, again: true, waitMs: 0 } : refused;
  }

  /** Where to is said, because it may be the right address; it is for the reader to give it. */
  async #redirected(response: Response): Promise<Outcome> {
    await response.body?.cancel().catch(() => undefined);
    const location = this.#clean(response.headers.get('location') ?? '');
    return {
      error: new LabError(
        'network',
        `The judge at ${this.url} sends every question on to another address${location ? `, ${location}` : ''}; that is not followed.`,
        'If you trust that address, give it instead.',
      ),
      again: false,
    };
  }

  /** A server's own words: short, on one line, and never with the key in them. */
  #clean(text: string): string {
    const line = this.#safe(text.slice(0, maxBodyBytes)).replace(/\s+/g, ' ').trim();
    return line.length > 240 ? `${line.slice(0, 240)}…` : line;
  }

  #safe(text: string): string {
    return this.#key ? withoutKey(plain(text), this.#key) : plain(text);
  }
}

function cancelled(): LabError {
  return new LabError('cancelled', 'The judging was stopped.', 'It can be continued.');
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      if (signal.aborted) reject(cancelled());
      else resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done);
  });
}

/** Milliseconds; seconds or a date in the header. */
function retryAfter(header: string | null): number | null {
  if (header === null) return null;
  const seconds = Number(header);
  const ms = header.trim() !== '' && Number.isFinite(seconds) ? seconds * 1000 : Date.parse(header) - Date.now();
  return Number.isFinite(ms) ? Math.max(0, ms) : null;
}

function parsed(text: string): unknown {
  try {
    return parseJson(text, { file: 'answer', anyNumber: true });
  } catch {
    return undefined;
  }
}

/** `{ error: { message, code } }`, and the plain texts that some servers send in its place. */
function errorOf(json: unknown): { readonly message: string; readonly code: string } {
  const error = at(json, 'error') ?? at(json, 'detail');
  const [message, code] = [typeof error === 'string' ? error : at(error, 'message'), at(error, 'code') ?? at(error, 'type')];
  return { message: typeof message === 'string' ? message : '', code: typeof code === 'string' ? code : '' };
}

function at(value: unknown, key: string | number): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string | number, unknown>)[key] : undefined;
}
