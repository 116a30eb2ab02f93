/** `permix verify`: whether answers are equal to their gold answers, with the trace of every verdict (docs/verifier.md). */
import { numberAsWritten } from '../tasks/sets/json-digits.ts';
import { LabError } from '../errors.ts';
import { parseJson } from '../json.ts';
import type { AnswerForm } from '../verify/answer-forms.ts';
import { verifyCase, type Case } from '../verify/cases.ts';
import type { Arguments } from './arguments.ts';
import { readText } from './candidate.ts';
import { extractNames } from './extract-names.ts';
import type { Output } from './output.ts';

const usual: readonly AnswerForm[] = ['boxed', 'answer-tag', 'answer-is', 'hashes', 'last-number'];

export async function verifyCommand(args: Arguments, out: Output): Promise<void> {
  const names = args.choices('extract', Object.keys(extractNames));
  const order = names?.map((name) => extractNames[name]!) ?? usual;
  const [file, gold, pred] = [args.text('cases'), args.text('gold'), args.text('pred')];
  if (file === undefined) {
    if (gold === undefined || pred === undefined) throw args.wrong('Give --cases FILE.jsonl, or --gold and --pred.');
    return one({ gold, pred }, order, out);
  }
  if (gold !== undefined || pred !== undefined)
    throw args.wrong('--cases brings golds and answers of its own; --gold and --pred do not go with it.');
  const cases = parseCases(await readText(args, 'cases', file), file);
  const counts = { equal: 0, different: 0, open: 0 };
  for (const [index, each] of cases.entries()) {
    const { equal, extracted, trace } = await verifyCase(each, order);
    out.object({ index, equal, extracted, trace });
    out.line(
      `${String(index).padStart(4)}  ${equal === null ? '-    ' : equal ? 'equal' : 'no   '}  ${oneLine(extracted)}, gold ${oneLine(each.gold)}`,
    );
    counts[equal === null ? 'open' : equal ? 'equal' : 'different']++;
  }
  out.line(`${cases.length} cases: ${counts.equal} equal, ${counts.different} not, ${counts.open} whose gold cannot be compared`);
}

async function one(given: Case, order: readonly AnswerForm[], out: Output): Promise<void> {
  const { equal, extracted, trace } = await verifyCase(given, order);
  out.object({ index: 0, equal, extracted, trace });
  for (const step of trace) out.line(step);
}

function oneLine(text: string | null): string {
  const line = (text ?? 'no answer').replace(/\s+/g, ' ');
  return line.length > 60 ? `${line.slice(0, 59)}…` : line;
}

/**
 * Every line is a JSON object with `gold`, and `pred` or `completion`; other fields are left alone.
 * @throws LabError 'format' naming file and line
 */
function parseCases(text: string, file: string): readonly Case[] {
  const next = 'Every line is a JSON object with "gold", and "pred" or "completion".';
  const cases: Case[] = [];
  for (const [index, line] of text
    .replace(/^\ufeff/, '')
    .split('\n')
    .entries()) {
    if (line.trim() === '') continue;
    const wrong = (what: string) => new LabError('format', `${file}, line ${index + 1}: ${what}.`, next);
    const json = parseJson(line, { file, next, line: index + 1, anyNumber: true });
    if (typeof json !== 'object' || json === null || Array.isArray(json)) throw wrong('this is not a JSON object');
    const entry = new Map<string, unknown>(Object.entries(json));
    const field = (name: string): string | null => {
      const value = entry.get(name);
      if (typeof value === 'number') return numberAsWritten(line, name);
      return typeof value === 'string' ? value : null;
    };
    const [gold, pred, completion] = [field('gold'), field('pred'), field('completion')];
    if (gold === null) throw wrong('"gold" is not a text');
    if (pred !== null) cases.push({ gold, pred });
    else if (completion !== null) cases.push({ gold, completion });
    else throw wrong('neither "pred" nor "completion" is a text');
  }
  return cases;
}
