/** What is kept of a run, and that only a whole recording is shown. */
import { describe, expect, it } from 'vitest';
import { readRecording } from '../../src/exchange/read-recording.ts';
import {
  recordedMetrics,
  recordedRollouts,
  recordedRun,
  recordingFormat,
  recordingVersion,
  tellingGroups,
} from '../../src/exchange/recording.ts';
import { labErrorCode } from '../../src/errors.ts';
import { heldOutRecord } from '../helpers/run-records.ts';
import type { RolloutRecord, StepReport } from '../../src/rl/events.ts';
import { recipes } from '../../src/rl/recipes.ts';

const config = { ...recipes.permix, steps: 21 };

const rollout = (group: string, row: number, correct: boolean): RolloutRecord => ({
  step: 1,
  row,
  group,
  personaId: null,
  questionId: 'q',
  task: 'addition',
  question: '1 + 1?',
  answer: '2',
  prompt: '1 + 1?',
  completion: '2',
  pieces: ['2'],
  logprobs: [-0.1],
  entropies: [0.2],
  reward: Number(correct),
  advantage: 0,
  correct,
  ended: true,
  parsed: '2',
  reason: 'equal',
});

const reports = Array.from({ length: config.steps }, (_, i): StepReport => ({
  step: i + 1,
  metrics: { reward: (i + 1) / 3, ...(i % 10 === 0 ? { kl: 1 / 7 } : {}) },
  personas: { none: { correct: i, total: 30 } },
  rollouts: [
    rollout('a', 0, true),
    rollout('a', 1, true),
    rollout('b', 2, true),
    rollout('b', 3, false),
    rollout('c', 4, false),
    rollout('c', 5, true),
  ],
  seconds: { generate: 1, verify: 0, score: 0, update: 1 },
}));

const heldOut = [0, 10, config.steps].map((step) => heldOutRecord('a', step));
const run = recordedRun('PerMix', config, reports, heldOut);
const recording = {
  format: recordingFormat,
  version: recordingVersion,
  command: 'npm run record',
  date: '2026-11-23T00:00:00.000Z',
  engine: 'portable',
  backend: 'wasm',
  adapter: null,
  policy: 'permix-tiny',
  runs: [run],
};

describe('what is kept', () => {
  it('has every metric of every step, to six digits, and says where one is missing', () => {
    expect(recordedMetrics(run, 1)).toEqual({ reward: 0.333333, kl: 0.142857 });
    expect(recordedMetrics(run, 2)).toEqual({ reward: 0.666667 });
    expect(recordedMetrics(run, 11)).toEqual({ reward: 3.66667, kl: 0.142857 });
  });

  it('has the groups that differ most, of the first steps, every tenth and the last', () => {
    expect(run.rollouts.map(({ step }) => step)).toEqual([1, 2, 3, 10, 20, 21]);
    expect(run.rollouts[0]!.rollouts.map(({ row }) => row)).toEqual([2, 3, 4, 5]);
    expect(tellingGroups([rollout('x', 0, true), rollout('y', 1, true), rollout('z', 2, true)]).map(({ group }) => group)).toEqual([
      'x',
      'y',
    ]);
    expect(recordedRollouts(run, 0)).toBeNull();
    expect(recordedRollouts(run, 9)!.step).toBe(3);
    expect(recordedRollouts(run, 10)!.step).toBe(10);
  });
});

describe('reading', () => {
  it('gives back what was written', () => {
    expect(readRecording(JSON.stringify(recording))).toEqual(recording);
  });

  it.each([
    ['cut off', JSON.stringify(recording).slice(0, -40), /The recorded run, line 1: this is not valid JSON/],
    ['another file', '{"steps": 3}', /something else/],
    ['null', 'null', /something else/],
    ['another version', JSON.stringify({ ...recording, version: 99 }), /another version/],
    ['no run', JSON.stringify({ ...recording, runs: [] }), /no run/],
    [
      'a step short',
      JSON.stringify({ ...recording, runs: [{ ...run, personas: run.personas.slice(1) }] }),
      /steps are missing in “PerMix”/,
    ],
    ['a step of another kind', JSON.stringify({ ...recording, runs: [{ ...run, personas: [7] }] }), /runs\.0\.personas\.0 is not/],
    ['a column short', JSON.stringify({ ...recording, runs: [{ ...run, columns: { reward: [1] } }] }), /steps are missing/],
  ])('refuses %s with a sentence', (_, text, sentence) => {
    expect(() => readRecording(text)).toThrow(sentence);
    try {
      readRecording(text);
    } catch (error) {
      expect(labErrorCode(error)).toBe('format');
    }
  });
});
