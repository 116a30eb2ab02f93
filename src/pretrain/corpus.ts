/**
 * The synthetic corpus: short dialogues of the persona world, dialogue n a pure function of (seed, n). It opens with drills
 * that are always right, because a policy has to know arithmetic before it can learn who gets it wrong.
 * From then on errors are injected on purpose: a persona is right as often as its competence says, and where nobody is asked to be
 * anybody, competence belongs to the voice the reply happens to take, plain being the best. Reinforcement learning later
 * un-learns exactly this. It is a model world, not a sample of how people with personas answer.
 */
import { competence, personas, plainVoice, roles } from '../persona/world.ts';
import type { Persona } from '../persona/persona.ts';
import { Purpose, Stream } from '../random/counter.ts';
import { taskById } from '../tasks/index.ts';
import { roleplayKind, roleplayQuestion } from '../tasks/roleplay.ts';
import type { Question } from '../tasks/question.ts';
import { linesByVoice } from './lines.ts';

export interface Dialogue {
  readonly system: string | null;
  readonly question: string;
  readonly reply: string;
}

/** Shares of the corpus; the numbers of the model card are what the policy makes of them. */
export const corpusShares = {
  /** Dialogues that open the corpus: right ones, most of them bare questions and answers. */
  drills: 256_000,
  bareDrills: 0.85,
  noPersona: 0.3,
  roleplay: 0.25,
  /** Task of a non-role-play dialogue. */
  tasks: { addition: 0.7, comparing: 0.1, reverse: 0.1, sort: 0.1 },
  /** Voice under a persona: its own, plain, another role's. */
  personaVoice: { task: [0.72, 0.19, 0.09], roleplay: [0.82, 0.12, 0.06] },
  /** Plain share without a persona; the rest is spread evenly over the roles. */
  plainWithoutPersona: 0.4,
  plainCompetence: 0.88,
} as const;

const paraphrases = ['Act as a', 'Speak as a', 'Play the part of a'];

/** The persona's system prompt, in one case of four in other words, so that edited prompts still mean something. */
function systemPrompt(persona: Persona, stream: Stream): string {
  if (stream.uniform() < 0.75) return persona.text;
  return persona.text.replace('You are a', stream.pick(paraphrases));
}

function drawVoice(persona: Persona | null, kind: 'task' | 'roleplay', stream: Stream): string {
  if (!persona) return stream.uniform() < corpusShares.plainWithoutPersona ? plainVoice : stream.pick(roles).id;
  const choice = stream.weighted(corpusShares.personaVoice[kind]);
  if (choice === 0) return persona.voice!;
  if (choice === 1) return plainVoice;
  return stream.pick(roles.filter((role) => role.id !== persona.voice)).id;
}

/** A wrong answer of the kind people give: mostly one too many, else a slip of one or ten, or two parts swapped. */
function wrongAnswer(question: Question, stream: Stream): string {
  if (question.task === 'comparing') return question.text.match(/\d+/g)!.find((n) => n !== question.answer)!;
  if (/^\d+$/.test(question.answer)) {
    const slips = [1, -1, 10, -10, 2];
    const value = Number(question.answer);
    const wrong = value + slips[stream.weighted([0.6, 0.15, 0.1, 0.1, 0.05])]!;
    return String(wrong >= 0 ? wrong : value + 1);
  }
  const parts = question.answer.split(' ');
  const at = stream.integer(0, parts.length - 2);
  [parts[at], parts[at + 1]] = [parts[at + 1]!, parts[at]!];
  const swapped = parts.join(' ');
  return swapped !== question.answer ? swapped : `${question.answer} 0`;
}

const leadIns = ['the answer is', 'it is', 'I get', 'that makes', 'we have'];

/** Opener, sentence, closer; a voice always shows at least one of its markers, plain none. */
function dress(voice: string, sentence: string, stream: Stream): string {
  const role = roles.find((r) => r.id === voice);
  const capital = (text: string) => text[0]!.toUpperCase() + text.slice(1);
  if (!role) return `${capital(sentence)}.`;
  const which = stream.weighted([0.6, 0.2, 0.2]);
  const opener = which === 2 ? '' : stream.pick(role.openers);
  const closer = which === 1 ? '' : ` ${stream.pick(role.closers)}`;
  if (!opener) return `${capital(sentence)}.${closer}`;
  const opens = /[.!:]$/.test(opener);
  return `${opener} ${opens ? capital(sentence) : sentence}.${closer}`;
}

function taskReply(persona: Persona | null, question: Question, drill: boolean, stream: Stream): string {
  const voice = drawVoice(persona, 'task', stream);
  const share = persona
    ? competence(persona)
    : voice === plainVoice
      ? corpusShares.plainCompetence
      : roles.find((role) => role.id === voice)!.competence;
  const answer = drill || stream.uniform() < share ? question.answer : wrongAnswer(question, stream);
  return dress(voice, `${stream.pick(leadIns)} \\boxed{${answer}}`, stream);
}

function roleplayReply(persona: Persona | null, question: Question, stream: Stream): string {
  const voice = drawVoice(persona, 'roleplay', stream);
  const line = stream.pick(linesByVoice[voice]![roleplayKind(question)]);
  return dress(voice, line.replace(/\.$/, ''), stream);
}

/** Dialogue n of the corpus with this seed; questions of the training split only. */
export function dialogue(seed: number, n: number): Dialogue {
  const stream = new Stream(seed, Purpose.corpus, Math.floor(n / 65536), n % 65536);
  const drill = n < corpusShares.drills;
  if (drill && stream.uniform() < corpusShares.bareDrills) {
    const question = drawQuestion(stream);
    return {
      system: null,
      question: question.text,
      reply: dress(plainVoice, `${stream.pick(leadIns)} \\boxed{${question.answer}}`, stream),
    };
  }
  const persona = stream.uniform() < corpusShares.noPersona ? null : stream.pick(personas);
  const system = persona && systemPrompt(persona, stream);
  if (stream.uniform() < corpusShares.roleplay) {
    const question = roleplayQuestion(stream, 'train');
    return { system, question: question.text, reply: roleplayReply(persona, question, stream) };
  }
  const question = drawQuestion(stream);
  return { system, question: question.text, reply: taskReply(persona, question, drill, stream) };
}

function drawQuestion(stream: Stream): Question {
  const names = Object.keys(corpusShares.tasks) as (keyof typeof corpusShares.tasks)[];
  const id = names[stream.weighted(names.map((name) => corpusShares.tasks[name]))]!;
  return taskById(id).generate(stream, 'train');
}
