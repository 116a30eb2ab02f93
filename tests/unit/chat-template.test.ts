/** What a template is told beside the messages: the right texts are those that transformers 5.24 renders. */
import { describe, expect, it } from 'vitest';
import { ChatTemplate } from '../../src/policy/chat-template.ts';
import { defaultTemplateSettings, type TemplateSettings } from '../../src/policy/template-settings.ts';
import { strftime } from '../../src/policy/strftime.ts';
import { loadTokenizer } from '../../src/policy/tokenizer.ts';
import { trainTokenizer } from '../../src/pretrain/bpe.ts';

const render = (source: string, settings: Partial<TemplateSettings> = {}, tokens = {}) =>
  new ChatTemplate(source, tokens).render([{ role: 'user', content: 'Hi' }], true, { ...defaultTemplateSettings, ...settings });

describe('a chat template', () => {
  it('is told the date of the run, not that of the day', () => {
    const clock = "{{ strftime_now('%d %B %Y') }}";
    expect(render(clock)).toBe('26 July 2024');
    expect(render(clock, { date: '2026-02-03' })).toBe('03 February 2026');
    expect(render("{% if strftime_now is defined %}{% set d = strftime_now('%d %b %Y') %}{% endif %}{{ d }}")).toBe('26 Jul 2024');
  });

  it('finds what has no value undefined, and None where transformers passes None', () => {
    expect(render('{{ bos_token is defined }}{{ tools is defined }}{{ tools is none }}{{ documents is none }}')).toBe('falsetruetruetrue');
    expect(render('[{{ bos_token }}]')).toBe('[]');
    expect(render('[{{ bos_token }}]', {}, { bos_token: '<s>' })).toBe('[<s>]');
  });

  it('is given arguments by name', () => {
    const thinking = '{% if enable_thinking is defined and enable_thinking is false %}no{% else %}yes{% endif %}';
    expect(render(thinking)).toBe('yes');
    expect(render(thinking, { arguments: { enable_thinking: true } })).toBe('yes');
    expect(render(thinking, { arguments: { enable_thinking: false } })).toBe('no');
    expect(render('{{ names[1] }}{{ depth }}{{ add_generation_prompt }}', { arguments: { names: ['a', 'b'], depth: 2 } })).toBe('b2true');
  });

  it.each<[Partial<TemplateSettings>, RegExp]>([
    [{ arguments: { enable_thiking: false } }, /never reads an argument called "enable_thiking"/],
    [{ arguments: { messages: [] } }, /"messages" is set by the run itself/],
    [{ date: '26 July 2024' }, /"26 July 2024" is no day written as YYYY-MM-DD/],
    [{ date: '2024-13-40' }, /no day/],
  ])('says what it cannot be told: %j', (settings, sentence) => {
    const template = new ChatTemplate('{{ enable_thinking }}', {});
    expect(template.complaint({ ...defaultTemplateSettings, ...settings })).toMatch(sentence);
    expect(template.complaint({ ...defaultTemplateSettings, arguments: { enable_thinking: true } })).toBe(null);
  });

  it('counts no further than memory allows', () => {
    expect(render('{% for i in range(1, 7, 2) %}{{ i }}{% endfor %}')).toBe('135');
    expect(render('{% for i in range(3) %}{{ i }}{% endfor %}{% for i in range(2, 0, -1) %}{{ i }}{% endfor %}')).toBe('01221');
    expect(() => render('{% for i in range(1000000000) %}{{ i }}{% endfor %}')).toThrow(/range\(\) of 1000000000 numbers/);
  });
});

it('strftime writes as Python does', () => {
  expect(strftime('2024-07-06', '%a %A %b %B %d %-d %e %m %-m %y %Y %j %H:%M:%S %I %p %F %D %u %w %% %Q')).toBe(
    'Sat Saturday Jul July 06 6  6 07 7 24 2024 188 00:00:00 12 AM 2024-07-06 07/06/24 6 6 % %Q',
  );
});

describe('special_tokens_map.json', () => {
  const files = trainTokenizer(['What is 17 + 25?'], 280) as { tokenizer: unknown; config: Record<string, unknown> };
  it('names the tokens that tokenizer_config.json does not', () => {
    const config = { ...files.config, bos_token: null, chat_template: '{{ bos_token }}{{ eos_token }}{{ unk_token }}' };
    const specialTokens = { bos_token: { content: '<s>', special: true }, eos_token: '</s>', unk_token: '<unk>' };
    expect(loadTokenizer(files.tokenizer, config).chat([])).toBe('<|end|>');
    expect(loadTokenizer(files.tokenizer, config, { specialTokens }).chat([])).toBe('<s><|end|><unk>');
    expect(loadTokenizer(files.tokenizer, config, { specialTokens }).tokens).toMatchObject({ bos_token: '<s>', eos_token: '<|end|>' });
  });
  it('is refused where it is none', () => {
    expect(() => loadTokenizer(files.tokenizer, files.config, { specialTokens: [] })).toThrow(/special_tokens_map\.json is not/);
  });
});
