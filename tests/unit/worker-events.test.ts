/** Batching of events: at most ten deliveries a second, metrics as columns, only the newest of what replaces itself. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { StepReport } from '../../src/rl/events.ts';
import type { TrainerEvent } from '../../src/worker/api.ts';
import { deliveryInterval, EventStream } from '../../src/worker/event-stream.ts';
import { nextTask, Turns } from '../../src/worker/turns.ts';

const report = (step: number, metrics: Record<string, number> = { reward: step }): StepReport => ({
  step,
  metrics,
  personas: { none: { correct: step, total: 8 } },
  rollouts: [],
  seconds: { generate: 0, verify: 0, score: 0, update: 0 },
});
const session = (step: number, phase: 'running' | 'paused' = 'running'): TrainerEvent & { type: 'session' } => ({
  type: 'session',
  runId: 'a',
  phase,
  step,
  steps: 10,
  message: null,
});

describe('EventStream', () => {
  const deliveries: { events: readonly TrainerEvent[]; transfer: readonly ArrayBuffer[] }[] = [];
  let stream: EventStream;

  beforeEach(() => {
    vi.useFakeTimers();
    deliveries.length = 0;
    stream = new EventStream();
    stream.listen((events, transfer) => deliveries.push({ events, transfer }));
  });
  afterEach(() => vi.useRealTimers());

  it('delivers the first event at once and then at most ten times a second', () => {
    for (let ms = 0; ms < 1000; ms++) {
      stream.push({ type: 'progress', runId: 'a', step: 1, phase: 'generate', fraction: ms / 1000 });
      if (ms === 0) expect(deliveries).toHaveLength(1);
      vi.advanceTimersByTime(1);
    }
    expect(deliveries.length).toBeGreaterThan(8);
    expect(deliveries.length).toBeLessThanOrEqual(1000 / deliveryInterval + 1);
    vi.advanceTimersByTime(1000);
    const last = deliveries.at(-1)!.events;
    expect(last).toEqual([{ type: 'progress', runId: 'a', step: 1, phase: 'generate', fraction: 0.999 }]);
  });

  it('joins steps into columns whose buffers are transferred, NaN where a metric is absent', () => {
    stream.push(session(0));
    for (const [step, metrics] of [
      [1, { reward: 1 }],
      [2, { reward: 2, kl: 5 }],
      [3, { kl: 6 }],
    ] as const)
      stream.pushStep('a', report(step, metrics));
    vi.advanceTimersByTime(deliveryInterval);
    const { events, transfer } = deliveries.at(-1)!;
    expect(events.map(({ type }) => type)).toEqual(['metrics', 'rollouts']);
    expect(events[0]).toEqual({
      type: 'metrics',
      runId: 'a',
      steps: Int32Array.of(1, 2, 3),
      columns: { reward: Float64Array.of(1, 2, NaN), kl: Float64Array.of(NaN, 5, 6) },
      personas: [1, 2, 3].map((correct) => ({ none: { correct, total: 8 } })),
    });
    expect(events[1]).toMatchObject({ type: 'rollouts', step: 3 });
    expect(transfer.map((buffer) => buffer.byteLength)).toEqual([12, 24, 24]);
    structuredClone(events, { transfer: [...transfer] });
  });

  it('begins a new event where a run goes back or another begins', () => {
    stream.push(session(0));
    for (const [run, step] of [
      ['a', 4],
      ['a', 5],
      ['a', 4],
      ['b', 1],
    ] as const)
      stream.pushStep(run, report(step));
    vi.advanceTimersByTime(deliveryInterval);
    const metrics = deliveries.at(-1)!.events.filter((event) => event.type === 'metrics');
    expect(metrics.map(({ runId, steps }) => [runId, ...steps])).toEqual([
      ['a', 4, 5],
      ['a', 4],
      ['b', 1],
    ]);
  });

  it('tells every change of phase, and the newest step of each', () => {
    stream.push(session(0));
    stream.push(session(1));
    stream.push(session(2));
    stream.push({ type: 'notice', runId: 'a', level: 'info', text: 'hello' });
    stream.push(session(2, 'paused'));
    vi.advanceTimersByTime(deliveryInterval);
    expect(deliveries.at(-1)!.events).toEqual([
      session(2),
      { type: 'notice', runId: 'a', level: 'info', text: 'hello' },
      session(2, 'paused'),
    ]);
  });

  it('keeps what was told before anyone listened', () => {
    const early = new EventStream();
    early.push(session(0));
    const seen: TrainerEvent[] = [];
    early.listen((events) => seen.push(...events));
    expect(seen).toEqual([session(0)]);
  });
});

describe('Turns', () => {
  it('go one after the other, past a failure', async () => {
    const turns = new Turns();
    const order: string[] = [];
    const work =
      (name: string, fail = false) =>
      async () => {
        order.push(`${name} begins`);
        await nextTask();
        order.push(`${name} ends`);
        if (fail) throw new Error(name);
        return name;
      };
    const results = await Promise.allSettled([turns.take(work('a')), turns.take(work('b', true)), turns.take(work('c'))]);
    expect(order).toEqual(['a begins', 'a ends', 'b begins', 'b ends', 'c begins', 'c ends']);
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  });
});
