/**
 * Mutated files: each is read, or refused in a sentence; never another kind of error, never for long. Seeded; FUZZ=3000 makes it as many.
 */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { labErrorCode } from '../../src/errors.ts';
import { parseBenchmark } from '../../src/evaluate/judge/benchmark.ts';
import { readQuestions, textFile } from '../../src/evaluate/question-file.ts';
import { parsePersonas } from '../../src/persona/file.ts';
import { readPersonas } from '../../src/persona/import/read.ts';
import { loadPolicy } from '../../src/policy/policy.ts';
import { Purpose, Stream } from '../../src/random/counter.ts';
import { readRecording } from '../../src/exchange/read-recording.ts';
import { ReplayedRun } from '../../src/state/replayed-run.ts';
import { readStudy } from '../../src/study/read-study.ts';
import { armsOf, averages, claimsOf, seedCurve, settingsOf } from '../../src/state/study.svelte.ts';
import { mutated } from '../helpers/mutate.ts';
import { studyWith } from '../helpers/study-results.ts';

const times = Number(process.env['FUZZ'] ?? 200);
const folder = 'public/models/permix-tiny/';
const names = ['config.json', 'generation_config.json', 'tokenizer.json', 'tokenizer_config.json', 'model.safetensors'];
const files = new Map(names.map((name) => [name, new Uint8Array(readFileSync(folder + name))]));
const text = (value: unknown) => new TextEncoder().encode(typeof value === 'string' ? value : JSON.stringify(value));
// Those that the bundled policy does without, as others have them.
const template = "{% for m in messages %}{{ '<|' + m['role'] + '|>' + m['content'] | trim }}{% endfor %}{{ strftime_now('%d %b %Y') }}";
names.push('special_tokens_map.json', 'chat_template.jinja');
files.set('special_tokens_map.json', text({ eos_token: { content: '<|end|>', lstrip: false, special: true }, pad_token: '<|end|>' }));
files.set('chat_template.jinja', text(template));
const seeds: Readonly<Record<string, Uint8Array>> = {
  'personas.json': text([
    { id: 'a', text: 'You are a.', kind: 'expert' },
    { id: 'b', text: 'You are b.' },
  ]),
  'role.json': text({ instruction: [{ pos: 'You are a.' }, { pos: 'Be a.' }], questions: ['Who?'], eval_prompt: '{answer}' }),
  'persona.jsonl': text('{"persona": "A baker"}\n{"input persona": "a chef", "x": 1}\n'),
  'personas.csv': text('row,id,text,heldOut,expected,rank,wordings\r\npersona,a,"You, are a.",true,education,1,"[""b""]"\r\n'),
  'benchmark.json': text({ 'A baker.': { Toxicity: ['Why?'], 'Expected Action': ['What now?'] } }),
  'questions.jsonl': text('{"question": "1 + 1?", "answer": "2"}\n{"problem": "2?", "solution": "\\\\boxed{2}"}\n'),
};
const importNames = ['role.json', 'persona.jsonl', 'personas.csv'];

it(`${times} mutated files are read or refused in a sentence`, async () => {
  for (let i = 0; i < times; i++) {
    const draw = new Stream(7, Purpose.evaluation, i, 9);
    const all = [...names, ...Object.keys(seeds)];
    const name = all[Math.floor(draw.uniform() * all.length)]!;
    const bytes = mutated(files.get(name) ?? seeds[name]!, draw);
    const began = performance.now();
    try {
      const read = new TextDecoder().decode(bytes);
      if (name === 'personas.json') parsePersonas(read, name);
      else if (importNames.includes(name)) readPersonas([{ name, text: read }], name);
      else if (name === 'benchmark.json') parseBenchmark(read, name);
      else if (name === 'questions.jsonl') await readQuestions(textFile(read, name));
      else {
        const { tokenizer } = await loadPolicy({
          id: 'mutated',
          read: (path) => Promise.resolve(path === name ? bytes : (files.get(path) ?? null)),
        });
        const chat = tokenizer?.chat([{ role: 'user', content: 'What is 12 + 30?' }], { addGenerationPrompt: true }) ?? '';
        tokenizer?.decode(tokenizer.encode(chat));
      }
    } catch (error) {
      expect(labErrorCode(error), `file ${i}, ${name}: ${String((error as Error).stack)}`).not.toBeNull();
    }
    expect(performance.now() - began, `file ${i}, ${name}`).toBeLessThan(10_000);
  }
}, 600_000);

const study = studyWith([1, 2], (_, seed) => ({ pss: 0.5 + 0.1 * seed, fidelity: 0.7, none: 0.9 }));
const recording = readFileSync('public/runs/rlvr-permix/recording.json', 'utf8');

/** What the Reproduce view computes of a study. */
function drawStudy(read: ReturnType<typeof readStudy>): void {
  for (const setting of [null, ...settingsOf(read)]) {
    claimsOf(read, setting);
    for (const arm of armsOf(read, setting)) {
      averages(arm);
      seedCurve(arm, ({ kl }) => kl, 0.5);
    }
  }
}

function drawRecording({ runs }: ReturnType<typeof readRecording>): void {
  for (const run of runs) new ReplayedRun(run).show(3);
}

it.each([
  ['study', JSON.stringify(study), (read: string) => drawStudy(readStudy(read)), times],
  ['recording', recording, (read: string) => drawRecording(readRecording(read)), Math.ceil(times / 10)],
] as const)(
  'a mutated %s is drawn, or refused as its file',
  (name, whole, draw, count) => {
    draw(whole);
    for (let i = 0; i < count; i++) {
      const bytes = mutated(text(whole), new Stream(11, Purpose.evaluation, i, 9));
      try {
        draw(new TextDecoder().decode(bytes));
      } catch (error) {
        expect(labErrorCode(error), `${name} ${i}: ${String((error as Error).stack)}`).toMatch(
          name === 'study' ? /^format$/ : /^(format|config)$/,
        );
      }
    }
  },
  600_000,
);

it('reads the committed study', () => {
  drawStudy(readStudy(readFileSync('docs/reproduction/results.json', 'utf8')));
});
