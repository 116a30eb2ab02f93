/** What a reader of the page is told of a run before its first step, as on the command line: a template's own words, questions that are drawn again. */
import { expect, it } from 'vitest';
import { personas } from '../../src/persona/world.ts';
import { noFiles } from '../../src/policy/fingerprint.ts';
import { loadTokenizer, type Tokenizer } from '../../src/policy/tokenizer.ts';
import { initialWeights, tensorsOf } from '../../src/policy/weights.ts';
import { measureRoom } from '../../src/rl/room.ts';
import { MemoryStorage } from '../../src/storage/memory.ts';
import { SessionProbe, smallRun } from '../helpers/lab-session.ts';
import { tinyConfig, tinyTokenizer, tinyTokenizerFiles } from '../helpers/tiny-policy.ts';

async function noticesOf(tokenizer: Tokenizer, config: typeof smallRun): Promise<string[]> {
  const probe = new SessionProbe(new MemoryStorage(), {
    loadPolicy: async (id) => ({
      id,
      config: tinyConfig,
      weights: tensorsOf(tinyConfig, initialWeights(tinyConfig, 3)),
      tokenizer,
      files: noFiles,
      texts: new Map(),
      notices: [],
    }),
  });
  await probe.boot('cpu');
  await probe.train(config);
  return probe.notices;
}

it('a template’s own system prompt, because “no persona” is then a persona', async () => {
  const { json, config } = tinyTokenizerFiles;
  const words = 'You are a very helpful one.';
  const own = `{% if messages[0]['role'] != 'system' %}<system>${words}{% endif %}${config.chat_template}`;
  const notices = await noticesOf(loadTokenizer(json, { ...config, chat_template: own }), { ...smallRun, steps: 1 });
  expect(notices).toEqual([expect.stringMatching(`permix-tiny puts words of its own .* “no persona” is a persona too: “${words}”`)]);
});

it('how many of the questions are too long and will be drawn again', async () => {
  const config = { ...smallRun, steps: 1, tasks: [{ id: 'addition', weight: 1 }] };
  // The largest room that is not enough for all of the questions.
  const room = (n: number) => {
    const tokenizer = tinyTokenizer().within(n, Infinity);
    return { tokenizer, notice: measureRoom(config, personas, tokenizer).notices[0] };
  };
  let expected = room(96);
  for (let n = 95; !expected.notice; n--) expected = room(n);
  expect(await noticesOf(expected.tokenizer, config)).toEqual([expected.notice]);
  expect(expected.notice).toMatch(/^\d+ of 64 questions of the task addition are too long .* drawn again\.$/);
});

it('nothing where there is nothing to say', async () => {
  expect(await noticesOf(tinyTokenizer(), { ...smallRun, steps: 1 })).toEqual([]);
});
