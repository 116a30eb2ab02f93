/** What "no persona" is in a probe, in words. */
import { noSuch } from '../../errors.ts';
import { askingOf, type AskingSettings } from '../../rl/asking.ts';

/** @param ownPrompt what the policy's chat template says by itself; null: nothing */
export function nobodyWords(asking: AskingSettings, ownPrompt: string | null): string {
  const { noPersona } = askingOf(asking);
  switch (noPersona) {
    case 'template':
      return ownPrompt === null ? 'no system prompt' : `what its chat template says by itself: “${ownPrompt}”`;
    case 'empty':
      return 'an empty system message';
    case 'absent':
      return 'no system prompt';
    default:
      return noSuch('kind of chat without a system message', noPersona);
  }
}
