/** The judge's client against a real server that behaves well and badly: what is sent, what is tried again, what is said about the rest. */
import { afterEach, describe, expect, it } from 'vitest';
import { labErrorCode } from '../../src/errors.ts';
import { completionsUrl, neighbourhood, unreachableFromPage } from '../../src/evaluate/judge/address.ts';
import { JudgeClient, type JudgeOptions } from '../../src/evaluate/judge/client.ts';
import { parseVerdict } from '../../src/evaluate/judge/rubric.ts';
import { judgeServer, status, type Behaviour, type JudgeServer } from '../helpers/judge-server.ts';

const messages = [{ role: 'user', content: 'Is it good?' }] as const;
const secret = 'sk-very-secret-0123456789';
let server: JudgeServer | undefined;
afterEach(async () => {
  await server?.close();
  server = undefined;
});

async function clientOf(behaviour: Behaviour, options: JudgeOptions = {}, key: string | null = secret): Promise<JudgeClient> {
  server = await judgeServer(behaviour);
  return new JudgeClient({ address: server.url, model: 'judge-1', key }, { backoffMs: 1, retries: 3, ...options });
}
const ask = (client: JudgeClient, signal = new AbortController().signal) => client.chat(messages, signal);
async function failure(promise: Promise<unknown>): Promise<Error> {
  const error: unknown = await promise.then(
    () => null,
    (caught: unknown) => caught,
  );
  expect(labErrorCode(error)).not.toBeNull();
  expect((error as Error).message).not.toContain(secret);
  return error as Error;
}

describe('the address', () => {
  it.each([
    ['http://localhost:11434', 'http://localhost:11434/v1/chat/completions'],
    [' http://localhost:11434/ ', 'http://localhost:11434/v1/chat/completions'],
    ['http://localhost:11434/v1', 'http://localhost:11434/v1/chat/completions'],
    ['http://localhost:11434/v1/', 'http://localhost:11434/v1/chat/completions'],
    ['https://host/api/v1/chat/completions', 'https://host/api/v1/chat/completions'],
    ['https://host/v1beta/openai', 'https://host/v1beta/openai/chat/completions'],
  ])('%s is %s', (address, url) => expect(completionsUrl(address)).toBe(url));

  it.each([
    ['', /missing/],
    ['localhost:11434', /does not begin with http/],
    ['ftp://host/v1', /does not begin with http/],
    ['http://', /is not an address/],
    ['https://me:secret@host/v1', /holds a name, a password or a query/],
    ['https://host/v1?key=secret', /holds a name, a password or a query/],
  ])('"%s" is refused', (address, sentence) => {
    expect(() => completionsUrl(address)).toThrow(sentence);
    expect(() => completionsUrl(address)).not.toThrow(/secret/);
  });

  it('tells where it leads', () => {
    const places = {
      loopback: ['http://localhost:1', 'http://127.0.0.1', 'http://[::1]:8080', 'http://a.localhost'],
      local: ['http://192.168.1.4', 'http://10.0.0.1', 'http://172.20.0.1', 'http://box.local', 'http://[fd00::1]'],
      public: ['https://api.example.org', 'http://172.40.0.1', 'http://11.0.0.1', 'https://fdx.example.org'],
    };
    for (const [place, urls] of Object.entries(places)) for (const url of urls) expect([url, neighbourhood(url)]).toEqual([url, place]);
  });

  it('says what keeps a page from it, as far as that can be known', () => {
    const why = (url: string, origin: string, permission: 'granted' | 'prompt' | 'denied' | null) =>
      unreachableFromPage(url, { origin, secure: origin.startsWith('https:'), permission }).message;
    expect(why('http://192.168.1.4:8080/v1', 'https://lab.org', null)).toMatch(/mixed content/);
    expect(why('http://judge.org/v1', 'https://lab.org', 'denied')).toMatch(/mixed content/);
    // Loopback is exempt from mixed content.
    expect(why('http://localhost:11434/v1', 'https://lab.org', null)).toMatch(/OLLAMA_ORIGINS=https:\/\/lab\.org/);
    expect(why('http://localhost:11434/v1', 'https://lab.org', null)).not.toMatch(/mixed|local network/);
    expect(why('http://localhost:11434/v1', 'https://lab.org', 'denied')).toMatch(
      /permission for the local network is blocked.*site settings/,
    );
    expect(why('http://localhost:11434/v1', 'https://lab.org', 'prompt')).toMatch(/not answered with Allow/);
    expect(why('http://localhost:11434/v1', 'http://lab.org', 'denied')).toMatch(/only given to pages that come over https/);
    // A page from this computer needs no permission, whatever the browser says of it.
    for (const permission of ['denied', 'prompt'] as const) {
      expect(why('http://localhost:8080/v1', 'http://127.0.0.1:5173', permission)).not.toMatch(/permission|Allow”|local network/);
    }
    expect(why('http://localhost:8080/v1', 'http://127.0.0.1:5173', null)).toMatch(/--cors-origins/);
    expect(why('https://judge.org/v1', 'https://lab.org', 'denied')).toMatch(
      /not running there or it does not allow requests from https:\/\/lab\.org \(CORS\)/,
    );
  });
});

