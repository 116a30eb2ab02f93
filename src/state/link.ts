/**
 * A link into the page: everything behind the `#` of the address, read and written. `#/train?v=1&recipe=permix&lr=0.001&hide=runs,probe`: which view or
 * story, the next run's settings (`link-settings.ts`), what the picture shows, and what a teacher hides, locks and starts. It is data: nothing in it is
 * executed or stored, and what is wrong with a part is one sentence while the others count. What the page does with it is `linked.svelte.ts`.
 */
import { heldOutRows } from '../evaluate/held-out.ts';
import { personas } from '../persona/world.ts';
import { z } from '../schema.ts';
import { columnNames, hideable, lockable, noLink, startable, type Link } from './link-parts.ts';
import { linkSettings, readSettings, writeSettings } from './link-settings.ts';
import { viewHref, views } from './views.svelte.ts';

export const linkVersion = '1';

/** Characters. A mix in which every persona has a weight of its own is a thousand long. */
const longest = { link: 12_000, part: 3000 } as const;
/** Sentences about one link. */
const mostComplaints = 3;

const rows = heldOutRows(personas).map(({ id }) => id);
const shapes = {
  projector: z.enum(['on', 'off']),
  recording: z.int().check(z.minimum(0), z.maximum(1_000_000)),
  cell: z.tuple([z.enum(rows), z.enum(columnNames)]),
  autostart: z.enum(startable),
} as const;
const lists = { hide: hideable, lock: lockable, columns: columnNames } as const;
const known = (key: string): boolean =>
  key === 'v' || key === 'recipe' || Object.hasOwn(shapes, key) || Object.hasOwn(lists, key) || linkSettings.has(key);

export interface LinkReading {
  readonly link: Link;
  /** What is wrong with it, a sentence for a part. */
  readonly complaints: readonly string[];
}

/** @param hash of the address, with its `#`. Never throws. */
export function readLink(hash: string): LinkReading {
  const wrong: string[] = [];
  const complain = (key: string, why: string): void => {
    wrong.push(`The link’s “${shown(key)}” is “${shown(parts.get(key) ?? '')}”. ${why}`);
  };
  const at = hash.indexOf('?');
  const path = at < 0 ? hash : hash.slice(0, at);
  if (path.startsWith('#/') && path !== '#/' && !path.startsWith('#/story/') && !views.some(({ id }) => viewHref(id) === path)) {
    wrong.push(`The link names the view “${shown(path.slice(2))}”, which does not exist; Train is shown instead.`);
  }
  const query = at < 0 ? '' : hash.slice(at + 1);
  const parts = partsOf(query, wrong);
  if (query === '' || parts.size === 0) return { link: noLink, complaints: few(wrong) };

  const version = parts.get('v');
  if (version === undefined) wrong.push(`The link does not say its version (v=${linkVersion}); it was read as version ${linkVersion}.`);
  else if (version !== linkVersion) complain('v', `This page reads version ${linkVersion}; what it knows of the link counts.`);

  const one = <K extends keyof typeof shapes>(key: K, value: unknown, why: string): z.infer<(typeof shapes)[K]> | null => {
    if (!parts.has(key)) return null;
    const result = shapes[key].safeParse(value);
    if (!result.success) complain(key, why);
    return result.success ? (result.data as z.infer<(typeof shapes)[K]>) : null;
  };
  const some = <K extends keyof typeof lists>(key: K): readonly (typeof lists)[K][number][] => {
    const names: readonly string[] = lists[key];
    const asked = parts.get(key)?.split(',') ?? [];
    const strange = asked.filter((name) => !names.includes(name));
    if (strange.length > 0) complain(key, `There is no “${shown(strange[0]!)}”, which was left out; there are ${names.join(', ')}.`);
    return names.filter((name) => asked.includes(name)) as (typeof lists)[K][number][];
  };
  const train = path === viewHref('train') || path.startsWith('#/story/') || path === '#/' || path === '';
  const text = (key: string) => parts.get(key) ?? '';
  const columns = some('columns');
  const recording = one(
    'recording',
    /^\d{1,7}$/.test(text('recording')) ? Number(text('recording')) : NaN,
    'It must be a step of the recorded race; the picture shows what it otherwise would.',
  );
  const place = one('cell', text('cell').split('.'), `It must be a row and a column, such as ${rows.at(-1)}.permix; no cell is opened.`);
  if (place && !train) complain('cell', 'Only the picture of Train has a cell that a link can open; none is opened.');
  const link: Link = {
    config: readSettings(parts, complain),
    hide: some('hide'),
    lock: some('lock'),
    columns: columns.length > 0 && columns.length < columnNames.length ? columns : null,
    projector: one('projector', text('projector'), 'It is on or off; yours is used.') === 'on',
    recording,
    cell: place && train ? { row: place[0], column: place[1] } : null,
    autostart: one('autostart', text('autostart'), 'It is race or train; nothing starts by itself.'),
  };
  return { link, complaints: few(wrong) };
}

