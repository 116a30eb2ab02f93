/** `permix probe`: one question under several personas, to see what a persona changes. */
import { LabError } from '../errors.ts';
import type { Persona } from '../persona/persona.ts';
import { ownPromptSentence, personaPlace } from '../persona/place.ts';
import { renderPrompt } from '../persona/prompt.ts';
import { personas as library, voiceOf } from '../persona/world.ts';
import type { Arguments } from './arguments.ts';
import { openPolicy } from './engine.ts';
import type { Output } from './output.ts';
import { notice, Progress } from './progress.ts';
import { generatedRow } from './reply.ts';

export async function probe(args: Arguments, out: Output): Promise<void> {
  const question = args.required('question');
  const asked = choosePersonas(args);
  const maxNewTokens = args.integer('max-new', 1, 1_000_000) ?? 48;
  const temperature = args.number('temperature', 0, 100) ?? 0;
  const seed = args.integer('seed', 0, 0xffffffff) ?? 0;

  const { policy, engine } = await openPolicy(args);
  const { tokenizer, config } = policy;
  if (!tokenizer) {
    throw new LabError(
      'config',
      'The policy has no tokenizer.json, so it cannot be asked in words.',
      'Add the one of the policy that it was made from, or use permix generate --tokens.',
    );
  }
  const prompts = asked.map((persona) => renderPrompt(tokenizer, persona?.text ?? null, question));
  const progress = new Progress('answering', maxNewTokens);
  const rollouts = await engine.generate(
    {
      prompts: prompts.map(({ tokens }) => tokens),
      repeats: 1,
      sampling: { temperature, topK: 0, topP: 1, minP: 0, maxNewTokens, eosIds: config.eosIds, seed, step: 0, firstRow: 0 },
    },
    ({ position }) => progress.at(position + 1, 'tokens'),
  );
  progress.done();
  engine.dispose();

  const replies = asked.map((persona, row) => {
    const { tokens, logprobs, text, finish } = generatedRow(rollouts, row, tokenizer);
    return { persona: persona?.id ?? null, prompt: prompts[row]!.text, text, voice: voiceOf(text ?? ''), tokens, logprobs, finish };
  });
  const { ownPrompt } = personaPlace(tokenizer);
  const own = ownPromptSentence(tokenizer, policy.id);
  if (own !== null) notice(own);
  out.object({ question, ownPrompt, replies });
  const width = Math.max(...replies.map(({ persona }) => (persona ?? 'none').length));
  for (const { persona, text } of replies) out.line(`${(persona ?? 'none').padEnd(width)}  ${text}`);
}

function choosePersonas(args: Arguments): (Persona | null)[] {
  const ids = args.list('personas');
  // Four roles with four traits, when nothing is said.
  if (!ids) return [null, ...[0, 1, 2, 3].map((n) => library[Math.floor((n * library.length) / 4) + n]!)];
  return ids.flatMap((id) => {
    if (id === 'none') return [null];
    if (id === 'all') return [null, ...library];
    const persona = library.find((candidate) => candidate.id === id);
    if (!persona) throw args.wrong(`There is no persona "${id}"; there are none, all, ${library.map((p) => p.id).join(', ')}.`);
    return [persona];
  });
}
