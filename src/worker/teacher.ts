/** The teacher of a distillation: a stored checkpoint of another run. What is learnt from it is `rl/lessons.ts`; the engine it answers on is the bench's. */
import { LabError, labErrorCode, type Complaint } from '../errors.ts';
import { askedOf, type AskedState } from './bench.ts';
import type { RunConfig } from '../rl/config.ts';
import { readablePolicy } from '../storage/policies.ts';
import type { RunRecord, Teacher } from '../storage/records.ts';
import type { LabStorage } from '../storage/storage.ts';

/** Why a run cannot learn from this teacher, or from none. */
export function teacherComplaints(config: RunConfig, teacher: string | undefined): Complaint[] {
  if (teacher !== undefined) {
    const problem = 'Distillation copies replies, so its objective is SFT; choose that, or another recipe.';
    return config.objective.name === 'sft' ? [] : [{ field: 'objective.name', problem }];
  }
  const problem = 'Distillation learns from a trained policy, and none is chosen: train a PerMix run first.';
  return config.recipe === 'distill' ? [{ field: 'teacher', problem }] : [];
}

/**
 * The checkpoint becomes the reader's own, so that no autosave of its run retires it.
 * @throws LabError 'config' for one of another policy, 'storage' or 'format' for one that is not there or damaged
 */
export async function appoint(storage: LabStorage, checkpoint: string, config: RunConfig): Promise<Teacher> {
  const { runId, name, step, config: trained } = await storage.checkpoint(checkpoint);
  const run = await storage.run(runId);
  if (trained.policy !== config.policy) {
    throw new LabError(
      'config',
      `“${run.name}” trained another policy than ${readablePolicy(config.policy)}.`,
      'Choose a teacher that began from it.',
    );
  }
  await storage.renameCheckpoint(checkpoint, name);
  return { checkpoint, name: `${run.name}, step ${step}` };
}

/** @throws LabError naming run and teacher where the checkpoint is gone; nothing of the run is touched */
export async function needTeacher(storage: LabStorage, run: RunRecord): Promise<void> {
  if (!run.teacher) return;
  for (const { id } of await storage.runs()) {
    if ((await storage.checkpoints(id)).some((info) => info.id === run.teacher!.checkpoint)) return;
  }
  throw missing('storage', run, run.teacher, 'was deleted');
}

/** @throws LabError as above, and where the checkpoint is damaged */
export async function teacherState(storage: LabStorage, run: RunRecord, teacher: Teacher): Promise<AskedState> {
  await needTeacher(storage, run);
  try {
    return askedOf((await storage.checkpoint(teacher.checkpoint)).state);
  } catch (cause) {
    if (labErrorCode(cause) !== 'format') throw cause;
    throw missing('format', run, teacher, 'is damaged', cause);
  }
}

function missing(code: 'storage' | 'format', { name, step }: RunRecord, teacher: Teacher, what: string, cause?: unknown): LabError {
  return new LabError(
    code,
    `“${teacher.name}”, the teacher of “${name}”, ${what}, so the run cannot go on. What it learned is kept, up to step ${step}.`,
    'Its checkpoints can still be used; begin a new run with another teacher.',
    { cause },
  );
}
