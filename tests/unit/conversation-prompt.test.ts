/** A conversation as a policy reads it: through its own chat template, whole or not at all. */
import { describe, expect, it } from 'vitest';
import { labErrorCode } from '../../src/errors.ts';
import { PromptTooLong, renderConversation, renderPrompt } from '../../src/persona/prompt.ts';
import type { Message } from '../../src/policy/chat-template.ts';
import { loadTokenizer, type Tokenizer } from '../../src/policy/tokenizer.ts';
import { tinyTokenizer, tinyTokenizerFiles } from '../helpers/tiny-policy.ts';

const { json, config } = tinyTokenizerFiles;
const withTemplate = (chat_template: string): Tokenizer => loadTokenizer(json, { ...config, chat_template });
const turns = "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}{% endfor %}<reply>";
const two: readonly Message[] = [
  { role: 'user', content: 'Two?' },
  { role: 'assistant', content: 'Three.' },
  { role: 'user', content: 'And four?' },
];
const failure = (work: () => unknown): Error => {
  try {
    work();
  } catch (error) {
    return error as Error;
  }
  throw new Error('it worked');
};

describe('a conversation', () => {
  it('is rendered with every message in its turn, behind the persona', () => {
    const { text, tokens } = renderConversation(withTemplate(turns), 'You are a poet.', two, Infinity);
    expect(text).toBe('<system>You are a poet.<user>Two?<assistant>Three.<user>And four?<reply>');
    expect(withTemplate(turns).encode(text)).toEqual(tokens);
  });

  it('begins as the probe asks', () => {
    const first = [{ role: 'user', content: 'Two?' }] as const;
    expect(renderConversation(tinyTokenizer(), 'You are a poet.', first, Infinity)).toEqual(
      renderPrompt(tinyTokenizer(), 'You are a poet.', 'Two?'),
    );
  });

  it('is refused where it does not fit, and one token less is not', () => {
    const { tokens } = renderConversation(tinyTokenizer(), null, two, Infinity);
    const error = failure(() => renderConversation(tinyTokenizer(), null, two, tokens.length - 1));
    expect(error).toBeInstanceOf(PromptTooLong);
    expect(error.message).toBe(
      `The conversation has ${tokens.length} tokens, and the policy has room for ${tokens.length - 1} besides its reply. Start over, shorten the message, or let the longest reply be shorter.`,
    );
    expect(renderConversation(tinyTokenizer(), null, two, tokens.length).tokens).toEqual(tokens);
  });

  it.each([
    [
      'allows one question',
      "{% if messages | length > 1 %}{{ raise_exception('Only one message, please') }}{% endif %}" + turns,
      /refuses a second turn \(“Only one message, please”\)/,
    ],
    ['prints the last message alone', "<user>{{ messages[-1]['content'] }}<reply>", /leaves out what was said before/],
    ['prints questions alone', turns.replace('messages %}', "messages if m['role'] == 'user' %}"), /leaves out what was said before/],
    ['turns them around', turns.replace('messages %}', 'messages | reverse %}'), /leaves out what was said before/],
  ])('ends after one reply where the template %s', (_, template, complaint) => {
    const tokenizer = withTemplate(template);
    expect(renderConversation(tokenizer, null, two.slice(0, 1), Infinity).text).toContain('Two?');
    // Looked at once, said every time.
    for (let i = 0; i < 2; i++) {
      const error = failure(() => renderConversation(tokenizer, null, two, Infinity));
      expect(labErrorCode(error)).toBe('config');
      expect(error.message).toMatch(complaint);
    }
  });

  it('says what the template says where it fails on these very words', () => {
    const picky = "{% if 'Three' in messages[1]['content'] %}{{ raise_exception('roles must alternate') }}{% endif %}" + turns;
    expect(failure(() => renderConversation(withTemplate(picky), null, two, Infinity)).message).toBe(
      "The policy's chat template failed: roles must alternate. Correct the template.",
    );
  });
});
