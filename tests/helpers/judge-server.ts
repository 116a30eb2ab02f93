/** A judge to talk to: a real HTTP server on loopback that speaks the OpenAI chat protocol, well or badly, as the test says. */
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Asked {
  /** Number of the request, from 0. */
  readonly n: number;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: {
    readonly model: string;
    readonly messages: readonly { role: string; content: string }[];
    readonly [key: string]: unknown;
  };
}

/** A text is the judge's reply; a function does with the response what it likes. */
export type Behaviour = (asked: Asked) => string | ((response: ServerResponse) => void) | Promise<string>;

export interface JudgeServer {
  readonly url: string;
  readonly asked: readonly Asked[];
  behave(behaviour: Behaviour): void;
  close(): Promise<void>;
}

export function completion(text: string): string {
  return JSON.stringify({
    id: 'x',
    object: 'chat.completion',
    choices: [{ index: 0, message: { role: 'assistant', content: text }, finish_reason: 'stop' }],
  });
}

export function status(code: number, error: unknown, headers: Record<string, string> = {}): (response: ServerResponse) => void {
  return (response) => void response.writeHead(code, { 'content-type': 'application/json', ...headers }).end(JSON.stringify({ error }));
}

/** @param origins pages that may ask: `*`, or none, as a server without CORS */
export async function judgeServer(
  behaviour: Behaviour,
  { origins = null, port = 0 }: { origins?: '*' | null; port?: number } = {},
): Promise<JudgeServer> {
  const asked: Asked[] = [];
  let behave = behaviour;
  const server = createServer((request, response) => {
    if (origins) {
      response.setHeader('access-control-allow-origin', origins);
      response.setHeader('access-control-allow-headers', 'content-type, authorization');
    }
    if (request.method === 'OPTIONS') return void response.writeHead(origins ? 204 : 403).end();
    let text = '';
    request.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
    request.on('end', () => {
      const one = { n: asked.length, path: request.url ?? '', headers: request.headers, body: JSON.parse(text) as Asked['body'] };
      asked.push(one);
      void (async () => {
        const answer = await behave(one);
        if (typeof answer === 'function') answer(response);
        else if (!response.destroyed) response.writeHead(200, { 'content-type': 'application/json' }).end(completion(answer));
      })();
    });
  });
  await new Promise<void>((done, fail) => server.once('error', fail).listen(port, '127.0.0.1', done));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    behave: (next) => (behave = next),
    close: () =>
      new Promise((done) => {
        server.closeAllConnections();
        server.close(() => done());
      }),
  };
}
