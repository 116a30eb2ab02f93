/** Whom a conversation is with, in words. */
import type { Lab } from '../../../state/lab.svelte.ts';
import type { Partner } from '../../../state/talk.svelte.ts';
import { checkpointLabel } from '../labels.ts';

/** That another persona, other checkpoints or both were chosen than the conversation above is with. */
export function changeSentence(lab: Lab, before: Partner, now: Partner): string {
  const personas = before.persona.text?.trim() !== now.persona.text?.trim();
  const policies = before.policy !== now.policy || before.checkpoints.join() !== now.checkpoints.join();
  const rewritten = personas && before.persona.key === now.persona.key;
  const who = ({ persona, checkpoints, policy }: Partner, text: string) =>
    [
      ...(personas ? [rewritten ? `${text} of ${persona.name}` : named(persona.name)] : []),
      ...(policies ? [list(checkpoints.map((id) => checkpointLabel(lab, id, policy)))] : []),
    ].join(' at ');
  return `The conversation above is with ${who(before, 'the former text')}. Your next message begins a new one, with ${who(now, 'the text')}.`;
}

const named = (persona: string): string => (persona === 'No persona' ? 'no persona' : persona);

function list(names: readonly string[]): string {
  return names.length < 2 ? (names[0] ?? 'nobody') : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;
}
