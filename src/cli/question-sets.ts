/** Files of questions on disk: as the options name them, as a run recorded them, read once and told apart by their hash. */
import { createReadStream, existsSync } from 'node:fs';
import { basename, dirname, relative, resolve } from 'node:path';
import { LabError } from '../errors.ts';
import { readQuestions, type QuestionFile, type QuestionFileOptions } from '../evaluate/question-file.ts';
import type { RunConfig } from '../rl/config.ts';
import type { SetFile } from '../tasks/sets/bytes.ts';
import type { Columns } from '../tasks/sets/columns.ts';
import { linesOf, refuseTooFew, type SetSummary } from '../tasks/sets/read.ts';
import type { HeldOutSplit, ImportedSet, ImportedSets, SourceChoice } from '../tasks/source.ts';
import { shellWord, type Arguments } from './arguments.ts';
import { regularFile } from './files.ts';
import { skipRows } from './persona-files.ts';
import { notice, Progress } from './progress.ts';

/** What a run has of its sets. */
export interface RunSets {
  readonly sets: ImportedSets;
  /** Absolute paths by the id of the choice. */
  readonly paths: Readonly<Record<string, string>>;
}

export const noSets: RunSets = { sets: {}, paths: {} };

/** Read from its beginning, piece by piece. @throws LabError 'usage' where there is none, 'format' for a folder or a pipe */
export async function diskSet(args: Arguments, option: string, path: string): Promise<SetFile> {
  if (!existsSync(path)) throw args.wrong(`There is no file ${path} for --${option}.`);
  const { size } = await regularFile(path);
  return { name: setName(path), size, bytes: () => createReadStream(path, { highWaterMark: 1 << 20 }) };
}

/** gsm8k/test.jsonl says more than test.jsonl. */
export const setName = (path: string): string => `${basename(dirname(resolve(path)))}/${basename(path)}`;

/** @throws LabError 'usage' where one of the two is missing */
export function columnsOf(args: Arguments): Columns | undefined {
  const [question, answer] = [args.text('question-column'), args.text('answer-column')];
  if ((question === undefined) !== (answer === undefined)) throw args.wrong('--question-column and --answer-column belong together.');
  return question === undefined || answer === undefined ? undefined : { question, answer };
}

/** What the options say of reading. */
export function readingOf(args: Arguments): QuestionFileOptions {
  const columns = columnsOf(args);
  return { ...(columns ? { columns } : {}), skipBroken: args.flag(skipRows) };
}

/** `0.1` or `0.1:7`: the share that is never trained on, and the seed that decides which. */
export function splitOption(args: Arguments): HeldOutSplit | undefined {
  const text = args.text('question-split');
  if (text === undefined) return undefined;
  const [, share, seed = '1'] = /^(0?\.\d+)(?::(\d{1,9}))?$/.exec(text) ?? [];
  const value = Number(share);
  if (share === undefined || !(value > 0 && value < 1)) {
    throw args.wrong(`--question-split is a share between 0 and 1, with a seed after a colon if you like, such as 0.1:7; not "${text}".`);
  }
  return { share: value, seed: Number(seed) };
}

/** With a bar for what takes long, and a sentence for each reason that rows were left out for. */
export async function readDisk(args: Arguments, option: string, path: string, options: QuestionFileOptions): Promise<QuestionFile> {
  const file = await diskSet(args, option, path);
  const progress = new Progress(`reading ${file.name}, MB`, Math.max(1, Math.ceil(file.size / 1e6)));
  try {
    return await readQuestions(file, { ...options, onProgress: (bytes) => progress.at(bytes / 1e6) });
  } finally {
    progress.done();
  }
}

/** What the reader of a command should know of what was left out. */
export function leftOutLines({ name, leftOut }: SetSummary): string[] {
  return Object.entries(leftOut).map(
    ([reason, { count, lines }]) => `${count} of the questions left out: ${reason} (${name}, ${linesOf(lines, count)}).`,
  );
}

