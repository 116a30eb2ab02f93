/** What leaves a run for other programs, held to samples that those programs made (tests/fixtures/traces/make.py), and to what a spreadsheet and a browser do with it. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { stepPage } from '../../src/exchange/step-page.ts';
import { completionsTable, metricsTable, trackioTraces, unipoReplay, type TracedRun } from '../../src/exchange/traces.ts';
import { personas } from '../../src/persona/world.ts';
import type { RolloutRecord } from '../../src/rl/events.ts';
import { heldOutRecord, rolloutRecord, runRecord, stepRecords } from '../helpers/run-records.ts';

const folder = 'tests/fixtures/traces/';
const rows = (text: string) =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
const sample = JSON.parse(readFileSync(`${folder}rollouts.json`, 'utf8')) as { step: number; rollouts: RolloutRecord[] };
const run = runRecord('a');
const traced: TracedRun = { run, metrics: [], heldOut: [], rollouts: [sample] };

it('a trace is what trackio itself makes of the rollout, with more beside it', () => {
  const made = rows(readFileSync(`${folder}trackio.jsonl`, 'utf8'));
  const ours = rows(trackioTraces(traced, []));
  expect(ours).toHaveLength(made.length);
  expect(ours.map((trace) => Object.keys(trace))).toEqual(made.map((trace) => Object.keys(trace)));
  expect(ours).toMatchObject(made);
  // The persona is the system message, where its text is known.
  const [{ messages }] = rows(trackioTraces(traced, personas)) as [{ messages: { role: string; content: string }[] }];
  const persona = personas.find(({ id }) => id === sample.rollouts[0]!.personaId);
  expect(messages.map(({ role }) => role)).toEqual(persona ? ['system', 'user', 'assistant'] : ['user', 'assistant']);
});

it('the table of completions has the columns and values that pandas writes, then ours', () => {
  const made = rows(readFileSync(`${folder}completions.jsonl`, 'utf8'));
  const ours = rows(completionsTable(traced));
  expect(ours).toMatchObject(made.map((row) => ({ ...row, advantage: expect.closeTo(row['advantage'] as number, 9) as number })));
  expect(Object.keys(ours[0]!).slice(0, 5)).toEqual(Object.keys(made[0]!));
});

it('UNIPO’s replay has everything its schema asks for, of equal lengths, and an objective that is the loss negated', () => {
  const all = { runId: 'a', step: 2, rollouts: [rolloutRecord(2, 0), rolloutRecord(2, 1)] };
  const metrics = [{ ...stepRecords('a', 2)[0], metrics: { reward: 0.5, policy_loss: 0.25, kl: 0.01 } }];
  const replay = unipoReplay({ run, metrics, heldOut: [], rollouts: [all] }) as {
    header: Record<string, unknown>;
    entries: { step: number; metrics: Record<string, number>; prompts: { responses: { tokens: Record<string, unknown[]> }[] }[] }[];
  };
  expect(Object.keys(replay.header)).toEqual([
    'task',
    'dataset',
    'reward_strategy',
    'algorithm',
    'totalSteps',
    'model_name',
    'reference_model_name',
    'hparams',
  ]);
  const [entry] = replay.entries;
  expect(entry).toMatchObject({ step: 2, is_first_step_after_rollout_phase: true, metrics: { policy_objective: -0.25, reward: 0.5 } });
  const tokens = entry!.prompts[0]!.responses.map((one) => one.tokens);
  for (const list of tokens.flatMap((one) => Object.values(one))) expect(list).toHaveLength(2);
  expect(Object.keys(tokens[0]!)).toEqual([
    'ids',
    'strings',
    'log_probs',
    'old_log_probs',
    'advantages',
    'ref_log_probs',
    'token_kl',
    'token_objective',
  ]);
  // Advantage 1, ratio 1: what is gained is positive, and as much is lost by the other reply.
  const [gain, loss] = tokens.map((one) => one['token_objective']![0] as number);
  expect(gain).toBeGreaterThan(0);
  expect(loss).toBeLessThan(0);
});

it('metrics are a table over all steps, with what was asked between them, and never NaN', () => {
  const table = metricsTable({ run, metrics: [1, 2].map((step) => stepRecords('a', step)[0]), heldOut: [heldOutRecord('a', 0)] });
  const [header, ...lines] = table
    .trimEnd()
    .split('\r\n')
    .map((line) => line.split(','));
  expect(header!.slice(0, 2)).toEqual(['step', 'reward']);
  expect(header).toContain('eval/worst');
  expect(lines.map((line) => line[0])).toEqual(['0', '1', '2']);
  expect(lines[1]![1]).toBe('0.1');
  expect(table).not.toMatch(/NaN|undefined/);
});

it('a spreadsheet computes nothing of a persona’s name', () => {
  const [metrics] = stepRecords('a', 1);
  const table = metricsTable({ run, metrics: [{ ...metrics, personas: { '=1+1': { correct: 1, total: 0 } } }], heldOut: [] });
  expect(table).toMatch(/accuracy\/=1\+1/);
  expect(table).not.toMatch(/(^|,)=/m);
  expect(table).not.toMatch(/Infinity/);
});

it('a step’s page executes and fetches nothing, whatever a reply says', () => {
  const nasty = '<script>alert(1)</script><img src=x onerror=alert(1)>"\'&';
  const record = { ...rolloutRecord(2, 0), completion: nasty, question: nasty, answer: nasty, reason: nasty };
  const page = stepPage({ run: { ...run, name: nasty }, metrics: [], heldOut: [] }, { step: 2, rollouts: [record] }, personas);
  expect(page).toContain("default-src 'none'");
  expect(page).not.toMatch(/<script|<img|onerror="/);
  expect(page.match(/&#60;script&#62;alert/g)!.length).toBeGreaterThanOrEqual(5);
});
