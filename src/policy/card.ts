/** What a policy’s card (README.md) says about its licence, in one short line; the rest of a card is for people. */

export const cardName = 'README.md';
/** The front matter of a card lies at its beginning. */
const maxCard = 100_000;
const longest = 80;

/** `license: apache-2.0`; of one that is called `other` its `license_name`. Null where the card says none. */
export function licenceOf(card: Uint8Array | null): string | null {
  if (!card) return null;
  const text = new TextDecoder().decode(card.subarray(0, maxCard)).replaceAll('\r\n', '\n');
  const [, matter] = /^\uFEFF?---\n([\s\S]*?)\n---/.exec(text) ?? [];
  if (matter === undefined) return null;
  const field = (name: string): string | null => {
    const [, said] = new RegExp(`^${name}:[ \\t]*(.+)$`, 'm').exec(matter) ?? [];
    return said === undefined ? null : shownLicence(said);
  };
  const licence = field('license') ?? field('licence');
  return licence === 'other' || licence === null ? (field('license_name') ?? licence) : licence;
}

/** A stranger's words as part of a line: short, and nothing in them that turns or hides what stands beside them. */
function shownLicence(said: string): string | null {
  const clean = said
    .replace(/\s+#.*$/, '')
    .trim()
    .replace(/^(["'])(.*)\1$/, '$2')
    .replace(/[\p{C}<>]/gu, ' ')
    .trim();
  const list = /^\[(.*)\]$/.exec(clean)?.[1]?.trim();
  return (list ?? clean).slice(0, longest) || null;
}
