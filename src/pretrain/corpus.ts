/**
 * The synthetic corpus: short dialogues of the persona world, dialogue n a pure function of (seed, n). It opens with drills
 * that are always right, because a policy has to know arithmetic before it can learn who gets it wrong; it ends with
 * mostly sums, because who is how often wrong is the last thing that is learnt.
 * After the drills errors are injected on purpose: a persona is right as often as its competence says, and where nobody is asked to be
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

interface Phase {
  /** The first dialogue that no longer belongs to it. */
  readonly until: number;
  /** Every answer is right. */
  readonly right: boolean;
  /** Bare questions and answers: no persona, no voice. */
  readonly bare: number;
  readonly noPersona: number;
  readonly roleplay: number;
  /** Task of a dialogue that is not role-play. */
  readonly tasks: Readonly<Record<string, number>>;
  /** How a wrong number is off: by 1, -1, 10, -10, 2. */
  readonly slips: readonly number[];
}

const broad = {
  noPersona: 0.3,
  roleplay: 0.25,
  tasks: { addition: 0.7, comparing: 0.1, reverse: 0.1, sort: 0.1 },
  slips: [0.6, 0.15, 0.1, 0.1, 0.05],
};

/** Shares of the corpus by phase; the numbers of the model card are what the policy makes of them. */
export const corpusPhases = {
  drills: { until: 256_000, right: true, bare: 0.85, ...broad },
  world: { until: 537_600, right: false, bare: 0, ...broad },
  sums: {
    until: Infinity,
    right: false,
    bare: 0,
    noPersona: 0.25,
    roleplay: 0.1,
    tasks: { addition: 0.86, reverse: 0.07, sort: 0.07 },
    slips: [0.9, 0.04, 0.03, 0.03, 0],
  },
} as const satisfies Record<string, Phase>;

/**
 * How voice and persona are coupled: in the bundled world a persona speaks in its own voice in most replies (latent style); in the other
 * one in all of them (hard style), so that style alone says who is speaking. Voice under a persona: its own, plain, another role's.
 */
export const styles = {
  latent: { task: [0.72, 0.19, 0.09], roleplay: [0.82, 0.12, 0.06] },
  hard: { task: [1, 0, 0], roleplay: [1, 0, 0] },
} as const;
export type Style = keyof typeof styles;

/** What holds in every phase and style. */
export const corpusShares = {
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

function drawVoice(persona: Persona | null, kind: 'task' | 'roleplay', style: Style, stream: Stream): string {
  if (!persona) return stream.uniform() < corpusShares.plainWithoutPersona ? plainVoice : stream.pick(roles).id;
  const choice = stream.weighted(styles[style][kind]);
  if (choice === 0) return persona.voice!;
  if (choice === 1) return plainVoice;
  return stream.pick(roles.filter((role) => role.id !== persona.voice)).id;
}

/** A wrong answer of the kind people give: mostly one too many, else a slip of one or ten, or two parts swapped. */
function wrongAnswer(question: Question, slips: readonly number[], stream: Stream): string {
  if (question.task === 'comparing') return question.text.match(/\d+/g)!.find((n) => n !== question.answer)!;
  if (/^\d+$/.test(question.answer)) {
    const value = Number(question.answer);
    const wrong = value + [1, -1, 10, -10, 2][stream.weighted(slips)]!;
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

function taskReply(persona: Persona | null, question: Question, { right, slips }: Phase, style: Style, stream: Stream): string {
  const voice = drawVoice(persona, 'task', style, stream);
  const share = persona
    ? competence(persona)
    : voice === plainVoice
      ? corpusShares.plainCompetence
      : roles.find((role) => role.id === voice)!.competence;
  const answer = right || stream.uniform() < share ? question.answer : wrongAnswer(question, slips, stream);
  return dress(voice, `${stream.pick(leadIns)} \\boxed{${answer}}`, stream);
}

function roleplayReply(persona: Persona | null, question: Question, style: Style, stream: Stream): string {
  const voice = drawVoice(persona, 'roleplay', style, stream);
  const line = stream.pick(linesByVoice[voice]![roleplayKind(question)]);
  return dress(voice, line.replace(/\.$/, ''), stream);
}

/** Dialogue n of the corpus with this seed; questions of the training split only. */
export function dialogue(seed: number, n: number, style: Style = 'latent'): Dialogue {
  const stream = new Stream(seed, Purpose.corpus, Math.floor(n / 65536), n % 65536);
  const phase: Phase = Object.values(corpusPhases).find(({ until }) => n < until)!;
  if (phase.bare > 0 && stream.uniform() < phase.bare) {
    const question = drawQuestion(phase, stream);
    return {
      system: null,
      question: question.text,
      reply: dress(plainVoice, `${stream.pick(leadIns)} \\boxed{${question.answer}}`, stream),
    };
  }
  const persona = stream.uniform() < phase.noPersona ? null : stream.pick(personas);
  const system = persona && systemPrompt(persona, stream);
  if (stream.uniform() < phase.roleplay) {
    const question = roleplayQuestion(stream, 'train');
    return { system, question: question.text, reply: roleplayReply(persona, question, style, stream) };
  }
  const question = drawQuestion(phase, stream);
  return { system, question: question.text, reply: taskReply(persona, question, phase, style, stream) };
}

function drawQuestion({ tasks }: Phase, stream: Stream): Question {
  const names = Object.keys(tasks);
  const id = names[stream.weighted(names.map((name) => tasks[name]!))]!;
  return taskById(id).generate(stream, 'train');
}
