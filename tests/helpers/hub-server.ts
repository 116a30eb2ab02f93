/** A hub to fetch from: a real HTTP server on loopback with `/owner/name/resolve/REVISION/FILE`, well or badly behaved, as the test says. */
import { createHash } from 'node:crypto';
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface AskedFile {
  /** `owner/name` */
  readonly policy: string;
  readonly revision: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
}

/** True: it was answered. */
export type HubBehaviour = (asked: AskedFile, response: ServerResponse) => boolean;

export interface HubServer {
  readonly url: string;
  /** All that was asked for, `model.safetensors` or `model.safetensors from 65536`. */
  readonly asked: string[];
  readonly requests: AskedFile[];
  files: Record<string, Uint8Array>;
  behave(behaviour: HubBehaviour): void;
  close(): Promise<void>;
}

export const commit = 'c0ffee'.padEnd(40, '0');

export function answered(response: ServerResponse, status: number, headers: Record<string, string> = {}): true {
  response.writeHead(status, headers).end('<html>');
  return true;
}

/** Sends so much of a body, and then nothing more, or hangs up. */
export function cutOff(bytes: Uint8Array, at: number, then: 'silence' | 'hang up'): (response: ServerResponse) => true {
  return (response) => {
    response.writeHead(200, { 'content-length': bytes.length, 'accept-ranges': 'bytes', etag: etag(bytes) });
    response.write(bytes.subarray(0, at), () => then === 'hang up' && setTimeout(() => response.destroy(), 20));
    return true;
  };
}

const etag = (bytes: Uint8Array): string => `"${createHash('sha256').update(bytes).digest('hex')}"`;

/** @param files of every policy by name  @param ranges false: a server that knows none */
export async function hubServer(files: Record<string, Uint8Array>, { ranges = true }: { ranges?: boolean } = {}): Promise<HubServer> {
  let behave: HubBehaviour = () => false;
  const hub: HubServer = {
    url: '',
    asked: [],
    requests: [],
    files,
    behave: (next) => (behave = next),
    close: () =>
      new Promise((done) => {
        server.closeAllConnections();
        server.close(() => done());
      }),
  };
  const server = createServer((request, response) => {
    response.setHeader('access-control-allow-origin', '*');
    response.setHeader('access-control-allow-headers', 'authorization, range');
    response.setHeader('access-control-expose-headers', 'x-repo-commit, x-error-code, etag, content-range, retry-after');
    if (request.method === 'OPTIONS') return void response.writeHead(204).end();
    const [, owner, name, kind, revision, ...rest] = (request.url ?? '').split('/').map(decodeURIComponent);
    const one = { policy: `${owner}/${name}`, revision: revision ?? '', path: rest.join('/'), headers: request.headers };
    const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') ?? [];
    hub.asked.push(from === undefined ? one.path : `${one.path} from ${from}`);
    hub.requests.push(one);
    if (behave(one, response)) return;
    const bytes = kind === 'resolve' ? hub.files[one.path] : undefined;
    if (!bytes) return void response.writeHead(404, { 'x-error-code': 'EntryNotFound' }).end('Entry not found');
    const common = { etag: etag(bytes), 'x-repo-commit': commit, 'content-type': 'application/octet-stream' };
    if (from === undefined || !ranges) return void response.writeHead(200, { ...common, 'content-length': bytes.length }).end(bytes);
    const [first, end] = [Number(from), Math.min(bytes.length, to ? Number(to) + 1 : bytes.length)];
    if (first >= bytes.length) return void response.writeHead(416, { 'content-range': `bytes */${bytes.length}` }).end();
    response.writeHead(206, { ...common, 'content-length': end - first, 'content-range': `bytes ${first}-${end - 1}/${bytes.length}` });
    response.end(bytes.subarray(first, end));
  });
  await new Promise<void>((done, fail) => server.once('error', fail).listen(0, '127.0.0.1', done));
  return Object.assign(hub, { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
}
