/** From a description of somebody, as data sets of personas have them, to a system prompt, an id and a name. */

/** Descriptions mostly begin with an article: "A baker from Oslo" is told as "You are a baker from Oslo." */
export function personaPrompt(description: string): string {
  if (/^you(r|’re|'re)?\b/i.test(description)) return description;
  const described = description.replace(/^(An?|The)\b/, (article) => article.toLowerCase());
  return `You are ${described}${/[.!?]$/.test(described) ? '' : '.'}`;
}

const longestId = 48;
const longestName = 60;

/** `A baker from Oslo!` is `a-baker-from-oslo`. @param taken ids that there are; the new one is not added */
export function personaId(description: string, taken: ReadonlySet<string>): string {
  const words = description.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
  let id = '';
  for (const word of words) {
    if (id !== '' && id.length + 1 + word.length > longestId) break;
    id += `${id === '' ? '' : '-'}${[...word].slice(0, longestId).join('')}`;
  }
  if (id === '' || id === 'none') id = 'persona';
  if (!taken.has(id)) return id;
  let n = 2;
  while (taken.has(`${id}-${n}`)) n++;
  return `${id}-${n}`;
}

/** On one line, and not too long for a list. */
export function personaName(description: string): string {
  const line = description.replace(/\s+/g, ' ').trim();
  const characters = [...line];
  return characters.length <= longestName
    ? line
    : `${characters
        .slice(0, longestName - 1)
        .join('')
        .trimEnd()}…`;
}
