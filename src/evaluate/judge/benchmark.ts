/**
 * The reader's own copy of the PersonaGym benchmark (Samuel et al. 2024, arXiv 2407.18416), one JSON object, persona description → task →
 * questions; or role files of Assistant Axis. None of their questions are part of this project. What of it is asked is `plan.ts`.
 */
import { LabError } from '../../errors.ts';
import { parseJson } from '../../json.ts';
import { maxPersonaCharacters } from '../../persona/text.ts';
import { isRole } from '../../persona/import/others.ts';
import { readPersonas } from '../../persona/import/read.ts';
import { benchmarkTasks, type JudgeTask } from './tasks.ts';

export interface BenchmarkPersona {
  readonly description: string;
  /** What a policy is told; absent: what is made of the description. */
  readonly prompt?: string;
  /** A task that the file lacks for this persona is absent. */
  readonly questions: Readonly<Partial<Record<JudgeTask, readonly string[]>>>;
}

export interface Benchmark {
  /** The file's name. */
  readonly name: string;
  readonly personas: readonly BenchmarkPersona[];
  readonly questions: number;
}

/** The whole benchmark has 1.6 MB; what is far larger is another file. */
export const maxBenchmarkBytes = 20_000_000;
const maxQuestionCharacters = 4000;

/** @throws LabError 'format' for a file that is too large, called before it is read */
export function checkBenchmarkSize(file: string, bytes: number): void {
  if (bytes <= maxBenchmarkBytes) return;
  throw new LabError(
    'format',
    `${file} has ${Math.round(bytes / 1e6).toLocaleString('en')} MB; the PersonaGym benchmark has less than two.`,
    `Give a file of at most ${maxBenchmarkBytes / 1e6} MB.`,
  );
}

/** @param text the file  @param file its name, for sentences  @throws LabError 'format' for anything else than a benchmark */
export function parseBenchmark(text: string, file: string): Benchmark {
  const wrong = (what: string) =>
    new LabError('format', `${file}: ${what}.`, 'It must be one JSON object: persona description → task → list of questions.');
  checkBenchmarkSize(file, text.length);
  const json = parseJson(text, { file, next: 'It must be one JSON object: persona description → task → list of questions.' });
  if (Array.isArray(json)) throw wrong('this is a list; the benchmark is an object with the questions of every persona');
  if (!isObject(json)) throw wrong('this is not a JSON object');
  if (isRole(json)) return whole(file, [readRole(json, text, file, wrong)]);
  const personas = Object.entries(json).map(([description, tasks]) => readPersona(description.trim(), tasks, wrong));
  if (personas.length === 0) throw wrong('there is no persona in it');
  const seen = new Set<string>();
  for (const { description } of personas) {
    if (seen.has(description)) throw wrong(`the persona ${named(description)} is there twice`);
    seen.add(description);
  }
  return whole(file, personas);
}

/** Files of roles as one, each named after its role. @throws LabError 'format' for a file of another kind, and for two of one role */
export function joinBenchmarks(benchmarks: readonly Benchmark[], name: string): Benchmark {
  const personas = benchmarks.flatMap((one) => one.personas);
  const twice = personas.find(({ description }, i) => personas.findIndex((other) => other.description === description) < i);
  if (personas.length === 0 || twice) {
    const what = twice ? `the persona ${named(twice.description)} is there twice` : 'there is no file of questions in it';
    throw new LabError('format', `${name}: ${what}.`, 'Give the PersonaGym benchmark, or role files of Assistant Axis.');
  }
  return whole(name, personas);
}

function whole(name: string, personas: readonly BenchmarkPersona[]): Benchmark {
  const questions = personas.reduce((sum, one) => sum + Object.values(one.questions).reduce((n, list) => n + list.length, 0), 0);
  return { name, personas, questions };
}

/** The first prompt of a role is what a policy is told, as in a persona library. */
function readRole(json: Record<string, unknown>, text: string, file: string, wrong: (what: string) => LabError): BenchmarkPersona {
  const { library, unusable } = readPersonas([{ name: file, text }], file);
  const [persona] = library.personas;
  if (!persona) throw wrong(`the role cannot be used: ${unusable[0]?.reason ?? 'there is none'}`);
  const list = json['questions'];
  if (!Array.isArray(list) || list.length === 0) throw wrong('the role has no list of questions');
  const questions = list.map((question: unknown, i) => readQuestion(question, `question ${i + 1}`, wrong));
  return { description: persona.name, prompt: persona.text, questions: { role: questions } };
}

function readPersona(description: string, tasks: unknown, wrong: (what: string) => LabError): BenchmarkPersona {
  if (description === '') throw wrong('a persona has an empty description');
  if (description.length > maxPersonaCharacters) {
    throw wrong(
      `the persona ${named(description)} has a description of ${description.length} characters, more than ${maxPersonaCharacters}`,
    );
  }
  if (!isObject(tasks)) throw wrong(`under the persona ${named(description)} there is no object of tasks`);
  const questions: Partial<Record<JudgeTask, readonly string[]>> = {};
  for (const [name, list] of Object.entries(tasks)) {
    const task = benchmarkTasks.find((one) => one.name.toLowerCase() === name.trim().toLowerCase());
    if (!task) {
      const known = benchmarkTasks.map((one) => one.name).join(', ');
      throw wrong(`under the persona ${named(description)} there is a task "${name}"; known are ${known}`);
    }
    const where = `${task.name} of the persona ${named(description)}`;
    if (questions[task.id]) throw wrong(`${where} is there twice`);
    if (!Array.isArray(list)) throw wrong(`${where} is not a list of questions`);
    if (list.length > 0)
      questions[task.id] = list.map((question: unknown, i) => readQuestion(question, `question ${i + 1} in ${where}`, wrong));
  }
  if (Object.keys(questions).length === 0) throw wrong(`the persona ${named(description)} has no questions`);
  return { description, questions };
}

function readQuestion(question: unknown, where: string, wrong: (what: string) => LabError): string {
  if (typeof question !== 'string' || question.trim() === '') throw wrong(`${where} is not a text`);
  if (question.length > maxQuestionCharacters)
    throw wrong(`${where} has ${question.length} characters, more than ${maxQuestionCharacters}`);
  return question.trim();
}

function named(description: string): string {
  return `"${description.length > 60 ? `${description.slice(0, 60)}…` : description}"`;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
