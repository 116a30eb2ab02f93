/** Policies on a hub, fetched from a real server on loopback that behaves well, badly, or not at all. */
import { afterEach, describe, expect, it } from 'vitest';
import { LabError } from '../../src/errors.ts';
import { Hub, type HubOptions } from '../../src/policy/hub.ts';
import { readHubName } from '../../src/policy/hub-name.ts';
import { loadPolicy } from '../../src/policy/policy.ts';
import { initialWeights, weightsOf } from '../../src/policy/weights.ts';
import { commit, cutOff, hubServer, type HubServer } from '../helpers/hub-server.ts';
import { tinyPolicyFiles } from '../helpers/tiny-folder.ts';
import { tinyConfig } from '../helpers/tiny-policy.ts';

let hub: HubServer | undefined;
afterEach(async () => {
  await hub?.close();
  hub = undefined;
});

async function served(options?: Parameters<typeof hubServer>[1]): Promise<HubServer> {
  return (hub = await hubServer(tinyPolicyFiles(), options));
}
const on = (server: HubServer, options: HubOptions = {}, name = 'some/tiny') => new Hub(readHubName(name, server.url), options);
const sentence = (work: Promise<unknown>) =>
  work.then(
    () => 'it worked',
    (error: Error) => error.message,
  );
async function all(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks) parts.push(chunk);
  return new Uint8Array(Buffer.concat(parts));
}

describe('a name of a policy', () => {
  const base = 'https://hub.example';
  it.each([
    ['owner/some-1.5', { name: 'owner/some-1.5', revision: 'main', file: null }],
    [' owner/some@refs/pr/1 ', { name: 'owner/some', revision: 'refs/pr/1', file: null }],
    ['owner/some:Some.Q4_1.gguf', { name: 'owner/some', revision: 'main', file: 'Some.Q4_1.gguf' }],
    ['owner/some@v1:a/Some.gguf', { name: 'owner/some', revision: 'v1', file: 'a/Some.gguf' }],
    ['https://hub.example/owner/some', { name: 'owner/some', revision: 'main', file: null }],
    ['https://hub.example/owner/some/tree/v2', { name: 'owner/some', revision: 'v2', file: null }],
    ['https://hub.example/owner/some/blob/main/Some.gguf?download=true', { name: 'owner/some', revision: 'main', file: 'Some.gguf' }],
    ['https://hub.example/owner/some/blob/main/README.md', { name: 'owner/some', revision: 'main', file: null }],
  ])('%s', (typed, policy) => {
    expect(readHubName(typed, base)).toEqual({ base, ...policy });
  });

  it('at an address of one’s own, below a path', () => {
    expect(readHubName('a/b', 'http://127.0.0.1:8000/hub/').base).toBe('http://127.0.0.1:8000/hub');
    expect(readHubName('http://127.0.0.1:8000/hub/a/b', 'http://127.0.0.1:8000/hub/').name).toBe('a/b');
    expect(readHubName('https://elsewhere.example/a/b', base).base).toBe('https://elsewhere.example');
  });

  it.each([
    '',
    'some',
    'a/b/c',
    '../x',
    'a/..',
    'a/b@../../x',
    'a/b:x.bin',
    'a/b:../x.gguf',
    'https://hub.example/a',
    'https://hub.example/a/b/commits/main',
  ])('“%s” is none', (typed) => expect(() => readHubName(typed, base)).toThrow(/Write owner\/name/));
  it.each(['hub', 'ftp://hub', 'http://me:pw@hub/', 'http://hub/?x'])('and %s no hub', (address) =>
    expect(() => readHubName('a/b', address)).toThrow(/is no address of a hub/),
  );
});

