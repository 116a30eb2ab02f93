/** How far an evaluation is: what its cells cost against each other, the time that is left, and the scores that are known so far. */
import type { Cell } from '../evaluate/evaluate.ts';
import type { Plan } from '../evaluate/plan.ts';
import type { QuestionSet } from '../evaluate/questions.ts';
import type { Persona } from '../persona/persona.ts';
import type { EvaluationRecord } from '../storage/records.ts';
import type { CellScore, EvaluationNews } from './api.ts';
import { deliveryInterval } from './event-stream.ts';

/** A scored row takes one pass where a reply takes one a token. */
const scoredRow = 0.2;

export class EvaluationProgress {
  readonly #record: EvaluationRecord;
  readonly #plan: Plan;
  readonly #set: QuestionSet;
  /** Replies, or what is worth as much, of every cell that there will be. */
  readonly #costs = new Map<string, number>();
  readonly #total: number;
  readonly #onNews: (news: EvaluationNews) => void;
  readonly #since = performance.now();
  #done = 0;
  #fresh = 0;
  #scores: CellScore[] = [];
  #phase = '';
  #told = -Infinity;

  constructor(
    record: EvaluationRecord,
    plan: Plan,
    set: QuestionSet,
    personas: readonly Persona[],
    onNews: (news: EvaluationNews) => void,
  ) {
    this.#record = record;
    this.#plan = plan;
    this.#set = set;
    this.#onNews = onNews;
    const { samples, fidelityReplies } = record.settings;
    const cost = (key: string, replies: number) => replies > 0 && this.#costs.set(key, replies);
    for (const [place] of record.policies.entries()) {
      for (const id of ['none', ...personas.map((persona) => persona.id)]) cost(`${place}/task/${id}`, plan.task.length * samples);
      if (fidelityReplies === 0) continue;
      for (const { id } of personas) {
        cost(`${place}/roleplay/${id}`, plan.roleplay.length);
        cost(`${place}/likelihood task/${id}`, Math.min(fidelityReplies, plan.task.length) * personas.length * scoredRow);
        cost(`${place}/likelihood roleplay/${id}`, plan.roleplay.length * personas.length * scoredRow);
        if (place > 0) continue;
        cost(`0/task training/${id}`, plan.taskTraining.length);
        cost(`0/roleplay training/${id}`, plan.roleplayTraining.length);
      }
    }
    this.#total = [...this.#costs.values()].reduce((sum, replies) => sum + replies, 0);
  }

  /** A cell of an earlier sitting. */
  found(key: string, cell: Cell): void {
    this.#done += this.#costs.get(key) ?? 0;
    this.#score(key, cell);
  }

  /** A cell that was just finished. @returns what is to be stored with it */
  made(key: string, cell: Cell): Pick<EvaluationRecord, 'fraction' | 'work'> {
    this.#fresh += this.#costs.get(key) ?? 0;
    this.found(key, cell);
    const { replies, seconds } = this.#record.work;
    return { fraction: this.#fraction, work: { replies: replies + this.#fresh, seconds: seconds + this.#seconds } };
  }

  /** At most ten times a second, but for the first and for scores. */
  tell(phase = this.#phase): void {
    this.#phase = phase;
    const now = performance.now();
    if (this.#scores.length === 0 && now - this.#told < deliveryInterval) return;
    this.#told = now;
    const left = this.#fresh > 0 ? ((this.#total - this.#done) * this.#seconds) / this.#fresh : null;
    const { id, policies, settings } = this.#record;
    this.#onNews({ id, policies, settings, fraction: this.#fraction, phase, secondsLeft: left, scores: this.#scores });
    this.#scores = [];
  }

  get #fraction(): number {
    return Math.min(1, this.#done / this.#total);
  }

  get #seconds(): number {
    return (performance.now() - this.#since) / 1000;
  }

  #score(key: string, cell: Cell): void {
    const [place, kind, persona] = key.split('/') as [string, string, string];
    if (kind !== 'task' || !('replies' in cell)) return;
    const { samples } = this.#record.settings;
    const right = cell.replies.filter(({ text }, row) => this.#set.judge(text, this.#plan.task[Math.floor(row / samples)]!).correct);
    this.#scores.push({
      policy: Number(place),
      personaId: persona === 'none' ? null : persona,
      correct: right.length,
      total: cell.replies.length,
    });
  }
}
