/** The command line as processes of its own: what it prints, what it leaves on disk, and how it ends. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { personas } from '../../src/persona/world.ts';
import type { Weights } from '../../src/policy/weights.ts';
import { jsonLines, miniature, permix, scratchFolder, writePolicy, writeTokenizer } from '../helpers/permix.ts';
import { referenceLogits } from '../helpers/reference-decoder.ts';

let scratch = '';
/** Weights only. */
let bare = '';
/** With a tokenizer. */
let whole = '';
let weights: Weights;

beforeAll(async () => {
  scratch = await scratchFolder();
  bare = join(scratch, 'bare');
  whole = join(scratch, 'whole');
  weights = await writePolicy(bare, miniature, 5);
  await writePolicy(whole, miniature, 5);
  await writeTokenizer(whole, miniature.vocabSize);
});
afterAll(() => rm(scratch, { recursive: true, force: true }));

/** The one object that a command prints with --json. */
async function one(...args: string[]): Promise<Record<string, unknown>> {
  const { code, stdout, stderr } = await permix([...args, '--json']);
  expect(code, stderr).toBe(0);
  const lines = jsonLines(stdout);
  expect(lines).toHaveLength(1);
  return lines[0]!;
}

describe('permix doctor', () => {
  it('says what there is, through npm run, with nothing but JSON on standard output', async () => {
    const { stdout } = await promisify(execFile)('npm', ['run', '-s', 'permix', '--', 'doctor', '--json'], {
      shell: process.platform === 'win32',
    });
    const report = JSON.parse(stdout) as Record<string, unknown>;
    expect(report).toMatchObject({ node: process.versions.node, wasm: { simd: true, relaxedSimd: true } });
    expect(['webgpu', 'wasm']).toContain(report['backend']);
    expect(report['reason']).toMatch(/\w+ \w+/);
    expect(report['selfChecks']).toMatchObject(
      expect.arrayContaining(
        ['wasm', 'cpu'].map((backend) => expect.objectContaining({ engine: 'portable', backend, passed: true }) as object),
      ) as object[],
    );
  });

  it('tells of a command where it is asked in any of three ways', async () => {
    const [one, other, third] = [await permix(['help', 'doctor']), await permix(['doctor', '-h']), await permix(['doctor', '--help'])];
    expect(one).toEqual(third);
    expect(other).toEqual(third);
    expect(third).toMatchObject({ code: 0, stdout: expect.stringContaining('--backend') as string });
  });

  it('follows the wish', async () => {
    expect(await one('doctor', '--backend', 'cpu')).toMatchObject({ engine: 'portable', backend: 'cpu' });
  });
});

describe('permix logits', () => {
  it.each(['wasm', 'cpu'])('agrees with the float64 reference on %s, without tokenizer.json', async (backend) => {
    const tokens = [7, 300, 0, 12, 12, 383, 41];
    const report = await one('logits', '--model', bare, '--tokens', tokens.join(','), '--backend', backend);
    const expected = referenceLogits(miniature, weights, tokens).at(-1)!;
    const logits = report['logits'] as number[];
    expect(report['tokens']).toEqual(tokens);
    expect(logits).toHaveLength(miniature.vocabSize);
    expect(Math.max(...logits.map((value, id) => Math.abs(value - expected[id]!)))).toBeLessThan(1e-4);
    expect(report['argmax']).toBe(expected.indexOf(Math.max(...expected)));
    expect(report['logsumexp']).toBeCloseTo(Math.log(expected.reduce((sum, value) => sum + Math.exp(value), 0)), 4);
  });
});

