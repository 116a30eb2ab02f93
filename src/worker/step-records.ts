/** What is stored of a step, and all rollouts of a run that are kept, for its file. */
import type { StepReport } from '../rl/events.ts';
import type { MetricsRecord, RolloutsRecord } from '../storage/records.ts';
import type { LabStorage } from '../storage/storage.ts';

export function metricsOf(runId: string, { step, metrics, personas }: StepReport): MetricsRecord {
  return { runId, step, metrics, personas };
}

/** @param unsaved a step that could not be stored, in the place of what was  @returns none where the storage is gone; ascending steps */
export async function keptRollouts(storage: LabStorage, runId: string, unsaved: StepReport | null): Promise<RolloutsRecord[]> {
  const kept: RolloutsRecord[] = [];
  for (const step of await storage.rolloutSteps(runId).catch(() => [])) {
    const record = step === unsaved?.step ? null : await storage.rollouts(runId, step).catch(() => null);
    if (record) kept.push(record);
  }
  return unsaved ? [...kept, { runId, step: unsaved.step, rollouts: unsaved.rollouts }] : kept;
}
