/** `permix eval`: one policy under every persona, alone or against its base; a table, JSON and CSV. Stoppable and resumable with --out. */
import { basename, dirname, resolve } from 'node:path';
import type { EvaluationRequest } from '../evaluate/request.ts';
import { labErrorCode } from '../errors.ts';
import { evaluate } from '../evaluate/evaluate.ts';
import { defaultInstruction, generatedQuestions, importedQuestions, leftOutNotes, type QuestionSet } from '../evaluate/questions.ts';
import { headlineProblems, reportCsv, reportJson, type EvaluationReport } from '../evaluate/report.ts';
import { formatValue, reportTable } from '../evaluate/table.ts';
import { maxPersonaFileBytes, parsePersonas, type PersonaLibrary } from '../persona/file.ts';
import { personas as world, voices as worldVoices } from '../persona/world.ts';
import { personaParts, policyParts, programParts, questionParts, settingParts, takenOverNotes, type Identity } from '../run/identity.ts';
import { taskById, tasks } from '../tasks/index.ts';
import type { Arguments } from './arguments.ts';
import { accepted } from './accept.ts';
import { candidate, readText } from './candidate.ts';
import { chosenEngine, modelFolder } from './engine.ts';
import { EvaluationFolder } from './eval-folder.ts';
import { reportFiles, tryReportFiles, writeFiles } from './output-files.ts';
import type { Output } from './output.ts';
import { notice, Progress } from './progress.ts';
import { stopSignal } from './stop.ts';

export async function evalCommand(args: Arguments, out: Output): Promise<number> {
  await tryReportFiles(args, ['data', 'personas']);
  const { request, identity } = await prepare(args);
  const path = args.text('out');
  const folder = path === undefined ? null : await EvaluationFolder.open(resolve(path), identity, { accept: accepted(args) });
  if (folder && folder.finished > 0) notice(`Resumed: ${folder.finished} cells of this evaluation were finished before.`);

  const stop = stopSignal('Stopping after the replies that are being made.');
  let progress: Progress | null = null;
  let report: EvaluationReport;
  try {
    const found = await evaluate({
      ...request,
      ...(folder ? { cells: folder } : {}),
      signal: stop.signal,
      onProgress: ({ fraction, phase, cells, total }) => {
        // In hundredths, for a bar that moves within long cells too.
        progress ??= new Progress('evaluating, %', 100, 100 * fraction);
        progress.at(100 * fraction, `${phase}, ${cells} of ${total} cells`);
      },
    });
    report = { ...found, notes: [...found.notes, ...takenOverNotes(folder?.origin.takenOver ?? [])] };
  } catch (error) {
    if (labErrorCode(error) !== 'cancelled') throw error;
    notice(
      folder ? `Stopped; the same command continues after ${folder.finished} finished cells.` : 'Stopped; nothing was kept without --out.',
    );
    return 130;
  } finally {
    (progress as Progress | null)?.done();
    stop.release();
  }

  out.object(report);
  for (const line of tableLines(report)) out.line(line);
  await writeFiles(reportFiles(args, folder?.path ?? null, { json: reportJson(report), csv: reportCsv(report) }));
  return 0;
}

/** From options and files to what `evaluate` is asked, and what decides the answers, for the folder. */
async function prepare(args: Arguments): Promise<{ request: EvaluationRequest; identity: Identity }> {
  const data = args.text('data');
  const greedy = args.flag('greedy');
  if (data !== undefined && args.text('task') !== undefined) throw args.wrong('--data and --task exclude each other.');
  if (data === undefined && args.text('instruction') !== undefined) throw args.wrong('--instruction needs --data.');
  const temperature = args.number('temperature', 0, 10) ?? (greedy ? 0 : 1);
  if (greedy && temperature > 0) throw args.wrong('--greedy and --temperature exclude each other.');
  const samples = args.integer('samples', 1, 10_000) ?? 1;
  if (temperature === 0 && samples > 1) throw args.wrong(`Greedy decoding gives the same reply ${samples} times; leave out --samples.`);
  const problems = args.integer('problems', 1, 1_000_000) ?? headlineProblems;
  const seed = args.integer('seed', 0, 0xffffffff) ?? 1;
  const maxNewTokens = args.integer('max-new', 1, 1_000_000) ?? (data === undefined ? 48 : 512);
  const fidelityReplies = args.integer('fidelity', 0, 10_000) ?? (data === undefined ? 8 : 0);
  const batchRows = args.integer('batch', 1, 100_000) ?? 128;
  const task = args.choice(
    'task',
    tasks.map(({ id }) => id),
  );
  const instruction = args.text('instruction') ?? defaultInstruction;

  const set = await questions(args, data, { task: task ?? 'addition', problems, seed, instruction });
  const library = await personaLibrary(args);
  const model = resolve(modelFolder(args));
  const baseFolder = args.text('base');
  const policy = await candidate(args, model, null);
  const base = baseFolder === undefined ? null : await candidate(args, resolve(baseFolder), policy.candidate.name);
  const settings = { problems, samples, temperature, seed, maxNewTokens, fidelityReplies };
  return {
    request: {
      policy: policy.candidate,
      base: base && base.candidate,
      ...library,
      questions: set,
      ...settings,
      batchRows,
    },
    identity: {
      ...(await policyParts(policy.policy)),
      ...(await policyParts(base && base.policy, 'base')),
      ...(await personaParts(library.personas, library.voices)),
      ...(await questionParts([set.questions, set.others].map((list) => list.map(({ id, text, answer }) => [id, text, answer])))),
      ...settingParts({ command: 'eval', ...settings }),
      ...programParts(await chosenEngine(args.engineRequest)),
    },
  };
}

interface Asked {
  readonly task: string;
  readonly problems: number;
  readonly seed: number;
  readonly instruction: string;
}

async function questions(args: Arguments, data: string | undefined, asked: Asked): Promise<QuestionSet> {
  if (data === undefined) return generatedQuestions(taskById(asked.task), asked.problems, asked.seed);
  const text = await readText(args, 'data', data);
  // gsm8k/test.jsonl says more than test.jsonl.
  const name = `${basename(dirname(resolve(data)))}/${basename(data)}`;
  const content = importedQuestions(text, name, asked);
  for (const note of leftOutNotes(content, content.leftOut)) notice(note);
  return content;
}

async function personaLibrary(args: Arguments): Promise<PersonaLibrary> {
  const file = args.text('personas');
  if (file === undefined) return { personas: world, voices: worldVoices };
  return parsePersonas(await readText(args, 'personas', file, maxPersonaFileBytes), file);
}

function tableLines(report: EvaluationReport): string[] {
  const { columns, sections, notes } = reportTable(report);
  const left = Math.max(...sections.flatMap(({ rows }) => rows.map(({ label }) => label.length)));
  const widths = columns.map((name) => Math.max(9, name.length + 2));
  const line = (label: string, cells: readonly string[]) =>
    `${label.padEnd(left)}${cells.map((cell, i) => cell.padStart(widths[i]!)).join('')}`.trimEnd();
  return [
    line('', columns),
    ...sections.flatMap(({ title, rows }) => [
      title,
      ...rows.map(({ label, unit, values }) =>
        line(
          label,
          values.map((value) => formatValue(value, unit)),
        ),
      ),
      '',
    ]),
    ...notes,
  ];
}
