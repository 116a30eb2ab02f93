/** A file on a web server, read by range; whole from a server that knows no ranges, or packs what it sends. */
import { limitedBody } from '../body.ts';
import { LabError } from '../errors.ts';
import { bytesFile, type PolicyFile } from './file.ts';

/** The first request asks for this much: headers begin there, and small files end there. */
const firstBytes = 2 ** 16;

/** @param whole the body of an answer that is the whole file  @throws LabError `network`  @returns null where there is no such file */
export async function httpFile(name: string, url: string, whole: (response: Response) => Promise<Uint8Array>): Promise<PolicyFile | null> {
  const response = await ask(name, url, 0, firstBytes);
  if (response.status === 404 || isPage(response)) {
    await drop(response);
    return null;
  }
  if (response.ok && response.status !== 206) return bytesFile(name, await whole(response));
  const range = response.headers.has('content-encoding') ? null : rangeOf(response);
  if (response.status !== 206 || !range) {
    await drop(response);
    // An empty file has no first byte; a part of a packed file is no part of the file, and one that does not say which it is could be any.
    const partless = response.status === 206 || response.status === 416;
    const again = partless ? await request(name, url) : response;
    if (again.ok) return bytesFile(name, await whole(again));
    throw failed(name, `the server answered ${again.status}`);
  }
  const { total } = range;
  const tag = response.headers.get('etag');
  const first = await partOf(name, response, 0, Math.min(firstBytes, total));
  return {
    name,
    size: total,
    async read(from, to) {
      if (to <= first.length) return first.subarray(from, to);
      if (from === to) return new Uint8Array();
      const part = await ask(name, url, from, to);
      const again = rangeOf(part);
      if (part.status === 206 && again?.total === total && part.headers.get('etag') === tag) return partOf(name, part, from, to);
      await drop(part);
      throw failed(name, part.ok ? 'it was changed on the server meanwhile' : `the server answered ${part.status}`);
    },
  };
}

const ask = (name: string, url: string, from: number, to: number) => request(name, url, { range: `bytes=${from}-${to - 1}` });

async function request(name: string, url: string, headers: Record<string, string> = {}): Promise<Response> {
  try {
    return await fetch(url, { headers });
  } catch (cause) {
    throw failed(name, reasonOf(cause), cause);
  }
}

/** The bytes that were asked for, all of them and no more. */
async function partOf(name: string, response: Response, from: number, to: number): Promise<Uint8Array> {
  const range = rangeOf(response);
  const bytes =
    range?.from === from
      ? await limitedBody(response, to - from).catch((cause: unknown) => {
          throw failed(name, reasonOf(cause), cause);
        })
      : null;
  if (bytes?.length === to - from) return bytes;
  throw failed(name, `the server sent something else than its bytes ${from} to ${to - 1}`);
}

/** `bytes 0-65535/1000000`; null where it says nothing of the kind, or the browser hides it from a page of another host. */
function rangeOf(response: Response): { readonly from: number; readonly total: number } | null {
  const [, from, total] = /^bytes (\d{1,15})-\d{1,15}\/(\d{1,15})$/.exec(response.headers.get('content-range') ?? '') ?? [];
  return from === undefined ? null : { from: Number(from), total: Number(total) };
}

/** Some static hosts answer a missing file with their index page. */
export const isPage = (response: Response): boolean => response.headers.get('content-type')?.startsWith('text/html') ?? false;

async function drop(response: Response): Promise<void> {
  await response.body?.cancel().catch(() => undefined);
}

const reasonOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause));

function failed(name: string, reason: string, cause?: unknown): LabError {
  return new LabError('network', `${name} could not be fetched (${reason}).`, 'Check the connection and try again.', { cause });
}
