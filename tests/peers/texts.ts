/** What tokenizers and templates are asked: texts of many scripts, drawn from a seed, and chats. */
import { Purpose, Stream } from '../../src/random/counter.ts';
import type { Message } from '../../src/policy/tokenizer.ts';

/** First and last code points. */
const scripts: Readonly<Record<string, readonly (readonly [number, number])[]>> = {
  latin: [
    [0x41, 0x5a],
    [0x61, 0x7a],
  ],
  accented: [
    [0xc0, 0x24f],
    [0x1e00, 0x1eff],
  ],
  greek: [[0x391, 0x3c9]],
  cyrillic: [[0x410, 0x44f]],
  hebrew: [[0x5d0, 0x5ea]],
  arabic: [
    [0x620, 0x64a],
    [0x660, 0x669],
  ],
  devanagari: [
    [0x905, 0x939],
    [0x93e, 0x94d],
    [0x966, 0x96f],
  ],
  bengali: [
    [0x985, 0x9b9],
    [0x9be, 0x9cd],
  ],
  tamil: [
    [0xb85, 0xbb9],
    [0xbbe, 0xbcd],
  ],
  thai: [
    [0xe01, 0xe3a],
    [0xe40, 0xe5b],
  ],
  georgian: [[0x10d0, 0x10ff]],
  ethiopic: [[0x1200, 0x1357]],
  hangul: [[0xac00, 0xd7a3]],
  kana: [[0x3041, 0x30fe]],
  han: [[0x4e00, 0x9fff]],
  digits: [[0x30, 0x39]],
  'other digits': [
    [0xb2, 0xb3],
    [0xbc, 0xbe],
    [0x2460, 0x249b],
    [0x2160, 0x217f],
    [0xff10, 0xff19],
  ],
  punctuation: [
    [0x21, 0x2f],
    [0x3a, 0x40],
    [0x5b, 0x60],
    [0x7b, 0x7e],
    [0x2010, 0x2027],
    [0x3001, 0x3011],
  ],
  symbols: [
    [0x20a0, 0x20bf],
    [0x2190, 0x22ff],
    [0x2500, 0x257f],
  ],
  marks: [[0x300, 0x36f]],
  blanks: [
    [0x20, 0x20],
    [0x20, 0x20],
    [0x9, 0xd],
    [0xa0, 0xa0],
    [0x85, 0x85],
    [0x2000, 0x200a],
    [0x3000, 0x3000],
    [0xfeff, 0xfeff],
  ],
  emoji: [
    [0x1f300, 0x1f64f],
    [0x1f680, 0x1f6c5],
    [0x1f3fb, 0x1f3ff],
    [0x200d, 0x200d],
    [0xfe0f, 0xfe0f],
  ],
  'beyond the first plane': [
    [0x10330, 0x1034a],
    [0x1d400, 0x1d7ff],
    [0x20000, 0x2a6df],
  ],
  controls: [
    [0x1, 0x8],
    [0xe, 0x1f],
    [0x7f, 0x9f],
  ],
};
const phrases = [
  "don't",
  "WE'LL",
  ' the',
  ' 12 + 30 = ',
  '\\boxed{42}',
  '\r\n',
  '\n\n  ',
  '#### 7',
  'https://a.b/c?d=1',
  '<|im_start|>',
  '<|end|>',
  '<think>',
];

/** @param count how many  @returns pieces of one to four scripts each, with phrases and blanks between */
export function manyTexts(count: number): string[] {
  const kinds = Object.values(scripts);
  return Array.from({ length: count }, (_, i) => {
    const stream = new Stream(20_26, Purpose.weights, 1, i);
    const some = Array.from({ length: stream.integer(1, 4) }, () => stream.pick(kinds));
    let text = '';
    for (let left = stream.integer(1, 12); left > 0; left--) {
      if (stream.uniform() < 0.15) text += stream.pick(phrases);
      if (stream.uniform() < 0.4) text += ' ';
      const ranges = stream.pick(some);
      for (let length = stream.integer(1, 7); length > 0; length--) {
        const [first, last] = stream.pick(ranges);
        text += String.fromCodePoint(stream.integer(first, last));
      }
    }
    return text;
  });
}

const user = (content: string): Message => ({ role: 'user', content });
const system = (content: string): Message => ({ role: 'system', content });
const assistant = (content: string): Message => ({ role: 'assistant', content });

export const chats: readonly { readonly messages: readonly Message[]; readonly addGenerationPrompt: boolean }[] = [
  [user('What is 17 + 25?')],
  [system('You are a careless pirate.'), user('What is 17 + 25?')],
  [system('Été, 日本語, 🙂, "quotes" and {{ braces }}'), user("It's\n\n  indented  \n"), assistant('So it is \\boxed{42}'), user('Again')],
  [system(''), user('No words above')],
  [user('a'), assistant('b'), user('c'), assistant('d')],
].flatMap((messages) => [true, false].map((addGenerationPrompt) => ({ messages, addGenerationPrompt })));
