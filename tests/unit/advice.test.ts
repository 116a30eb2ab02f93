/**
 * What a message tells the reader to do can be done: every option, command, script and document that a sentence of the source names is
 * there, no error is without advice, and the advice that is met most is followed here to the letter. (That of train, resume, fork, eval
 * and judge about what changed is followed in `resume-commands.test.ts` and `run-folder.test.ts`, of a run that is too long in `rl-room.test.ts`.)
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import ts from 'typescript';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { Arguments, commonOptions } from '../../src/cli/arguments.ts';
import { commands } from '../../src/cli/commands.ts';
import { Output } from '../../src/cli/output.ts';
import { LabError } from '../../src/errors.ts';
import { tinyConfig } from '../helpers/tiny-policy.ts';
import { writeTinyPolicy } from '../helpers/tiny-folder.ts';

const root = resolve(import.meta.dirname, '../..');
const read = (path: string) => readFileSync(join(root, path), 'utf8');
const files = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
  .map((file) => `src/${file.replaceAll('\\', '/')}`)
  .filter((file) => /\.(ts|svelte)$/.test(file) && !file.endsWith('.d.ts'));

interface Said {
  readonly file: string;
  readonly text: string;
}

/** A literal's words; what is filled in is a `…`. */
function words(node: ts.Node): string | null {
  if (ts.isStringLiteralLike(node)) return node.text;
  if (ts.isTemplateExpression(node)) return node.head.text + node.templateSpans.map(({ literal }) => `…${literal.text}`).join('');
  return null;
}

const said: Said[] = [];
const errors: (Said & { readonly next: string | null })[] = [];
for (const file of files) {
  if (file.endsWith('.svelte')) {
    said.push({ file, text: read(file).replace(/<style>[\s\S]*<\/style>/, '') });
    continue;
  }
  const visit = (node: ts.Node): void => {
    const text = words(node);
    if (text !== null) said.push({ file, text });
    if (ts.isNewExpression(node) && node.expression.getText() === 'LabError') {
      const [, what, next] = node.arguments!;
      errors.push({ file, text: what!.getText(), next: words(next!) });
    }
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(file, read(file), ts.ScriptTarget.Latest, true));
}

const optionsOf = (name: string) => Object.keys({ ...commonOptions, ...commands.find((command) => command.name === name)!.options });
const allOptions = new Set(commands.flatMap(({ name }) => optionsOf(name)));
const named = (text: string) => [...text.matchAll(/(?<![\w-])--([a-z][a-z-]*)/g)].map(([, option]) => option!);

describe('what sentences name', () => {
  it('was found', () => {
    expect(errors.length).toBeGreaterThan(150);
    expect(said.flatMap(({ text }) => named(text)).length).toBeGreaterThan(60);
  });

  it('options are options of a command, and in the file of a command of that command', () => {
    const wrong = said
      // Of one word are arguments and CSS names; --cors-origins is the option of a judge's server, and what python is given of another trainer.
      .filter(({ file, text }) => !file.endsWith('.svelte') && text.includes(' ') && !/--cors-origins|\bpython /.test(text))
      .flatMap(({ file, text }) => {
        const own = commands.find(({ name }) => new RegExp(`^src/cli/${name}(-plan|-folder|-run)?\\.ts$`).test(file));
        // A sentence may send the reader to another command, by name.
        const others = commands.filter(({ name }) =>
          new RegExp(`(permix|npm run) (-s |-- )?${name}\\b|\\b${name} --|of ${name}\\b`).test(text),
        );
        const known = own ? new Set([own, ...others].flatMap(({ name }) => optionsOf(name))) : allOptions;
        return named(text).flatMap((option) => (known.has(option) ? [] : [`${file}: --${option} in “${text}”`]));
      });
    expect(wrong).toEqual([]);
  });

  it('commands are commands', () => {
    const names = said.flatMap(({ file, text }) =>
      [...text.matchAll(/(?:See|run|use) permix (?:-- )?([a-z]+)/gi)].map(([, name]) => `${file}: ${name!}`),
    );
    const known = commands.map(({ name }) => name);
    expect(names.filter((name) => !known.includes(name.split(': ')[1]!))).toEqual([]);
  });

  it('scripts are scripts of package.json', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
    const names = said.flatMap(({ file, text }) =>
      [...text.matchAll(/npm (?:run )(?:-s )?([a-z][\w:]*)/g)].map(([, name]) => `${file}: ${name!}`),
    );
    expect(names.length).toBeGreaterThan(5);
    expect(names.filter((name) => !(name.split(': ')[1]! in scripts))).toEqual([]);
  });

  it('documents are there', () => {
    const paths = said.flatMap(({ text }) => [...text.matchAll(/\bdocs\/[\w-]+(?:\/[\w-]+)*(?:\.\w+)?/g)].map(([path]) => path));
    expect(paths.length).toBeGreaterThan(5);
    expect([...new Set(paths)].filter((path) => !existsSync(join(root, path)))).toEqual([]);
  });

  it('no error is without advice, but for those that their only caller completes', () => {
    const completed = ['checkpoint-file.ts', 'stored-run.ts', 'reproduce-run.ts', 'client.ts', 'own-csv.ts'];
    const bare = errors.filter(({ next }) => next !== null && next.trim() === '');
    expect(bare.filter(({ file }) => !completed.includes(basename(file)))).toEqual([]);
    for (const { next, text } of errors) if (next) expect(next, text).toMatch(/[.…}]$/);
  });

  it('nobody is told to shorten a persona that is not theirs', () => {
    const told = errors.filter(({ file, next }) => file !== 'src/persona/prompt.ts' && /shorten the persona/i.test(next ?? ''));
    expect(told).toEqual([]);
  });
});

