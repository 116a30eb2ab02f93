/** `permix eval`: one policy under every persona, alone or against its base; a table, JSON and CSV. Stoppable and resumable with --out. */
import { resolve } from 'node:path';
import type { EvaluationRequest } from '../evaluate/request.ts';
import { labErrorCode } from '../errors.ts';
import { evaluate } from '../evaluate/evaluate.ts';
import { generatedQuestions, importedQuestions, leftOutNotes, type QuestionSet } from '../evaluate/questions.ts';
import { reportCsv, reportJson, type EvaluationReport } from '../evaluate/report.ts';
import { headlineProblems } from '../evaluate/stability.ts';
import { formatInterval, formatValue, reportTable, type TableRow } from '../evaluate/table.ts';
import type { PersonaLibrary } from '../persona/file.ts';
import { somePersonas } from '../persona/groups.ts';
import { libraryOf } from '../persona/libraries.ts';
import { personaParts, policyParts, programParts, questionParts, settingParts, takenOverNotes, type Identity } from '../run/identity.ts';
import { taskById, tasks } from '../tasks/index.ts';
import { splits } from '../tasks/question.ts';
import { usualSplit, type HeldOutSplit } from '../tasks/source.ts';
import { findTooLittle, type AnswerForm } from '../verify/answer-forms.ts';
import type { Arguments } from './arguments.ts';
import { accepted } from './accept.ts';
import { askingOf, templateSettings } from '../rl/asking.ts';
import { askingOfRun, defaultsOf, givenAsking, splitOfRun } from './asking.ts';
import { candidate } from './candidate.ts';
import { chosenEngine, modelFolder } from './engine.ts';
import { EvaluationFolder } from './eval-folder.ts';
import { reportFiles, tryReportFiles, writeFiles } from './output-files.ts';
import type { Output } from './output.ts';
import { notice, Progress } from './progress.ts';
import { columnsOf, readDisk, readingOf, splitOption } from './question-sets.ts';
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
  if (data === undefined && (args.text('split') !== undefined || columnsOf(args)))
    throw args.wrong('--split, --question-column and --answer-column say how --data is read; give it too.');
  if (args.text('question-split') !== undefined && args.text('split') === undefined)
    throw args.wrong('--question-split says which questions --split means; give it too.');
  const temperature = args.number('temperature', 0, 10) ?? (greedy ? 0 : 1);
  if (greedy && temperature > 0) throw args.wrong('--greedy and --temperature exclude each other.');
  const samples = args.integer('samples', 1, 10_000) ?? 1;
  if (temperature === 0 && samples > 1) throw args.wrong(`Greedy decoding gives the same reply ${samples} times; leave out --samples.`);
  const problems = args.integer('problems', 1, 1_000_000) ?? headlineProblems;
  const seed = args.integer('seed', 0, 0xffffffff) ?? 1;
  const fidelityReplies = args.integer('fidelity', 0, 10_000) ?? (data === undefined ? 8 : 0);
  const batchRows = args.integer('batch', 1, 100_000) ?? 128;
  const task = args.choice(
    'task',
    tasks.map(({ id }) => id),
  );
  const model = resolve(modelFolder(args));
  const baseFolder = args.text('base');
  const brought = await defaultsOf(model);
  const maxNewTokens = args.integer('max-new', 1, 1_000_000) ?? (data === undefined ? (brought ? 2 * brought.maxNewTokens : 48) : 512);
  const asRun = await askingOfRun(model);
  const asked = {
    ...(data === undefined ? { ...brought, ...(asRun && askingOf(asRun)) } : {}),
    ...(await givenAsking(args)),
  };
  const { instruction, answers } = asked;
  const how = { ...(instruction === undefined ? {} : { instruction }), ...(answers ? { answers } : {}) };

  const set = await questions(args, data, { model, task: task ?? brought?.tasks[0]?.id ?? 'addition', problems, seed, ...how });
  const library = someOf(libraryOf(asked.library ?? (asRun ?? brought)?.library), args, seed);
  const told = templateSettings(asRun ?? { templateArguments: brought?.templateArguments ?? {} });
  const policy = await candidate(args, model, null, told);
  const base = baseFolder === undefined ? null : await candidate(args, resolve(baseFolder), policy.candidate.name, told);
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
  readonly model: string;
  readonly task: string;
  readonly problems: number;
  readonly seed: number;
  readonly instruction?: string;
  readonly answers?: readonly AnswerForm[];
}

async function questions(args: Arguments, data: string | undefined, asked: Asked): Promise<QuestionSet> {
  if (data === undefined) {
    const task = taskById(asked.task);
    if (asked.answers && findTooLittle(task, asked.answers))
      throw args.wrong(
        `A reply to the task ${task.id} is more than its last number; let --answers name another form before it, such as boxed.`,
      );
    return generatedQuestions(task, asked.problems, asked);
  }
  const split = args.choice('split', splits);
  const given = splitOption(args);
  const file = await readDisk(args, 'data', data, readingOf(args));
  const trained = split ? await splitOfRun(asked.model, file.summary.sha256) : null;
  const heldOut = given ?? trained ?? usualSplit;
  if (split && trained && !sameSplit(heldOut, trained))
    notice(
      `The run of this policy held out by --question-split ${trained.share}:${trained.seed}; by ${heldOut.share}:${heldOut.seed} it may have been trained on what is asked.`,
    );
  const content = importedQuestions(file, { ...asked, ...(split ? { split, heldOut } : {}) });
  for (const note of leftOutNotes(content, content.leftOut)) notice(note);
  return content;
}

const sameSplit = (a: HeldOutSplit, b: HeldOutSplit) => a.share === b.share && a.seed === b.seed;

/** With `--persona-count`, as many of its personas, drawn by the seed. */
function someOf(library: PersonaLibrary, args: Arguments, seed: number): PersonaLibrary {
  const count = args.integer('persona-count', 2, library.personas.length);
  return { ...library, personas: somePersonas(library.personas, count, seed) };
}

function tableLines(report: EvaluationReport): string[] {
  const { columns, sections, notes } = reportTable(report);
  const left = Math.max(...sections.flatMap(({ rows }) => rows.map(({ label }) => label.length)));
  const cells = ({ unit, values, intervals }: TableRow) =>
    values.map((value, i) => {
      const interval = intervals?.[i];
      return interval ? `${formatValue(value, unit)} [${formatInterval(interval, unit)}]` : formatValue(value, unit);
    });
  const longest = (column: number) => Math.max(...sections.flatMap(({ rows }) => rows.map((row) => cells(row)[column]!.length)));
  const widths = columns.map((name, column) => Math.max(9, name.length + 2, longest(column) + 2));
  const line = (label: string, texts: readonly string[]) =>
    `${label.padEnd(left)}${texts.map((text, i) => text.padStart(widths[i]!)).join('')}`.trimEnd();
  return [
    line('', columns),
    ...sections.flatMap(({ title, rows }) => [title, ...rows.map((row) => line(row.label, cells(row))), '']),
    ...notes,
  ];
}
