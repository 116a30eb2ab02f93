/** The recorded training of a real policy: whole, counted from its replies, and refused where it would show something else. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, it } from 'vitest';
import { estimateOf } from '../../src/evaluate/picture.ts';
import { readRealTraining, realArms, stepsUntil, trainingPicture, trainingReplies } from '../../src/study/real-training.ts';

const training = readRealTraining(readFileSync(resolve(import.meta.dirname, '../../docs/real/training.json'), 'utf8'));

it('has a column before and after either training, whose cells are counts of the replies behind them', () => {
  for (const { id, questions } of training.arms[0]!.asked.tasks) {
    const { rows, columns } = trainingPicture(training, id);
    expect(columns.map(({ key }) => key)).toEqual(realArms);
    expect(rows).toHaveLength(25);
    expect(rows.filter(({ heldOut }) => heldOut)).toHaveLength(8);
    for (const { key, cells } of columns) {
      rows.forEach((row, i) => {
        const replies = trainingReplies(training, id, { row: row.key, column: key });
        expect(replies).toHaveLength(questions.length);
        expect(replies.filter(({ correct }) => correct).length / replies.length).toBe(estimateOf(cells[i]!)!.value);
      });
    }
    const before = columns[0]!.cells.slice(1).map((cell) => estimateOf(cell)!.value);
    expect(before).toEqual([...before].sort((a, b) => a - b));
  }
});

it('has a curve of every step of both', () => {
  expect(training.curves.map(({ recipe }) => recipe)).toEqual(['rlvr', 'permix']);
  for (const { reward, kl } of training.curves) {
    expect(reward).toHaveLength(40);
    expect(reward.every((share) => share >= 0 && share <= 1)).toBe(true);
    expect(kl.filter((value) => value !== null).length).toBeGreaterThan(2);
  }
});

it('knows when a share was reached, as the mean of five steps', () => {
  const curve = { ...training.curves[0]!, reward: [0, 0.5, 1, 1, 1, 1, 0] };
  expect(stepsUntil(curve, 0.9)).toBe(6);
  expect(stepsUntil(curve, 0.95)).toBeNull();
});

it('is refused where an arm was asked something else, or is missing', () => {
  const [base, ...others] = training.arms;
  const asked = { ...base!.asked, personas: base!.asked.personas.slice(1) };
  for (const arms of [others, [{ ...base!, asked }, ...others]])
    expect(() => readRealTraining(JSON.stringify({ ...training, arms }))).toThrow(/not whole/);
});