describe('commands in the documents', () => {
  const documents = ['README.md', 'CONTRIBUTING.md', ...readdirSync(join(root, 'docs')).map((name) => `docs/${name}`)].filter((name) =>
    name.endsWith('.md'),
  );
  it.each(documents)('%s: commands and options are there', (document) => {
    const scripts: Readonly<Record<string, string>> = { pretrain: 'pretrain', reproduce: 'reproduce', record: 'record' };
    const wrong: string[] = [];
    for (const line of read(document).replaceAll('\\\n', ' ').split('\n')) {
      for (const [whole, script, after] of line.matchAll(/npm run (?:-s )?(permix|pretrain|reproduce|record) --((?:[^`#)]|\\`)*)/g)) {
        const name = script === 'permix' ? (after!.trim().split(/\s/)[0] ?? '') : scripts[script!]!;
        if (/^[A-Z]+$/.test(name) || name === '' || name.startsWith('--')) continue;
        if (!commands.some((command) => command.name === name)) wrong.push(`there is no command ${name}: ${whole}`);
        else wrong.push(...named(after!).flatMap((option) => (optionsOf(name).includes(option) ? [] : [`${name} has no --${option}`])));
      }
    }
    expect(wrong).toEqual([]);
  });
});

describe('advice, followed', () => {
  let scratch = '';
  let model = '';
  const at = (name: string) => join(scratch, name);
  beforeAll(async () => {
    scratch = await mkdtemp(join(tmpdir(), 'permix-advice-'));
    model = at('policy');
    await writeTinyPolicy(model);
    await writeTinyPolicy(at('mute'));
    await rm(join(at('mute'), 'tokenizer.json'));
    await writeFile(at('questions.jsonl'), '{"question":"What is 1+1?","answer":2}\n');
    await writeFile(at('unanswered.jsonl'), '{"question":"What is 1+1?","answer":"two apples"}\n');
    const persona = (id: string) => ({ id, text: `You are a ${id}.` });
    await writeFile(at('one.json'), JSON.stringify([persona('poet')]));
    await writeFile(at('two.json'), JSON.stringify([persona('poet'), persona('cook')]));
  });
  afterAll(() => rm(scratch, { recursive: true, force: true }));
  beforeEach(() => {
    vi.spyOn(process.stdout, 'write').mockReturnValue(true);
    vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  });
  afterEach(() => vi.restoreAllMocks());

  const run = async (argv: readonly string[]): Promise<string> => {
    const command = commands.find(({ name }) => name === argv[0])!;
    try {
      await command.run(new Arguments(command, [...argv.slice(1), '--backend', 'cpu']), new Output(false));
      return '';
    } catch (error) {
      if (error instanceof LabError) return error.next;
      throw error;
    }
  };
  const evaluation = (options: Readonly<Record<string, string>>) => [
    'eval',
    ...Object.entries({
      model,
      personas: at('two.json'),
      data: at('questions.jsonl'),
      instruction: 'Add.',
      'max-new': '2',
      fidelity: '0',
      ...options,
    }).flatMap(([name, value]) => [`--${name}`, value]),
  ];
  const most = tinyConfig.vocabSize - 1;

  /** What fails, what is then said, and the same again as it is said. */
  const cases: readonly (readonly [string, () => readonly string[], RegExp, () => readonly string[]])[] = [
    [
      'a policy without a tokenizer is given a prompt',
      () => ['generate', '--model', at('mute'), '--prompt', 'a', '--max-new', '2'],
      /^Give --tokens instead of --prompt\.$/,
      () => ['generate', '--model', at('mute'), '--tokens', '1', '--max-new', '2'],
    ],
    [
      'it is asked under personas',
      () => ['probe', '--model', at('mute'), '--question', 'a'],
      /or use permix generate --tokens\.$/,
      () => ['generate', '--model', at('mute'), '--tokens', '1', '--max-new', '2'],
    ],
    [
      'a token is outside the vocabulary',
      () => ['logits', '--model', model, '--tokens', String(most + 1)],
      /^Give others\.$/,
      () => ['logits', '--model', model, '--tokens', String(most)],
    ],
    [
      'there are more tokens than positions',
      () => [
        'logits',
        '--model',
        model,
        '--tokens',
        Array(tinyConfig.maxPositions + 1)
          .fill('1')
          .join(),
      ],
      /^Give fewer\.$/,
      () => ['logits', '--model', model, '--tokens', Array(tinyConfig.maxPositions).fill('1').join()],
    ],
    ['one persona is evaluated', () => evaluation({ personas: at('one.json') }), /two personas/, () => evaluation({})],
    [
      'replies leave no room for a question',
      () => evaluation({ 'max-new': String(tinyConfig.maxPositions) }),
      /^Generate fewer tokens\.$/,
      () => evaluation({}),
    ],
    [
      'no answer of the questions can be checked',
      () => evaluation({ data: at('unanswered.jsonl') }),
      /^Give rows with "question" or "problem", and "answer"\.$/,
      () => evaluation({}),
    ],
    [
      'the persona leaves no room for the question',
      () => ['probe', '--model', model, '--personas', 'none', '--question', 'a'.repeat(tinyConfig.maxPositions)],
      /^Shorten the question\.$/,
      () => ['probe', '--model', model, '--personas', 'none', '--question', 'a', '--max-new', '2'],
    ],
  ];
  it.each(cases)('%s', async (_, failing, advice, followed) => {
    expect(await run(failing())).toMatch(advice);
    expect(await run(followed())).toBe('');
  });
});
