/** The recorded lottery of a real policy: made of what `permix eval` leaves, counted as it counted, and refused where it would show something else. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { EvaluationReport } from '../../src/evaluate/report.ts';
import { generatedQuestions } from '../../src/evaluate/questions.ts';
import { estimateOf, footOf } from '../../src/evaluate/picture.ts';
import { extremes, lotteryOf, lotteryPicture, lotteryReplies, readLottery } from '../../src/study/lottery.ts';
import { taskById } from '../../src/tasks/index.ts';

const text = readFileSync(resolve(import.meta.dirname, '../../docs/real/results.json'), 'utf8');

describe('the one that is bundled', () => {
  const lottery = readLottery(text);

  it('holds every reply, and its picture is their count', () => {
    expect(lottery.personas).toHaveLength(25);
    const { rows, columns } = lotteryPicture(lottery);
    for (const [place, task] of lottery.tasks.entries()) {
      expect(task.questions).toHaveLength(48);
      const column = columns[place]!;
      const { best, worst } = extremes(lottery, task);
      const foot = footOf(rows, column)!;
      expect(foot.worst.value).toBe(worst.share);
      expect(foot.spread.value).toBeCloseTo(best.share - worst.share, 12);
      for (const [row, { key }] of rows.entries()) {
        const replies = lotteryReplies(lottery, { row: key, column: task.id });
        const right = replies.filter(({ correct }) => correct);
        expect(right.length / replies.length).toBe(estimateOf(column.cells[row]!)!.value);
        for (const { parsed, answer } of right) expect(parsed).toBe(answer);
      }
    }
  });

  it('is refused where a reply is missing', () => {
    const cut = { ...lottery, tasks: lottery.tasks.map((task) => ({ ...task, replies: task.replies.slice(1) })) };
    expect(() => readLottery(JSON.stringify(cut))).toThrow(/not whole/);
  });
});

describe('putting one together', () => {
  const questions = generatedQuestions(taskById('one-digit-sums'), 3, { seed: 1, answers: ['last-number'] }).questions;
  const report = {
    data: { name: 'one-digit-sums', problemIds: questions.map(({ id }) => id), leftOut: {} },
    sampling: { temperature: 0, samples: 1, maxNewTokens: 8, seed: 1 },
    asking: { arguments: {}, date: '2024-07-26', noSystem: 'template', systemPlace: 'refuse', instruction: '', answers: ['last-number'] },
    personas: [{ id: 'monk', name: 'Monk', voice: null, kind: 'character', heldOut: false }],
    policy: {
      name: 'x',
      ownPrompt: null,
      shuffledSpread: { mean: 0.1, low: 0, high: 0.2, p: 0.5, shuffles: 10 },
      shuffled: { mean: 0.8, low: 0, high: 1, p: 0.5, shuffles: 10 },
      lottery: [0.5],
    },
  } as unknown as EvaluationReport;
  const cell = (persona: string, says: (answer: string) => string) =>
    JSON.stringify({ key: `policy/task/${persona}`, replies: questions.map(({ answer }) => ({ text: says(answer) })) });
  const cells = [cell('none', (answer) => `It is ${answer}.`), cell('monk', () => 'Silence is 0.')].join('\n');
  const policy = { name: 'x', parameters: 1, licence: 'none', origin: 'here', hub: 'a/b' };
  const of = (changed: Partial<EvaluationReport>, lines = cells) =>
    lotteryOf(policy, [{ name: 'Sums', report: { ...report, ...changed }, cells: lines }]);

  it('judges what was said as the evaluation did', async () => {
    const lottery = await of({});
    expect(lottery.tasks[0]!.replies.map((row) => row.map(({ correct }) => correct))).toEqual([
      [true, true, true],
      [false, false, false],
    ]);
    expect(lottery.tasks[0]!.best).toEqual([{ k: 1, accuracy: 0.5 }]);
    expect(readLottery(JSON.stringify(lottery))).toEqual(lottery);
  });

  it('refuses other questions, several samples and missing cells', async () => {
    await expect(of({ data: { ...report.data, problemIds: ['other', ...report.data.problemIds.slice(1)] } })).rejects.toThrow(
      /other questions/,
    );
    await expect(of({ sampling: { ...report.sampling, samples: 2 } })).rejects.toThrow(/single replies/);
    await expect(of({}, cells.split('\n')[0])).rejects.toThrow(/no replies of Monk/);
  });
});
