/**
 * The judge's address: from what people type to the one that is asked, and, where nothing came back, what can be the reason. A browser
 * tells a page no reason for a failed request, so that what can be told apart is told apart here, from plain facts. No request is made.
 */
import { LabError } from '../../errors.ts';

/**
 * `http://localhost:11434`, `…/v1` and `…/v1/chat/completions` are the same judge.
 * @throws LabError 'config' for what is no address, or holds a secret: addresses are stored
 */
export function completionsUrl(address: string): string {
  const wrong = (what: string, next = 'Give one such as http://localhost:11434/v1.') => new LabError('config', what, next);
  const text = address.trim();
  if (text === '') throw wrong('The address of the judge is missing.');
  if (!/^https?:\/\//i.test(text)) throw wrong(`The judge’s address “${text}” does not begin with http:// or https://.`);
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw wrong(`“${text}” is not an address.`);
  }
  if (url.username || url.password || url.search || url.hash) {
    throw wrong('The judge’s address holds a name, a password or a query.', 'Leave them out: a key is given by itself and never stored.');
  }
  const path = url.pathname.replace(/\/+$/, '');
  if (path === '') url.pathname = '/v1/chat/completions';
  else url.pathname = path.endsWith('/chat/completions') ? path : `${path}/chat/completions`;
  return url.href;
}

/** What is known of the page that asks. */
export interface AskingPage {
  /** E.g. `https://somewhere.org`. */
  readonly origin: string;
  /** A secure context: only such a page may be given a permission. */
  readonly secure: boolean;
  /** What the browser says about its permission for that address; null where it knows none. */
  readonly permission: 'granted' | 'prompt' | 'denied' | null;
}

export type Neighbourhood = 'loopback' | 'local' | 'public';

/** Where an address leads, as far as its name tells. */
export function neighbourhood(url: string): Neighbourhood {
  const host = new URL(url).hostname.replace(/^\[|\]$/g, '');
  if (host === 'localhost' || host.endsWith('.localhost') || host === '::1' || /^127\./.test(host)) return 'loopback';
  if (
    /^(10|192\.168|172\.(1[6-9]|2\d|3[01])|169\.254)\./.test(host) ||
    host.endsWith('.local') ||
    /^(f[cd]|fe[89ab])[0-9a-f]*:/i.test(host)
  )
    return 'local';
  return 'public';
}

/** A browser asks for permission only where a request goes from a wider network to a narrower one. */
const narrowness: Readonly<Record<Neighbourhood, number>> = { public: 0, local: 1, loopback: 2 };

/** A request came to nothing and the browser gave no reason. @param reached others came through before */
export function unreachableFromPage(url: string, { origin, secure, permission }: AskingPage, reached = false): LabError {
  const { protocol, host, port } = new URL(url);
  const unreachable = (what: string, next: string) => new LabError('network', what, next);
  if (reached) return unreachable(`The judge at ${host} no longer answers.`, 'Start it again.');
  const where = neighbourhood(url);
  const inward = narrowness[neighbourhood(origin)] < narrowness[where];
  if (inward && permission === 'denied') {
    return unreachable(
      `The browser does not let this page reach ${host}: its permission for the local network is blocked.`,
      secure
        ? 'Allow “local network access” (also called “apps on device”) for this page, in the site settings beside the address bar, and try again.'
        : 'It is only given to pages that come over https or from this computer: open this page so.',
    );
  }
  if (origin.startsWith('https:') && protocol === 'http:' && where !== 'loopback') {
    const unless = where === 'local' ? ', unless they have a permission for the local network and it is granted' : '';
    return unreachable(
      `This page came over https, from where browsers refuse plain http to ${host} (mixed content)${unless}.`,
      'Give the judge an https address, run it on this computer (http://localhost), or serve this page over http yourself.',
    );
  }
  const causes = ['it is not running there', `it does not allow requests from ${origin} (CORS)`];
  if (inward && permission === 'prompt') causes.push('the question about access to the local network was not answered with Allow');
  const ollama = `Ollama: start it with OLLAMA_ORIGINS=${origin}.`;
  const others =
    `llama.cpp: llama-server allows every page unless --cors-origins or its tools limit it; name ${origin} there. ` +
    `Other servers: let them send Access-Control-Allow-Origin for ${origin}.`;
  return unreachable(
    `The judge at ${host} cannot be reached, and the browser does not say why: ${causes.slice(0, -1).join(', ')} or ${causes.at(-1)}.`,
    port === '11434' ? ollama : `${ollama} ${others}`,
  );
}

/** The same outside a browser, where the system gives a reason. */
export function unreachableFromNode(url: string, error: unknown): LabError {
  const { host } = new URL(url);
  const cause = (error as { cause?: { code?: unknown; message?: unknown } } | null)?.cause;
  const code = typeof cause?.code === 'string' ? cause.code : '';
  const why =
    code === 'ECONNREFUSED'
      ? 'nothing listens there'
      : code === 'ENOTFOUND' || code === 'EAI_AGAIN'
        ? 'there is no computer of that name'
        : code === 'ECONNRESET' || code === 'UND_ERR_SOCKET'
          ? 'the connection was cut'
          : String(cause?.message || (error instanceof Error ? error.message : error));
  return new LabError(
    'network',
    `The judge at ${host} cannot be reached: ${why.replace(/\.$/, '')}.`,
    'Check that it runs and that the address is right.',
    { cause: error },
  );
}
