import { describe, expect, it } from 'vitest';
import { personaEnsemble, personaSearch, type Vote } from '../../src/evaluate/inference.ts';
import { labErrorCode } from '../../src/errors.ts';
import { Purpose, Stream } from '../../src/random/counter.ts';

const vote = (answer: string | null, correct: boolean, read = 20, written = 10): Vote => ({ answer, correct, read, written });

/** Personas that are right with the given chances. */
function table(chances: readonly number[], problems: number, seed = 5): Vote[][] {
  return chances.map((chance, p) => {
    const stream = new Stream(seed, Purpose.sampling, p);
    return Array.from({ length: problems }, () => {
      const right = stream.uniform() < chance;
      return vote(right ? 'right' : `wrong ${stream.integer(1, 3)}`, right);
    });
  });
}

const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
const share = (row: readonly Vote[]) => mean(row.map(({ correct }) => Number(correct)));

describe('persona search', () => {
  it('is the mean over all ways to draw k personas, ties shared', () => {
    const votes = table([0.9, 0.7, 0.5, 0.5, 0.2], 24);
    const wish = { personas: 3, sets: 2, problems: 4, seed: 9 };
    const order = new Stream(9, Purpose.evaluation, 0, 3).shuffle(Array.from({ length: 24 }, (_, i) => i));
    const perSet = [order.slice(0, 4), order.slice(4, 8)].map((validation) => {
      const seen = votes.map((row) => share(validation.map((i) => row[i]!)));
      const real = votes.map((row) => share(row.filter((_, i) => !validation.includes(i))));
      const draws: number[] = [];
      for (let a = 0; a < 5; a++)
        for (let b = a + 1; b < 5; b++)
          for (let c = b + 1; c < 5; c++) {
            const drawn = [a, b, c];
            const best = Math.max(...drawn.map((p) => seen[p]!));
            draws.push(mean(drawn.filter((p) => seen[p] === best).map((p) => real[p]!)));
          }
      return mean(draws);
    });
    expect(personaSearch(votes, wish).accuracy).toBeCloseTo(mean(perSet), 12);
  });

  it('of one persona is the average persona, and costs its validation set for nothing', () => {
    const votes = table([0.9, 0.3], 200);
    const { accuracy, cost } = personaSearch(votes, { personas: 1, sets: 8, problems: 20, seed: 1 });
    expect(accuracy).toBeCloseTo(mean(votes.map(share)), 1);
    expect(cost).toEqual({ once: 20 * 30, each: 30 });
  });

  it('of all finds the best where the differences are plain', () => {
    const votes = table([1, 0.4, 0.3, 0.2], 100);
    expect(personaSearch(votes, { personas: 4, sets: 5, problems: 20, seed: 1 })).toMatchObject({
      accuracy: 1,
      cost: { once: 4 * 20 * 30 },
    });
  });
});

describe('persona ensemble', () => {
  it('takes the answer most of them give', () => {
    const votes = [
      [vote('1', true), vote('7', false), vote(null, false)],
      [vote('1', true), vote('7', false), vote(null, false)],
      [vote('2', false), vote('8', true), vote('9', true)],
    ];
    const { accuracy, cost } = personaEnsemble(votes, { personas: 3, draws: 20, seed: 1 });
    // Right, outvoted, and right by the only one that answered.
    expect(accuracy).toBeCloseTo(2 / 3, 12);
    expect(cost).toEqual({ once: 0, each: 90 });
  });

  it('shares a tie, and gives nothing where nobody answers', () => {
    expect(personaEnsemble([[vote('1', true)], [vote('2', false)]], { personas: 2, draws: 1, seed: 1 }).accuracy).toBe(0.5);
    expect(personaEnsemble([[vote(null, false)], [vote(null, false)]], { personas: 2, draws: 1, seed: 1 }).accuracy).toBe(0);
  });

  it('of one is the average persona, of more it helps where errors differ', () => {
    const votes = table(
      Array.from({ length: 20 }, () => 0.6),
      300,
    );
    const one = personaEnsemble(votes, { personas: 1, draws: 400, seed: 2 }).accuracy;
    expect(one).toBeCloseTo(mean(votes.map(share)), 2);
    expect(personaEnsemble(votes, { personas: 9, draws: 20, seed: 2 }).accuracy).toBeGreaterThan(one + 0.2);
  });
});

describe('wrong wishes', () => {
  const votes = table([0.5, 0.5], 4);
  it.each([
    ['too many personas', () => personaSearch(votes, { personas: 3, sets: 1, problems: 2, seed: 1 }), /personas is 3/],
    ['no problem left to answer', () => personaSearch(votes, { personas: 2, sets: 1, problems: 4, seed: 1 }), /validation set is 4/],
    ['no persona', () => personaEnsemble(votes, { personas: 0, draws: 1, seed: 1 }), /personas is 0/],
    [
      'personas that were asked differently',
      () => personaEnsemble([votes[0]!, []], { personas: 1, draws: 1, seed: 1 }),
      /not asked the same/,
    ],
  ])('%s', (_, run, sentence) => {
    let error: unknown = null;
    try {
      run();
    } catch (caught) {
      error = caught;
    }
    expect(labErrorCode(error)).toBe('config');
    expect((error as Error).message).toMatch(sentence);
  });
});
