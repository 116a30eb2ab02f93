/** What stands where a chat has no system message, and where one goes that the template has no role for. */
import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { labErrorCode } from '../../src/errors.ts';
import { personaPlace } from '../../src/persona/place.ts';
import { renderPrompt } from '../../src/persona/prompt.ts';
import type { TemplateSettings } from '../../src/policy/template-settings.ts';
import { loadTokenizer } from '../../src/policy/tokenizer.ts';

const json = JSON.parse(await readFile('public/models/permix-tiny/tokenizer.json', 'utf8')) as { added_tokens: object[] };
const marks = ['<|im_start|>', '<|im_end|>', '<|head|>', '<|end|>', '<|eot|>'].map((content, i) => ({
  id: 900 + i,
  content,
  special: true,
  normalized: false,
  single_word: false,
  lstrip: false,
  rstrip: false,
}));
const asked = (chatTemplate: string, settings: Partial<TemplateSettings> = {}, bos = '<s>') =>
  loadTokenizer({ ...json, added_tokens: [...json.added_tokens, ...marks] }, { bos_token: bos }, { chatTemplate }).withTemplate(settings);

const turns =
  '{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}';
/** As SmolLM2's and Qwen2.5's. */
const own = "{% if messages[0].role != 'system' %}<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n{% endif %}" + turns;
/** As Llama 3.2's: a date before everything, a token of its own at the beginning. */
const dated =
  "{{ bos_token }}{% if messages[0].role == 'system' %}{% set told = messages[0].content %}{% set messages = messages[1:] %}{% else %}{% set told = '' %}{% endif %}" +
  '<|head|>system<|end|>\n\nToday Date: 26 Jul 2024\n\n{{ told }}<|eot|>' +
  '{% for m in messages %}<|head|>{{ m.role }}<|end|>\n\n{{ m.content }}<|eot|>{% endfor %}{% if add_generation_prompt %}<|head|>assistant<|end|>\n\n{% endif %}';
const refusing = "{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}" + turns;
const dropping = turns.replace('{% for m in messages %}', "{% for m in messages if m.role != 'system' %}");
/** As Llama 2's: the template's own words inside the user's turn. */
const inside =
  "{% for m in messages %}{% if m.role == 'user' %}<s>[INST] {% if loop.first %}<<SYS>>\nBe helpful and honest always.\n<</SYS>>\n\n{% endif %}{{ m.content }} [/INST]{% else %} {{ m.content }} </s>{% endif %}{% endfor %}";
const ask = '<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n';

describe('no persona', () => {
  it.each<[string, TemplateSettings['noSystem'], string, string]>([
    ["is the template's own prompt", 'template', own, `<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n${ask}`],
    ['is an empty system message', 'empty', own, `<|im_start|>system\n<|im_end|>\n${ask}`],
    ['is nothing', 'absent', own, ask],
    ['is nothing where the template says nothing', 'absent', turns, ask],
    ['is nothing but the token that begins a text', 'absent', dated, '<s><|head|>user<|end|>\n\nHi<|eot|><|head|>assistant<|end|>\n\n'],
    ['is nothing where the template takes no system message', 'empty', refusing, ask],
  ])('%s: %s', (_, noSystem, template, text) => {
    expect(asked(template, { noSystem }).chat([{ role: 'user', content: 'Hi' }], { addGenerationPrompt: true })).toBe(text);
  });

  it('is nothing where the token that begins a text is the mark that opens a turn, as SmolLM2 has it', () => {
    const tokenizer = asked(own, { noSystem: 'absent' }, '<|im_start|>');
    expect(renderPrompt(tokenizer, null, 'Hi').text).toBe(ask);
  });

  it('is nothing where the template writes nothing but the question', () => {
    const bare = '{{ messages[-1].content }}';
    expect(renderPrompt(asked(bare, { noSystem: 'absent' }), null, 'Hi').text).toBe('Hi');
  });

  it('leaves a persona as it is', () => {
    const prompts = (['template', 'empty', 'absent'] as const).map(
      (noSystem) => renderPrompt(asked(own, { noSystem }), 'You are a pirate.', 'Hi').text,
    );
    expect(new Set(prompts)).toEqual(new Set([`<|im_start|>system\nYou are a pirate.<|im_end|>\n${ask}`]));
  });

  it('is no longer a persona of the template, where it is empty or absent', () => {
    expect(personaPlace(asked(own)).ownPrompt).toBe('You are a helpful assistant.');
    for (const noSystem of ['empty', 'absent'] as const) expect(personaPlace(asked(own, { noSystem })).ownPrompt).toBe(null);
    expect(personaPlace(asked(dated, { noSystem: 'absent' })).ownPrompt).toBe(null);
  });

  it("refuses to take out words that cannot be told from the user's turn", () => {
    let caught: unknown;
    try {
      renderPrompt(asked(inside, { noSystem: 'absent' }), null, 'Hi');
    } catch (error) {
      caught = error;
    }
    expect(labErrorCode(caught)).toBe('config');
    expect((caught as Error).message).toMatch(/cannot be told from the rest/);
  });
});

describe('a persona without a system role', () => {
  it.each([refusing, dropping])('is refused, or stands before the question', (template) => {
    expect(() => renderPrompt(asked(template), 'You are a pirate.', 'Hi')).toThrow(/chat template/);
    const tokenizer = asked(template, { systemPlace: 'user' });
    const { text } = renderPrompt(tokenizer, 'You are a pirate.', 'Hi');
    expect(text).toBe('<|im_start|>user\nYou are a pirate.\n\nHi<|im_end|>\n<|im_start|>assistant\n');
    expect(personaPlace(tokenizer)).toEqual({ obstacle: null, ownPrompt: null });
    expect(renderPrompt(tokenizer, null, 'Hi').text).toBe(ask);
  });

  it('stands in the system message where there is one', () => {
    expect(renderPrompt(asked(turns, { systemPlace: 'user' }), 'You are a pirate.', 'Hi').text).toBe(
      `<|im_start|>system\nYou are a pirate.<|im_end|>\n${ask}`,
    );
  });
});
