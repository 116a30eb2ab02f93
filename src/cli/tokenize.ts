/** `permix tokenize`: what texts are for a policy's tokenizer, ids and pieces; as they are, or as the chat template writes them, under a persona or none. */
import { resolve } from 'node:path';
import { LabError } from '../errors.ts';
import { renderPrompt } from '../persona/prompt.ts';
import { parseJson } from '../json.ts';
import type { Tokenizer } from '../policy/tokenizer.ts';
import type { Arguments } from './arguments.ts';
import { readText } from './candidate.ts';
import { askedTemplate, modelFolder, readPolicy } from './engine.ts';
import type { Output } from './output.ts';

export async function tokenizeCommand(args: Arguments, out: Output): Promise<void> {
  const system = args.text('system') ?? null;
  if (system !== null && !args.flag('chat')) throw args.wrong('--system needs --chat.');
  const texts = await textsOf(args);
  const model = resolve(modelFolder(args));
  const { tokenizer } = await readPolicy(model, askedTemplate(args));
  if (!tokenizer) throw new LabError('config', `The policy in ${model} has no tokenizer.json.`, 'Choose another --model.');
  for (const { text, place } of texts) {
    const rendered = args.flag('chat') ? at(place, () => renderPrompt(tokenizer, system, text, Infinity)) : null;
    const ids = Array.from(rendered?.tokens ?? at(place, () => encoded(tokenizer, text)));
    const pieces = tokenizer.pieces(ids);
    out.object({ text, ...(rendered ? { prompt: rendered.text } : {}), ids, pieces });
    out.line(ids.map((id, i) => `${id} ${JSON.stringify(pieces[i])}`).join('  '));
  }
}

/** Of no text there are no tokens. */
const encoded = (tokenizer: Tokenizer, text: string): Int32Array => (text === '' ? new Int32Array() : tokenizer.encode(text));

interface Text {
  readonly text: string;
  /** For sentences: which of the texts it is. */
  readonly place: string;
}

/** What cannot be read of one text among many is said of that one. */
function at<T>(place: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    if (!(cause instanceof LabError) || cause.code !== 'format') throw cause;
    throw new LabError('format', `${place}: ${cause.what}`, cause.next, { cause });
  }
}

async function textsOf(args: Arguments): Promise<readonly Text[]> {
  const given = args.texts('text', { blank: true });
  const file = args.text('in');
  if (given.length > 0 === (file !== undefined)) throw args.wrong('Give --text, once for every text, or --in FILE.');
  if (file !== undefined) return linesIn(await readText(args, 'in', file), file);
  return given.map((text) => ({ text, place: `--text “${text.length > 40 ? `${text.slice(0, 39)}…` : text}”` }));
}

/** A text a line; of JSON lines the strings, or what objects have as their `text`. */
function linesIn(content: string, file: string): readonly Text[] {
  const lines = content.replace(/\n$/, '').split('\n');
  if (!/\.(jsonl|ndjson)$/i.test(file)) return lines.map((line, i) => ({ text: line.replace(/\r$/, ''), place: `${file}, line ${i + 1}` }));
  const next = 'Every line is a JSON string, or an object with "text".';
  return lines.flatMap((line, i) => {
    if (line.trim() === '') return [];
    const json = parseJson(line, { file, line: i + 1, next });
    const text = typeof json === 'object' && json !== null && 'text' in json ? json.text : json;
    if (typeof text !== 'string') throw new LabError('format', `${file}, line ${i + 1}: there is no text.`, next);
    return [{ text, place: `${file}, line ${i + 1}` }];
  });
}
