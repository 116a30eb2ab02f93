/**
 * Logs of another trainer: TRL's own, JSON lines in every form, and what is refused. `tests/fixtures/trl/trainer_state.json` is of TRL 1.16.0 with
 * transformers 5.24.0: four steps of a project that `permix export --to trl` wrote, `python train.py --save_steps 2 --use_cpu true`.
 */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LabError } from '../../src/errors.ts';
import { comparedCsv, compareLog } from '../../src/exchange/compare-log.ts';
import { logSentences, mayBeTrainerLog, readTrainerLog } from '../../src/exchange/trainer-log.ts';
import { Pinned } from '../../src/state/pinned.svelte.ts';
import { areLogs, layLogs } from '../../src/state/trainer-logs.ts';
import { overlaid } from '../../src/ui/charts/overlay.ts';

const name = 'trainer_state.json';
const state = readFileSync(resolve(import.meta.dirname, '../fixtures/trl', name), 'utf8');
const history = (JSON.parse(state) as { log_history: Record<string, number>[] }).log_history;
const lines = (rows: readonly object[]) => rows.map((row) => JSON.stringify(row)).join('\n');

function refusal(text: string, file = 'log.json'): string {
  try {
    readTrainerLog(text, file);
  } catch (error) {
    expect(error).toBeInstanceOf(LabError);
    expect((error as LabError).code).toBe('format');
    return (error as LabError).message;
  }
  throw new Error('nothing was refused');
}

describe('a log of another trainer', () => {
  it('is TRL’s trainer_state.json, under the names that metrics have here', () => {
    const log = readTrainerLog(state, name);
    expect(log.steps.map(({ step }) => step)).toEqual([1, 2, 3, 4]);
    for (const [i, { metrics }] of log.steps.entries()) {
      for (const metric of [
        'reward',
        'reward_std',
        'kl',
        'entropy',
        'grad_norm',
        'completions/mean_length',
        'rewards/correct/mean',
      ] as const)
        expect(metrics[metric]).toBe(history[i]![metric]);
    }
    // All that TRL writes is known but for the epoch, which is a step's other name.
    expect(log).toMatchObject({ unknown: [], passed: { empty: 0, again: 0 } });
    expect(logSentences(log)).toEqual([`4 steps, ${Object.keys(history[0]!).length - 2} metrics.`]);
  });

  it('is its list by itself, JSON lines, a callback’s with train/ before names, and trackio’s records, all the same', () => {
    const right = readTrainerLog(state, name).steps;
    const prefixed = history.map(({ step, epoch, ...metrics }) => ({
      step,
      ...Object.fromEntries(Object.entries({ ...metrics, epoch }).map(([field, value]) => [`train/${field}`, value])),
    }));
    const records = history.map(({ step, ...metrics }) => ({ project: 'p', run: 'r', timestamp: '2026-12-01', step, metrics }));
    for (const text of [JSON.stringify(history), lines(history), `${lines(history)}\n\n`, lines(prefixed), lines(records)])
      expect(readTrainerLog(text, 'logs.jsonl').steps).toEqual(right);
  });

  it('is the metrics.jsonl of a run folder, of which the newest line may be cut', () => {
    const own = [
      { step: 1, reward: 0.25, step_time: 0.1 },
      { step: 2, reward: 0.5, step_time: 0.1 },
    ];
    const log = readTrainerLog(`${lines(own)}\n{"step": 3, "rew`, 'metrics.jsonl');
    expect(log.steps.map(({ metrics }) => metrics.reward)).toEqual([0.25, 0.5]);
    expect(log.unknown).toEqual([]);
  });

  it('says what it does not know, what it passed over, and what came again', () => {
    const log = readTrainerLog(
      JSON.stringify({
        log_history: [
          { step: 1, reward: 0, 'rewards/politeness/mean': 1, note: 'x' },
          { step: 2, reward: 1 },
          { step: 2, reward: 0.5 },
          { step: 2, eval_loss: 3 },
          { step: 3, train_runtime: 4, train_loss: 1 },
          { reward: 1 },
        ],
      }),
      name,
    );
    expect(log.steps).toEqual([
      { step: 1, metrics: { reward: 0 } },
      { step: 2, metrics: { reward: 0.5 } },
    ]);
    expect(logSentences(log)).toEqual([
      '2 steps, 1 metric.',
      'Not known here and not drawn: rewards/politeness/mean, eval_loss, train_runtime, train_loss.',
      'Passed over: 3 entries without a step or a metric.',
      '1 step came again; the later counts.',
    ]);
  });

  it('has gaps where Python wrote numbers that are none', () => {
    const log = readTrainerLog('{"log_history": [{"step": 1, "grad_norm": NaN, "kl": -Infinity, "reward": 1}]}', name);
    expect(log.steps).toEqual([{ step: 1, metrics: { reward: 1 } }]);
  });

  it('is refused in a sentence where it is none', () => {
    expect(refusal('')).toMatch(/^log\.json, line 1: /);
    expect(refusal('{"log_history": [\n{"step": 1,}]}')).toMatch(/^log\.json, line 2: /);
    expect(refusal('{"log_history": 3}')).toMatch(/its "log_history" is not a list/);
    expect(refusal('{"log_history": []}')).toMatch(/it has no entries/);
    expect(refusal('[{"step": 1, "loss_of_mine": 2}]')).toMatch(/its fields are "loss_of_mine".*trainer_state\.json of a checkpoint/);
    expect(refusal('{"step": 1, "reward": 1}\n{"step": 2, reward}\n{"step": 3, "reward": 1}', 'l.jsonl')).toMatch(/^l\.jsonl, line 2: /);
    expect(refusal('PAR1\u0015', 'completions_00001.parquet')).toMatch(/is a Parquet file/);
  });

  it('is told from other files by its beginning', () => {
    expect(mayBeTrainerLog(name, state.slice(0, 600))).toBe(true);
    expect(mayBeTrainerLog('state.json', state)).toBe(true);
    expect(mayBeTrainerLog('logs.jsonl', lines(history))).toBe(true);
    expect(mayBeTrainerLog('questions.jsonl', '{"question": "What is the reward of step 1?", "answer": "1"}')).toBe(false);
    expect(mayBeTrainerLog('traces.jsonl', '{"step": 1, "prompt": "a", "completion": "b"}')).toBe(false);
    expect(mayBeTrainerLog('questions.json', '[{"question": "a", "answer": "1"}]')).toBe(false);
  });

  it('of any text at all is read, or refused in a sentence', () => {
    const entry = fc.dictionary(
      fc.constantFrom('step', 'reward', 'kl', 'metrics', 'x', 'train/reward'),
      fc.json().map((text) => JSON.parse(text) as unknown),
    );
    const log = fc.oneof(
      fc.string(),
      fc.json(),
      fc.array(entry).map((list) => JSON.stringify({ log_history: list })),
      fc.array(entry).map(lines),
    );
    fc.assert(
      fc.property(log, (text) => {
        try {
          const { steps } = readTrainerLog(text, 'x.json');
          expect(steps.length).toBeGreaterThan(0);
          expect(steps.map(({ step }) => step)).toEqual([...new Set(steps.map(({ step }) => step))].sort((a, b) => a - b));
        } catch (error) {
          expect(error).toBeInstanceOf(LabError);
        }
      }),
    );
  });
});

