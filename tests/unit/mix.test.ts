import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkMix, drawPersona, groupKey, trainingWeights } from '../../src/persona/mix.ts';
import type { Persona, PersonaMix } from '../../src/persona/persona.ts';
import { Purpose, Stream } from '../../src/random/counter.ts';

const persona = (id: string, heldOut = false): Persona => ({
  id,
  name: id,
  text: `You are a ${id}.`,
  voice: id,
  trait: null,
  kind: 'neutral',
  heldOut,
});
const personas = [persona('pirate'), persona('chef'), persona('poet', true), persona('robot')];
const mix = (changes: Partial<PersonaMix> = {}): PersonaMix => ({ noneShare: 0.5, weights: {}, draw: 'prompt', ...changes });

function frequencies(of: PersonaMix, draws = 8000, seed = 1): Record<string, number> {
  const counts: Record<string, number> = {};
  for (let i = 0; i < draws; i++) {
    const id = drawPersona(of, personas, new Stream(seed, Purpose.persona, i))?.id ?? 'none';
    counts[id] = (counts[id] ?? 0) + 1 / draws;
  }
  return counts;
}

describe('drawPersona', () => {
  it('is uniform over the training personas by default', () => {
    const share = frequencies(mix());
    expect(Object.keys(share).sort()).toEqual(['chef', 'none', 'pirate', 'robot']);
    expect(share['none']).toBeCloseTo(0.5, 1);
    for (const id of ['pirate', 'chef', 'robot']) expect(Math.abs(share[id]! - 1 / 6)).toBeLessThan(0.02);
  });

  it('follows the weights; a persona that is not named has none', () => {
    const share = frequencies(mix({ noneShare: 0.2, weights: { pirate: 3, chef: 1 } }));
    expect(Math.abs(share['none']! - 0.2)).toBeLessThan(0.02);
    expect(Math.abs(share['pirate']! - 0.6)).toBeLessThan(0.02);
    expect(Math.abs(share['chef']! - 0.2)).toBeLessThan(0.02);
    expect(share['robot']).toBeUndefined();
  });

  it('reaches both ends of the share', () => {
    expect(frequencies(mix({ noneShare: 1 }), 500)).toEqual({ none: expect.closeTo(1) as number });
    expect(frequencies(mix({ noneShare: 0 }), 500)['none']).toBeUndefined();
    expect(drawPersona(mix({ noneShare: 1 }), [], new Stream(1, 1))).toBeNull();
  });

  it('never draws a held-out persona, whatever the weights', () => {
    fc.assert(
      fc.property(fc.nat(), fc.double({ min: 0, max: 1, noNaN: true }), fc.nat({ max: 5 }), (seed, noneShare, weight) => {
        const drawn = drawPersona(mix({ noneShare, weights: { poet: weight, pirate: 1 } }), personas, new Stream(seed, Purpose.persona));
        expect(drawn?.heldOut ?? false).toBe(false);
      }),
      { seed: 1 },
    );
  });

  it('is a function of the stream alone, and another share only turns personas off', () => {
    for (let i = 0; i < 200; i++) {
      const at = () => new Stream(9, Purpose.persona, i);
      const always = drawPersona(mix({ noneShare: 0 }), personas, at());
      const half = drawPersona(mix(), personas, at());
      expect(drawPersona(mix(), personas, at())).toBe(half);
      if (half) expect(half).toBe(always);
    }
  });

  it('takes the same number of draws whatever comes out', () => {
    const positions = [0, 0.5, 1].map((noneShare) => {
      const stream = new Stream(4, Purpose.persona);
      drawPersona(mix({ noneShare }), personas, stream);
      return stream.uniform();
    });
    expect(new Set(positions).size).toBe(1);
  });

  it('refuses a mix that leaves nothing to draw', () => {
    expect(() => drawPersona(mix({ noneShare: 0, weights: { pirate: 0 } }), personas, new Stream(1, 1))).toThrow(/weight above zero/);
  });
});

describe('checkMix', () => {
  it('accepts sensible mixes', () => {
    expect(checkMix(mix(), personas)).toEqual([]);
    expect(checkMix(mix({ weights: { pirate: 1, poet: 0 } }), personas)).toEqual([]);
    expect(checkMix(mix({ noneShare: 1, weights: { pirate: 0 } }), personas)).toEqual([]);
  });
  it.each<[string, Partial<PersonaMix>, RegExp]>([
    ['a sum of zero', { weights: { pirate: 0, chef: 0 } }, /sum to zero/],
    ['a negative weight', { weights: { pirate: -1 } }, /"pirate" is -1/],
    ['a weight that is no number', { weights: { pirate: NaN } }, /"pirate" is NaN/],
    ['an unknown persona', { weights: { nobody: 1 } }, /"nobody" that does not exist/],
    ['a held-out persona', { weights: { poet: 1 } }, /"poet" is held out/],
    ['a share above one', { noneShare: 1.5 }, /between 0 and 1/],
    ['a share that is no number', { noneShare: NaN }, /between 0 and 1/],
    ['an unknown draw', { draw: 'step' as 'prompt' }, /not per "step"/],
  ])('%s', (_name, changes, sentence) => {
    const complaints = checkMix(mix(changes), personas);
    expect(complaints).toHaveLength(1);
    expect(complaints[0]!.problem).toMatch(sentence);
  });
  it('says so when there is nobody to train on', () => expect(checkMix(mix(), [persona('poet', true)])[0]!.problem).toMatch(/sum to zero/));
});

describe('trainingWeights', () => {
  it('lists the training personas in order', () => {
    const list = trainingWeights(mix({ weights: { robot: 2 } }), personas);
    expect(list.map(({ persona: { id }, weight }) => [id, weight])).toEqual([
      ['pirate', 0],
      ['chef', 0],
      ['robot', 2],
    ]);
  });
});

describe('groupKey', () => {
  it('tells questions, personas and occurrences apart', () => {
    expect(groupKey('q1', 'pirate', 0)).toBe('q1|pirate|0');
    expect(groupKey('q1', null, 1)).toBe('q1|none|1');
    expect(groupKey('q1', undefined, 2)).toBe('q1|2');
    const keys = ['q1', 'q2'].flatMap((question) =>
      [undefined, null, 'pirate', 'chef'].flatMap((id) => [0, 1, 2].map((occurrence) => groupKey(question, id, occurrence))),
    );
    expect(new Set(keys).size).toBe(keys.length);
  });
});
