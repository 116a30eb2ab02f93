/** How far an evaluation is: the cells that there will be, the time that is left, and the scores that are known so far. */
import type { Cell } from '../evaluate/request.ts';
import type { EvaluationPlan } from '../evaluate/plan.ts';
import type { QuestionSet } from '../evaluate/questions.ts';
import type { Persona } from '../persona/persona.ts';
import type { EvaluationRecord } from '../storage/records.ts';
import type { CellScore, EvaluationUpdate } from './api.ts';
import { deliveryInterval } from './event-stream.ts';

/** What a scored row costs against a generated one, roughly: for the bar. The time that is left is measured. */
const scoredCost = { fused: 0.2, portable: 0.9 } as const;

type Sort = 'asked' | 'scored';

export class EvaluationClock {
  readonly #record: EvaluationRecord;
  readonly #plan: EvaluationPlan;
  readonly #set: QuestionSet;
  /** Rows of every cell that there will be. */
  readonly #rows = new Map<string, number>();
  readonly #onUpdate: (update: EvaluationUpdate) => void;
  /** Rows that are still to be done. */
  readonly #left: Record<Sort, number> = { asked: 0, scored: 0 };
  readonly #total: number;
  #work: EvaluationRecord['work'];
  #since = performance.now();
  #scores: CellScore[] = [];
  #phase = '';
  #told = -Infinity;

  constructor(
    record: EvaluationRecord,
    plan: EvaluationPlan,
    set: QuestionSet,
    personas: readonly Persona[],
    onUpdate: (update: EvaluationUpdate) => void,
  ) {
    this.#record = record;
    this.#plan = plan;
    this.#set = set;
    this.#onUpdate = onUpdate;
    this.#work = record.work;
    const { samples, fidelityReplies } = record.settings;
    const cell = (key: string, rows: number) => {
      if (rows === 0) return;
      this.#rows.set(key, rows);
      this.#left[sortOf(key)] += rows;
    };
    for (const [place] of record.policies.entries()) {
      for (const id of ['none', ...personas.map((persona) => persona.id)]) cell(`${place}/task/${id}`, plan.task.length * samples);
      if (fidelityReplies === 0) continue;
      for (const { id } of personas) {
        cell(`${place}/roleplay/${id}`, plan.roleplay.length);
        cell(`${place}/likelihood task/${id}`, Math.min(fidelityReplies, plan.task.length) * personas.length);
        cell(`${place}/likelihood roleplay/${id}`, plan.roleplay.length * personas.length);
        if (place > 0) continue;
        cell(`0/task training/${id}`, plan.taskTraining.length);
        cell(`0/roleplay training/${id}`, plan.roleplayTraining.length);
      }
    }
    this.#total = this.#cost;
  }

  /** A cell of an earlier session. */
  found(key: string, cell: Cell): void {
    this.#left[sortOf(key)] -= this.#rows.get(key) ?? 0;
    this.#score(key, cell);
  }

  /** A cell that was just finished. @returns what is to be stored with it */
  made(key: string, cell: Cell): Pick<EvaluationRecord, 'fraction' | 'work'> {
    const now = performance.now();
    const sort = sortOf(key);
    const { rows, seconds } = this.#work[sort];
    const more = { rows: rows + (this.#rows.get(key) ?? 0), seconds: seconds + (now - this.#since) / 1000 };
    this.#work = { ...this.#work, [sort]: more };
    this.#since = now;
    this.found(key, cell);
    return { fraction: this.#fraction, work: this.#work };
  }

  /** At most ten times a second, but for the first and for scores. */
  tell(phase = this.#phase): void {
    this.#phase = phase;
    const now = performance.now();
    if (this.#scores.length === 0 && now - this.#told < deliveryInterval) return;
    this.#told = now;
    const { id, policies, settings } = this.#record;
    this.#onUpdate({
      id,
      policies,
      settings,
      fraction: this.#fraction,
      phase,
      secondsLeft: secondsFor(this.#left, this.#work),
      scores: this.#scores,
    });
    this.#scores = [];
  }

  get #cost(): number {
    return this.#left.asked + scoredCost[this.#record.engine.engine] * this.#left.scored;
  }

  get #fraction(): number {
    return Math.min(1, 1 - this.#cost / this.#total);
  }

  #score(key: string, cell: Cell): void {
    const [place, kind, persona] = key.split('/') as [string, string, string];
    if (kind !== 'task' || !('replies' in cell)) return;
    const { samples } = this.#record.settings;
    const right = cell.replies.filter((reply, row) => this.#set.judge(reply, this.#plan.task[Math.floor(row / samples)]!).correct);
    this.#scores.push({
      policy: Number(place),
      personaId: persona === 'none' ? null : persona,
      correct: right.length,
      total: cell.replies.length,
    });
  }
}

function sortOf(key: string): Sort {
  return key.split('/')[1]!.startsWith('likelihood') ? 'scored' : 'asked';
}

/** At the rates that were measured; a scored row counts as a reply until there is one. Null: nothing was measured. */
export function secondsFor(rows: Readonly<Record<Sort, number>>, { asked, scored }: EvaluationRecord['work']): number | null {
  if (asked.rows === 0 || asked.seconds === 0) return null;
  const reply = asked.seconds / asked.rows;
  return rows.asked * reply + rows.scored * (scored.rows > 0 ? scored.seconds / scored.rows : reply);
}