describe('permix personas', () => {
  const instruction = [{ pos: 'You are a pirate.' }, { pos: 'Act as a pirate.' }];

  it('says what a folder of roles holds, and writes it as a file of its own that the other commands read', async () => {
    const folder = join(scratch, 'roles');
    await mkdir(folder);
    await writeFile(join(folder, 'pirate.json'), JSON.stringify({ instruction, questions: ['Who are you?'], eval_prompt: '' }));
    await writeFile(join(folder, 'chef.json'), JSON.stringify({ instruction: [{ pos: 'You are a chef.' }], questions: [] }));
    await writeFile(join(folder, 'odd.json'), JSON.stringify({ instruction: [] }));
    expect(await one('personas', '--check', folder)).toMatchObject({
      format: 'assistant-axis',
      licence: 'MIT',
      entries: 3,
      personas: 2,
      unusable: [{ where: 'odd.json', reason: expect.stringContaining('"pos"') as string }],
    });
    const file = join(scratch, 'roles.csv');
    const refused = await permix(['personas', '--export', 'csv', '--personas', folder, '--out', file]);
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringMatching(/1 of 3 entries.*--skip-rows/) as string });
    expect(existsSync(file)).toBe(false);
    const written = await permix(['personas', '--export', 'csv', '--personas', folder, '--skip-rows', '--out', file]);
    expect(written.stderr).toMatch(/Left out of roles: odd\.json/);
    expect(await one('personas', '--check', file)).toMatchObject({
      format: 'permix',
      entries: 2,
      personas: 2,
      unusable: [],
      licence: 'MIT',
    });

    const asked = [
      'probe',
      '--model',
      whole,
      '--question',
      '1+1?',
      '--library',
      folder,
      '--skip-rows',
      '--personas',
      'pirate',
      '--max-new',
      '2',
    ];
    const { replies } = await one(...asked, '--backend', 'cpu');
    expect(replies).toMatchObject([{ persona: 'pirate', prompt: expect.stringContaining('You are a pirate.') as string }]);
  });

  it('is used in one way at a time', async () => {
    expect(await permix(['personas'])).toMatchObject({ code: 2, stderr: expect.stringContaining('--check FILE') as string });
    expect(await permix(['personas', '--check', join(scratch, 'nobody.json')])).toMatchObject({ code: 2 });
  });
});

describe('permix verify', () => {
  const cases = [
    { gold: String.raw`3\sqrt{13}`, completion: String.raw`<think>\boxed{1}</think> It is \boxed{\sqrt{117}}.` },
    { gold: 'x = 5', completion: 'The final answer is $x = 5$.' },
    { gold: '#### 42', pred: '17+25', note: 'left standing' },
    { gold: 'a number', pred: '9007199254740992' },
    { gold: '1 2', completion: String.raw`\boxed{12}` },
    { gold: '7', completion: 'seven' },
  ];

  it('judges every case of a file, in order, with a trace', async () => {
    const file = join(scratch, 'cases.jsonl');
    await writeFile(file, `\ufeff${cases.map((each) => JSON.stringify(each).replace('"a number"', '9007199254740993')).join('\r\n')}\n\n`);
    const { code, stdout, stderr } = await permix(['verify', '--cases', file, '--json']);
    expect(code, stderr).toBe(0);
    const lines = jsonLines(stdout);
    expect(lines.map(({ index }) => index)).toEqual([0, 1, 2, 3, 4, 5]);
    expect(lines.map(({ equal }) => equal)).toEqual([true, true, false, false, null, false]);
    expect(lines.map(({ extracted }) => extracted)).toEqual([String.raw`\sqrt{117}`, 'x = 5', '17+25', '9007199254740992', '12', null]);
    for (const { trace } of lines) expect((trace as string[]).length).toBeGreaterThan(0);
    const boxes = await permix(['verify', '--cases', file, '--extract', 'boxed,hash', '--json']);
    expect(jsonLines(boxes.stdout).map(({ equal }) => equal)).toEqual([true, false, false, false, null, false]);
    expect((await permix(['verify', '--cases', file])).stdout).toMatch(/\n6 cases: 2 equal, 3 not, 1 whose gold cannot be compared\n$/);
  });

  it('judges one answer', async () => {
    expect(await one('verify', '--gold', '1/2', '--pred', '50%')).toMatchObject({ equal: true, extracted: '50%' });
    expect(await one('verify', '--gold', '-1', '--pred=-1.0')).toMatchObject({ equal: true });
    expect((await permix(['verify', '--gold', '42', '--pred', '41'])).stdout).toMatch(/different: another number\n$/);
  });

  it.each<[string, string]>([
    ['{"gold": "1"}', 'line 2: neither "pred" nor "completion" is a text'],
    ['{"pred": "1"}', 'line 2: "gold" is not a text'],
    ['[1]', 'line 2: this is not a JSON object'],
    ['{"gold": ', 'line 2: this is not valid JSON'],
  ])('names the line that is no case: %s', async (line, said) => {
    const file = join(scratch, 'wrong.jsonl');
    await writeFile(file, `{"gold": "1", "pred": "1"}\n${line}\n`);
    const { code, stdout, stderr } = await permix(['verify', '--cases', file, '--json']);
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toContain(said);
  });
});