describe('laid over the charts', () => {
  const charts = () => {
    const said: string[] = [];
    const pinned = new Pinned(() => ({ history: () => Promise.reject(new Error('nothing is read of a log')) }));
    return { said, pinned, viewed: 'run', notify: (level: string, text: string) => void said.push(`${level}: ${text}`) };
  };
  const file = (text = state, called = name) => new File([text], called);

  it('it is a curve under its name, kept when runs are looked at again, and removed', async () => {
    const lab = charts();
    await layLogs(lab, [file(), file(lines(history.slice(0, 2)))]);
    expect(lab.pinned.groups.map(({ title }) => title)).toEqual([name, `${name} (2)`]);
    expect(lab.said[0]).toMatch(/^info: trainer_state\.json is laid over the charts: 4 steps, \d+ metrics\.$/);
    await layLogs(lab, [file()]);
    expect(lab.said.at(-1)).toMatch(/laid over the charts already/);
    await lab.pinned.refresh([]);
    expect(lab.pinned.groups.length).toBe(2);
    const own = { steps: [2, 3], curves: [{ label: 'Reward', colour: '--a', raw: [1, 1], line: [1, 1] }] };
    const { steps, curves } = overlaid(
      own,
      lab.pinned.groups.slice(0, 1),
      (run) => new Map(run.steps.map((one) => [one.step, one.metrics.reward!])),
    );
    expect(steps).toEqual([1, 2, 3, 4]);
    expect(curves[1]!.line).toEqual(history.map(({ reward }) => reward));
    lab.pinned.remove(lab.pinned.groups[0]!.key);
    expect(lab.pinned.groups.map(({ title }) => title)).toEqual([`${name} (2)`]);
  });

  it('a fifth is refused, and what is no log keeps no other out', async () => {
    const lab = charts();
    await layLogs(lab, [
      file('{}', 'no.json'),
      ...[1, 2, 3, 4, 5].map((reward) => file(JSON.stringify([{ step: 1, reward }]), `${reward}.json`)),
    ]);
    expect(lab.said[0]).toMatch(/^error: no\.json has no step/);
    expect(lab.pinned.groups.length).toBe(4);
    expect(lab.said.at(-1)).toMatch(/^error: 5\.json is not laid over the charts: 4 curves.*Remove one/);
    const colours = lab.pinned.groups.map(({ colour }) => colour);
    expect(new Set(colours).size).toBe(4);
  });

  it('files are logs together or not at all', async () => {
    expect(await areLogs([file(), file(lines(history), 'l.jsonl')])).toBe(true);
    expect(await areLogs([file(), file('{"question": "a"}', 'q.jsonl')])).toBe(false);
    expect(await areLogs([file(state, 'x.permix-run')])).toBe(false);
    expect(await areLogs([])).toBe(false);
  });
});

describe('beside a run', () => {
  const run = [
    { step: 1, metrics: { reward: 0.5, kl: 0, step_time: 1 } },
    { step: 2, metrics: { reward: 1, kl: 0.25 } },
    { step: 3, metrics: { reward: 0 } },
  ];
  const log = readTrainerLog(
    '[{"step": 2, "reward": 0.5, "kl": 0.5}, {"step": 3, "reward": 0.25, "step_time": 9}, {"step": 9, "entropy": 1}]',
    name,
  );

  it('what both have at a step is compared, and the speed of a machine is not', () => {
    const compared = compareLog(run, log.steps);
    expect(compared.map(({ metric, steps, means, furthest }) => [metric, steps, means, furthest])).toEqual([
      ['reward', [2, 3], { run: 0.5, log: 0.375 }, { step: 2, difference: 0.5 }],
      ['kl', [2], { run: 0.25, log: 0.5 }, { step: 2, difference: -0.25 }],
    ]);
    expect(comparedCsv(compared)).toBe('metric,step,run,log\r\nreward,2,1,0.5\r\nreward,3,0,0.25\r\nkl,2,0.25,0.5\r\n');
    expect(compareLog(run, [])).toEqual([]);
  });
});
