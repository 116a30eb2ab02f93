/**
 * A static file server as plain as any host's: a folder under a sub-path, no special headers, no redirects but `/folder` → `/folder/`; it says
 * whether a file has changed since it was last asked for.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, normalize, sep } from 'node:path';

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json',
  '.webmanifest': 'application/manifest+json',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.wasm': 'application/wasm',
  '.wgsl': 'text/plain; charset=utf-8',
  '.md': 'text/markdown; charset=utf-8',
  '.safetensors': 'application/octet-stream',
};

export interface StaticServer {
  readonly port: number;
  /** Address of the sub-path on this machine, with a slash at the end. */
  readonly url: string;
  /** Paths that were asked for and are not there, the site's icon excepted. */
  readonly missing: readonly string[];
  /** Every path whose file was sent, as often as it was. */
  readonly sent: readonly string[];
  close(): Promise<void>;
}

/** @param folder what is served  @param subPath where, e.g. `/some/sub/path/`  @param host address to listen on */
export async function serveFolder(folder: string, subPath = '/', host = '127.0.0.1'): Promise<StaticServer> {
  const missing: string[] = [];
  const sent: string[] = [];
  const server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url ?? '/', 'http://here').pathname);
    const inside = path.startsWith(subPath) ? normalize(path.slice(subPath.length) || 'index.html') : null;
    const file = inside === null || inside.startsWith('..') ? null : join(folder, inside.endsWith(sep) ? `${inside}index.html` : inside);
    const notFound = () => {
      if (!path.endsWith('/favicon.ico')) missing.push(path);
      response.writeHead(404, { 'content-type': 'text/plain' }).end('not found');
    };
    if (file === null) return notFound();
    readFile(file).then((bytes) => {
      const etag = `"${createHash('sha1').update(bytes).digest('hex')}"`;
      if (request.headers['if-none-match'] === etag) return response.writeHead(304, { etag }).end();
      sent.push(path);
      response.writeHead(200, { etag, 'content-type': types[extname(file)] ?? 'application/octet-stream' }).end(bytes);
    }, notFound);
  });
  await new Promise<void>((done, fail) => server.once('error', fail).listen(0, host, done));
  const { port } = server.address() as AddressInfo;
  const name = host === '0.0.0.0' ? '127.0.0.1' : host;
  return {
    port,
    url: `http://${name}:${port}${subPath}`,
    missing,
    sent,
    close: () =>
      new Promise((done) => {
        server.closeAllConnections();
        server.close(() => done());
      }),
  };
}