describe('a judge that behaves', () => {
  it('is asked as OpenAI says, with the key as a bearer token', async () => {
    const client = await clientOf(() => 'Fine.\nScore: 4');
    expect(await ask(client)).toEqual({ text: 'Fine.\nScore: 4', refused: false });
    const [{ path, headers, body }] = server!.asked as [JudgeServer['asked'][number]];
    expect(path).toBe('/v1/chat/completions');
    expect(headers.authorization).toBe(`Bearer ${secret}`);
    expect(body).toEqual({ model: 'judge-1', messages, stream: false, max_tokens: 2048, temperature: 0 });
  });

  it('gets no authorization where there is no key', async () => {
    await ask(await clientOf(() => 'x', {}, ' '));
    expect(server!.asked[0]!.headers.authorization).toBeUndefined();
  });

  it('may answer in parts, or decline', async () => {
    const message =
      (one: object, finish = 'stop') =>
      () =>
      (response: import('node:http').ServerResponse) =>
        void response.end(JSON.stringify({ choices: [{ message: one, finish_reason: finish }] }));
    const client = await clientOf(
      message({
        content: [
          { type: 'text', text: 'Score' },
          { type: 'text', text: ': 2' },
        ],
      }),
    );
    expect(await ask(client)).toEqual({ text: 'Score: 2', refused: false });
    server!.behave(message({ content: null, refusal: 'I will not.' }));
    expect(await ask(client)).toEqual({ text: 'I will not.', refused: true });
    server!.behave(message({ content: '' }, 'content_filter'));
    expect(await ask(client)).toEqual({ text: '', refused: true });
    server!.behave(() => status(400, { message: 'filtered', code: 'content_filter' }));
    expect(await ask(client)).toEqual({ text: 'filtered', refused: true });
  });

  it('may want other names for the limit, and no temperature', async () => {
    const client = await clientOf(({ body }) => {
      if ('max_tokens' in body) return status(400, { message: "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens'." });
      if ('temperature' in body) return status(400, { message: "'temperature' does not support 0 with this model." });
      return 'Score: 3';
    });
    // Two at a time meet the same refusals.
    expect(await Promise.all([ask(client), ask(client)])).toEqual(Array(2).fill({ text: 'Score: 3', refused: false }));
    const before = server!.asked.length;
    await ask(client);
    expect(server!.asked.length).toBe(before + 1);
  });
});

