/** How a command continues work that began with something else: `--accept PARTS`, the same for all of them. What differs is found by `run/identity.ts`. */
import type { Arguments } from './arguments.ts';

export const accepted = (args: Arguments): readonly string[] => args.list('accept') ?? [];

/** What to do about a refusal. @param otherwise begins anew, a sentence without its full stop  @param accept what would have to be accepted; empty: it cannot be */
export function nextStep(otherwise: string, accept: readonly string[]): string {
  const back = `Go back to what it began with, or ${otherwise}`;
  return accept.length === 0 ? `${back}.` : `${back}; or add --accept ${accept.join(',')} to take over what is there now.`;
}
