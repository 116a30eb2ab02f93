/** `permix tokenize`: ids and pieces of texts as they are and through the chat template, from options and files; and what it refuses. */
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { Arguments } from '../../src/cli/arguments.ts';
import { commands } from '../../src/cli/commands.ts';
import { Output } from '../../src/cli/output.ts';
import { readPolicy } from '../../src/cli/engine.ts';
import { labErrorCode } from '../../src/errors.ts';
import { loadTokenizer } from '../../src/policy/tokenizer.ts';
import { writeTinyPolicy } from '../helpers/tiny-folder.ts';
import { tinyTokenizerFiles } from '../helpers/tiny-policy.ts';

let at = '';
/** Of characters, few of them. */
let policy = '';
/** Of bytes, hence of every text. */
const bundled = join(import.meta.dirname, '../../public/models/permix-tiny');
const tokenizer = loadTokenizer(tinyTokenizerFiles.json, tinyTokenizerFiles.config);

interface Tokenized {
  readonly text: string;
  readonly prompt?: string;
  readonly ids: readonly number[];
  readonly pieces: readonly string[];
}

/** @returns what it prints, a line an entry */
async function printed(json: boolean, argv: readonly string[]): Promise<string[]> {
  const lines: string[] = [];
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => lines.push(String(text)) > 0);
  const command = commands.find(({ name }) => name === 'tokenize')!;
  await command.run(new Arguments(command, [...argv, ...(json ? ['--json'] : [])]), new Output(json));
  return lines;
}

const tokenize = async (...argv: string[]): Promise<Tokenized[]> =>
  (await printed(true, ['--model', policy, ...argv])).map((line) => JSON.parse(line) as Tokenized);

const refused = (...argv: string[]): Promise<[string | null, string]> =>
  printed(true, argv).then(
    () => expect.fail('it was not refused'),
    (error: Error) => [labErrorCode(error), error.message],
  );

async function written(name: string, content: string | Uint8Array): Promise<string> {
  const path = join(at, name);
  await writeFile(path, content);
  return path;
}

beforeAll(async () => {
  at = await mkdtemp(join(tmpdir(), 'permix-tokenize-'));
  policy = join(at, 'policy');
  await writeTinyPolicy(policy);
});
afterEach(() => vi.restoreAllMocks());
afterAll(() => rm(at, { recursive: true, force: true }));

/** Accents in both forms, scripts, an emoji of seven code points, a right-to-left mark, blanks, controls, U+2028, a special token as text. */
const odd = ['naïve cafe\u0301', '日本語 और हिन्दी', '👩‍👩‍👧‍👦', '\u200fשלום', '  two\tblanks ', 'a\u0000b', 'line\u2028line', '\\boxed{½}'];

describe('permix tokenize', () => {
  it('gives ids from which the text comes back, whatever its characters', async () => {
    const texts = ['What is 3 + 4?', ...odd];
    const found = (await printed(true, ['--model', bundled, ...texts.flatMap((text) => ['--text', text])])).map(
      (line) => JSON.parse(line) as Tokenized,
    );
    expect(found.map(({ text }) => text)).toEqual(texts);
    const { tokenizer: own } = await readPolicy(bundled);
    for (const { text, ids, pieces } of found) {
      expect(pieces).toHaveLength(ids.length);
      expect(pieces.join('')).toBe(text);
      expect(own!.decode(ids)).toBe(text);
    }
  });

  it('gives a special token of the text its one id, by name', async () => {
    const [{ ids, pieces }] = (await tokenize('--text', 'a<system>b')) as [Tokenized];
    expect(pieces).toEqual(['a', '<system>', 'b']);
    expect(ids[1]).toBe(tokenizer.idOf('<system>'));
  });

  it('finds no tokens in no text, and those of blanks in blanks', async () => {
    expect(await tokenize('--text', '', '--text', ' ')).toEqual([
      { text: '', ids: [], pieces: [] },
      { text: ' ', ids: [tokenizer.idOf('Ġ')], pieces: [' '] },
    ]);
  });

  it('writes a message as the chat template has it, under a persona or none', async () => {
    const [plain] = await tokenize('--chat', '--text', 'Hi.');
    const [told] = await tokenize('--chat', '--system', 'You are a poet.', '--text', 'Hi.');
    for (const { ids, prompt, pieces } of [plain!, told!]) {
      expect(ids).toEqual([...tokenizer.encode(prompt!)]);
      expect(pieces.join('')).toBe(prompt);
      expect(prompt).toContain('Hi.');
    }
    expect(plain!.prompt).not.toContain('poet');
    expect(told!.prompt).toContain('You are a poet.');
  });

  it('reads a text a line, with its blank lines, and of JSON lines the strings and "text"', async () => {
    const texts = async (name: string, content: string) => (await tokenize('--in', await written(name, content))).map(({ text }) => text);
    expect(await texts('a.txt', 'one\r\n\r\n two\u2028\n')).toEqual(['one', '', ' two\u2028']);
    expect(await texts('a.jsonl', '"one\\ntwo"\n\n{"text": "three", "id": 3}\n')).toEqual(['one\ntwo', 'three']);
    expect(await texts('empty.jsonl', '')).toEqual([]);
  });

  it('prints ids and pieces for people', async () => {
    const ids = [...tokenizer.encode('a b')];
    const line = ids.map((id, i) => `${id} ${JSON.stringify(tokenizer.pieces(ids)[i])}`).join('  ');
    expect(await printed(false, ['--model', policy, '--text', 'a b'])).toEqual([`${line}\n`]);
  });
});

