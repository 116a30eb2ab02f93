/** Thinking aloud: what of a completion is graded, and whether the prompt already opened it. */
import { describe, expect, it } from 'vitest';
import { renderPrompt } from '../../src/persona/prompt.ts';
import { openedThinking } from '../../src/policy/thinking.ts';
import { withoutThinking } from '../../src/verify/thinking.ts';
import { verifyGold } from '../../src/verify/verify.ts';
import { tinyTokenizer } from '../helpers/tiny-policy.ts';

describe('the reply', () => {
  it.each<[string, string | null]>([
    ['plain', 'plain'],
    ['<think>a</think>b', 'b'],
    ['<think>a</think>b</think>c', 'c'],
    ['<think>a<think>b</think>c', 'c'],
    ['a</think>b', 'b'],
    ['<thinking>a</thinking>b', 'b'],
    ['<Think>a</THINK>b', 'b'],
    // A long s is none, though Unicode folds it into one.
    ['<reaſon>a</reaſon>b', '<reaſon>a</reaſon>b'],
    ['[THINK]a[/THINK]b', 'b'],
    ['◁think▷a◁/think▷b', 'b'],
    ['<think>a</think>\n<think>b</think>c', '\nc'],
    ['a <think>b</think> c', 'a  c'],
    ['<think>never ends', null],
    [' \n<think>never ends', null],
    ['<reasoning>never ends', null],
    ['<think>a</thinking>never ends', null],
    ['<think>a</think><think>never ends', null],
    ['Well.\n<think>\nnever ends', null],
    ['I need no <think> here: 5', 'I need no <think> here: 5'],
    ['5. (No <think> and no <thinking>.)', '5. (No <think> and no <thinking>.)'],
    ['5, without "<think>" or `</think>`', '5, without "<think>" or `</think>`'],
    ['`<think>` opens it; 5', '`<think>` opens it; 5'],
    ['No <think>: <thinking>a</thinking>5', 'No <think>: 5'],
  ])('of %j', (completion, reply) => expect(withoutThinking(completion)).toBe(reply));

  it.each<[string, string | null]>([
    ['so I try 5', null],
    ['maybe 4\n</think>\n5', '\n5'],
    ['maybe <think>4</think>5', '5'],
    ['I close it with "</think>" later', null],
    ['a</think>I need no <think> here: 5', 'I need no <think> here: 5'],
    ['a</think><think>again', null],
    ['a</thinking>5', null],
    ['', null],
  ])('of %j, in a thinking that the prompt opened', (completion, reply) => expect(withoutThinking(completion, '</think>')).toBe(reply));

  it('is what is graded', async () => {
    const right = (completion: string, opened: string | null) => verifyGold(completion, '5', opened);
    expect(await right('so I try \\boxed{5}', '</think>')).toMatchObject({ reward: 0, parsed: null, reason: 'the thinking never ended' });
    expect(await right('so I try \\boxed{5}', null)).toMatchObject({ reward: 1 });
    expect(await right('maybe \\boxed{4}\n</think>\n\\boxed{5}', '</think>')).toMatchObject({ reward: 1 });
    expect(await right('maybe \\boxed{5}\n</think>\n\\boxed{4}', '</think>')).toMatchObject({ reward: 0 });
    expect(await right('It says <think> there. \\boxed{5}', null)).toMatchObject({ reward: 1 });
  });
});

describe('a prompt', () => {
  it.each<[string, string | null]>([
    ['<|user|>Q?<|assistant|>', null],
    ['<|user|>Q?<|assistant|>\n<think>\n', '</think>'],
    ['<|user|>Q?<|assistant|><thinking>', '</thinking>'],
    ['<|user|>Q?<|assistant|>[THINK]', '[/think]'],
    ['<|user|>Q?<|assistant|>\n<think>\n\n</think>\n\n', null],
    ['<|system|>Begin with <think>\n<|user|>Q?<|assistant|>', null],
    ['<|user|>Q? Think between <think> and </think>.<|assistant|>', null],
    ['<|user|>Q? Begin with <think>.<|assistant|>', null],
    ['<|user|>Q? Write "<think>"', null],
  ])('%j opens %j', (prompt, closing) => expect(openedThinking(prompt, 'Q?')).toBe(closing));

  it('is not opened by a question that ends in a mark', () => {
    expect(openedThinking('What is <think>', 'What is <think>')).toBeNull();
    expect(openedThinking('What is <think>\n<think>', 'What is <think> ')).toBe('</think>');
  });

  it('says so as the template renders it', () => {
    expect(renderPrompt(tinyTokenizer('<think>'), null, 'Two?')).toMatchObject({ thinking: '</think>' });
    expect(renderPrompt(tinyTokenizer(), null, 'Two?')).toMatchObject({ thinking: null });
  });
});
