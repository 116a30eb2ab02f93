/** Small run records for the storage tests: a state of a few odd numbers, a config, a draft of a checkpoint. */
import type { PolicyState } from '../../src/engine/engine.ts';
import type { RolloutRecord } from '../../src/rl/events.ts';
import { recipes } from '../../src/rl/recipes.ts';
import type { LabDatabase } from '../../src/storage/database.ts';
import { seal } from '../../src/storage/seal.ts';
import type {
  CheckpointDraft,
  CheckpointInfo,
  HeldOutRecord,
  MetricsRecord,
  RolloutsRecord,
  RunRecord,
} from '../../src/storage/records.ts';

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

/** A rollout of a group of two, right where `row` is even. */
export function rolloutRecord(step: number, row: number): RolloutRecord {
  const correct = row % 2 === 0;
  return {
    step,
    row,
    group: 'q|poet|0',
    personaId: 'poet',
    questionId: 'q',
    task: 'addition',
    question: '1+1?',
    answer: '2',
    prompt: '<|user|>1+1?<|end|>',
    completion: correct ? 'It is 2' : 'It is 3',
    pieces: ['It is', correct ? ' 2' : ' 3'],
    logprobs: [-0.1, -0.2],
    entropies: [0.3, 0.4],
    reward: Number(correct),
    advantage: correct ? 1 : -1,
    correct,
    ended: true,
    parsed: correct ? '2' : '3',
    reason: correct ? 'equal' : 'another number',
    tokens: [7, row + 1],
    length: 2,
    refLogprobs: [-0.1, -0.3],
    batch: { rows: 2, tokens: 4, endedTokens: 4, rewardStd: 0.5 },
  };
}

export function heldOutRecord(runId: string, step: number): HeldOutRecord {
  const reply = (text: string) => ({ question: '1+1?', answer: '2', text, correct: text === '2', parsed: text, reason: '' });
  const row = (name: string, ...texts: string[]) => ({ row: name, personaId: name === 'none' ? null : name, replies: texts.map(reply) });
  return { runId, step, rows: [row('none', '2', '2'), row('poet', '2', '3'), row('cook', '3', '3')], seconds: 0.5 };
}

/** A run as a database of any version holds it, which the storage of this version would not write into an older one. */
export async function putRun(database: LabDatabase, id: string): Promise<CheckpointInfo> {
  const { info, bytes } = await seal(draft(id, 0));
  await database.put('runs', runRecord(id));
  await database.put('checkpoints', info);
  await database.put('payloads', { id: info.id, bytes });
  return info;
}