describe('a hub', () => {
  it.each([true, false])('gives a policy by range: %s', async (ranges) => {
    const server = await served({ ranges });
    const one = on(server);
    const { id, weights } = await loadPolicy(one.source());
    expect({ id, weights: await weightsOf(weights), commit: one.commit }).toEqual({
      id: 'some/tiny',
      weights: initialWeights(tinyConfig, 3),
      commit,
    });
    // The branch is asked for once; the rest is of the commit that it was then.
    expect([...new Set(server.requests.map(({ revision }) => revision))]).toEqual(['main', commit]);
    expect(new Set(server.requests.map(({ path }) => path))).toEqual(
      new Set([...Object.keys(tinyPolicyFiles()), 'chat_template.jinja', 'special_tokens_map.json']),
    );
  });

  it('gets the token with every request, and a server that it leads to does not', async () => {
    const server = await served();
    const elsewhere = await hubServer(tinyPolicyFiles());
    server.behave(({ path }, response) => {
      if (path !== 'model.safetensors') return false;
      response.writeHead(302, { location: `${elsewhere.url}/cdn/x/resolve/main/${path}` }).end();
      return true;
    });
    await loadPolicy(on(server, { token: 'hf_secret' }).source());
    expect(server.requests.map(({ headers }) => headers.authorization)).toEqual(server.requests.map(() => 'Bearer hf_secret'));
    expect(elsewhere.requests.length).toBeGreaterThan(0);
    expect(elsewhere.requests.map(({ headers }) => headers.authorization)).toEqual(elsewhere.requests.map(() => undefined));
    await elsewhere.close();
    expect(() => on(server, { token: 'two words' })).toThrow(/^The token has blanks/);
  });

  it('sends the rest of a file, and all of one that was changed meanwhile', async () => {
    const server = await served();
    const bytes = server.files['model.safetensors']!;
    const begun = (await on(server).stream('model.safetensors', 0, null))!;
    expect({ from: begun.from, size: begun.size }).toEqual({ from: 0, size: bytes.length });
    expect(await all(begun.chunks())).toEqual(bytes);
    const rest = (await on(server).stream('model.safetensors', 1000, begun.tag))!;
    expect({ from: rest.from, size: rest.size }).toEqual({ from: 1000, size: bytes.length });
    expect(await all(rest.chunks())).toEqual(bytes.slice(1000));
    server.files = tinyPolicyFiles(4);
    const other = (await on(server).stream('model.safetensors', 1000, begun.tag))!;
    expect(other.from).toBe(0);
    expect(await all(other.chunks())).toEqual(server.files['model.safetensors']);
    expect(await on(server).stream('missing.safetensors', 0, null)).toBeNull();
  });

  it.each<[string, number, Record<string, string>, string | undefined, RegExp]>([
    ['401', 401, {}, undefined, /asks who wants config\.json of some\/tiny \(it answered 401\)\. Check the name; .* type a token/],
    ['401 with a token', 401, {}, 'hf_x', /\(it answered 401\)\. It does not know the token/],
    ['403', 403, {}, undefined, /does not give config\.json of some\/tiny to you \(it answered 403\)\. .* then type a token/],
    ['403 with a token', 403, {}, 'hf_x', /\(it answered 403\)\. Accept the conditions of the policy on its page/],
    [
      '429',
      429,
      { 'retry-after': '17' },
      undefined,
      /wants fewer requests for now \(it answered 429\)\. Go on in 17 seconds; what has arrived is kept/,
    ],
    ['503', 503, {}, undefined, /could not be fetched from 127\.0\.0\.1:\d+ \(the hub answered 503\)\. Check the connection/],
    ['a missing policy', 404, { 'x-error-code': 'RepoNotFound' }, undefined, /^There is no policy some\/tiny at 127/],
    ['a missing revision', 404, { 'x-error-code': 'RevisionNotFound' }, undefined, /^some\/tiny has no revision “main” at 127/],
    ['404', 404, {}, undefined, /^There is no config\.json in some\/tiny\./],
    [
      'a web page',
      200,
      { 'content-type': 'text/html; charset=utf-8' },
      undefined,
      /answered with a web page instead of config\.json of some\/tiny/,
    ],
    [
      'text that is no JSON',
      200,
      { 'content-type': 'text/plain' },
      undefined,
      /^config\.json of some\/tiny, line 1: this is not valid JSON/,
    ],
  ])('that answers %s is told in a sentence, without the token', async (_, status, headers, token, said) => {
    const server = await served();
    server.behave((_asked, response) => {
      response.writeHead(status, headers).end('<html>');
      return true;
    });
    const told = await sentence(loadPolicy(on(server, { token }).source()));
    expect(told).toMatch(said);
    expect(told).not.toContain('hf_x');
  });

  it('that answers nothing, or stops in the middle, is waited for so long and no longer', async () => {
    const server = await served();
    const patient = { patienceMs: 150 };
    server.behave(() => true);
    expect(await sentence(loadPolicy(on(server, patient).source()))).toMatch(/\(it sent nothing for 0 seconds\)\. Check the connection/);
    const bytes = tinyPolicyFiles()['model.safetensors']!;
    for (const [then, why] of [
      ['silence', /it sent nothing for/],
      ['hang up', /could not be fetched from/],
    ] as const) {
      server.behave((_asked, response) => cutOff(bytes, 2000, then)(response));
      const stream = (await on(server, patient).stream('model.safetensors', 0, null))!;
      let arrived = 0;
      const reading = (async () => {
        for await (const chunk of stream.chunks()) arrived += chunk.length;
      })();
      expect(await sentence(reading)).toMatch(why);
      expect(arrived).toBe(2000);
    }
  });

  it('is left alone at once when the reader stops', async () => {
    const server = await served();
    const stop = new AbortController();
    server.behave((_asked, response) => cutOff(tinyPolicyFiles()['model.safetensors']!, 2000, 'silence')(response));
    const stream = (await on(server, { signal: stop.signal }).stream('model.safetensors', 0, null))!;
    const reading = all(stream.chunks()).catch((error: unknown) => error);
    setTimeout(() => stop.abort(), 50);
    const error = await reading;
    expect(error).toBeInstanceOf(LabError);
    expect((error as LabError).code).toBe('cancelled');
  });
});
