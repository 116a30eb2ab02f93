/** Who asks for the editor of personas: whose prompts it shows, and who takes what it makes. */
import { askingOf, templateAsking, type AskingSettings } from '../rl/asking.ts';
import type { Library } from '../persona/library-names.ts';
import type { RunConfig } from '../rl/config.ts';
import type { EditorGuest } from './persona-libraries.svelte.ts';

interface Known {
  readonly probe: { readonly question: string };
  readonly policies: { nameOf(id: string): string };
}

/** @param policy id of the base  @param maxNewTokens kept free for the reply; empty: nothing is */
export function guestWith(
  lab: Known,
  policy: string,
  asking: AskingSettings,
  maxNewTokens: number | null,
  choose: (library: Library) => void,
): EditorGuest {
  const { instruction } = askingOf(asking);
  const view = {
    policy,
    policyName: lab.policies.nameOf(policy),
    asking: templateAsking(asking),
    instruction,
    question: lab.probe.question,
    maxNewTokens: maxNewTokens ?? 0,
  };
  return { view, choose };
}

/** The next run. */
export function nextRun(
  lab: Known & { readonly policy: string; readonly draft: { snapshot(): RunConfig; ask(changes: AskingSettings): void } | null },
): EditorGuest {
  const config = lab.draft?.snapshot();
  const choose = (library: Library) => void lab.draft?.ask({ library });
  return guestWith(lab, lab.policy, config ?? {}, config?.sampling.maxNewTokens ?? null, choose);
}
