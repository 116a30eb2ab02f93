/** What the reader asked for in the page's address, and what the page was asked for that it cannot make sense of. */
import { backendNames, engineNames } from '../engine/engine.ts';
import { mostShards } from '../engine/wasm/shards.ts';
import type { BootRequest } from '../worker/api.ts';

/** `?bench`: the benchmark is what is shown first. */
export interface BenchAsked {
  /** That it may take: `?bench=SECONDS`. */
  readonly seconds: number;
  /** `&profile`: GPU time by kernel, too. */
  readonly profile: boolean;
}

/** What it takes where the address says no more than `?bench`. */
const usualSeconds = 120;
const seconds = { least: 5, most: 600 } as const;

/** @returns bench: null where the address does not ask for it */
export function readRequest(search: string): { request: BootRequest; bench: BenchAsked | null; complaints: string[] } {
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
  const bench = query.has('bench') ? { seconds: benchSeconds(query.get('bench'), complaints), profile: query.has('profile') } : null;
  return { request: query.has('selftest') ? { ...request, selftest: true } : request, bench, complaints };
}

function benchSeconds(value: string | null, complaints: string[]): number {
  if (value === null || value === '') return usualSeconds;
  const count = Number(value);
  if (count >= seconds.least && count <= seconds.most) return count;
  complaints.push(
    `The address asks for bench "${value}", which is no number of seconds from ${seconds.least} to ${seconds.most}; it takes ${usualSeconds}.`,
  );
  return usualSeconds;
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
