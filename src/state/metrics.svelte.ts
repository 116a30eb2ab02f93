/**
 * The viewed run's metrics as columns of numbers, and accuracy counted per voice.
 * Deliberately not reactive proxies: charts read plain arrays, and one counter says when to read again.
 */
import type { PersonaAccuracy, StepRow } from '../rl/events.ts';
import type { MetricName } from '../rl/metric-names.ts';

export type Column = Float64Array;

/** Rows of accuracy counts, one number a step. */
export interface AccuracyTally {
  readonly correct: readonly number[];
  readonly total: readonly number[];
}

export class Metrics {
  /** Rises with every change; reading it is what makes a chart follow. */
  version = $state(0);

  #length = 0;
  #capacity = 256;
  #steps = new Int32Array(this.#capacity);
  readonly #columns = new Map<string, Float64Array>();
  readonly #tallies = new Map<string, { correct: number[]; total: number[] }>();
  /** Persona id to voice id; `none` stays `none`. */
  #voiceOf: (personaId: string) => string = (id) => id;

  get length(): number {
    return this.#length;
  }

  /** [length] step numbers, from 1. */
  get steps(): Int32Array {
    return this.#steps.subarray(0, this.#length);
  }

  get names(): string[] {
    return [...this.#columns.keys()];
  }

  get lastStep(): number {
    return this.#length ? this.#steps[this.#length - 1]! : 0;
  }

  /** [length] one metric, NaN where a step did not have it; null where no step had it. */
  column(name: MetricName): Column | null {
    return this.#columns.get(name)?.subarray(0, this.#length) ?? null;
  }

  /** The newest number of a metric that is not NaN. */
  latest(name: MetricName): number | null {
    const column = this.column(name);
    for (let row = this.#length - 1; column && row >= 0; row--) if (!Number.isNaN(column[row]!)) return column[row]!;
    return null;
  }

  /** Accuracy counts of a voice (or `none`), aligned with `steps`. */
  tally(voice: string): AccuracyTally | null {
    return this.#tallies.get(voice) ?? null;
  }

  /** The same for one persona. */
  personaTally(personaId: string): AccuracyTally | null {
    return this.#tallies.get(`persona ${personaId}`) ?? null;
  }

  clear(voiceOf: (personaId: string) => string = this.#voiceOf): void {
    this.#voiceOf = voiceOf;
    this.#length = 0;
    this.#columns.clear();
    this.#tallies.clear();
    this.version++;
  }

  /** Adds steps; a step that is already there means that the run went back, so everything from it on is replaced. */
  append(
    steps: ArrayLike<number>,
    columns: Readonly<Partial<Record<MetricName, ArrayLike<number>>>>,
    personas: readonly PersonaAccuracy[],
  ): void {
    if (!steps.length) return;
    this.#cutAt(steps[0]!);
    const from = this.#length;
    this.#reserve(from + steps.length);
    for (let i = 0; i < steps.length; i++) this.#steps[from + i] = steps[i]!;
    for (const [name, values] of Object.entries(columns)) {
      const column = this.#columns.get(name) ?? new Float64Array(this.#capacity).fill(NaN);
      this.#columns.set(name, column);
      for (let i = 0; i < steps.length; i++) column[from + i] = values[i] ?? NaN;
    }
    this.#length += steps.length;
    personas.forEach((accuracy, i) => this.#count(from + i, accuracy));
    this.version++;
  }

  appendRows(rows: readonly { readonly step: number; readonly metrics: StepRow; readonly personas: PersonaAccuracy }[]): void {
    const names = new Set(rows.flatMap((row) => Object.keys(row.metrics) as MetricName[]));
    const columns = Object.fromEntries([...names].map((name) => [name, rows.map((row) => row.metrics[name] ?? NaN)]));
    this.append(
      rows.map((row) => row.step),
      columns,
      rows.map((row) => row.personas),
    );
  }

  #cutAt(step: number): void {
    let keep = this.#length;
    while (keep > 0 && this.#steps[keep - 1]! >= step) keep--;
    if (keep === this.#length) return;
    for (const column of this.#columns.values()) column.fill(NaN, keep);
    for (const { correct, total } of this.#tallies.values()) {
      correct.length = Math.min(correct.length, keep);
      total.length = Math.min(total.length, keep);
    }
    this.#length = keep;
  }

  #reserve(length: number): void {
    if (length <= this.#capacity) return;
    while (this.#capacity < length) this.#capacity *= 2;
    const steps = new Int32Array(this.#capacity);
    steps.set(this.#steps);
    this.#steps = steps;
    for (const [name, column] of this.#columns) {
      const grown = new Float64Array(this.#capacity).fill(NaN);
      grown.set(column);
      this.#columns.set(name, grown);
    }
  }

  #count(row: number, accuracy: PersonaAccuracy): void {
    for (const [id, counts] of Object.entries(accuracy)) {
      this.#add(id === 'none' ? id : this.#voiceOf(id), row, counts);
      if (id !== 'none') this.#add(`persona ${id}`, row, counts);
    }
  }

  #add(key: string, row: number, counts: { readonly correct: number; readonly total: number }): void {
    const tally = this.#tallies.get(key) ?? { correct: [], total: [] };
    this.#tallies.set(key, tally);
    while (tally.total.length <= row) {
      tally.correct.push(0);
      tally.total.push(0);
    }
    tally.correct[row]! += counts.correct;
    tally.total[row]! += counts.total;
  }
}