describe('permix generate', () => {
  it('continues token ids greedily, as logits says', async () => {
    const tokens = [1, 2, 3];
    const report = await one('generate', '--model', bare, '--tokens', '1,2,3', '--max-new', '6', '--greedy', '--backend', 'wasm');
    const made = report['tokens'] as number[];
    expect(report).toMatchObject({ promptTokens: tokens, text: null });
    expect(report['finish']).toBe(made.length < 6 ? 'eos' : 'length');
    made.forEach((token, i) => {
      const logits = referenceLogits(miniature, weights, [...tokens, ...made.slice(0, i)]).at(-1)!;
      expect(token).toBe(logits.indexOf(Math.max(...logits)));
      const logsumexp = Math.log(logits.reduce((sum, value) => sum + Math.exp(value), 0));
      expect((report['logprobs'] as number[])[i]).toBeCloseTo(logits[token]! - logsumexp, 4);
    });
  });

  it('repeats itself with the same seed and only then', async () => {
    const draw = (seed: string) =>
      one('generate', '--model', whole, '--prompt', 'What is 2 + 3?', '--max-new', '12', '--seed', seed, '--backend', 'wasm');
    const [first, again, other] = [await draw('1'), await draw('1'), await draw('2')];
    expect(typeof first['text']).toBe('string');
    expect(again).toEqual(first);
    expect(other['tokens']).not.toEqual(first['tokens']);
  });
});

describe('permix probe', () => {
  it('answers under every persona that is named', async () => {
    const { id } = personas[0]!;
    const asked = ['--question', 'What is 2 + 3?', '--personas', `none,${id}`, '--max-new', '4'];
    const report = await one('probe', '--model', whole, ...asked, '--backend', 'wasm');
    const replies = report['replies'] as { persona: string | null; prompt: string }[];
    expect(replies.map((reply) => reply.persona)).toEqual([null, id]);
    expect(replies[1]!.prompt).toContain(personas[0]!.text);
  });

  it('asks under the personas of a library that is named: one of the lab’s, or the reader’s', async () => {
    const file = join(scratch, 'mine.json');
    await writeFile(file, JSON.stringify([{ id: 'lighthouse', text: 'You keep a lighthouse.' }]));
    const asked = ['--question', 'What is 2 + 3?', '--max-new', '2', '--backend', 'wasm'];
    type Replies = readonly { readonly persona: string | null; readonly prompt: string; readonly voice: string | null }[];
    const mine = (await one('probe', '--model', whole, ...asked, '--library', file))['replies'] as Replies;
    expect(mine.map(({ persona, voice }) => [persona, voice])).toEqual([
      [null, null],
      ['lighthouse', null],
    ]);
    expect(mine[1]!.prompt).toContain('You keep a lighthouse.');
    const general = (await one('probe', '--model', whole, ...asked, '--library', 'general', '--personas', 'mathematician'))['replies'];
    expect((general as Replies)[0]!.prompt).toContain('number theory');
    const wrong = await permix(['probe', '--model', whole, ...asked, '--personas', 'general']);
    expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining('--library general')]);
  });

  it('keeps a conversation with each persona: its own replies come back to it, and the first are those without more turns', async () => {
    const { id, text } = personas[0]!;
    const asked = ['--question', 'What is 2 + 3?', '--personas', `none,${id}`, '--max-new', '3', '--backend', 'wasm'];
    const { replies, turns } = await one('probe', '--model', whole, ...asked, '--turn', 'And 4 + 5?', '--turn', 'So?');
    type Said = readonly { readonly prompt: string; readonly text: string }[];
    expect(replies).toEqual((await one('probe', '--model', whole, ...asked))['replies']);
    const [first, [second, third]] = [replies as Said, turns as { question: string; replies: Said }[]];
    expect([second!.question, third!.question]).toEqual(['And 4 + 5?', 'So?']);
    for (const [row, before] of ['', text].entries()) {
      const { prompt } = third!.replies[row]!;
      const said = [before, 'What is 2 + 3?', first[row]!.text, 'And 4 + 5?', second!.replies[row]!.text, 'So?'];
      const places = said.reduce<number[]>((found, words) => [...found, prompt.indexOf(words, found.at(-1) ?? 0)], []);
      expect(places).not.toContain(-1);
    }
  });
});

