/**
 * The recorded run that the page replays is what the trainer computes: its first three steps, trained again from the bundled policy on the
 * recording's engine, have the same metrics, the same answers by persona and the same replies, token by token; the base answers the held-out
 * questions as it did.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { createEngine } from '../helpers/engine.ts';
import { folderSource } from '../../src/cli/folder.ts';
import { readRecording } from '../../src/exchange/read-recording.ts';
import { recordedMetrics, recordedRun, recordedRollouts } from '../../src/exchange/recording.ts';
import type { HeldOutEvaluation } from '../../src/evaluate/held-out.ts';
import { personas, voices } from '../../src/persona/world.ts';
import { loadPolicy } from '../../src/policy/policy.ts';
import { isTiming, metricNames } from '../../src/rl/metric-names.ts';
import type { StepReport } from '../../src/rl/events.ts';
import { initialTrainerState } from '../../src/rl/trainer.ts';
import { runSteps } from '../../src/run/loop.ts';

const root = join(import.meta.dirname, '../..');
const steps = 3;

/** Digits of wasm's sums do not depend on the machine; those of Math.exp and Math.log may in another version of V8. */
const tolerance = 1e-4;

const recording = readRecording(readFileSync(join(root, 'public/runs/rlvr-permix/recording.json'), 'utf8'));

it('was made on the engine that every machine has', () => {
  expect(recording).toMatchObject({ engine: 'portable', backend: 'wasm', policy: 'permix-tiny' });
  expect(recording.runs.map(({ config }) => config.recipe)).toEqual(['rlvr', 'permix']);
  const [rlvr, permix] = recording.runs.map(({ config }) => config);
  expect({ ...rlvr, recipe: '', mix: null }).toEqual({ ...permix, recipe: '', mix: null });
});

it.each(recording.runs.map((run) => [run.name, run] as const))('%s: three steps again', { timeout: 120_000 }, async (_, run) => {
  const policy = await loadPolicy(await folderSource(join(root, 'public/models/permix-tiny')));
  const engine = await createEngine({ config: policy.config, weights: policy.weights, engine: 'portable', backend: 'wasm' });
  await engine.setReference();
  const reports: StepReport[] = [];
  const { eosIds } = policy.config;
  const heldOut: HeldOutEvaluation[] = [];
  const [tokenizer, { config }, state] = [policy.tokenizer!, run, initialTrainerState];
  for await (const event of runSteps({ engine, tokenizer, eosIds, personas, voices, config, state, evaluated: [] })) {
    if (event.kind === 'evaluation') heldOut.push(event.evaluation);
    else if (reports.push(event.report) === steps) break;
  }
  engine.dispose();

  const again = recordedRun(run.name, run.config, reports, heldOut);
  expect(again.heldOut[0]!.rows).toEqual(run.heldOut[0]!.rows);
  for (let step = 1; step <= steps; step++) {
    const [expected, found] = [recordedMetrics(run, step), recordedMetrics(again, step)];
    expect(Object.keys(found).sort()).toEqual(Object.keys(expected).sort());
    for (const name of metricNames) {
      const value = expected[name];
      if (value === undefined || isTiming(name)) continue;
      expect(Math.abs(found[name]! - value), `${name} of step ${step}`).toBeLessThanOrEqual(tolerance * Math.max(1e-3, Math.abs(value)));
    }
    expect(again.personas[step - 1]).toEqual(run.personas[step - 1]);
    const [kept, made] = [recordedRollouts(run, step)!, recordedRollouts(again, step)!];
    expect(kept.rollouts.length).toBeGreaterThanOrEqual(2 * run.config.groupSize);
    const replies = ({ rollouts }: typeof kept) =>
      rollouts.map(({ row, personaId, question, pieces, reward }) => [row, personaId, question, pieces, reward]);
    expect(replies(made)).toEqual(replies(kept));
    for (const [i, { logprobs }] of kept.rollouts.entries())
      logprobs.forEach((value, t) => expect(made.rollouts[i]!.logprobs[t]).toBeCloseTo(value, 3));
  }
});
