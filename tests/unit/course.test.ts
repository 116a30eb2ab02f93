/** The few numbers that a run's small line is drawn from. */
import { expect, it } from 'vitest';
import { courseOf } from '../../src/state/course.ts';
import { heldOutRecord } from '../helpers/run-records.ts';

const steps = (count: number) => Array.from({ length: count }, (_, i) => ({ step: i + 1, metrics: { reward: i / count }, personas: {} }));

it('takes the worst voice where it was asked twice, else the reward, else nothing', () => {
  const heldOut = [0, 5, 10].map((step) => heldOutRecord('a', step));
  const asked = courseOf({ heldOut, steps: steps(10) })!;
  expect(asked.of).toBe('worst voice');
  expect(asked.points.map(({ step }) => step)).toEqual([0, 5, 10]);
  for (const { value } of asked.points) expect(value).toBeGreaterThanOrEqual(0);
  expect(courseOf({ heldOut: heldOut.slice(0, 1), steps: steps(3) })).toEqual({
    of: 'reward',
    points: [0, 1 / 3, 2 / 3].map((value, i) => ({ step: i + 1, value })),
  });
  expect(courseOf({ heldOut: [], steps: steps(1) })).toBeNull();
});

it('draws a long run in few points, with its last step among them', () => {
  const { points } = courseOf({ heldOut: [], steps: steps(1003) })!;
  expect(points.length).toBeLessThanOrEqual(40);
  expect(points.at(-1)!.step).toBe(1003);
  expect(points[0]!.value).toBeCloseTo(25 / 2 / 1003, 12);
});
