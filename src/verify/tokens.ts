/**
 * An answer as tokens, so that reading it is one walk from left to right and takes linear time whatever it holds. What only sets an answer
 * (sizes, fonts, colours, invisible characters) is gone; what may part two numbers (a blank of any kind) never is. Meaning is `amount.ts`.
 */

export type TokenKind =
  /** ASCII digits, whatever script they were written in. */
  | 'digits'
  /** Letters; `upright` where they were set as text. */
  | 'word'
  /** A LaTeX command with its backslash. */
  | 'command'
  /** `½` as `1/2`. */
  | 'vulgar'
  /** `²`, `⁻³`, as `2`, `-3`. */
  | 'raised'
  /** Blanks of one line; `gap` is a wider one that always parts: a new line, `\quad`, and `\\`, which alone keeps its text. */
  | 'blank'
  | 'gap'
  /** Dollar signs, quotation marks, Markdown's bold, LaTeX's `\(`: they carry no value but part what they stand between. */
  | 'mark'
  /** Any other single character. */
  | 'sign';

export interface Token {
  readonly kind: TokenKind;
  readonly text: string;
  readonly upright: boolean;
}

/** LaTeX groups whose content is read as if it stood there bare. */
const wrappers = new Set(
  (
    'text textrm textbf textit textsf texttt textnormal textup textmd mbox hbox emph underline mathrm mathbf mathit mathsf mathtt mathnormal ' +
    'mathord operatorname operatorname* bm boldsymbol pmb boxed fbox ensuremath unit si'
  ).split(' '),
);
const upright = new Set(
  'text textrm textbf textit textsf texttt textnormal textup textmd mbox hbox emph mathrm operatorname operatorname* unit si'.split(' '),
);
/** Switches that say how something is set, not what. */
const styles = new Set(
  (
    'displaystyle textstyle scriptstyle left right big Big bigg Bigg bigl bigr Bigl Bigr biggl biggr large Large LARGE huge Huge normalsize small ' +
    'bf rm it sf tt bfseries strut mathstrut limits nolimits mathclose mathopen'
  ).split(' '),
);
const blanks = new Set([
  '\\!',
  '\\,',
  '\\;',
  '\\:',
  '\\>',
  '\\ ',
  '~',
  '\\space',
  '\\thinspace',
  '\\negthinspace',
  '\\nobreakspace',
  '\\enspace',
  '\\medspace',
  '\\thickspace',
]);
const gaps = new Set(['\\quad', '\\qquad', '\\\\', '\\newline']);
const fractions = new Set(['\\dfrac', '\\tfrac', '\\cfrac', '\\sfrac', '\\nicefrac']);
const marks = new Set(['$', '**', '__', '`', '"', '“', '”', '„', '«', '»', '\\(', '\\)', '\\[', '\\]', '\\$']);

const anyToken =
  /\\(?:operatorname\*|[a-zA-Z]+)|\\[\s\S]|\{,\}|\{\.\}|\{\}|\d+|[\p{L}\p{M}]+|\*\*|__|[^\S\n\r]+|\s+|[⁺⁻]?[⁰¹²³⁴-⁹]+|[\s\S]/gu;

/** Linear time; blanks of one kind in a row are one token. */
export function tokensOf(answer: string): Token[] {
  const tokens: Token[] = [];
  /** For every open brace whether it only wraps, and whether what it holds is upright. */
  const braces: { readonly wraps: boolean; readonly upright: boolean }[] = [];
  /** The next brace belongs to a wrapper, or is an argument of no interest. */
  let pending: 'wrap' | 'upright' | 'skip' | null = null;
  let skipped = 0;
  const add = (kind: TokenKind, text: string) => {
    // A run of blanks is one, however it was written.
    if (kind === 'blank' && tokens.at(-1)?.kind === 'blank') return;
    tokens.push({ kind, text, upright: braces.at(-1)?.upright ?? false });
  };
  for (const [text] of plainCharacters(answer).matchAll(anyToken)) {
    if (skipped > 0) {
      if (text === '{') skipped++;
      else if (text === '}') skipped--;
      continue;
    }
    if (text !== '{' && !isBlank(text)) pending = null;
    if (text === '{}') continue;
    if (text === '{') {
      if (pending === 'skip') skipped = 1;
      else {
        const wraps = pending !== null;
        braces.push({ wraps, upright: pending === 'upright' || (pending === null && (braces.at(-1)?.upright ?? false)) });
        if (!wraps) add('sign', '{');
      }
      pending = null;
    } else if (text === '}') {
      if (!braces.pop()?.wraps) add('sign', '}');
    } else if (isBlank(text)) {
      if (pending === null) add('blank', ' ');
    } else if (gaps.has(text) || /^\s/.test(text)) add('gap', text === '\\\\' ? text : '\n');
    else if (text.startsWith('\\')) {
      const name = text.slice(1);
      if (name === 'color' || name === 'textcolor') pending = 'skip';
      else if (upright.has(name)) pending = 'upright';
      else if (wrappers.has(name)) pending = 'wrap';
      else if (fractions.has(text)) add('command', '\\frac');
      else if (text === '\\%') add('sign', '%');
      else if (marks.has(text)) add('mark', text);
      else if (!styles.has(name)) add('command', text);
    } else if (/^\d/.test(text)) add('digits', text);
    else if (/^[\p{L}\p{M}]/u.test(text)) add('word', text);
    else if (text === '{,}' || text === '{.}') add('sign', text[1]!);
    else if (/^[⁺⁻⁰¹²³⁴-⁹]/.test(text)) add('raised', text.normalize('NFKC').replace('\u2212', '-'));
    else if (/^\p{No}$/u.test(text) && /^\d+\u2044\d+$/.test(text.normalize('NFKC')))
      add('vulgar', text.normalize('NFKC').replace('\u2044', '/'));
    else add(marks.has(text) ? 'mark' : 'sign', text);
  }
  return tokens;
}

function isBlank(text: string): boolean {
  return blanks.has(text) || /^[^\S\n\r]/.test(text);
}

/** One character for each of what is written in several: signs, digits, slashes, points. What is invisible goes. */
function plainCharacters(text: string): string {
  return (
    text
      // Set behind a comma it takes nothing away; elsewhere it parts, as a blank does.
      .replace(/,\\!\s*/g, ',')
      .replace(/[\u00ad\u200b-\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]/g, '')
      .replace(/[\uff01-\uff5e]/g, (wide) => String.fromCharCode(wide.charCodeAt(0) - 0xfee0))
      .replace(/[\u2010-\u2013\u2212\ufe63]/g, '-')
      .replace(/[\u2044\u2215]/g, '/')
      .replace(/[×⋅·∙✕]/g, '*')
      .replace(/[\u2019\u02bc]/g, "'")
      .replace(/\u066c/g, ',')
      .replace(/\u066b/g, '.')
      .replace(/\p{Nd}/gu, asciiDigit)
  );
}

/** Blocks of decimal digits begin at a multiple of 16, or 6 above it; the others (mathematical digits) are NFKC's. */
function asciiDigit(digit: string): string {
  const plain = digit.normalize('NFKC');
  if (/^\d$/.test(plain)) return plain;
  const code = digit.codePointAt(0)!;
  const row = code - (code % 16);
  const zero = /^\p{Nd}$/u.test(String.fromCodePoint(row)) ? row : row + 6;
  const value = code - zero;
  return value >= 0 && value <= 9 ? String(value) : digit;
}

/** Whether a token is one of these signs. */
export function isSign(token: Token | undefined, signs: string): boolean {
  return token?.kind === 'sign' && signs.includes(token.text);
}
