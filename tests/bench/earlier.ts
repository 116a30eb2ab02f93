/**
 * `npm run bench -- --against COMMIT`: training steps of the bundled policy by an earlier commit of this project and by this one, whole runs of both
 * command lines in turn on one machine. The earlier one is taken out of the history into a folder of its own, and installs and builds itself there.
 * Held-out questions do not count: a step's time is what its run wrote down as `step_time`.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { median } from '../../src/benchmark/report.ts';
import { threadsFor } from '../../src/engine/parallel/cores.ts';

const root = resolve(import.meta.dirname, '../..');
/** Of each run; the first does not count. */
const steps = 12;
const rounds = 3;

export interface EarlierRow {
  readonly who: string;
  /** Of all steps of all its runs. */
  readonly seconds: number;
  readonly steps: number;
  /** How many times as fast as the earlier commit. */
  readonly times: number;
}

/** @param say a line for the reader  @throws where the commit is not known, or a run fails */
export function measureAgainst(commit: string, say: (line: string) => void): EarlierRow[] {
  const folder = checkout(commit, say);
  const threads = threadsFor();
  const common = ['train', '--recipe', 'permix', '--steps', String(steps), '--seed', '1', '--backend', 'wasm'];
  const ours = ['--engine', 'wasm', '--held-out', '0', '--threads'];
  const runners = [
    { who: commit, cwd: folder, args: common },
    { who: 'this one, one thread', cwd: root, args: [...common, ...ours, '1'] },
    ...(threads > 1 ? [{ who: `this one, ${threads} threads`, cwd: root, args: [...common, ...ours, String(threads)] }] : []),
  ];
  const found = runners.map((): number[] => []);
  for (let round = 1; round <= rounds; round++) {
    runners.forEach(({ who, cwd, args }, i) => {
      say(`round ${round} of ${rounds}: ${steps} steps by ${who}`);
      found[i]!.push(...stepTimes(cwd, args));
    });
  }
  const medians = found.map(median);
  return runners.map(({ who }, i) => ({ who, seconds: medians[i]!, steps: found[i]!.length, times: medians[0]! / medians[i]! }));
}

export const earlierLines = (rows: readonly EarlierRow[]): string[] =>
  rows.map(({ who, seconds, steps, times }) => `${who.padEnd(24)}${seconds.toFixed(3)} s a step (${steps} steps)  ${times.toFixed(1)}×`);

/** Its files, in a folder that stays for the next time. */
function checkout(commit: string, say: (line: string) => void): string {
  const git = (...args: string[]) => execFileSync('git', args, { cwd: root, maxBuffer: 2 ** 30, stdio: ['ignore', 'pipe', 'pipe'] });
  let sha;
  try {
    sha = git('rev-parse', '--verify', `${commit}^{commit}`).toString().trim();
  } catch {
    throw new Error(`There is no commit ${commit} in this checkout's history. git fetch --unshallow brings what a shallow clone lacks.`);
  }
  const folder = resolve(root, '.permix/bench', sha.slice(0, 12));
  if (existsSync(folder)) return folder;
  say(`Taking ${commit} out of the history …`);
  const half = `${folder}.half`;
  rmSync(half, { recursive: true, force: true });
  mkdirSync(half, { recursive: true });
  execFileSync('tar', ['-x', '-C', half], { input: git('archive', '--format=tar', sha) });
  renameSync(half, folder);
  return folder;
}

function stepTimes(cwd: string, args: readonly string[]): number[] {
  const temporary = mkdtempSync(join(tmpdir(), 'permix-earlier-'));
  const out = join(temporary, 'run');
  try {
    // It installs and builds what it lacks.
    const { status, stderr } = spawnSync(process.execPath, ['scripts/permix.mjs', ...args, '--out', out], { cwd, encoding: 'utf8' });
    if (status !== 0) throw new Error(`permix ${args.join(' ')} ended with ${status} in ${cwd}:\n${stderr}`);
    const lines = readFileSync(join(out, 'metrics.jsonl'), 'utf8').trim().split('\n');
    return lines.slice(1).map((line) => (JSON.parse(line) as { readonly step_time: number }).step_time);
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}
