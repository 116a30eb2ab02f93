/**
 * What all generated tasks share: knobs that are checked, redrawing until the split matches, ids, the boxed solution.
 * A task itself only says how to draw a problem and when an answer is right.
 */
import { LabError, refuseComplaints, type Complaint } from '../errors.ts';
import type { Stream } from '../random/counter.ts';
import { questionId, splitOf } from './hash.ts';
import { readInteger } from './integer.ts';
import { taskNames } from './names.ts';
import type { Knob, Knobs, Question, Task } from './question.ts';

export interface Problem {
  /** What is asked, whatever the wording; decides the split. Equal for problems that give each other away (17+25, 25+17). */
  readonly content: string;
  readonly answer: string;
  /** One of the task's wordings. */
  phrase(stream: Stream): string;
}

interface Definition {
  readonly id: keyof typeof taskNames;
  readonly description: string;
  readonly knobs: readonly Knob[];
  /** A problem within the knobs, or null to draw again. */
  draw(stream: Stream, knobs: Knobs): Problem | null;
  /** Default: the answer is the same integer. */
  accepts?(answer: string, question: Question): boolean;
}

/** Draws before giving up: with a fifth of all problems in the rarer split, only knobs that leave nothing to ask get there. */
const maxDraws = 10_000;

/** A task made of its definition. `generate` throws LabError 'config' for knobs that are out of range or leave nothing to ask */
export function defineTask(definition: Definition): Task {
  const { id, description, knobs: dials } = definition;
  return {
    id,
    name: taskNames[id],
    description,
    knobs: dials,
    whole: definition.accepts === undefined,
    generate(stream, split, wanted = {}) {
      refuseComplaints(checkKnobs({ id, knobs: dials }, wanted), 'Choose other values for the task.');
      const knobs: Record<string, number> = {};
      for (const dial of dials) knobs[dial.name] = wanted[dial.name] ?? dial.initial;
      for (let i = 0; i < maxDraws; i++) {
        const problem = definition.draw(stream, knobs);
        if (problem === null || splitOf(problem.content) !== split) continue;
        const text = problem.phrase(stream);
        return { id: questionId(id, text), task: id, text, answer: problem.answer };
      }
      throw new LabError('config', `The task "${id}" has no ${split} question with ${JSON.stringify(knobs)}.`, 'Widen its knobs.');
    },
    accepts: definition.accepts ?? sameInteger,
    solution: (question) => `\\boxed{${question.answer}}`,
  };
}

/** What is wrong with the knobs; empty when nothing is. */
export function checkKnobs(task: Pick<Task, 'id' | 'knobs'>, knobs: Partial<Knobs>): Complaint[] {
  const complaints: Complaint[] = [];
  const wrong = (problem: string) => complaints.push({ field: 'tasks', problem });
  for (const [name, value] of Object.entries(knobs)) {
    const dial = task.knobs.find((knob) => knob.name === name);
    if (!dial) {
      const known = task.knobs.map((knob) => knob.name).join(', ');
      wrong(`The task "${task.id}" has no knob "${name}"${known ? ` (it has ${known})` : ''}.`);
    } else if (value !== undefined && !(Number.isInteger(value) && value >= dial.low && value <= dial.high)) {
      wrong(`The knob "${name}" of "${task.id}" is ${value}, but must be a whole number from ${dial.low} to ${dial.high}.`);
    }
  }
  return complaints;
}

function sameInteger(answer: string, question: Question): boolean {
  const given = readInteger(answer);
  return given !== null && given === readInteger(question.answer);
}