describe('permix train', () => {
  const settings = { promptsPerStep: 2, groupSize: 4, sampling: { maxNewTokens: 6 }, checkpointEvery: 1, heldOut: { questions: 0 } };
  const train = async (out: string, ...args: string[]) => {
    const config = join(scratch, 'settings.json');
    await writeFile(config, JSON.stringify(settings));
    const resumes = args.includes('--resume');
    return permix([
      'train',
      '--out',
      out,
      ...(resumes ? [] : ['--config', config, '--model', whole]),
      '--backend',
      'wasm',
      '--json',
      ...args,
    ]);
  };

  it('resumes bit for bit, and writes what it promises', async () => {
    const [straight, halted] = [join(scratch, 'straight'), join(scratch, 'halted')];
    const whole = await train(straight, '--recipe', 'permix', '--steps', '2', '--seed', '3');
    expect(whole.code, whole.stderr).toBe(0);
    const steps = jsonLines(whole.stdout);
    expect(steps.map(({ step }) => step)).toEqual([1, 2]);
    for (const name of ['reward', 'entropy', 'grad_norm', 'completions/mean_length']) expect(steps[0], name).toHaveProperty([name]);

    expect((await train(halted, '--recipe', 'permix', '--steps', '1', '--seed', '3')).code).toBe(0);
    const resumed = await train(halted, '--resume', '--steps', '2');
    expect(resumed.code, resumed.stderr).toBe(0);
    expect(jsonLines(resumed.stdout).map(({ step }) => step)).toEqual([2]);
    for (const file of ['checkpoints/step-2', 'policy/model.safetensors']) {
      expect((await readFile(join(halted, file))).equals(await readFile(join(straight, file))), file).toBe(true);
    }
    const lines = (await readFile(join(halted, 'metrics.jsonl'), 'utf8')).trim().split('\n');
    expect(lines).toHaveLength(2);

    const reply = await one('generate', '--model', join(straight, 'policy'), '--prompt', 'Hello', '--max-new', '2', '--backend', 'wasm');
    expect(reply['promptTokens']).not.toEqual([]);
  });

  it('comes to the same bits on one thread and on three', async () => {
    const made = [];
    for (const threads of ['1', '3']) {
      const out = join(scratch, `threads-${threads}`);
      const { code, stderr } = await train(out, '--steps', '2', '--seed', '3', '--engine', 'wasm', '--threads', threads);
      expect(code, stderr).toBe(0);
      expect(stderr).not.toMatch(/A thread/);
      const { engine } = JSON.parse(await readFile(join(out, 'run.json'), 'utf8')) as { engine: { threads?: number } };
      made.push({ threads: engine.threads ?? 1, policy: (await readFile(join(out, 'policy/model.safetensors'))).toString('base64') });
    }
    expect(made.map((one) => one.threads)).toEqual([1, 3]);
    expect(made[1]!.policy).toBe(made[0]!.policy);
  });

  it('asks held-out questions before, on the way and at the end, and none of them again', async () => {
    const out = join(scratch, 'measured');
    const asked = (stdout: string) => jsonLines(stdout).flatMap((line) => ('eval/none' in line ? [line] : []));
    const { code, stdout, stderr } = await train(out, '--steps', '2', '--held-out', '2', '--held-out-every', '2');
    expect(code, stderr).toBe(0);
    expect(asked(stdout).map(({ step }) => step)).toEqual([0, 2]);
    for (const name of ['worst', 'mean', 'pss', 'pss_null', 'accuracy/pirate']) expect(asked(stdout)[1]).toHaveProperty([`eval/${name}`]);
    const more = await train(out, '--resume', '--steps', '3');
    expect(more.code, more.stderr).toBe(0);
    expect(asked(more.stdout).map(({ step }) => step)).toEqual([3]);
  });

  it('races RLVR and PerMix step by step, stops after its minutes, and goes on', async () => {
    const [out, config] = [join(scratch, 'race'), join(scratch, 'race.json')];
    const { recipe: _, mix: __, ...shared } = settings as Record<string, unknown>;
    await writeFile(config, JSON.stringify({ ...shared, heldOut: { questions: 2, every: 2 } }));
    const race = (...more: string[]) => permix(['race', '--out', out, ...more]);
    const given = ['--config', config, '--model', whole, '--backend', 'wasm', '--json', '--steps', '2'];
    const first = await race(...given, '--minutes', '0');
    expect(first.code, first.stderr).toBe(0);
    expect(first.stderr).toMatch(/permix race --out .+ --resume continues/);
    const rest = await race('--resume', '--json');
    expect(rest.code, rest.stderr).toBe(0);
    const lines = [...jsonLines(first.stdout), ...jsonLines(rest.stdout)];
    const trained = lines.flatMap((line) => ('reward' in line ? [`${String(line['run'])} ${String(line['step'])}`] : []));
    expect(trained).toEqual(['RLVR 1', 'PerMix 1', 'RLVR 2', 'PerMix 2']);
    expect(lines.at(-1)!['sentence']).toMatch(
      /^Worst voice: right in \d+\u00a0% before training, \d+\u00a0% with RLVR, \d+\u00a0% with PerMix\./,
    );
    expect((await race(...given)).code).toBe(2);
  });

  it.skipIf(process.platform === 'win32')('is saved by Ctrl-C and continues', async () => {
    const out = join(scratch, 'stopped');
    const config = join(scratch, 'settings.json');
    await writeFile(config, JSON.stringify({ ...settings, checkpointEvery: 0 }));
    const args = ['train', '--out', out, '--config', config, '--model', whole, '--steps', '1000', '--backend', 'wasm', '--json'];
    let pressed = false;
    const { code, stdout, stderr } = await permix(args, (_, child) => {
      // Once: a second Ctrl-C would end it without saving.
      if (!pressed) child.kill('SIGINT');
      pressed = true;
    });
    expect(code, stderr).toBe(130);
    expect(stderr).toMatch(/Stopped after step \d+ of 1000; permix train --out .+ --resume continues/);
    const done = jsonLines(stdout).length;
    const resumed = await permix(['train', '--out', out, '--resume', '--steps', String(done + 1), '--json']);
    expect(resumed.code, resumed.stderr).toBe(0);
    expect(jsonLines(resumed.stdout).map(({ step }) => step)).toEqual([done + 1]);
  });

  it('does not overwrite what is there, nor mix two runs', async () => {
    const out = join(scratch, 'taken');
    expect((await train(out, '--steps', '1', '--seed', '3')).code).toBe(0);
    const before = await readFile(join(out, 'checkpoints', 'step-1'));
    const again = await train(out, '--steps', '1');
    expect([again.code, again.stderr]).toEqual([2, expect.stringContaining('--resume')]);
    const other = await train(out, '--resume', '--seed', '4');
    expect([other.code, other.stderr]).toEqual([2, expect.stringContaining('another seed')]);
    const nothing = await train(join(scratch, 'nowhere'), '--resume');
    expect([nothing.code, nothing.stderr]).toEqual([2, expect.stringContaining('There is no run in')]);
    expect((await readFile(join(out, 'checkpoints', 'step-1'))).equals(before)).toBe(true);
  });
});