describe('permix tokenize refuses', () => {
  it('options that do not go together', async () => {
    const wrong = async (...argv: string[]) => {
      const [code, message] = await refused('--model', policy, ...argv);
      expect(code).toBe('usage');
      return message;
    };
    expect(await wrong()).toMatch(/^Give --text, once for every text, or --in FILE\./);
    expect(await wrong('--text', 'a', '--in', 'b.txt')).toMatch(/^Give --text, once for every text, or --in FILE\./);
    expect(await wrong('--text', 'a', '--system', 'b')).toMatch(/^--system needs --chat\./);
    expect(await wrong('--in', join(at, 'nowhere.txt'))).toMatch(/^There is no file .*nowhere\.txt for --in\./);
  });

  it('a file by its line', async () => {
    const format = async (name: string, content: string | Uint8Array) => {
      const [code, message] = await refused('--model', policy, '--in', await written(name, content));
      expect(code).toBe('format');
      return message;
    };
    expect(await format('b.jsonl', '"a"\n{"text": 3}\n')).toMatch(/b\.jsonl, line 2: there is no text\. Every line is a JSON string/);
    expect(await format('c.jsonl', '"a"\n"b\n')).toMatch(/c\.jsonl, line 2: .* Every line is a JSON string/);
    expect(await format('d.txt', Uint8Array.of(0x61, 0xff))).toMatch(/d\.txt is not text in UTF-8\./);
  });

  it('a text by its place, where the policy has no weights for a token of it', async () => {
    const folder = join(at, 'longer');
    await cp(policy, folder, { recursive: true });
    const { json } = tinyTokenizerFiles;
    const far = { ...json.added_tokens[0]!, id: 84, content: '<far>' };
    await writeFile(join(folder, 'tokenizer.json'), JSON.stringify({ ...json, added_tokens: [...json.added_tokens, far] }));
    const place = async (...argv: string[]) => {
      const [code, message] = await refused('--model', folder, ...argv);
      expect(code).toBe('format');
      return message.split(': The text holds the token "<far>"')[0];
    };
    expect(await place('--text', 'a', '--text', 'b<far>')).toBe('--text “b<far>”');
    expect(await place('--chat', '--text', `${'b'.repeat(50)}<far>`)).toBe(`--text “${'b'.repeat(39)}…”`);
    const [lines, json3] = [await written('e.txt', 'a\n<far>\n'), await written('f.jsonl', '"a"\n\n"<far>"\n')];
    expect(await place('--in', lines)).toBe(`${lines}, line 2`);
    expect(await place('--in', json3)).toBe(`${json3}, line 3`);
  });

  it('a folder that is no policy, and one without a tokenizer or with a broken one', async () => {
    const copy = async (name: string, change: (folder: string) => Promise<unknown>) => {
      const folder = join(at, name);
      await cp(policy, folder, { recursive: true });
      await change(folder);
      const [code, message] = await refused('--model', folder, '--text', 'a');
      return `${code}: ${message}`;
    };
    expect(await copy('mute', (folder) => rm(join(folder, 'tokenizer.json')))).toMatch(
      /^config: The policy in .*mute has no tokenizer\.json\. Choose another --model\./,
    );
    expect(await copy('torn', (folder) => writeFile(join(folder, 'tokenizer.json'), '{"model": '))).toMatch(/^format: .*tokenizer\.json/);
    expect(await copy('bare', (folder) => rm(join(folder, 'config.json')))).toMatch(/config\.json/);
    await mkdir(join(at, 'nothing'));
    expect((await refused('--model', join(at, 'nothing'), '--text', 'a'))[1]).toMatch(/config\.json/);
    expect((await refused('--model', join(at, 'nowhere'), '--text', 'a'))[1]).toMatch(/nowhere/);
  });

  it('--chat of a policy that has no chat template', async () => {
    const folder = join(at, 'untold');
    await cp(policy, folder, { recursive: true });
    const { chat_template: _, ...config } = tinyTokenizerFiles.config as Record<string, unknown>;
    await writeFile(join(folder, 'tokenizer_config.json'), JSON.stringify(config));
    const [code, message] = await refused('--model', folder, '--chat', '--text', 'a');
    expect([code, message]).toEqual(['format', expect.stringMatching(/The policy has no chat template\. Add one/)]);
    expect(await printed(true, ['--model', folder, '--text', 'a'])).toHaveLength(1);
  });
});
