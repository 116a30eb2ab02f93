/** The source that a configuration names: a generated task, or a set that was read before. */
import { LabError } from '../errors.ts';
import { taskById } from './index.ts';
import type { Knobs, Task } from './question.ts';
import { importedSource } from './sets/imported.ts';
import { usualSplit, type ImportedSets, type QuestionSource, type SourceChoice } from './source.ts';

/** @throws LabError 'config' for a task that there is not, and for a set that was not read */
export function sourceOf({ id, knobs, set }: SourceChoice, sets: ImportedSets = {}): QuestionSource {
  if (!set) return generatedSource(taskById(id), knobs);
  const read = sets[id];
  if (read) return importedSource(read, id, set.heldOut ?? usualSplit);
  throw new LabError(
    'config',
    `The questions of ${id} are not here; the run was made with the file whose SHA-256 begins with ${set.sha256.slice(0, 12)}.`,
    'Give that file again.',
  );
}

export function generatedSource(task: Task, knobs?: Partial<Knobs>): QuestionSource {
  return {
    id: task.id,
    name: task.name,
    count: null,
    draw: (stream, split) => task.generate(stream, split, knobs),
    accepts: (answer, question) => task.accepts(answer, question),
    whole: task.whole,
    solution: (question) => task.solution(question),
  };
}
