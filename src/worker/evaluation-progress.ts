/** How far an evaluation is: the cells that there will be, the time that is left, and the scores that are known so far. */
import { cellPlace, evaluationCells, plannedSizes, workOf, type Rows, type RowSort } from '../evaluate/cells.ts';
import type { Cell } from '../evaluate/request.ts';
import type { EvaluationPlan } from '../evaluate/plan.ts';
import type { QuestionSet } from '../evaluate/questions.ts';
import type { Persona } from '../persona/persona.ts';
import type { EvaluationRecord } from '../storage/records.ts';
import type { CellScore, EvaluationUpdate } from './evaluation-api.ts';
import { deliveryInterval } from './event-stream.ts';

/** What a scored row costs against a generated one, roughly: for the bar. The time that is left is measured. */
const scoredCost = { fused: 0.2, portable: 0.9, wasm: 0.9 } as const;

export class EvaluationClock {
  readonly #record: EvaluationRecord;
  readonly #plan: EvaluationPlan;
  readonly #set: QuestionSet;
  /** Rows of every cell that there will be. */
  readonly #rows = new Map<string, number>();
  readonly #onUpdate: (update: EvaluationUpdate) => void;
  /** Rows that are still to be done. */
  readonly #left: Record<RowSort, number> = { asked: 0, scored: 0 };
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
    const ids = personas.map(({ id }) => id);
    for (const { key, sort, rows } of evaluationCells(
      record.policies.map((_, place) => place),
      0,
      ids,
      plannedSizes(plan),
      record.settings,
    )) {
      this.#rows.set(key, rows);
      this.#left[sort] += rows;
    }
    this.#total = this.#cost;
  }

  /** A cell of an earlier session. */
  async found(key: string, cell: Cell): Promise<void> {
    this.#left[sortOf(key)] -= this.#rows.get(key) ?? 0;
    await this.#score(key, cell);
  }

  /** A cell that was just finished. @returns what is to be stored with it */
  async made(key: string, cell: Cell): Promise<Pick<EvaluationRecord, 'fraction' | 'work'>> {
    const now = performance.now();
    const sort = sortOf(key);
    const { rows, seconds } = this.#work[sort];
    const more = { rows: rows + (this.#rows.get(key) ?? 0), seconds: seconds + (now - this.#since) / 1000 };
    this.#work = { ...this.#work, [sort]: more };
    this.#since = now;
    await this.found(key, cell);
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
    return workOf(this.#left, scoredCost[this.#record.engine.engine]);
  }

  get #fraction(): number {
    return Math.min(1, 1 - this.#cost / this.#total);
  }

  async #score(key: string, cell: Cell): Promise<void> {
    const { owner, kind, persona } = cellPlace(key);
    if (kind !== 'task' || !('replies' in cell)) return;
    const { samples } = this.#record.settings;
    const judged = cell.replies.map((reply, row) => this.#set.judge(reply, this.#plan.task[Math.floor(row / samples)]!));
    const right = (await Promise.all(judged)).filter(({ correct }) => correct);
    this.#scores.push({
      policy: Number(owner),
      personaId: persona,
      correct: right.length,
      total: cell.replies.length,
    });
  }
}

const sortOf = (key: string): RowSort => (cellPlace(key).kind.startsWith('likelihood') ? 'scored' : 'asked');

/** At the rates that were measured; a scored row counts as a reply until there is one. Null: nothing was measured. */
export function secondsFor(rows: Rows, { asked, scored }: EvaluationRecord['work']): number | null {
  if (asked.rows === 0 || asked.seconds === 0) return null;
  const reply = asked.seconds / asked.rows;
  return rows.asked * reply + rows.scored * (scored.rows > 0 ? scored.seconds / scored.rows : reply);
}
