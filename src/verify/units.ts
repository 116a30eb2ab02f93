/**
 * Which words after a number are its unit and leave its value alone (`5 cm`, `5 apples`), and which are not (`5 million`, `5 or more`).
 * A unit is not converted; two that are known and differ (`5 cm`, `5 km`) are different answers.
 */

import { isSign, type Token } from './tokens.ts';

const groups: readonly string[] = [
  'mm millimeter millimeters millimetre millimetres',
  'cm centimeter centimeters centimetre centimetres',
  'm meter meters metre metres',
  'km kms kilometer kilometers kilometre kilometres',
  'in inch inches',
  'ft foot feet',
  'yd yds yard yards',
  'mi mile miles',
  'mg milligram milligrams',
  'g gram grams',
  'kg kgs kilogram kilograms',
  'oz ounce ounces',
  'lb lbs',
  'ml milliliter milliliters millilitre millilitres',
  'l liter liters litre litres',
  'ms millisecond milliseconds',
  's sec secs second seconds',
  'min mins minute minutes',
  'h hr hrs hour hours',
  'day days',
  'week weeks',
  'month months',
  'yr yrs year years',
  'cent cents',
  'dollar dollars usd',
  'euro euros eur',
  'mph',
  'kph kmh',
  'hz',
  'kw',
  'am',
  'pm',
];
const known = new Map(groups.flatMap((group) => group.split(' ').map((name) => [name, group.split(' ')[0]!] as const)));
/** Short ones that are no English words: they may stand at the number without a blank. */
const glued = new Set(
  'mm cm km in ft yd yds mi mg kg kgs oz lb lbs ml ms sec secs min mins hr hrs usd eur mph kph kmh hz kw am pm'.split(' '),
);
/** Single letters are variables, except these where they are set as text, and the few of them that need only a blank. */
const uprightLetters = new Set([...'mgshlLNJVAWCFd']);
const spacedLetters = new Set([...'mgshlL']);

/** Words that change the value, join it to another, or say something about it. */
const others = new Set(
  // numbers, in the languages that policies fall into
  (
    'zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty ' +
    'thirty forty fifty sixty seventy eighty ninety tens hundred hundreds thousand thousands million millions billion billions trillion trillions ' +
    'quadrillion quadrillions k bn mn mio mrd lakh lakhs crore crores dozen dozens score gross couple half halves third thirds quarter quarters fourth ' +
    'fourths fifth fifths sixth sixths seventh sevenths eighth eighths ninth ninths tenth tenths hundredth hundredths thousandth thousandths ' +
    'millionth millionths billionth billionths tausend hundert millionen milliarde milliarden dutzend halb halbe mille milliard milliards douzaine ' +
    'demi mil millones milhares milhao milhoes milioni milione miliardi docena docenas media ' +
    // operations and functions
    'plus minus over by and squared cubed factorial root roots power mod modulo remainder rem base point divided multiplied raised choose percentage ' +
    'percentages permille sqrt sin cos tan cot sec csc log ln exp lim max min gcd lcm det dim deg arg sinh cosh tanh ' +
    'pi alpha beta gamma delta epsilon theta lambda mu sigma tau phi psi omega inf infty infinity nan ' +
    // doubt, alternatives, conditions, statements
    'or to than least most at about approximately approx roughly around nearly almost not no never isn aren wasn if when where whenever unless ' +
    'except but otherwise else then so because since is are was were be equals equal below above under negative positive wrong incorrect false ' +
    'maybe perhaps possibly probably guess undefined unknown none und oder et ou y o e und nicht pas'
  ).split(' '),
);

/**
 * The known unit's own name, or '' for a word that is none of those but can be a unit; null for a word that cannot.
 * @param glued the word stands at the number without a blank
 */
export function unitOf(
  word: string,
  { upright, glued: isGlued, first }: { upright: boolean; glued: boolean; first: boolean },
): string | null {
  const lower = word.normalize('NFD').replace(/\p{M}/gu, '').toLowerCase();
  if (lower.length === 1) {
    if (!(upright ? uprightLetters.has(word) : spacedLetters.has(word) && !isGlued)) return null;
    return known.get(lower) ?? '';
  }
  if (!/^\p{Script=Latin}+$/u.test(lower)) return null;
  // `min`, `sec` and `deg` are functions too, but those stand before their argument.
  if (glued.has(lower)) return known.get(lower)!;
  if (lower === 'sq' || lower === 'cu') return '';
  if (!first && (lower === 'squared' || lower === 'cubed')) return '';
  if (others.has(lower)) return null;
  if (known.has(lower)) return known.get(lower)!;
  if (upright) return '';
  return !isGlued && lower.length >= 3 ? '' : null;
}

/** Before or after an amount, whatever the currency. */
export const currencySigns = new Set([...'$€£¥₹₩₽₺₫₱¢元円₴₦฿']);
const currencyWords = new Set('usd eur gbp jpy cny inr chf us rs'.split(' '));
const currencyCommands = new Set(['\\euro', '\\pounds', '\\texteuro', '\\textsterling', '\\yen', '\\cent', '\\textdollar', '\\textcent']);

/** Whether a token names a currency: `€`, `\euro`, `EUR`. */
export function isCurrency({ kind, text }: Token): boolean {
  if (kind === 'command') return currencyCommands.has(text);
  return currencySigns.has(text) || (kind === 'word' && currencyWords.has(text.toLowerCase()));
}

/** `°`, `\degree`, `^\circ`, `^{\circ}` */
export function isDegree(token: Token, tokens: readonly Token[], at: number): boolean {
  if (token.text === '°' || token.text === 'º' || token.text === '\\degree' || token.text === '\\degrees') return true;
  if (!isSign(token, '^')) return false;
  if (!isSign(tokens[at + 1], '{')) return tokens[at + 1]?.text === '\\circ';
  return tokens[at + 2]?.text === '\\circ' && isSign(tokens[at + 3], '}');
}
