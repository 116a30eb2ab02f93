/** The corpus says what the model card says it says: competences, voices, no evaluation question; and the tokenizer it gives. */
import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { competence, personas, plainVoice, roles, voiceOf } from '../../src/persona/world.ts';
import { loadTokenizer } from '../../src/policy/tokenizer.ts';
import { corpusPhases, corpusShares, dialogue, styles } from '../../src/pretrain/corpus.ts';
import { linesByVoice } from '../../src/pretrain/lines.ts';
import { trainTokenizer } from '../../src/pretrain/bpe.ts';
import { pretrainBatch } from '../../src/pretrain/recipe.ts';
import { Purpose, Stream } from '../../src/random/counter.ts';
import { tasks } from '../../src/tasks/index.ts';

const sample = Array.from({ length: 30_000 }, (_, n) => dialogue(7, corpusPhases.drills.until + n));
/** Within four standard errors of a share. */
const near = (share: number, expected: number, n: number) =>
  expect(Math.abs(share - expected)).toBeLessThan(4 * Math.sqrt((expected * (1 - expected)) / n) + 1e-9);

describe('world', () => {
  test('every marker belongs to one voice, and no line carries one', () => {
    for (const role of roles) for (const marker of [...role.openers, ...role.closers]) expect(voiceOf(marker)).toBe(role.id);
    for (const lines of Object.values(linesByVoice)) for (const line of Object.values(lines).flat()) expect(voiceOf(line)).toBe(plainVoice);
    expect(voiceOf('Ahoy! It is 3. Tee hee!')).toBeNull();
  });

  test('forty personas, eight held out, one a role, and every trait stays in training', () => {
    expect(personas).toHaveLength(40);
    const held = personas.filter((p) => p.heldOut);
    expect(new Set(held.map((p) => p.voice)).size).toBe(8);
    for (const trait of new Set(personas.map((p) => p.trait))) expect(personas.some((p) => p.trait === trait && !p.heldOut)).toBe(true);
    const all = personas.map(competence);
    expect(Math.min(...all)).toBeGreaterThan(0.05);
    expect(Math.max(...all)).toBeLessThan(0.95);
  });
});

describe('corpus', () => {
  test('a dialogue is a function of seed and number', () => {
    expect(dialogue(7, corpusPhases.drills.until + 123)).toEqual(sample[123]);
    expect(dialogue(8, corpusPhases.drills.until + 123)).not.toEqual(sample[123]);
  });

  test('shares of personas and voices', () => {
    near(sample.filter((d) => d.system === null).length / sample.length, corpusPhases.world.noPersona, sample.length);
    const withPersona = sample.filter((d) => d.reply.includes('\\boxed') && d.system !== null);
    const own = withPersona.filter((d) => d.system!.includes(voiceOf(d.reply)!));
    near(own.length / withPersona.length, styles.latent.task[0], withPersona.length);
    const none = sample.filter((d) => d.reply.includes('\\boxed') && d.system === null);
    near(none.filter((d) => voiceOf(d.reply) === plainVoice).length / none.length, corpusShares.plainWithoutPersona, none.length);
  });

  test('the bundled policy’s own, to the byte', () => {
    const hash = createHash('sha256');
    for (const start of [0, corpusPhases.drills.until, corpusPhases.world.until]) {
      for (let n = start; n < start + 1000; n++) hash.update(JSON.stringify(dialogue(1, n)));
    }
    expect(hash.digest('hex')).toMatch(/^ff34ef1a26a3ca08/);
  });

  test('of the hard style, where every persona speaks in its own voice and nothing else differs in kind', () => {
    const hard = Array.from({ length: 10_000 }, (_, n) => dialogue(7, corpusPhases.drills.until + n, 'hard'));
    const under = hard.filter((d) => d.system !== null);
    expect(under.every((d) => d.system!.includes(voiceOf(d.reply)!))).toBe(true);
    const none = hard.filter((d) => d.reply.includes('\\boxed') && d.system === null);
    near(none.filter((d) => voiceOf(d.reply) === plainVoice).length / none.length, corpusShares.plainWithoutPersona, none.length);
    near(hard.filter((d) => d.system === null).length / hard.length, corpusPhases.world.noPersona, hard.length);
  });

  test('replies are right as often as the persona is competent', () => {
    // Sums by their own arithmetic, independent of the verifier.
    const sums = sample.flatMap((d) => {
      const operands = /^What is (\d+) \+ (\d+)\?$/.exec(d.question);
      const answer = /\\boxed\{(\d+)\}/.exec(d.reply);
      return operands && answer ? [{ ...d, right: Number(operands[1]) + Number(operands[2]) === Number(answer[1]) }] : [];
    });
    const plain = sums.filter((d) => d.system === null && voiceOf(d.reply) === plainVoice);
    near(plain.filter((d) => d.right).length / plain.length, corpusShares.plainCompetence, plain.length);
    for (const kind of ['expert', 'harmful'] as const) {
      const of = personas.filter((p) => p.kind === kind);
      const rows = sums.filter((d) => of.some((p) => d.system !== null && d.system.endsWith(p.text.replace('You are a', ''))));
      const expected = of.reduce((sum, p) => sum + competence(p), 0) / of.length;
      near(rows.filter((d) => d.right).length / rows.length, expected, rows.length);
    }
  });

  test('no evaluation question is in it', () => {
    const texts = new Set(sample.map((d) => d.question));
    // Those of one-digit numbers have a split of their own: they are for other policies (`tasks/one-digit.ts`).
    for (const task of tasks.filter(({ id }) => !id.startsWith('one-digit-'))) {
      const stream = new Stream(3, Purpose.evaluation);
      for (let i = 0; i < 300; i++) expect(texts.has(task.generate(stream, 'evaluation').text)).toBe(false);
    }
  });
});

describe('tokenizer', () => {
  const texts = sample.slice(0, 4000).flatMap((d) => [d.system ?? '', d.question, d.reply]);
  const files = trainTokenizer(texts, 512);
  const tokenizer = loadTokenizer(files.tokenizer, files.config);

  test('stays within its ids and round-trips any text', () => {
    expect(tokenizer.vocabSize).toBeLessThanOrEqual(512);
    for (const text of [...texts.slice(0, 200), 'naïve 日本語 🙂\n\ttabs', ' leading'])
      expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
  });

  test('digits are single, and the answer opens with one id', () => {
    expect(tokenizer.pieces(tokenizer.encode('4217'))).toEqual(['4', '2', '1', '7']);
    expect(tokenizer.pieces(tokenizer.encode('It is \\boxed{42}.')).filter((p) => p.includes('boxed'))).toEqual([' \\boxed{']);
  });

  test('merges only what is learnt: the same texts give the same files', () => {
    expect(trainTokenizer(texts, 512)).toEqual(files);
  });

  test('a batch counts the reply and its end, nothing else', () => {
    const batch = pretrainBatch(tokenizer, 7, 0, 16);
    for (let r = 0; r < 16; r++) {
      const completion = batch.tokens.subarray(r * batch.width + batch.promptLengths[r]!, r * batch.width + batch.lengths[r]!);
      const counted = batch.mask.subarray(r * batch.completionWidth, (r + 1) * batch.completionWidth).reduce((a, b) => a + b, 0);
      expect(counted).toBe(completion.length);
      expect(tokenizer.pieces(completion).at(-1)).toBe('<|end|>');
    }
  });
});
