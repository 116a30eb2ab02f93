/**
 * The data set of a run: its questions under the personas that it draws, in order, as rl/data.ts deals them. Nothing is computed with the policy;
 * its tokenizer says which questions fit, as in training.
 */
import type { Persona } from '../../persona/persona.ts';
import { personaPlace } from '../../persona/place.ts';
import { renderPrompt } from '../../persona/prompt.ts';
import type { Message, Tokenizer } from '../../policy/tokenizer.ts';
import { askingOf } from '../../rl/asking.ts';
import type { RunConfig } from '../../rl/config.ts';
import { GroupSource } from '../../rl/data.ts';
import { measureRoom } from '../../rl/room.ts';
import type { taskNames } from '../../tasks/names.ts';
import type { ImportedSets, QuestionSource } from '../../tasks/source.ts';

/** How verifier.py judges an answer. */
type Rule = 'integer' | 'digits' | 'list' | 'countdown' | 'target' | 'gold';

const rules: Readonly<Record<keyof typeof taskNames, Rule>> = {
  addition: 'integer',
  multiplication: 'integer',
  comparing: 'integer',
  chain: 'integer',
  countdown: 'countdown',
  reverse: 'digits',
  sort: 'list',
  'word-problem': 'integer',
  'one-digit-sums': 'integer',
  'one-digit-differences': 'integer',
  'one-digit-products': 'integer',
  'one-digit-stories': 'integer',
};

/** Of an imported set answers are compared with its gold answers, but for countdown, where many are right. */
function ruleOf({ id, count, accepts }: QuestionSource): Rule {
  if (count !== null) return accepts ? 'target' : 'gold';
  return rules[id as keyof typeof rules];
}

export interface ProjectRow {
  readonly prompt: readonly Message[];
  readonly answer: string;
  readonly rule: Rule;
  /** The closing mark of a thinking that the prompt opens; empty: it opens none. */
  readonly opened: string;
  readonly task: string;
  /** Empty: none. */
  readonly persona: string;
}

export interface ProjectRows {
  readonly rows: readonly ProjectRow[];
  /** Steps of the run that they are enough for. */
  readonly steps: number;
  /** Tokens of the longest prompt. */
  readonly longest: number;
  /** Whether there are prompts that the policy's own template, left to itself, renders otherwise than the run. */
  readonly otherwise: boolean;
}

/** More are a file that nobody wants to wait for; what follows is the beginning again. */
export const mostRows = 20_000;
/** So many prompts are looked at for whether the policy's own template renders them alike. */
const looked = 256;

/** @param tokenizer told as the run tells it  @param sets those that the configuration names  @throws LabError 'config' as training does before its first step */
export function projectRows(config: RunConfig, personas: readonly Persona[], tokenizer: Tokenizer, sets: ImportedSets = {}): ProjectRows {
  const { fits } = measureRoom(config, personas, tokenizer, sets);
  const source = new GroupSource(config, personas, 0, fits, sets);
  const steps = Math.max(1, Math.min(config.steps, Math.floor(mostRows / config.promptsPerStep)));
  const { noPersona } = askingOf(config);
  const own = tokenizer.withTemplate({ noSystem: 'template', systemPlace: 'refuse' });
  const takesSystem = personaPlace(own).obstacle === null;
  const limit = (tokenizer.maxLength ?? Infinity) - config.sampling.maxNewTokens;
  let longest = 0;
  let otherwise = false;
  const rows = source.take(steps * config.promptsPerStep).map(({ question, source: from, personas: drawn }, row): ProjectRow => {
    const persona = drawn[0] ?? null;
    const asked = renderPrompt(tokenizer, persona?.text ?? null, question.text, limit);
    const prompt = messagesOf(persona?.text.trim() ?? '', question.text, noPersona, takesSystem);
    longest = Math.max(longest, asked.tokens.length);
    if (row < looked && own.chat(prompt, { addGenerationPrompt: true }) !== asked.text) otherwise = true;
    const rule = ruleOf(from);
    return { prompt, answer: question.answer, rule, opened: asked.thinking ?? '', task: question.task, persona: persona?.id ?? '' };
  });
  return { rows, steps, longest, otherwise };
}

/** What the run's own settings of the template come to, said in messages alone (policy/system-message.ts). */
function messagesOf(persona: string, question: string, none: string, system: boolean): Message[] {
  const user = (content: string): Message => ({ role: 'user', content });
  if (persona === '') return none === 'empty' && system ? [{ role: 'system', content: '' }, user(question)] : [user(question)];
  return system ? [{ role: 'system', content: persona }, user(question)] : [user(`${persona}\n\n${question}`)];
}