describe('a judge with trouble', () => {
  it.each([429, 500, 503, 408])('is asked again after %d, as often as allowed', async (code) => {
    const client = await clientOf(({ n }) => (n < 2 ? status(code, { message: 'busy' }) : 'Score: 1'));
    expect((await ask(client)).text).toBe('Score: 1');
    server!.behave(() => status(code, { message: `busy, ${secret}` }));
    const error = await failure(ask(client));
    expect(error.message).toMatch(new RegExp(`\\(${code}\\), and still had after 4 attempts.*busy, …`));
    expect(server!.asked.length).toBe(3 + 4);
  });

  it('says itself when to come back', async () => {
    const client = await clientOf(({ n }) => (n === 0 ? status(429, 'slow down', { 'retry-after': '0.2' }) : 'Score: 5'));
    const start = performance.now();
    await ask(client);
    expect(performance.now() - start).toBeGreaterThan(190);
  });

  it('too slow is asked again, then named', async () => {
    const client = await clientOf(() => new Promise<string>(() => {}), { timeoutMs: 40, retries: 1 });
    expect((await failure(ask(client))).message).toMatch(/judge-1 did not answer within 40 ms/);
    expect(server!.asked.length).toBe(2);
  });

  it('that was never there is not waited for; one that was is', async () => {
    const client = await clientOf(() => 'Score: 2', { retries: 2 });
    const { url } = server!;
    const gone = new JudgeClient({ address: 'http://127.0.0.1:9', model: 'm', key: null }, { backoffMs: 10_000 });
    expect((await failure(ask(gone))).message).toMatch(/cannot be reached: (nothing listens there|bad port)/);
    await ask(client);
    server!.behave(({ n }) => (n === 1 ? (response) => void response.destroy() : 'Score: 3'));
    expect((await ask(client)).text).toBe('Score: 3');
    await server!.close();
    server = undefined;
    expect((await failure(ask(client))).message).toMatch(/cannot be reached: nothing listens there\. Check that it runs/);
    expect(url).toMatch(/127/);
  });

  it('is left alone once the reader stops', async () => {
    const client = await clientOf(() => new Promise<string>(() => {}));
    const abort = new AbortController();
    const asking = failure(ask(client, abort.signal));
    setTimeout(() => abort.abort(), 30);
    expect(labErrorCode(await asking)).toBe('cancelled');
    // While it waits for another attempt, too.
    server!.behave(() => status(429, 'busy', { 'retry-after': '30' }));
    const second = new AbortController();
    const waiting = failure(ask(client, second.signal));
    setTimeout(() => second.abort(), 30);
    expect(labErrorCode(await waiting)).toBe('cancelled');
  });
});

/** Pieces of a stream, with a pause before each; `end` closes it, otherwise the connection is cut. */
function streaming(pieces: readonly string[], { pause = 1, end = true }: { pause?: number; end?: boolean } = {}) {
  return (response: import('node:http').ServerResponse) => {
    response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
    void (async () => {
      for (const piece of pieces) {
        await new Promise((done) => setTimeout(done, pause));
        response.write(piece);
      }
      if (end) response.end();
      else response.destroy();
    })();
  };
}
const chunk = (delta: object, finish: string | null = null) =>
  `data: ${JSON.stringify({ object: 'chat.completion.chunk', choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`;
const whole = [
  chunk({ role: 'assistant', content: '' }),
  chunk({ content: 'Fine.\n' }),
  chunk({ content: 'Score: 4' }),
  chunk({}, 'stop'),
  'data: [DONE]\n\n',
];

