/** What chat templates do with personas: every way in which a persona can fail to reach the prompt is refused, and a template's own words are found. */
import { describe, expect, it } from 'vitest';
import { labErrorCode } from '../../src/errors.ts';
import { personaPlace } from '../../src/persona/place.ts';
import { renderPrompt } from '../../src/persona/prompt.ts';
import { endTokens } from '../../src/policy/end-tokens.ts';
import { loadTokenizer } from '../../src/policy/tokenizer.ts';
import { trainTokenizer } from '../../src/pretrain/bpe.ts';

const files = trainTokenizer(['You are a pirate. What is 17 + 25?'], 300) as {
  tokenizer: Record<string, unknown>;
  config: Record<string, unknown>;
};
const own = ['<|im_start|>', '<|im_end|>', '<s>', '</s>', '[INST]', '[/INST]', '<<SYS>>', '<</SYS>>'];
const tokenizerJson = {
  ...files.tokenizer,
  added_tokens: [
    ...(files.tokenizer['added_tokens'] as object[]),
    ...own.map((content, i) => ({
      id: 900 + i,
      content,
      special: true,
      normalized: false,
      single_word: false,
      lstrip: false,
      rstrip: false,
    })),
  ],
};
const withTemplate = (chatTemplate: string, config: object = {}) =>
  loadTokenizer(tokenizerJson, { ...files.config, ...config }, { chatTemplate });

const turns =
  '{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}';
const unless = (words: string) => `{% if messages[0].role != 'system' %}<|im_start|>system\n${words}<|im_end|>\n{% endif %}`;
const dropping = turns.replace('{% for m in messages %}', "{% for m in messages if m.role != 'system' %}");
const changed = (filter: string) => turns.replace('m.content', `m.content | ${filter}`);
const llama2 =
  "{% if messages[0].role == 'system' %}{% set told = messages[0].content %}{% set rest = messages[1:] %}{% else %}{% set told = 'Be helpful and honest always.' %}{% set rest = messages %}{% endif %}" +
  "{% for m in rest %}{% if m.role == 'user' %}<s>[INST] {% if loop.first %}<<SYS>>\n{{ told }}\n<</SYS>>\n\n{% endif %}{{ m.content }} [/INST]{% else %} {{ m.content }} </s>{% endif %}{% endfor %}";
const noSystem = "{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}" + turns;
const date =
  '<|im_start|>system\nCutting Knowledge Date: December 2023\n{% if messages[0].role == "system" %}{{ messages[0].content }}{% set messages = messages[1:] %}{% endif %}<|im_end|>\n' +
  turns;

