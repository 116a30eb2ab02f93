/** Several processes side by side, each working on one run of a study; at low priority, stoppable, none started before what it needs is there. */
import { spawn, type ChildProcess } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { constants, setPriority } from 'node:os';
import { parseJson } from '../json.ts';
import { nextRun, type PlannedRun } from './reproduce-plan.ts';

export interface JobSetup {
  readonly runs: readonly PlannedRun[];
  /** Keys of runs that are finished already. */
  readonly finished: ReadonlySet<string>;
  readonly jobs: number;
  /** permix.js, and the options every run gets. */
  readonly program: string;
  readonly options: readonly string[];
  readonly folderOf: (key: string) => string;
  /** Before a run's process is started. */
  readonly prepare: (run: PlannedRun) => Promise<void>;
  readonly onEvent: (run: PlannedRun, event: Readonly<Record<string, unknown>>) => void;
  readonly onFinished: (run: PlannedRun) => void;
  readonly signal: AbortSignal;
}

export interface Failure {
  readonly run: PlannedRun;
  /** The last lines of what it said. */
  readonly message: string;
}

/** @returns the runs that failed; the others went on without them */
export async function runJobs(setup: JobSetup, children: Set<ChildProcess>): Promise<Failure[]> {
  const { runs, jobs, signal } = setup;
  const finished = new Set(setup.finished);
  const started = new Set<string>();
  const failures: Failure[] = [];
  const working = new Set<Promise<void>>();
  const onAbort = () => children.forEach((child) => child.kill('SIGINT'));
  signal.addEventListener('abort', onAbort);
  try {
    for (;;) {
      const run = signal.aborted ? null : nextRun(runs, started, finished);
      if (run && working.size < jobs) {
        started.add(run.key);
        const job: Promise<void> = start(setup, run, children).then((failure) => {
          working.delete(job);
          if (failure) failures.push(failure);
          else if (!signal.aborted) {
            finished.add(run.key);
            setup.onFinished(run);
          }
        });
        working.add(job);
      } else if (working.size > 0) await Promise.race(working);
      else return failures;
    }
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

/** Resolves when the process has ended; null where it did its work, or was stopped. */
async function start(setup: JobSetup, run: PlannedRun, children: Set<ChildProcess>): Promise<Failure | null> {
  const folder = setup.folderOf(run.key);
  await setup.prepare(run);
  const child = spawn(process.execPath, [setup.program, 'reproduce', '--run', folder, ...setup.options], {
    // Over the last of these it learns that we are gone, however we went.
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    // A group of its own: Ctrl-C reaches it through us, once, and it saves what it has.
    detached: process.platform !== 'win32',
  });
  children.add(child);
  if (child.pid !== undefined) lowerPriority(child.pid);
  const log = join(folder, 'log.txt');
  child.stderr!.pipe(createWriteStream(log, { flags: 'a' }));
  let rest = '';
  child.stdout!.setEncoding('utf8').on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop()!;
    for (const line of lines) setup.onEvent(run, eventOf(line));
  });
  const code = await new Promise<number | string>((done) => {
    child.on('error', (error) => done(error.message));
    child.on('close', (exit, signal) => done(exit ?? signal ?? 1));
  });
  children.delete(child);
  if (code === 0 || (setup.signal.aborted && code === 130)) return null;
  const said = (await readFile(log, 'utf8').catch(() => '')).trimEnd().split('\n').slice(-3).join('\n');
  return { run, message: said || `It ended with ${code}.` };
}

/** Only for the bar: what a run has found is read from its files. A line of anything else moves nothing. */
function eventOf(line: string): Readonly<Record<string, unknown>> {
  try {
    const event = parseJson(line, { file: 'event' });
    return typeof event === 'object' && event !== null ? (event as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

/** Whoever sits at the machine comes first. */
function lowerPriority(pid: number): void {
  try {
    setPriority(pid, constants.priority.PRIORITY_LOW);
  } catch {
    // Ended already, or not allowed: it then runs as everything else.
  }
}
