/** The whole address of a link to this page, for somebody else. Which engine computes is theirs to say, so that it is left out. */
import type { Link } from '../../state/link-parts.ts';
import { writeLink } from '../../state/link.ts';

/** @param path `#/train`, a view or a story */
export function addressOf(path: string, link: Link): string {
  return `${location.href.replace(/[?#].*$/s, '')}${writeLink(path, link)}`;
}