/** By name, each once. Something that is damaged, unknown, there twice or too long is said and left out. */
function partsOf(query: string, wrong: string[]): ReadonlyMap<string, string> {
  const parts = new Map<string, string>();
  if (query.length > longest.link) {
    wrong.push(`The link is ${query.length} characters long, of at most ${longest.link}; only its view was taken.`);
    return parts;
  }
  for (const piece of query.split('&').filter(Boolean)) {
    const at = piece.indexOf('=');
    const key = at < 0 ? piece : piece.slice(0, at);
    const value = at < 0 ? null : decoded(piece.slice(at + 1));
    const name = shown(key);
    if (!known(key)) wrong.push(`The link has a part “${name}” that this page does not know; it was left out.`);
    else if (value === null) wrong.push(`The link’s “${name}” is damaged or cut off; it was left out.`);
    else if (parts.has(key)) wrong.push(`The link has “${name}” twice; the first one counts.`);
    else if (value.length > longest.part) wrong.push(`The link’s “${name}” is longer than ${longest.part} characters; it was left out.`);
    else parts.set(key, value);
  }
  return parts;
}

function decoded(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}

/** A text of somebody else's as part of a sentence: short, and nothing in it that turns or hides what stands beside it. */
function shown(text: string): string {
  const clean = text.replace(/\p{C}/gu, '�');
  return clean.length > 40 ? `${clean.slice(0, 40)}…` : clean;
}

function few(complaints: readonly string[]): readonly string[] {
  const rest = complaints.length - mostComplaints;
  if (rest <= 0) return complaints;
  return [
    ...complaints.slice(0, mostComplaints),
    `${rest} more part${rest === 1 ? '' : 's'} of the link ${rest === 1 ? 'is' : 'are'} wrong and did not count.`,
  ];
}

/** `path`, `#/train`, with what the link has to say; alone where that is nothing. */
export function writeLink(path: string, link: Link): string {
  const { config, hide, lock, columns, projector, recording, cell, autostart } = link;
  const parts: (readonly [string, string | false])[] = [
    ...(config ? writeSettings(config) : []),
    ['columns', columns !== null && columns.join(',')],
    ['recording', recording !== null && String(recording)],
    ['cell', cell !== null && `${cell.row}.${cell.column}`],
    ['projector', projector && 'on'],
    ['hide', hide.join(',') || false],
    ['lock', lock.join(',') || false],
    ['autostart', autostart ?? false],
  ];
  const said = parts.flatMap(([key, value]) => (value === false ? [] : [`${key}=${readable(value)}`]));
  return said.length === 0 ? path : `${path}?v=${linkVersion}&${said.join('&')}`;
}

/** Encoded, but for marks that may stand in an address as they are. */
const readable = (value: string): string => encodeURIComponent(value).replace(/%(?:2C|3A|3B)/g, (mark) => decodeURIComponent(mark));