describe('wrong usage ends with 2 and a sentence', () => {
  const cases: readonly (readonly [string, readonly string[], RegExp])[] = [
    ['no command', [], /Usage: permix COMMAND/],
    ['an unknown command', ['trian'], /no command "trian"/],
    ['an unknown option', ['doctor', '--loud'], /--loud/],
    ['an impossible pair', ['logits', '--tokens', '1', '--engine', 'fused', '--backend', 'wasm'], /fused/],
    ['a missing option', ['logits'], /--tokens is missing/],
    ['both prompt and tokens', ['generate', '--prompt', 'x', '--tokens', '1'], /either --prompt or --tokens/],
    ['a token outside the vocabulary', ['logits', '--tokens', '99999', '--backend', 'cpu'], /99999 is not in the vocabulary/],
    ['an unknown recipe', ['train', '--recipe', 'ppo', '--out', 'never-made'], /--recipe must be one of base, sft, distill, rlvr, permix/],
    ['the other world in the bundled policy’s place', ['pretrain', '--style', 'hard'], /--style hard needs --out DIR/],
    ['an unknown task', ['train', '--task', 'chess', '--out', 'never-made'], /chess/],
  ];
  it.each(cases)('%s', async (_, args, sentence) => {
    const model = args.length > 1 && !['doctor', 'pretrain'].includes(args[0]!) ? ['--model', args[0] === 'train' ? whole : bare] : [];
    const { code, stdout, stderr } = await permix([...args, ...model]);
    expect(stderr).toMatch(sentence);
    expect(stderr).not.toContain('which is a bug');
    expect([code, stdout]).toEqual([2, '']);
    expect(existsSync('never-made')).toBe(false);
  });
});

