import { describe, expect, it } from 'vitest';
import { Purpose, Stream } from '../../src/random/counter.ts';
import { taskById } from '../../src/tasks/index.ts';
import { roleplayKind, roleplayKinds, roleplayQuestion, roleplayQuestions } from '../../src/tasks/roleplay.ts';

describe('open questions', () => {
  const train = roleplayQuestions('train');
  const evaluation = roleplayQuestions('evaluation');

  it('are at least 300 different ones, each with its own id and no answer', () => {
    const all = [...train, ...evaluation];
    expect(new Set(all.map((question) => question.text)).size).toBe(all.length);
    expect(new Set(all.map((question) => question.id)).size).toBe(all.length);
    expect(all.length).toBeGreaterThanOrEqual(300);
    for (const question of all) {
      expect(question.answer).toBe('');
      expect(question.text.length).toBeLessThanOrEqual(60);
    }
  });

  it('keep all wordings of a topic in one split, and every kind in both', () => {
    for (const kind of roleplayKinds) {
      const texts = { train: roleplayQuestions('train', kind.id), evaluation: roleplayQuestions('evaluation', kind.id) };
      expect(texts.train.length).toBeGreaterThanOrEqual(4 * kind.wordings.length);
      expect(texts.evaluation.length).toBeGreaterThanOrEqual(2 * kind.wordings.length);
      for (const topic of kind.topics) {
        const asked = kind.wordings.map((wording) => wording.replace('%', topic));
        const inTrain = texts.train.filter((question) => asked.includes(question.text)).length;
        const inEvaluation = texts.evaluation.filter((question) => asked.includes(question.text)).length;
        expect([inTrain, inEvaluation].sort()).toEqual([0, kind.wordings.length]);
      }
    }
  });

  it('are drawn from the wanted split with equal shares of the five kinds', () => {
    const counts = new Map<string, number>();
    for (let row = 0; row < 2000; row++) {
      const question = roleplayQuestion(new Stream(1, Purpose.question, 0, row), 'evaluation');
      expect(evaluation).toContainEqual(question);
      counts.set(roleplayKind(question), (counts.get(roleplayKind(question)) ?? 0) + 1);
    }
    for (const kind of roleplayKinds) expect(Math.abs(counts.get(kind.id)! - 400)).toBeLessThan(80);
  });

  it('are told from task questions', () => {
    const question = taskById('addition').generate(new Stream(1, Purpose.question), 'train');
    expect(() => roleplayKind(question)).toThrow(/not an open one/);
  });
});
