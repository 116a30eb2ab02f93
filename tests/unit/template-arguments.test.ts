/** Arguments of a chat template: given by a run's configuration, part of what it is, refused where the template never reads them. */
import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { labErrorCode } from '../../src/errors.ts';
import { loadTokenizer } from '../../src/policy/tokenizer.ts';
import { parseRunConfig } from '../../src/rl/check.ts';

const template =
  '{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}{% if add_generation_prompt %}<assistant>{% if enable_thinking is defined and enable_thinking is false %}<think></think>{% endif %}{% endif %}';
const json = JSON.parse(await readFile('public/models/permix-tiny/tokenizer.json', 'utf8')) as unknown;
const tokenizer = loadTokenizer(json, {}, { chatTemplate: template });
const ask = (told?: Record<string, unknown>) =>
  tokenizer.withTemplate({ arguments: told ?? {} }).chat([{ role: 'user', content: 'Hi' }], { addGenerationPrompt: true });

it('reach the template', () => {
  expect(ask()).toBe('<user>Hi<assistant>');
  expect(ask({ enable_thinking: true })).toBe('<user>Hi<assistant>');
  expect(ask({ enable_thinking: false })).toBe('<user>Hi<assistant><think></think>');
});

it('are refused where it never reads them, or where they are set by other ways', () => {
  expect(() => ask({ enable_thinkin: false })).toThrow(/never reads an argument called "enable_thinkin"/);
  expect(() => ask({ messages: [] })).toThrow(/set by the run itself/);
});

it('are a setting of a run', () => {
  expect(parseRunConfig({ templateArguments: { enable_thinking: false } }).templateArguments).toEqual({ enable_thinking: false });
  expect('templateArguments' in parseRunConfig({})).toBe(false);
  try {
    parseRunConfig({ templateArguments: [1] });
    expect.unreachable();
  } catch (error) {
    expect(labErrorCode(error)).toBe('config');
  }
});
