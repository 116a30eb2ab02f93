/**
 * What of a text is a mark and not said: the box around an answer, and the marks of a chat. Token by token, because a token may be part mark,
 * part word (`}.`), and stays one that can be pinned. How marks look is the components'.
 */

/** `open` and `close` are the marks of a box, `boxed` what is in it. */
export interface Segment {
  readonly text: string;
  readonly kind: 'text' | 'chat' | 'open' | 'boxed' | 'close';
  /** `boxed` only: where its box begins and ends. */
  readonly first?: boolean;
  readonly last?: boolean;
}

const chatMark = /^<(?:\|[^|<>]*\||\/?[a-z_]+)>$/i;

/** Each piece as its segments; joined they are the piece. */
export function markPieces(pieces: readonly string[]): readonly (readonly Segment[])[] {
  const text = pieces.join('');
  const boxes = findBoxes(text);
  let from = 0;
  return pieces.map((piece) => {
    const [start, end] = [from, (from += piece.length)];
    if (chatMark.test(piece.trim())) return [{ text: piece, kind: 'chat' }];
    return cut(start, end, boxes).map(({ kind, first, last, ...at }) => ({
      text: text.slice(at.start, at.end),
      kind,
      ...(kind === 'boxed' ? { first, last } : {}),
    }));
  });
}

/** A whole reply: its chat marks and its boxes, the marks of which are gone where it is not shown raw. */
export const markWhole = (text: string): readonly Segment[] => markPieces(text.split(/(<[^<>]*>)/).filter((part) => part !== '')).flat();

/** A rendered prompt: its chat marks and what is between them. */
export function markText(text: string): readonly Segment[] {
  return text
    .split(/(<\|[^|<>]*\|>)/)
    .filter((part) => part !== '')
    .map((part) => ({ text: part, kind: chatMark.test(part) ? 'chat' : 'text' }));
}

/** The name in a chat mark: `<|end|>` is `end`. */
export const markName = (mark: string): string => mark.trim().replace(/^<\|?\/?|\|?>$/g, '');

interface Box {
  /** `\boxed{` is [start, content), its content [content, close), its brace [close, close + 1). */
  readonly start: number;
  readonly content: number;
  readonly close: number;
}

/** Boxes with balanced braces; within a box none are looked for. */
function findBoxes(text: string): Box[] {
  const boxes: Box[] = [];
  const opening = /\\(?:boxed|fbox)\s*\{/g;
  for (let match = opening.exec(text); match; match = opening.exec(text)) {
    const content = opening.lastIndex;
    let depth = 1;
    let at = content;
    for (; at < text.length && depth > 0; at++) depth += text[at] === '{' ? 1 : text[at] === '}' ? -1 : 0;
    if (depth > 0) break; // it was cut off: there is no box
    boxes.push({ start: match.index, content, close: at - 1 });
    opening.lastIndex = at;
  }
  return boxes;
}

interface Stretch {
  readonly start: number;
  readonly end: number;
  readonly kind: Segment['kind'];
  readonly first: boolean;
  readonly last: boolean;
}

/** [start, end) along the borders of boxes. */
function cut(start: number, end: number, boxes: readonly Box[]): Stretch[] {
  const borders = boxes.flatMap((box) => [box.start, box.content, box.close, box.close + 1]);
  const points = [...new Set([start, ...borders.filter((border) => border > start && border < end), end])];
  return points.slice(0, -1).map((from, i) => {
    const to = points[i + 1]!;
    const box = boxes.find((one) => from >= one.start && from <= one.close);
    const kind = !box ? 'text' : from < box.content ? 'open' : from < box.close ? 'boxed' : 'close';
    return { start: from, end: to, kind, first: from === box?.content, last: to === box?.close };
  });
}
