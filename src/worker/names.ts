/** Names that the reader gives to runs and checkpoints. */
import { LabError } from '../errors.ts';

const maxLength = 120;

/** Without blanks at its ends. @throws LabError 'usage' for one that is empty or too long */
export function checkedName(name: string): string {
  const trimmed = name.trim();
  if (trimmed && trimmed.length <= maxLength) return trimmed;
  throw new LabError('usage', `A name has 1 to ${maxLength} characters; this one has ${trimmed.length}.`, 'Choose another.');
}

/** What a file says is cut to a name's length. */
export function shortName(name: string): string {
  const trimmed = name.trim() || 'without a name';
  return trimmed.length <= maxLength ? trimmed : `${trimmed.slice(0, maxLength - 1)}…`;
}
