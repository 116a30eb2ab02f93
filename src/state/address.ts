/** What the reader asked for in the page's address, and what the page was asked for that it cannot make sense of. */
import { backendNames, engineNames } from '../engine/engine.ts';
import { mostShards } from '../engine/wasm/shards.ts';
import type { BootRequest } from '../worker/api.ts';

export function readRequest(search: string): { request: BootRequest; complaints: string[] } {
  const query = new URLSearchParams(search);
  const complaints: string[] = [];
  const one = <T extends string>(name: string, known: readonly T[]): T | undefined => {
    const value = query.get(name);
    if (value === null || value === '') return undefined;
    const match = known.find((candidate) => candidate === value);
    if (!match)
      complaints.push(`The address asks for ${name} "${value}", which does not exist; it was left out. There are: ${known.join(', ')}.`);
    return match;
  };
  const asked = { engine: one('engine', engineNames), backend: one('backend', backendNames) };
  const request = { ...asked, ...gpuMemory(query.get('gpuMemory'), complaints), ...threads(query.get('threads'), complaints) };
  return { request: query.has('selftest') ? { ...request, selftest: true } : request, complaints };
}

/** In GiB, as the reader writes it. */
function gpuMemory(value: string | null, complaints: string[]): Pick<BootRequest, 'gpuMemory'> {
  if (value === null || value === '') return {};
  const gibibytes = Number(value);
  if (gibibytes >= 0.1 && gibibytes <= 1024) return { gpuMemory: gibibytes * 2 ** 30 };
  complaints.push(`The address asks for gpuMemory "${value}", which is no number of GiB from 0.1 to 1024; it was left out.`);
  return {};
}

function threads(value: string | null, complaints: string[]): Pick<BootRequest, 'threads'> {
  if (value === null || value === '') return {};
  const count = Number(value);
  if (Number.isInteger(count) && count >= 1 && count <= mostShards) return { threads: count };
  complaints.push(`The address asks for threads "${value}", which is no whole number from 1 to ${mostShards}; it was left out.`);
  return {};
}

/** The address of this page with another engine and backend; undefined leaves the choice to the page. */
export function withRequest(href: string, request: BootRequest): string {
  const url = new URL(href);
  for (const name of ['engine', 'backend'] as const) {
    const value = request[name];
    if (value) url.searchParams.set(name, value);
    else url.searchParams.delete(name);
  }
  return url.href;
}
