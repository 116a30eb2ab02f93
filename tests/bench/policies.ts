/**
 * The rows about policies that people have and that are run (`real-policy.ts`): what they take on the host and how long their submits are. One is run in a process of its own: what was measured before it has left garbage in this one.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { labErrorCode } from '../../src/errors.ts';
import type { RealPolicy } from '../../src/benchmark/real-policies.ts';
import type { Report, RowName, Rows } from '../../src/benchmark/report.ts';
import { lacks, runReal } from './real-policy.ts';

/** As `Suite` has it. */
interface Book {
  readonly rows: Rows;
  /** Why a row is not measured. */
  readonly left: Map<RowName, string>;
  readonly failures: string[];
  say(line: string): void;
}

/** From its file to a checkpoint. */
export async function measurePolicy({ rows, left, failures, say }: Book, policy: RealPolicy, brief: boolean): Promise<void> {
  const names = [`hostMemory.${policy}`, `submit.${policy}`] as const;
  const leave = (why: string) => names.forEach((name) => left.set(name, why));
  const short = await lacks(policy);
  if (short !== null) return leave(short);
  try {
    const { peak, submits } = await runReal(policy, brief);
    say(`${policy}: ${(peak.bytes / 1e6).toFixed(0)} MB on the host at most, while ${peak.at}`);
    for (const { milliseconds, label, dispatches } of [submits.several, submits.one]) {
      const what = dispatches === 1 ? `one dispatch, ${label}` : `${dispatches} dispatches, the last ${label}`;
      say(`${policy}: ${milliseconds.toFixed(0)} ms for the longest submit of ${what}`);
    }
    rows.add(names[0], 'fused', [peak.bytes / 1e6]);
    rows.add(names[1], 'fused', [submits.estimated]);
  } catch (error) {
    // This adapter binds less than it takes.
    if (labErrorCode(error) === 'webgpu') return leave((error as Error).message);
    failures.push(`${policy}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  }
}

export async function measurePolicyAlone({ rows, left, failures }: Book, policy: RealPolicy): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'permix-bench-'));
  try {
    const json = join(folder, 'rows.json');
    const options = ['--policy', policy, '--json', json];
    const alone = spawn(process.execPath, [process.argv[1]!, ...options], { stdio: ['ignore', 'inherit', 'inherit'] });
    const [code] = (await once(alone, 'close')) as [number | null];
    if (code !== 0) throw new Error(`its process ended with ${code}`);
    for (const { name, engine, median, reason } of (JSON.parse(await readFile(json, 'utf8')) as Report).rows) {
      if (median !== null) rows.add(name, engine, [median]);
      else left.set(name, reason ?? '');
    }
  } catch (error) {
    failures.push(`${policy}: ${error instanceof Error ? error.message : String(error)}`);
  } finally {
    await rm(folder, { recursive: true });
  }
}
