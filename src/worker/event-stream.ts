/**
 * The events on their way to the page, batched: at most ten deliveries a second, metrics joined into columns, and of rollouts, progress,
 * loading and checkpoint lists only the newest. It delivers to a plain function; that this ends in another thread is the worker's business.
 */
import type { PersonaAccuracy, StepReport } from '../rl/events.ts';
import type { TrainerEvent } from './api.ts';

/** @param transfer buffers inside the events that may be handed over rather than copied */
export type EventSink = (events: readonly TrainerEvent[], transfer: ArrayBuffer[]) => void;

type Of<Type extends TrainerEvent['type']> = Extract<TrainerEvent, { type: Type }>;

/** Milliseconds between two deliveries. */
export const deliveryInterval = 100;

export class EventStream {
  #sink: EventSink | null = null;
  /** In order: these are few and each counts. */
  #told: (Of<'session'> | Of<'notice'>)[] = [];
  #races: Of<'race'>[] = [];
  #evaluations: Of<'evaluation'>[] = [];
  #reports: { runId: string; report: StepReport }[] = [];
  #checkpoints = new Map<string, Of<'checkpoints'>>();
  #progress: Of<'progress'> | null = null;
  #loading: Of<'loading'> | null = null;
  #delivered = -Infinity;
  #timer: ReturnType<typeof setTimeout> | null = null;

  /** Replaces the sink. What was told before anyone listened is delivered now. */
  listen(sink: EventSink): void {
    this.#sink = sink;
    this.#schedule();
  }

  push(event: Of<'session'> | Of<'notice'> | Of<'progress'> | Of<'loading'> | Of<'checkpoints'> | Of<'evaluation'> | Of<'race'>): void {
    if (event.type === 'progress') this.#progress = event;
    else if (event.type === 'loading') this.#loading = event;
    else if (event.type === 'race') this.#races.push(event);
    else if (event.type === 'evaluation') this.#evaluations.push(event);
    else if (event.type === 'checkpoints') this.#checkpoints.set(event.runId, event);
    else {
      // The same phase at a later step says all that the earlier one did.
      const last = this.#told.at(-1);
      if (event.type === 'session' && last?.type === 'session' && last.runId === event.runId && last.phase === event.phase)
        this.#told.pop();
      this.#told.push(event);
    }
    if (event.type === 'session' && event.phase !== 'running') this.#progress = null;
    this.#schedule();
  }

  pushStep(runId: string, report: StepReport): void {
    this.#reports.push({ runId, report });
    this.#progress = null;
    this.#schedule();
  }

  /**
   * At once when the last delivery is long enough ago, because a step that computes on this thread lets no timer run;
   * otherwise by a timer, which costs nothing but a little delay where it is slowed down.
   */
  #schedule(): void {
    if (!this.#sink) return;
    const wait = this.#delivered + deliveryInterval - performance.now();
    if (wait <= 0) this.#deliver();
    else this.#timer ??= setTimeout(() => this.#deliver(), wait);
  }

  #deliver(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const transfer: ArrayBuffer[] = [];
    const events: TrainerEvent[] = [...this.#races, ...metricEvents(this.#reports, transfer)];
    const newest = this.#reports.at(-1);
    if (newest) events.push({ type: 'rollouts', runId: newest.runId, step: newest.report.step, rollouts: newest.report.rollouts });
    events.push(...this.#evaluations, ...this.#checkpoints.values(), ...this.#told);
    if (this.#progress) events.push(this.#progress);
    if (this.#loading) events.push(this.#loading);
    this.#reports = [];
    this.#races = [];
    this.#evaluations = [];
    this.#checkpoints.clear();
    this.#told = [];
    this.#progress = null;
    this.#loading = null;
    if (events.length === 0 || !this.#sink) return;
    this.#delivered = performance.now();
    this.#sink(events, transfer);
  }
}

/** Consecutive reports of one run with rising steps become one event; a step that goes back (after a recovery) begins the next. */
function metricEvents(reports: readonly { runId: string; report: StepReport }[], transfer: ArrayBuffer[]): Of<'metrics'>[] {
  const events: Of<'metrics'>[] = [];
  for (let first = 0; first < reports.length;) {
    let end = first + 1;
    const follows = (i: number) => reports[i]!.runId === reports[i - 1]!.runId && reports[i]!.report.step > reports[i - 1]!.report.step;
    while (end < reports.length && follows(end)) end++;
    const { runId } = reports[first]!;
    events.push(
      metricEvent(
        runId,
        reports.slice(first, end).map(({ report }) => report),
        transfer,
      ),
    );
    first = end;
  }
  return events;
}

function metricEvent(runId: string, reports: readonly StepReport[], transfer: ArrayBuffer[]): Of<'metrics'> {
  const steps = Int32Array.from(reports, ({ step }) => step);
  const columns: Record<string, Float64Array> = {};
  reports.forEach(({ metrics }, row) => {
    for (const [name, value] of Object.entries(metrics)) (columns[name] ??= new Float64Array(reports.length).fill(NaN))[row] = value;
  });
  const personas: readonly PersonaAccuracy[] = reports.map((report) => report.personas);
  transfer.push(steps.buffer, ...Object.values(columns).map((column) => column.buffer as ArrayBuffer));
  return { type: 'metrics', runId, steps, columns, personas };
}