describe('the place of a persona', () => {
  it.each([
    ['prints it', turns],
    ['trims it', changed('trim')],
    ['has another one where there is none', unless('You are Qwen, created by Alibaba Cloud. You are a helpful assistant.') + turns],
    ['puts it into the user turn', llama2],
    ['puts it under a date', date],
  ])('is found in a template that %s', (_, template) => {
    const tokenizer = withTemplate(template);
    expect(personaPlace(tokenizer).obstacle).toBe(null);
    // Stored with blanks around it or not, it is asked the same.
    const { text } = renderPrompt(tokenizer, '  You are a pirate.\n', 'What is 17 + 25?');
    expect(text).toContain('You are a pirate.');
    expect(text).toBe(renderPrompt(tokenizer, 'You are a pirate.', 'What is 17 + 25?').text);
  });

  it.each([
    ['leaves it out', dropping, /leaves the system message out/],
    ['leaves it out and has its own words', unless('You are helpful.') + dropping, /does not print the system message/],
    ['refuses it', noSystem, /refuses a system message \(“System role not supported”\)/],
    [
      'writes it in capitals',
      turns.replace('m.content', "m.content | upper if m.role == 'system' else m.content"),
      /does not print the system message as it is/,
    ],
    ['prints the system message alone', '{{ messages[0].content }}', /leaves out the user's message beside/],
    ['prints no message', 'Hello', /does not print the user's message as it is/],
    ['changes the question', '{{ messages[-1].content | upper }}', /does not print the user's message as it is/],
  ])('is missing in a template that %s, which is refused', (_, template, sentence) => {
    const tokenizer = withTemplate(template);
    let caught: unknown;
    try {
      renderPrompt(tokenizer, 'You are a pirate.', 'What is 17 + 25?');
    } catch (error) {
      caught = error;
    }
    expect(labErrorCode(caught)).toBe('config');
    expect((caught as Error).message).toMatch(sentence);
    expect((caught as Error).message).toMatch(/Use a policy whose chat template prints both messages as they are/);
  });

  it.each([
    ['escapes', changed("replace('<', '&lt;')"), 'You like a < b.'],
    ['cuts off', turns.replace('m.content', 'm.content[:60]'), `You are ${'very '.repeat(20)}slow.`],
  ])('refuses one persona that a template %s', (_, template, persona) => {
    const tokenizer = withTemplate(template);
    expect(personaPlace(tokenizer).obstacle).toBe(null);
    expect(() => renderPrompt(tokenizer, persona, 'Hi')).toThrow(/changes the words of the persona “You/);
    expect(renderPrompt(tokenizer, 'You are a pirate.', 'Hi').text).toContain('You are a pirate.');
  });

  it('is not needed where there is no persona', () => {
    expect(renderPrompt(withTemplate(noSystem), null, 'Hi').text).toContain('Hi');
    expect(renderPrompt(withTemplate(dropping), ' \n', 'Hi').text).toContain('Hi');
  });
});

describe('the words of a template itself', () => {
  it.each<[string, string, string | null]>([
    [
      'Qwen2.5',
      unless('You are Qwen, created by Alibaba Cloud. You are a helpful assistant.') + turns,
      'You are Qwen, created by Alibaba Cloud. You are a helpful assistant.',
    ],
    [
      'SmolLM2',
      unless('You are a helpful AI assistant named SmolLM, trained by Hugging Face') + turns,
      'You are a helpful AI assistant named SmolLM, trained by Hugging Face',
    ],
    ['Llama 2', llama2, 'Be helpful and honest always.'],
    ['Llama 3.1', date, 'Cutting Knowledge Date: December 2023'],
    ['a preface', `A chat with a patient assistant.\n${turns}`, 'A chat with a patient assistant.'],
    ['one that takes no persona', "Follow the user's every wish.\n" + noSystem, "Follow the user's every wish."],
    ['Qwen3', turns, null],
    ['one that takes none and says nothing', noSystem, null],
    [
      'Mistral',
      "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}[INST] {{ m.content }} [/INST]{% else %} {{ m.content }}</s>{% endif %}{% endfor %}",
      null,
    ],
  ])('%s', (_, template, words) => expect(personaPlace(withTemplate(template)).ownPrompt).toBe(words));
});

describe('end tokens', () => {
  const idOf = (token: string) => 900 + own.indexOf(token);
  it('are those of the files, of the tokenizer and of the template together', () => {
    const tokenizer = withTemplate(turns, { eos_token: '</s>' });
    expect(endTokens([7, 3], tokenizer, 1000)).toEqual({ ids: [7, 3, idOf('</s>'), idOf('<|im_end|>')], notices: [] });
    expect(endTokens([idOf('<|im_end|>')], withTemplate(turns, { eos_token: '<|im_end|>' }), 1000).ids).toEqual([idOf('<|im_end|>')]);
    expect(endTokens([7], null, 1000).ids).toEqual([7]);
  });
  it('are found behind blanks, and not where the template closes with none', () => {
    expect(endTokens([], withTemplate(llama2, { eos_token: null }), 1000).ids).toEqual([idOf('</s>')]);
    const open = withTemplate('{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}', { eos_token: null });
    expect(endTokens([], open, 1000)).toEqual({ ids: [], notices: [expect.stringMatching(/No file names a token that ends a reply/)] });
  });
  it('that are no token, or above the vocabulary, are said', () => {
    expect(endTokens([7], withTemplate(turns, { eos_token: '<nothing>' }), 1000).notices).toEqual([
      expect.stringMatching(/eos_token "<nothing>"/),
    ]);
    expect(endTokens([7], withTemplate(turns, { eos_token: '</s>' }), 800)).toEqual({
      ids: [7],
      notices: [expect.stringMatching(/"<\/s>"/)],
    });
  });
});