describe('a GGUF file', () => {
  const model = 'tests/fixtures/gguf/llama.gguf';

  it('is trained into a folder that says what it says, and the run goes on', async () => {
    const [run, config] = [join(scratch, 'from-gguf'), join(scratch, 'from-gguf.json')];
    await writeFile(config, JSON.stringify({ sampling: { maxNewTokens: 6 }, optim: { learningRate: 0 } }));
    const begin = ['train', '--recipe', 'rlvr', '--config', config, '--steps', '1', '--held-out', '0', '--backend', 'cpu'];
    expect((await permix([...begin, '--model', model, '--out', run])).code).toBe(0);
    expect((await permix(['train', '--resume', '--steps', '2', '--out', run])).code).toBe(0);
    const asked = ['generate', '--prompt', 'It', '--max-new', '5', '--greedy', '--backend', 'cpu'];
    expect(await one(...asked, '--model', join(run, 'policy'))).toEqual(await one(...asked, '--model', model));
  });

  it('that is none, or not there, is named', async () => {
    const other = join(scratch, 'other.gguf');
    await writeFile(other, 'GGML, an older one');
    for (const [path, failed, sentence] of [
      [other, 1, /other\.gguf is no GGUF file/],
      [join(scratch, 'none.gguf'), 2, /There is no file .*none\.gguf/],
    ] as const) {
      const { code, stderr } = await permix(['logits', '--model', path, '--tokens', '1']);
      expect([code, stderr]).toEqual([failed, expect.stringMatching(sentence)]);
    }
  });
});

describe('a broken policy ends with 1 and a sentence', () => {
  const cases: readonly (readonly [string, (folder: string) => Promise<void>, RegExp])[] = [
    ['a truncated safetensors file', async (folder) => cut(join(folder, 'model.safetensors'), 0.5), /model\.safetensors is broken/],
    ['a safetensors file that is something else', async (folder) => writeFile(join(folder, 'model.safetensors'), 'hello'), /safetensors/],
    ['no weights', async (folder) => rm(join(folder, 'model.safetensors')), /model\.safetensors/],
    ['no config.json', async (folder) => rm(join(folder, 'config.json')), /config\.json/],
    ['a truncated config.json', async (folder) => cut(join(folder, 'config.json'), 0.5), /config\.json/],
    [
      'another architecture',
      async (folder) =>
        writeFile(join(folder, 'config.json'), JSON.stringify({ model_type: 'mamba', architectures: ['MambaForCausalLM'] })),
      /[Mm]amba/,
    ],
    ['a truncated tokenizer.json', async (folder) => cut(join(folder, 'tokenizer.json'), 0.7), /tokenizer\.json/],
  ];
  it.each(cases)('%s', async (name, damage, sentence) => {
    const folder = join(scratch, `broken-${name.replaceAll(' ', '-')}`);
    await writePolicy(folder, miniature, 5);
    await writeTokenizer(folder, miniature.vocabSize);
    await damage(folder);
    const { code, stdout, stderr } = await permix(['logits', '--model', folder, '--tokens', '1,2', '--backend', 'cpu', '--json']);
    expect(stderr).toMatch(sentence);
    expect(stderr).not.toContain('which is a bug');
    expect([code, stdout]).toEqual([1, '']);
  });

  it('a folder that is not there, a mix of nothing', async () => {
    const absent = await permix(['logits', '--model', join(scratch, 'absent'), '--tokens', '1']);
    expect([absent.code, absent.stderr]).toEqual([2, expect.stringContaining('no folder')]);
    const config = join(scratch, 'empty-mix.json');
    await writeFile(config, JSON.stringify({ mix: { noneShare: 0, weights: { nobody: 0 } } }));
    const mix = await permix(['train', '--config', config, '--model', whole, '--out', join(scratch, 'empty-mix')]);
    expect([mix.code, mix.stderr]).toEqual([1, expect.stringMatching(/mix|weight|persona/)]);
  });
});

async function cut(file: string, share: number): Promise<void> {
  const bytes = await readFile(file);
  await writeFile(file, bytes.subarray(0, Math.floor(bytes.length * share)));
}
