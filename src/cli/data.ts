/** `permix data --check FILE`: what a file of questions is, before anything is trained or examined on it; and, with --rates, a part of it by difficulty. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { LabError } from '../errors.ts';
import { checkQuestions } from '../evaluate/question-file.ts';
import { renderPrompt } from '../persona/prompt.ts';
import { questionId } from '../tasks/hash.ts';
import { boxedInstruction } from '../tasks/instruction.ts';
import { kindTitles } from '../tasks/sets/columns.ts';
import { isHeldOut } from '../tasks/sets/imported.ts';
import { linesOf, type SetQuestion, type SetSummary } from '../tasks/sets/read.ts';
import { usualSplit, type HeldOutSplit } from '../tasks/source.ts';
import { goldAnswer } from '../verify/verify.ts';
import type { Arguments } from './arguments.ts';
import { askedTemplate, readPolicy } from './engine.ts';
import { readJson, replaceFile } from './files.ts';
import type { Output } from './output.ts';
import { notice, Progress } from './progress.ts';
import { columnsOf, diskSet, splitOption } from './question-sets.ts';
import { stopSignal } from './stop.ts';

/** What comes of a file beside its summary. */
interface Checked {
  readonly split: { readonly train: number; readonly evaluation: number };
  readonly longest: Longest | null;
}

interface Longest {
  /** Of the prompt, with its chat template and the instruction. */
  readonly tokens: number;
  readonly line: number;
  /** What the policy reads at most; null: not known. */
  readonly limit: number | null;
}

export async function dataCommand(args: Arguments, out: Output): Promise<number> {
  const path = args.required('check');
  const split = splitOption(args) ?? usualSplit;
  const columns = columnsOf(args);
  const keep = await difficulty(args);
  const file = await diskSet(args, 'check', path);
  const measure = await measuring(args);
  const counts = { train: 0, evaluation: 0 };
  const kept: string[] = [];
  let unrated = 0;
  const stop = stopSignal('Stopping.');
  const progress = new Progress(`reading ${file.name}, MB`, Math.max(1, Math.ceil(file.size / 1e6)));
  let summary: SetSummary;
  try {
    summary = await checkQuestions(file, {
      ...(columns ? { columns } : {}),
      signal: stop.signal,
      onProgress: (bytes) => progress.at(bytes / 1e6),
      onQuestion: (question) => {
        counts[isHeldOut(question.asked, split) ? 'evaluation' : 'train']++;
        measure?.add(question);
        if (!keep) return;
        const rate = keep.rates.get(questionId('import', question.asked));
        if (rate === undefined) unrated++;
        else if (rate >= keep.low && rate <= keep.high) kept.push(JSON.stringify({ question: question.asked, answer: question.gold }));
      },
    });
  } finally {
    progress.done();
    stop.release();
  }
  // As a run splits it, which leaves neither side empty.
  const { train, evaluation } = counts;
  if (train + evaluation > 1 && evaluation === 0) Object.assign(counts, { train: train - 1, evaluation: 1 });
  if (train + evaluation > 1 && train === 0) Object.assign(counts, { train: 1, evaluation: evaluation - 1 });
  const longest = measure?.longest() ?? null;
  out.object(objectOf(summary, split, { split: counts, longest }));
  for (const line of linesFor(summary, split, { split: counts, longest })) out.line(line);
  if (keep) await writeKept(keep, kept, unrated, summary);
  return summary.questions === 0 ? 1 : 0;
}

function objectOf(summary: SetSummary, split: HeldOutSplit, checked: Checked): object {
  const { kind, leftOut, ...others } = summary;
  const unusable = Object.entries(leftOut).map(([reason, { count, lines }]) => ({ reason, count, lines }));
  return {
    ...others,
    recognised: kind,
    unusable,
    split: { ...split, ...checked.split },
    ...(checked.longest ? { longest: checked.longest } : {}),
  };
}

function linesFor(summary: SetSummary, split: HeldOutSplit, { split: counts, longest }: Checked): string[] {
  const { name, kind, format, columns, reads, rows, questions, leftOut, preview, sha256 } = summary;
  const first = preview.find(({ asked }) => asked !== null);
  const line = (label: string, text: string) => `${label.padEnd(12)}${text}`;
  const short = (text: string) => (text.length > 100 ? `${text.slice(0, 99)}…` : text).replace(/\s+/g, ' ');
  return [
    line('file', `${name}, ${format.toUpperCase()}, SHA-256 ${sha256}`),
    line(
      'recognised',
      kind === null ? 'no: choose with --question-column and --answer-column' : `as ${kindTitles[kind]}, by ${reads.join(', ')}`,
    ),
    line('columns', columns.join(', ') || 'none'),
    line('rows', `${rows}, of which ${questions} can be used`),
    ...Object.entries(leftOut).map(([reason, { count, lines }]) => line('', `${count}: ${reason} (${linesOf(lines, count)})`)),
    ...(questions > 0
      ? [line('split', `${counts.train} to train on, ${counts.evaluation} held out (share ${split.share}, seed ${split.seed})`)]
      : []),
    ...(longest
      ? [
          line(
            'longest',
            `${longest.tokens} tokens with the instruction, line ${longest.line}${longest.limit === null ? '' : `; the policy reads ${longest.limit}`}`,
          ),
        ]
      : []),
    ...(first
      ? [line('first', short(first.asked!)), line('', `→ ${short(first.gold === null ? 'no answer' : goldAnswer(first.gold))}`)]
      : []),
  ];
}