/** The sets of --questions, which may come with a weight: FILE:2. */
export async function givenSets(args: Arguments): Promise<RunSets & { readonly choices: readonly SourceChoice[] }> {
  const split = splitOption(args);
  const reading = readingOf(args);
  const choices: SourceChoice[] = [];
  const sets: Record<string, ImportedSet> = {};
  const paths: Record<string, string> = {};
  const given = args.texts('questions');
  if (given.length === 0 && (split || reading.columns)) {
    throw args.wrong('--question-split, --question-column and --answer-column say how --questions are read; give it too.');
  }
  for (const text of given) {
    const { path, weight } = weighed(text);
    const { set, summary } = await readDisk(args, 'questions', path, reading);
    refuseTooFew(summary);
    for (const line of leftOutLines(summary)) notice(line);
    const id = summary.name;
    if (sets[id]) throw args.wrong(`--questions names two files called ${id}; rename one of them.`);
    [sets[id], paths[id]] = [set, resolve(path)];
    choices.push({
      id,
      weight,
      set: {
        sha256: summary.sha256,
        questions: summary.questions,
        kind: set.kind,
        ...(reading.columns ? { columns: reading.columns } : {}),
        ...(split ? { heldOut: split } : {}),
      },
    });
  }
  return { choices, sets, paths };
}

/** A file may have a colon in its name. */
function weighed(text: string): { readonly path: string; readonly weight: number } {
  const [, path, weight] = existsSync(text) ? [] : (/^(.+):(\d+(?:\.\d+)?)$/.exec(text) ?? []);
  return path === undefined ? { path: text, weight: 1 } : { path, weight: Number(weight) };
}

/** A stored run, as far as its sets go. */
export interface Recorded {
  /** Its folder, or file. */
  readonly path: string;
  readonly config: Pick<RunConfig, 'tasks'>;
  /** By the id of the choice, from its folder. */
  readonly questions?: Readonly<Record<string, string>>;
}

/**
 * The sets that a stored run was begun with: where they lay, or where --questions says. A file is known by its hash alone.
 * @throws LabError 'usage' for a file that is gone, or holds anything else than it did
 */
export async function recordedSets(args: Arguments, { path, config, questions = {} }: Recorded): Promise<RunSets> {
  const sets: Record<string, ImportedSet> = {};
  const paths: Record<string, string> = {};
  const given = args.texts('questions').map((text) => weighed(text).path);
  for (const { id, set } of config.tasks) {
    if (!set) continue;
    const before = questions[id] === undefined ? null : resolve(path, questions[id]);
    const candidates = [...given, ...(given.length === 0 && before !== null && existsSync(before) ? [before] : [])];
    const say = `Say where the file is now, as it was: --questions ${shellWord(basename(id))}.`;
    const run = `The run in ${path} was begun with the questions of ${id}, whose SHA-256 begins with ${set.sha256.slice(0, 12)}`;
    if (candidates.length === 0) throw new LabError('usage', `${run}; there is no ${before ?? 'such file'}.`, say);
    let found: QuestionFile | null = null;
    const others: string[] = [];
    for (const candidate of candidates) {
      const read = await readDisk(args, 'questions', candidate, { ...(set.columns ? { columns: set.columns } : {}), skipBroken: true });
      if (read.summary.sha256 === set.sha256) [found, paths[id]] = [read, candidate];
      else others.push(`${candidate} begins with ${read.summary.sha256.slice(0, 12)}`);
    }
    if (!found) throw new LabError('usage', `${run}; that of ${others.join(', that of ')}.`, say);
    sets[id] = found.set;
  }
  return { sets, paths };
}

/** As run.json keeps them. @param folder of the run */
export const pathsFrom = (folder: string, paths: RunSets['paths']): { readonly questions?: Record<string, string> } =>
  Object.keys(paths).length === 0
    ? {}
    : { questions: Object.fromEntries(Object.entries(paths).map(([id, path]) => [id, relative(folder, path)])) };
