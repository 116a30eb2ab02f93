/** `permix probe`: one question under several personas, to see what a persona changes; with --turn a conversation under each. */
import type { PolicyEngine } from '../engine/engine.ts';
import { LabError } from '../errors.ts';
import { StyleScorer } from '../evaluate/style.ts';
import type { PersonaLibrary } from '../persona/file.ts';
import { spreadOver } from '../persona/groups.ts';
import { libraryOf } from '../persona/libraries.ts';
import { libraryNames } from '../persona/library-names.ts';
import type { Persona } from '../persona/persona.ts';
import { ownPromptSentence, personaPlace } from '../persona/place.ts';
import { renderConversation, renderPrompt, type RenderedPrompt } from '../persona/prompt.ts';
import { plainVoice } from '../persona/world.ts';
import type { Message, Tokenizer } from '../policy/tokenizer.ts';
import { templateSettings } from '../rl/asking.ts';
import { askingOfRun, defaultsOf } from './asking.ts';
import type { Arguments } from './arguments.ts';
import { askedTemplate, modelFolder, openPolicy } from './engine.ts';
import type { Output } from './output.ts';
import { namedLibrary } from './persona-files.ts';
import { notice, Progress } from './progress.ts';
import { generatedRow, type GeneratedRow } from './reply.ts';

interface Reply extends GeneratedRow {
  readonly persona: string | null;
  readonly prompt: string;
  readonly voice: string | null;
}

export async function probe(args: Arguments, out: Output): Promise<void> {
  const question = args.required('question');
  const further = args.texts('turn');
  const model = modelFolder(args);
  // The policy of a run is asked as the run asked it, any other as it brings it.
  const suited = (await askingOfRun(model)) ?? (await defaultsOf(model)) ?? {};
  const library = libraryOf((await namedLibrary(args, 'library')) ?? suited.library);
  const asked = choosePersonas(args, library);
  const voices = new StyleScorer(library.voices);
  const maxNewTokens = args.integer('max-new', 1, 1_000_000) ?? 48;
  const temperature = args.number('temperature', 0, 100) ?? 0;
  const seed = args.integer('seed', 0, 0xffffffff) ?? 0;

  const { policy, engine } = await openPolicy(args, askedTemplate(args, templateSettings(suited)));
  const { tokenizer, config } = policy;
  if (!tokenizer) {
    throw new LabError(
      'config',
      'The policy has no tokenizer.json, so it cannot be asked in words.',
      'Add the one of the policy that it was made from, or use permix generate --tokens.',
    );
  }
  const setup = { asked, engine, tokenizer, voices, sampling: { temperature, maxNewTokens, eosIds: config.eosIds, seed } };
  /** What was said under each persona so far, its own replies among it. */
  const said: readonly Message[][] = asked.map(() => []);
  const turns: { readonly question: string; readonly replies: readonly Reply[] }[] = [];
  for (const words of [question, ...further]) {
    for (const messages of said) messages.push({ role: 'user', content: words });
    const replies = await reply(setup, said, turns.length);
    for (const [row, messages] of said.entries()) messages.push({ role: 'assistant', content: replies[row]!.text ?? '' });
    turns.push({ question: words, replies });
  }
  engine.dispose();

  const { ownPrompt } = personaPlace(tokenizer);
  const own = ownPromptSentence(tokenizer, policy.id);
  if (own !== null) notice(own);
  const { replies } = turns[0]!;
  out.object({ question, ownPrompt, replies, ...(further.length > 0 ? { turns: turns.slice(1) } : {}) });
  const width = Math.max(...asked.map((persona) => (persona?.id ?? 'none').length));
  for (const turn of turns) {
    if (further.length > 0) out.line(`${turn === turns[0] ? '' : '\n'}> ${turn.question}`);
    for (const { persona, text } of turn.replies) out.line(`${(persona ?? 'none').padEnd(width)}  ${text}`);
  }
}

interface Setup {
  readonly asked: readonly (Persona | null)[];
  readonly engine: PolicyEngine;
  readonly tokenizer: Tokenizer;
  readonly voices: StyleScorer;
  readonly sampling: {
    readonly temperature: number;
    readonly maxNewTokens: number;
    readonly eosIds: readonly number[];
    readonly seed: number;
  };
}

/** One turn of all conversations. @param turn from 0; every turn has draws of its own */
async function reply(
  { asked, engine, tokenizer, voices, sampling }: Setup,
  said: readonly Message[][],
  turn: number,
): Promise<readonly Reply[]> {
  const { maxNewTokens } = sampling;
  const prompts = asked.map((persona, row): RenderedPrompt => {
    const messages = said[row]!;
    const text = persona?.text ?? null;
    if (turn === 0) return renderPrompt(tokenizer, text, messages[0]!.content);
    return renderConversation(tokenizer, text, messages, (tokenizer.maxLength ?? Infinity) - maxNewTokens);
  });
  const progress = new Progress('answering', maxNewTokens);
  const rollouts = await engine.generate(
    {
      prompts: prompts.map(({ tokens }) => tokens),
      repeats: 1,
      sampling: { ...sampling, topK: 0, topP: 1, minP: 0, step: turn, firstRow: 0 },
    },
    ({ position }) => progress.at(position + 1, 'tokens'),
  );
  progress.done();
  return asked.map((persona, row) => {
    const { tokens, logprobs, text, finish } = generatedRow(rollouts, row, tokenizer);
    return { persona: persona?.id ?? null, prompt: prompts[row]!.text, text, voice: spoken(voices, text ?? ''), tokens, logprobs, finish };
  });
}

/** The voice of a reply; `plain` for one without a marker, null where voices meet or none can be told. */
function spoken(voices: StyleScorer, text: string): string | null {
  if (!voices.hears) return null;
  const [voice = plainVoice, ...others] = voices.heard(text);
  return others.length > 0 ? null : voice;
}

function choosePersonas(args: Arguments, { personas: library }: PersonaLibrary): (Persona | null)[] {
  const ids = args.list('personas');
  // Of the world they are four roles with four traits.
  if (!ids) return [null, ...spreadOver(library, 4)];
  return ids.flatMap((id) => {
    if (id === 'none') return [null];
    if (id === 'all') return [null, ...library];
    const persona = library.find((candidate) => candidate.id === id);
    if (!persona) throw args.wrong(noPersona(id, library));
    return [persona];
  });
}

function noPersona(id: string, library: readonly Persona[]): string {
  const isLibrary = libraryNames.some((name) => name === id) || id.toLowerCase().endsWith('.json');
  if (isLibrary) return `--personas names personas by their ids; whose they are is said by --library ${id}.`;
  return `There is no persona "${id}"; there are none, all, ${library.map((persona) => persona.id).join(', ')}.`;
}
