/** The draw of questions and personas: a pure function of seed and cursor, with groups told apart by key. */
import { describe, expect, it } from 'vitest';
import type { RunConfig } from '../../src/rl/config.ts';
import { GroupSource } from '../../src/rl/data.ts';
import { recipes } from '../../src/rl/recipes.ts';
import { tinyPersonas } from '../helpers/tiny-policy.ts';

const take = (config: RunConfig, cursor: number, count: number) => new GroupSource(config, tinyPersonas, cursor).take(count);
const ids = (groups: ReturnType<typeof take>) => groups.map(({ question }) => question.id);

describe('GroupSource', () => {
  it('goes on where the cursor stands', () => {
    const source = new GroupSource(recipes.permix, tinyPersonas, 0);
    const all = source.take(40);
    expect(source.cursor).toBe(40);
    const later = take(recipes.permix, 25, 15);
    expect(ids(later)).toEqual(ids(all.slice(25)));
    expect(later.map(({ personas }) => personas)).toEqual(all.slice(25).map(({ personas }) => personas));
  });

  it('asks the same questions whatever the mix, and others for another seed', () => {
    expect(ids(take(recipes.rlvr, 0, 40))).toEqual(ids(take(recipes.permix, 0, 40)));
    expect(ids(take({ ...recipes.rlvr, seed: 2 }, 0, 40))).not.toEqual(ids(take(recipes.rlvr, 0, 40)));
  });

  it('draws personas at their share, and never one that is held out', () => {
    const drawn = take(recipes.permix, 0, 400).flatMap(({ personas }) => personas);
    expect(drawn).toHaveLength(400);
    const none = drawn.filter((persona) => persona === null).length;
    expect(none).toBeGreaterThan(160);
    expect(none).toBeLessThan(240);
    expect(new Set(drawn.map((persona) => persona?.id))).toEqual(new Set([undefined, 'poet', 'cook']));
    expect(take(recipes.rlvr, 0, 50).every(({ personas }) => personas[0] === null)).toBe(true);
  });

  it('keys groups by question, persona and occurrence, and without the persona when it is drawn per rollout', () => {
    const tight = { ...recipes.permix, tasks: [{ id: 'addition', weight: 1, knobs: { max: 9 } }] };
    const groups = take(tight, 0, 400);
    expect(new Set(groups.map(({ key }) => key)).size).toBe(400);
    expect(groups.some(({ key }) => key.endsWith('|1'))).toBe(true);
    expect(groups[0]!.key).toBe(`${groups[0]!.question.id}|${groups[0]!.personas[0]?.id ?? 'none'}|0`);
    const perRollout = take({ ...tight, mix: { ...tight.mix, draw: 'rollout' } }, 0, 400);
    expect(perRollout[0]!.personas).toHaveLength(tight.groupSize);
    expect(perRollout[0]!.key).toBe(`${perRollout[0]!.question.id}|0`);
    expect(new Set(perRollout.map(({ key }) => key)).size).toBe(400);
    expect(new Set(perRollout.slice(0, 20).flatMap(({ personas }) => personas.map((persona) => persona?.id))).size).toBe(3);
  });

  it('draws a question again that does not fit, the same one wherever it goes on, and touches no other', () => {
    const two = [
      { id: 'addition', weight: 1 },
      { id: 'reverse', weight: 1 },
    ];
    const config = { ...recipes.permix, tasks: two };
    const fits = ({ text }: { readonly text: string }) => text.length % 3 !== 0;
    const free = new GroupSource(config, tinyPersonas, 0).take(60);
    const held = new GroupSource(config, tinyPersonas, 0, fits).take(60);
    expect(held.every(({ question }) => fits(question))).toBe(true);
    expect(free.filter(({ question }) => !fits(question)).length).toBeGreaterThan(5);
    for (const [i, { question, source, personas }] of free.entries()) {
      if (fits(question)) expect(held[i]!.question).toEqual(question);
      expect([held[i]!.source.id, held[i]!.personas]).toEqual([source.id, personas]);
    }
    expect(ids(new GroupSource(config, tinyPersonas, 25, fits).take(35))).toEqual(ids(held.slice(25)));
  });

  it('draws tasks by weight', () => {
    const groups = take(
      {
        ...recipes.rlvr,
        tasks: [
          { id: 'addition', weight: 3 },
          { id: 'reverse', weight: 1 },
        ],
      },
      0,
      400,
    );
    const reversed = groups.filter(({ source }) => source.id === 'reverse').length;
    expect(reversed).toBeGreaterThan(60);
    expect(reversed).toBeLessThan(140);
  });
});
