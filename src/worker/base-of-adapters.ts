/** Which of the policies here adapters are of: as their file names it, or as the reader says. What they hold is looked at in `look-at-policy.ts`. */
import { LabError } from '../errors.ts';
import { isHubName } from '../policy/hub-name.ts';
import { namesPolicy, type PolicyOrigin } from '../storage/policies.ts';

/** A whole policy that is here. */
export interface PossibleBase {
  readonly id: string;
  readonly name: string;
  /** Null: it comes with the page. */
  readonly from: PolicyOrigin | null;
}

/** What the file says of the base, where that is none of those here, or several. */
export interface UnknownBase {
  readonly id: null;
  /** A sentence. */
  readonly said: string;
}

/** Its last part: of a path, of a name on the hub. */
const lastPart = (named: string): string =>
  named
    .replace(/[/\\]+$/, '')
    .split(/[/\\]/)
    .at(-1)!;
const hashed = (named: string): boolean => /~[0-9a-f]{12}$/.test(named);

/** @param adapters what they are called  @param named base_model_name_or_path; null: the file says nothing */
export function baseNamed(
  adapters: string,
  named: string | null,
  here: readonly PossibleBase[],
): Pick<PossibleBase, 'id' | 'name'> | UnknownBase {
  if (named === null) return { id: null, said: `The adapters in ${adapters} do not say of which policy they are.` };
  const found = here.filter((base) => names(named, base));
  if (found.length === 1) return found[0]!;
  const quoted = JSON.stringify(named).slice(0, 200);
  const what = found.length === 0 ? 'which is not here' : `and ${found.length} policies here are called that`;
  return { id: null, said: `The adapters in ${adapters} are of ${quoted}, ${what}.` };
}

function names(named: string, { id, name, from }: PossibleBase): boolean {
  const last = lastPart(named);
  if (hashed(last)) return namesPolicy(last, { id, name });
  // Of somebody else's it may be another of the same name.
  if (isHubName(named) && from?.kind === 'hub') return from.name.toLowerCase() === named.toLowerCase();
  return last === name || last === id;
}

/** @throws LabError 'format' for one that has not the files that the adapters' file names */
export function checkBaseHash(adapters: string, named: string | null, { id, name }: Pick<PossibleBase, 'id' | 'name'>): void {
  const last = named === null ? '' : lastPart(named);
  if (!hashed(last) || namesPolicy(last, { id, name })) return;
  throw new LabError(
    'format',
    `The adapters in ${adapters} are of ${last}, and ${name} is ${id}: another policy.`,
    'Choose their base, or add it first.',
  );
}