describe('an answer that comes as a stream', () => {
  it('is asked for, and put together from its pieces wherever they are cut', async () => {
    const client = await clientOf(() => streaming(whole), { stream: true });
    expect(await ask(client)).toEqual({ text: 'Fine.\nScore: 4', refused: false });
    expect(server!.asked[0]!.body).toMatchObject({ stream: true });
    server!.behave(() => streaming([...whole.join('').matchAll(/[\s\S]{1,7}/g)].map(([piece]) => piece)));
    expect((await ask(client)).text).toBe('Fine.\nScore: 4');
    // Comments that keep the connection alive, other line ends, and no mark at the end.
    server!.behave(() => streaming([': ping\r\n\r\n', ...whole.slice(0, 4).map((piece) => piece.replaceAll('\n\n', '\r\n\r\n'))]));
    expect((await ask(client)).text).toBe('Fine.\nScore: 4');
  });

  it('is read where nobody asked for one', async () => {
    expect((await ask(await clientOf(() => streaming(whole)))).text).toBe('Fine.\nScore: 4');
  });

  it('may be slow, as long as it takes less than the limit', async () => {
    const client = await clientOf(() => streaming(whole, { pause: 40 }), { stream: true, timeoutMs: 5000 });
    expect((await ask(client)).text).toBe('Fine.\nScore: 4');
    const hasty = await failure(
      ask(new JudgeClient({ address: server!.url, model: 'judge-1', key: null }, { stream: true, timeoutMs: 60, retries: 0 })),
    );
    expect(hasty.message).toMatch(/did not answer within 60 ms/);
  });

  it.each([
    ['ended too soon', whole.slice(0, 3), true],
    ['cut within an event', [whole[1]!, whole[2]!.slice(0, -9)], true],
    ['cut with its connection', whole.slice(0, 3), false],
    ['of nothing', [], true],
  ])('%s is none: it is asked for again, then named', async (_, pieces, end) => {
    const client = await clientOf(({ n }) => streaming(n === 0 ? pieces : whole, { end }), { stream: true });
    if (end) expect((await ask(client)).text).toBe('Fine.\nScore: 4');
    server!.behave(() => streaming(pieces, { end }));
    expect((await failure(ask(client))).message).toMatch(/judge-1 broke off in the middle of its answer/);
    expect(server!.asked.length).toBeGreaterThanOrEqual(4);
  });

  it('may decline, or be an error', async () => {
    const client = await clientOf(() => streaming([chunk({ refusal: 'No.' }), chunk({}, 'stop')]), { stream: true });
    expect(await ask(client)).toEqual({ text: 'No.', refused: true });
    server!.behave(() => streaming([chunk({ content: 'x' }), chunk({}, 'content_filter')]));
    expect((await ask(client)).refused).toBe(true);
    server!.behave(() => streaming([`data: {"error": {"message": "no room, ${secret}"}}\n\n`]));
    expect((await failure(ask(client))).message).toMatch(/answers with an error: no room, …/);
    server!.behave(() => streaming(['<html>']));
    expect((await failure(ask(client))).message).toMatch(/a stream of something else/);
  });
});

it('an answer that is not streamed and breaks off is asked for again', async () => {
  const half = (response: import('node:http').ServerResponse) => {
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': '500' });
    response.write('{"choices": [');
    setTimeout(() => response.destroy(), 5);
  };
  const client = await clientOf(({ n }) => (n === 0 ? half : 'Score: 1'));
  expect((await ask(client)).text).toBe('Score: 1');
  server!.behave(() => half);
  expect((await failure(ask(client))).message).toMatch(/broke off/);
});