/** Null without --model. */
async function measuring(args: Arguments): Promise<{ add(question: SetQuestion): void; longest(): Longest | null } | null> {
  const model = args.text('model');
  if (model === undefined) return null;
  const { tokenizer } = await readPolicy(resolve(model), askedTemplate(args));
  if (!tokenizer) throw new LabError('config', `The policy in ${model} has no tokenizer.json.`, 'Choose another --model.');
  let found: Longest | null = null;
  return {
    add: ({ asked, line }) => {
      const { length } = renderPrompt(tokenizer, null, `${asked}\n${boxedInstruction}`, Infinity).tokens;
      if (!found || length > found.tokens) found = { tokens: length, line, limit: tokenizer.maxLength ?? null };
    },
    longest: () => found,
  };
}

interface Difficulty {
  /** In [0, 1], over all personas, none among them, and all replies; by the id of the question. */
  readonly rates: ReadonlyMap<string, number>;
  readonly low: number;
  readonly high: number;
  readonly out: string;
}

interface Counted {
  readonly correct: readonly number[];
}

/** As much of a report (`evaluate/report.ts`) as is read. */
interface Solved {
  readonly data: { readonly problemIds: readonly string[] };
  readonly sampling: { readonly samples: number };
  readonly policy: Record<'none', Counted> & { readonly personas: readonly Counted[] };
}

async function difficulty(args: Arguments): Promise<Difficulty | null> {
  const [report, out, between] = [args.text('rates'), args.text('out'), args.text('between')];
  if (report === undefined && out === undefined && between === undefined) return null;
  if (report === undefined || out === undefined) throw args.wrong('--rates REPORT.json and --out FILE.jsonl belong together.');
  if (existsSync(out)) throw args.wrong(`${out} is there already. Choose another --out.`);
  const [low, high, ...more] = (between ?? '0.1,0.9').split(',').map((part) => (part.trim() === '' ? NaN : Number(part)));
  if (low === undefined || high === undefined || more.length > 0 || !(low >= 0 && low <= high && high <= 1)) {
    throw args.wrong(`--between is two solve rates from 0 to 1, the lower one first, such as 0.1,0.9; not "${between}".`);
  }
  return { rates: solveRates(await readJson(report), report), low, high, out };
}

function solveRates(json: unknown, file: string): ReadonlyMap<string, number> {
  const report = json as Partial<Solved> | null;
  const { problemIds } = report?.data ?? {};
  const { none, personas } = report?.policy ?? {};
  const accuracies = none && Array.isArray(personas) ? [none, ...(personas as readonly Counted[])] : [];
  const samples = report?.sampling?.samples;
  if (
    !Array.isArray(problemIds) ||
    accuracies.length === 0 ||
    typeof samples !== 'number' ||
    accuracies.some((one) => !Array.isArray(one.correct) || one.correct.length !== problemIds.length)
  ) {
    throw new LabError(
      'format',
      `${file} is no report of permix eval.`,
      'Give the file of its --json, or the report.json of its --out folder.',
    );
  }
  const asked = accuracies.length * samples;
  return new Map(problemIds.map((id: string, i) => [id, accuracies.reduce((sum, { correct }) => sum + (correct[i] ?? 0), 0) / asked]));
}

async function writeKept({ rates, low, high, out }: Difficulty, kept: readonly string[], unrated: number, { name, questions }: SetSummary) {
  if (unrated === questions) {
    throw new LabError(
      'format',
      `None of the questions of ${name} is among the ${rates.size} of the report.`,
      'Give the report of this file.',
    );
  }
  if (kept.length === 0) {
    throw new LabError('config', `No question of ${name} has a solve rate from ${low} to ${high}.`, 'Widen --between.');
  }
  await replaceFile(out, `${kept.join('\n')}\n`);
  const left = unrated > 0 ? ` ${unrated} were not asked in the report, and are left out.` : '';
  notice(`Wrote the ${kept.length} of ${questions} questions whose solve rate is from ${low} to ${high} to ${out}.${left}`);
}
