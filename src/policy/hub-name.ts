/** What a policy on a hub is called: as the reader types it, as files write it, and as it is told. Nothing is fetched here. */
import { LabError } from '../errors.ts';
import { baseName, isGguf } from './file.ts';

export const usualHub = 'https://huggingface.co';

export interface HubPolicy {
  /** Without a slash at its end. */
  readonly base: string;
  /** `owner/name` */
  readonly name: string;
  readonly revision: string;
  /** Of a repository that holds GGUF files: which; null: a folder. */
  readonly file: string | null;
}

/** As the reader types it: `owner/name`, `owner/name@revision`, `owner/name:FILE.gguf`, or the address of its page or of its file. */
export function readHubName(typed: string, base = usualHub): HubPolicy {
  const text = typed.trim();
  const hub = hubBase(base);
  const said = `“${text.replace(/\p{C}+/gu, ' ').slice(0, 120)}”`;
  const wrong = (what: string) =>
    new LabError('usage', `${said} ${what}.`, 'Write owner/name, owner/name@revision, or owner/name:FILE.gguf for one GGUF file.');
  if (/^https?:/i.test(text)) return fromAddress(text, hub, wrong);
  const [, name, revision, file] = /^([\w.-]+\/[\w.-]+)(?:@([\w./-]+))?(?::([\w./ -]+))?$/.exec(text) ?? [];
  if (name === undefined) throw wrong('is no name of a policy on a hub');
  return checked({ base: hub, name, revision: revision ?? 'main', file: file ?? null }, wrong);
}

/** `https://hub/owner/name`, and what its pages add: `/tree/REVISION`, `/blob/REVISION/FILE`, `/resolve/REVISION/FILE`. */
function fromAddress(text: string, hub: string, wrong: (what: string) => LabError): HubPolicy {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (!url) throw wrong('is no address');
  const within = `${url.origin}${url.pathname}`;
  const base = within.startsWith(`${hub}/`) ? hub : url.origin;
  const [owner, name, kind, revision, ...file] = within
    .slice(base.length + 1)
    .replace(/\/$/, '')
    .split('/')
    .map(decodeURIComponent);
  if (!owner || !name || (kind !== undefined && !['tree', 'blob', 'resolve'].includes(kind))) throw wrong('is no address of a policy');
  const path = file.join('/');
  return checked({ base, name: `${owner}/${name}`, revision: revision ?? 'main', file: isGguf(path) ? path : null }, wrong);
}

function checked(policy: HubPolicy, wrong: (what: string) => LabError): HubPolicy {
  const parts = [policy.name, policy.revision, policy.file ?? ''].join('/').split('/');
  if (parts.some((part) => part === '.' || part === '..')) throw wrong('leads out of the hub');
  if (policy.file !== null && !isGguf(policy.file)) throw wrong('names a file that is no GGUF');
  return policy;
}

/** @throws LabError `usage` for what is no address of a server */
export function hubBase(typed: string): string {
  const text = typed.trim() || usualHub;
  const url = URL.canParse(text) ? new URL(text) : null;
  if (!url || !/^https?:$/.test(url.protocol) || url.username || url.search || url.hash) {
    throw new LabError('usage', `“${text.slice(0, 120)}” is no address of a hub.`, `Write one such as ${usualHub}.`);
  }
  return `${url.origin}${url.pathname}`.replace(/\/+$/, '');
}

export const hubTitle = ({ name, revision, file }: HubPolicy): string =>
  `${name}${revision === 'main' ? '' : `@${revision}`}${file === null ? '' : `:${file}`}`;

/** As files name what lies on a hub: `owner/name`. */
export const isHubName = (named: string): boolean => /^[\w.-]+\/[\w.-]+$/.test(named);

/** What a policy at a hub is called here. */
export const nameAtHub = ({ name, file }: HubPolicy): string =>
  file === null ? name.slice(name.indexOf('/') + 1) : baseName(file).replace(/\.gguf$/i, '');
