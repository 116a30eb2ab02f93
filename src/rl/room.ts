/**
 * Whether a run's questions fit into the policy, measured before its first step: those that do not are drawn again (`data.ts`), and a run
 * in which hardly any does is refused, instead of dying at the step that meets one.
 */
import { LabError } from '../errors.ts';
import { trainingWeights } from '../persona/mix.ts';
import type { Persona } from '../persona/persona.ts';
import { PromptRoom } from '../persona/room.ts';
import type { Tokenizer } from '../policy/tokenizer.ts';
import { Purpose, Stream } from '../random/counter.ts';
import { instructed } from '../tasks/instruction.ts';
import type { Question } from '../tasks/question.ts';
import type { ImportedSets } from '../tasks/source.ts';
import { sourceOf } from '../tasks/sources.ts';
import { askingOf } from './asking.ts';
import type { RunConfig } from './config.ts';

export interface RunRoom {
  /** Whether the policy can read a question under every persona of the mix. */
  fits(question: Question): boolean;
  /** What the reader has to know before the run, a sentence each. */
  readonly notices: readonly string[];
}

/** Questions of each source that are measured. */
const most = 64;
/** Of them, those that have to fit: fewer, and drawing again could go on for long. */
const enough = 4;

/** @throws LabError 'config' for personas that never reach the prompt, and for questions that are too long; what it says to do works */
export function measureRoom(config: RunConfig, personas: readonly Persona[], tokenizer: Tokenizer, sets: ImportedSets = {}): RunRoom {
  const { seed, tasks, mix, sampling } = config;
  const { instruction } = askingOf(config);
  const drawn = mix.noneShare < 1 ? trainingWeights(mix, personas).flatMap(({ persona, weight }) => (weight > 0 ? [persona] : [])) : [];
  const room = new PromptRoom(tokenizer, mix.noneShare > 0 ? [null, ...drawn] : drawn, sampling.maxNewTokens);
  const notices: string[] = [];
  const under = room.longest === null ? '' : ` under “${room.longest}”`;
  for (const choice of tasks.filter(({ weight }) => weight > 0)) {
    const { id } = choice;
    const source = sourceOf(choice, sets);
    const measured = Math.min(most, source.count?.train ?? most);
    const needed = Math.min(enough, measured);
    const texts = Array.from(
      { length: measured },
      (_, n) => instructed(source.draw(new Stream(seed, Purpose.question, n), 'train'), instruction).text,
    );
    const fitting = texts.filter((text) => room.fits(text)).length;
    if (fitting === measured) continue;
    const lengths = texts.map((text) => room.tokens(text));
    const longest = Math.max(...lengths);
    const asked = `${measured - fitting} of ${measured} questions of ${source.count ? id : `the task ${id}`} are too long${under}`;
    const space = `they need up to ${longest} tokens, and beside a reply of ${sampling.maxNewTokens} the policy has room for ${Math.max(0, room.limit)}`;
    if (fitting >= needed) notices.push(`${asked}: ${space}. Such questions are drawn again.`);
    else {
      const possible = room.limit + sampling.maxNewTokens - longest;
      throw new LabError(
        'config',
        `${asked}: ${space}.`,
        possible > 0
          ? `Let replies have at most ${possible} tokens (sampling.maxNewTokens).`
          : `Choose a policy that reads more tokens, or ${source.count ? 'a set' : 'a task'} with shorter questions.`,
      );
    }
  }
  return { notices, fits: (question) => room.fits(question.text) };
}
