/** Small run records for the storage tests: a state of a few odd numbers, a config, a draft of a checkpoint. */
import type { PolicyState } from '../../src/engine/engine.ts';
import { recipes } from '../../src/rl/recipes.ts';
import type { CheckpointDraft, MetricsRecord, RolloutsRecord, RunRecord } from '../../src/storage/records.ts';

export function runRecord(id: string, created = 1): RunRecord {
  return {
    id,
    name: `run ${id}`,
    config: recipes.permix,
    engine: { engine: 'portable', backend: 'cpu', adapter: null, software: false, features: [], limits: {}, precision: 'f32' },
    status: 'running',
    step: 0,
    created,
    updated: created,
  };
}

export function policyState(step: number): PolicyState {
  const tensors = (offset: number) => ({
    'model.embed_tokens.weight': Float32Array.from([offset, -0, 1e-45, 3.4e38, step]),
    'model.norm.weight': Float32Array.from([Math.fround(0.1) + offset]),
  });
  return {
    weights: tensors(0),
    adapters: null,
    moments: step === 0 ? null : { first: tensors(1), second: tensors(2) },
    optimSteps: step,
    skippedSteps: 0,
  };
}

export function draft(runId: string, step: number, more: Partial<CheckpointDraft> = {}): CheckpointDraft {
  return {
    runId,
    name: `step ${step}`,
    reward: null,
    kept: false,
    config: recipes.permix,
    trainer: { step, cursor: step * 4, tokens: step * 100, nonFiniteStreak: 0 },
    state: policyState(step),
    ...more,
  };
}

export function stepRecords(runId: string, step: number): [MetricsRecord, RolloutsRecord] {
  return [
    { runId, step, metrics: { reward: step / 10 }, personas: {} },
    { runId, step, rollouts: [] },
  ];
}
