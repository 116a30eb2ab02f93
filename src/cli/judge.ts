/** `permix judge`: PersonaGym with a judge that the reader names; a table, JSON and CSV. Stoppable and resumable with --out. */
import { readdir, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { LabError, labErrorCode } from '../errors.ts';
import { joinBenchmarks, maxBenchmarkBytes, parseBenchmark, type Benchmark } from '../evaluate/judge/benchmark.ts';
import { JudgeClient, maxReplyTokens, type JudgeOptions } from '../evaluate/judge/client.ts';
import { planJudging, plannedQuestions, replyTokens } from '../evaluate/judge/plan.ts';
import { judgeCsv, judgedAnswers, judgeJson, judgeReport, judgeTable, scaleOf, type JudgeReport } from '../evaluate/judge/report.ts';
import { rubricNames } from '../evaluate/judge/scale.ts';
import { defaultParallel, runJudging, type JudgeCell } from '../evaluate/judge/run.ts';
import { judgeParts, policyParts, programParts, questionParts, settingParts, takenOverNotes } from '../run/identity.ts';
import type { Arguments } from './arguments.ts';
import { accepted } from './accept.ts';
import { candidate, readText } from './candidate.ts';
import { chosenEngine, modelFolder } from './engine.ts';
import { EvaluationFolder } from './eval-folder.ts';
import { reportFiles, tryReportFiles, writeFiles } from './output-files.ts';
import type { Output } from './output.ts';
import { notice, Progress } from './progress.ts';
import { stopSignal } from './stop.ts';

/** Not an option: options end in the shell's history and in lists of processes. */
const keyVariable = 'PERMIX_JUDGE_KEY';

export async function judgeCommand(args: Arguments, out: Output): Promise<number> {
  const asked = {
    personas: args.integer('personas', 1, 100_000) ?? 10,
    questions: args.integer('questions', 1, 10_000) ?? 2,
    seed: args.integer('seed', 0, 0xffffffff) ?? 1,
    temperature: args.number('temperature', 0, 10) ?? 0.9,
    // Unsaid where it goes without saying: older folders know nothing of it.
    ...(args.choice('rubric', rubricNames) === 'role' ? { rubric: 'role' as const } : {}),
  };
  const parallel = args.integer('parallel', 1, 64) ?? defaultParallel;
  const timeoutMs = 1000 * (args.number('timeout', 0.1, 86_400) ?? 180);
  const file = args.required('benchmark');
  const maxTokens = args.integer('judge-tokens', 1, 1_000_000) ?? maxReplyTokens;
  const judge = judgeOf(args, { timeoutMs, maxTokens, stream: args.flag('stream') });
  await tryReportFiles(args, ['benchmark']);
  const benchmark = await readBenchmark(args, file);
  const policy = await candidate(args, resolve(modelFolder(args)), null);
  const maxNewTokens = args.integer('max-new', 1, 1_000_000) ?? replyTokens(policy.candidate.maxPositions);
  const plan = planJudging(benchmark, [policy.candidate], { ...asked, maxNewTokens });
  const { temperature, seed } = asked;
  const sampling = { temperature, topP: 0.9, maxNewTokens, seed };

  const path = args.text('out');
  const identity = {
    ...(await policyParts(policy.policy)),
    ...(await questionParts(plan.personas)),
    ...settingParts({ command: 'judge', ...asked, maxNewTokens, topP: sampling.topP }),
    ...judgeParts({ address: judge.url, model: judge.model }),
    ...programParts(await chosenEngine(args.engineRequest)),
  };
  const folder =
    path === undefined
      ? null
      : await EvaluationFolder.open<JudgeCell>(resolve(path), identity, { accept: accepted(args), called: 'judging' });
  const cells = new Map<string, JudgeCell>();
  const store = folder ?? { read: (key: string) => cells.get(key), write: (key: string, cell: JudgeCell) => void cells.set(key, cell) };

  const total = plannedQuestions(plan);
  let done = 0;
  const stop = stopSignal('Stopping.');
  let progress: Progress | null = null;
  try {
    await runJudging({
      plan,
      policies: [policy.candidate],
      sampling,
      judge,
      store,
      parallel,
      signal: stop.signal,
      onProgress: (update) => {
        if (!progress && update.done > 0) notice(`Resumed: ${update.done} of ${total} verdicts were there before.`);
        progress ??= new Progress('judging', total, update.done);
        done = update.done;
        progress.at(done, update.phase);
      },
    });
  } catch (error) {
    (progress as Progress | null)?.done();
    const kept = folder ? `${done} of ${total} verdicts are kept; the same command continues.` : 'Nothing was kept without --out.';
    if (labErrorCode(error) === 'cancelled') {
      notice(`Stopped; ${kept}`);
      return 130;
    }
    if (error instanceof LabError && error.code === 'network') {
      throw new LabError('network', error.message, kept, { cause: error });
    }
    throw error;
  } finally {
    stop.release();
  }
  (progress as Progress | null)?.done();

  const names = [policy.candidate.name];
  const read = (key: string) => store.read(key);
  const found = judgeReport({ plan, names, judge: { address: judge.url, model: judge.model }, sampling, read });
  const report = { ...found, notes: [...found.notes, ...takenOverNotes(folder?.origin.takenOver ?? [])] };
  const json = judgeJson(report, judgedAnswers({ plan, names, read }));
  out.object(report);
  for (const line of tableLines(report)) out.line(line);
  await writeFiles(reportFiles(args, folder?.path ?? null, { json, csv: judgeCsv(report) }));
  return 0;
}

/** A file, or a folder of role files. */
async function readBenchmark(args: Arguments, path: string): Promise<Benchmark> {
  const one = async (file: string) => parseBenchmark(await readText(args, 'benchmark', file, maxBenchmarkBytes), basename(file));
  if (!(await stat(path).catch(() => null))?.isDirectory()) return one(path);
  const names = (await readdir(path)).filter((name) => name.endsWith('.json')).sort();
  const all: Benchmark[] = [];
  for (const name of names) all.push(await one(join(path, name)));
  return joinBenchmarks(all, basename(resolve(path)));
}

function judgeOf(args: Arguments, options: JudgeOptions): JudgeClient {
  const access = { address: args.required('judge'), model: args.required('judge-model'), key: process.env[keyVariable] ?? null };
  try {
    return new JudgeClient(access, options);
  } catch (error) {
    throw labErrorCode(error) === 'config' ? args.wrong((error as Error).message) : error;
  }
}

function tableLines(report: JudgeReport): string[] {
  const { low, high } = scaleOf(report);
  const rows = judgeTable(report);
  const left = Math.max(...rows.map(({ label }) => label.length));
  const names = report.policies.map(({ name }) => name);
  const widths = names.map((name, i) => Math.max(name.length, ...rows.map(({ values }) => values[i]!.length)) + 2);
  const line = (label: string, cells: readonly string[]) =>
    `${label.padEnd(left)}${cells.map((cell, i) => cell.padStart(widths[i]!)).join('')}`;
  return [
    `${report.benchmark.name}, ${report.benchmark.personas} personas, judged by ${report.judge.model}; scores from ${low} to ${high}`,
    line('', names),
    ...rows.map(({ label, values }) => line(label, values)),
    '',
    ...report.notes,
  ];
}