describe('wrong answers have a sentence each', () => {
  const page = (code: number) => () => (response: import('node:http').ServerResponse) =>
    void response.writeHead(code, { 'content-type': 'text/html' }).end('<!doctype html><h1>Welcome</h1>');
  const json = (text: string) => () => (response: import('node:http').ServerResponse) => void response.end(text);
  it.each<[string, Behaviour, RegExp]>([
    ['a web page', page(200), /answers with a web page that is not JSON.*Check the address/],
    ['nonsense', json('hello'), /answers with something that is not JSON/],
    ['no choices', json('{"object":"list","data":[]}'), /JSON without “choices”/],
    ['empty choices', json('{"choices":[]}'), /JSON without “choices”/],
    ['null', json('null'), /JSON without “choices”/],
    ['an error with 200', json('{"error":{"message":"model is loading"}}'), /answers with an error: model is loading/],
    ['401', () => status(401, { message: `Incorrect key ${secret}` }), /does not accept the key \(401\)\. It says: Incorrect key …/],
    ['403', () => status(403, 'forbidden'), /refuses access \(403\)/],
    [
      '404 without a model',
      () => status(404, { message: 'model "judge-1" not found, try pulling it first', code: 'not_found' }),
      /has no model “judge-1” \(404\).*ollama pull/,
    ],
    ['404 elsewhere', page(404), /no chat completion at http.*\(404\).*ends in \/v1/],
    ['a quota', () => status(429, { message: 'x', code: 'insufficient_quota' }), /no quota left/],
    ['400', () => status(400, { message: 'context too long' }), /refuses the request \(400\)\. It says: context too long/],
  ])('%s', async (_name, behaviour, sentence) => {
    const error = await failure(ask(await clientOf(behaviour)));
    expect(error.message).toMatch(sentence);
    expect(labErrorCode(error)).toBe('network');
    expect(server!.asked.length).toBe(1);
  });

  it('a key is missed where none was given', async () => {
    expect((await failure(ask(await clientOf(() => status(401, ''), {}, null)))).message).toMatch(/wants a key, and none was given/);
  });

  it('keys and models that cannot be are refused before anything is sent', () => {
    const make = (model: string, key: string) => () => new JudgeClient({ address: 'http://localhost', model, key });
    expect(make(' ', 'k')).toThrow(/name of the judge’s model is missing/);
    expect(make('m', 'two words')).toThrow(/no key has/);
    expect(make('m', 'two words')).not.toThrow(/two words/);
  });
});

describe('a hostile judge', () => {
  it('sends nothing on to another address', async () => {
    const other = await judgeServer(() => 'Score: 5');
    const client = await clientOf(() => (response) => void response.writeHead(307, { location: `${other.url}/v1/chat/completions` }).end());
    await expect(ask(client)).rejects.toThrow(/sends every question on to another address, http.*that is not followed/);
    expect(other.asked).toEqual([]);
    await other.close();
  });

  it('is read up to a limit', async () => {
    let sent = 0;
    const client = await clientOf(() => (response) => {
      const more = () => {
        if (response.destroyed) return;
        sent += 65536;
        response.write('x'.repeat(65536), more);
      };
      response.writeHead(200, { 'content-type': 'application/json' });
      more();
    });
    await expect(ask(client)).rejects.toThrow(/more than 1048576 bytes/);
    expect(sent).toBeLessThan(64 * 2 ** 20);
  });

  it('gets neither the key nor steering characters into what is kept', async () => {
    const repeated = [secret, encodeURIComponent(secret), btoa(secret), btoa(`Bearer ${secret}`), secret.slice(0, 12)].join(' ');
    const { text } = await ask(await clientOf(() => `\u001b[31mYour key: ${repeated}\u202e\nScore: 4`));
    expect(text).not.toMatch(/[^\P{C}\n]/u);
    expect(text).not.toContain(secret.slice(0, 8));
    expect(text).not.toContain(btoa(secret).slice(0, 8));
    expect(parseVerdict(text)).toBe(4);
    await server!.close();
    const error: unknown = await ask(await clientOf(() => status(401, { message: `\u001b[2J bad key ${repeated}` }))).catch(
      (reason: unknown) => reason,
    );
    expect(String(error)).toMatch(/bad key …/);
    expect(JSON.stringify([String(error), String((error as Error).cause)])).not.toMatch(new RegExp(`${secret.slice(0, 8)}|\\\\u001b`));
  });

  it.each([
    `3${' '.repeat(200_000)}x`,
    `Score${' '.repeat(200_000)}`,
    'score: '.repeat(50_000),
    '<think>'.repeat(50_000),
    `score: ${'1'.repeat(200_000)}`,
  ])('is read in linear time: %.10s…', (text) => {
    const began = performance.now();
    parseVerdict(text);
    expect(performance.now() - began).toBeLessThan(2000);
  });
});
