/** Whether a run's questions fit is known before its first step, and what a refusal advises works. */
import { describe, expect, it } from 'vitest';
import type { Persona } from '../../src/persona/persona.ts';
import { PromptRoom } from '../../src/persona/room.ts';
import { recipes } from '../../src/rl/recipes.ts';
import { EndWatch } from '../../src/rl/ends.ts';
import { measureRoom } from '../../src/rl/room.ts';
import { tinyPersonas, tinyTokenizer } from '../helpers/tiny-policy.ts';

const tokenizer = tinyTokenizer();
const config = (maxNewTokens: number, mix = recipes.permix.mix) => ({
  ...recipes.permix,
  mix,
  sampling: { ...recipes.permix.sampling, maxNewTokens },
});
const long: Persona = { ...tinyPersonas[0]!, id: 'orator', name: 'Orator', text: `You are an orator${', and you speak'.repeat(3)}.` };

describe('the room of a run', () => {
  it('is enough for what fits, without a word', () => {
    const { notices, fits } = measureRoom(config(8), tinyPersonas, tokenizer);
    expect(notices).toEqual([]);
    expect(fits({ id: 'x', text: 'What is 1+2?', answer: '3' } as never)).toBe(true);
    expect(fits({ id: 'x', text: 'a'.repeat(90), answer: '3' } as never)).toBe(false);
  });

  it('is refused where hardly a question fits, and what it says to do works', () => {
    let message = '';
    try {
      measureRoom(config(80), tinyPersonas, tokenizer);
    } catch (error) {
      message = (error as Error).message;
    }
    expect(message).toMatch(/6\d of 64 questions of the task addition are too long under “\w+”/);
    const most = Number(/at most (\d+) tokens \(sampling\.maxNewTokens\)/.exec(message)![1]);
    expect(measureRoom(config(most), tinyPersonas, tokenizer).notices).toEqual([]);
    expect(() => measureRoom(config(8), tinyPersonas, tokenizer.within(12, Infinity))).toThrow(/Choose a policy that reads more tokens/);
  });

  it('says that some are drawn again', () => {
    const lengths = Array.from({ length: 60 }, (_, n) => n + 8).map((maxNewTokens) => {
      try {
        return measureRoom(config(maxNewTokens), tinyPersonas, tokenizer).notices.length;
      } catch {
        return -1;
      }
    });
    // Fine, then some again, then refused: in this order.
    expect(lengths).toEqual([...lengths].sort((a, b) => (a === -1 ? 2 : a) - (b === -1 ? 2 : b)));
    expect(new Set(lengths)).toEqual(new Set([0, 1, -1]));
  });

  it('is that of the longest persona the mix can draw', () => {
    expect(new PromptRoom(tokenizer, [null, ...tinyPersonas, long], 8).longest).toBe('Orator');
    const without = { ...recipes.rlvr.mix };
    expect(() => measureRoom(config(12, without), [long], tokenizer)).not.toThrow();
    expect(() => measureRoom(config(40), [long], tokenizer)).toThrow(/“Orator”/);
    expect(measureRoom(config(40, without), [long], tokenizer).notices).toEqual([]);
  });
});

it('a question fits where its longest prompt does, however it is found out', () => {
  const room = new PromptRoom(tokenizer, [null, ...tinyPersonas, long], 8);
  const texts = Array.from({ length: 90 }, (_, n) => 'What is it? '.repeat(9).slice(0, n));
  const fitting = texts.map((text) => room.tokens(text) <= room.limit);
  expect(texts.map((text) => room.fits(text))).toEqual(fitting);
  expect(new Set(fitting).size).toBe(2);
});

it('the watch for ends speaks once, of a policy that never ends', () => {
  const silent = new EndWatch(['<eos>'], 9);
  expect([silent.step(32, 1), silent.step(32, 0.5), silent.step(640, 1)]).toEqual([null, null, null]);
  const loud = new EndWatch(['<eos>'], 9);
  expect([loud.step(32, 1), loud.step(32, 1), loud.step(32, 1)]).toEqual([
    null,
    'The end token <eos> never came: all 64 replies were cut at 9 tokens.',
    null,
  ]);
  expect(new EndWatch([], 9).step(64, 1)).toMatch(/^The policy has no end token: all 64/);
});
