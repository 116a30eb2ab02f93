/** What a reader is told who waits for a large policy: how much of it has been read, how much has been written, and how long it still takes. */
import { describe, expect, it } from 'vitest';
import { shareWritten } from '../../src/engine/written.ts';
import { countedReads } from '../../src/policy/counted-reads.ts';
import { memoryTensor } from '../../src/policy/tensor.ts';
import { ShareClock } from '../../src/state/share-clock.ts';

describe('the share of a generation that is written', () => {
  it('grows through all turns, and a row that has ended is whole', () => {
    const written = shareWritten(4);
    // Two rows first, then the other two from their first token on.
    const told = [
      { position: 0, tokens: Int32Array.of(5, 5, -1, -1) },
      { position: 1, tokens: Int32Array.of(5, -1, -1, -1) },
      { position: 3, tokens: Int32Array.of(5, -1, -1, -1) },
      { position: 0, tokens: Int32Array.of(-1, -1, 5, 5) },
      { position: 3, tokens: Int32Array.of(-1, -1, 5, 5) },
    ];
    expect(told.map(written)).toEqual([0.125, 0.375, 0.5, 0.625, 1]);
  });
});

describe('tensors whose reads are counted', () => {
  it('are the same tensors, tell the share of all bytes, and are silent once they are loaded', async () => {
    const tensors = new Map(
      [3, 1].map((length, i) => [
        `t${i}`,
        memoryTensor(
          `t${i}`,
          [length],
          Float32Array.from({ length }, (_, at) => at),
        ),
      ]),
    );
    const told: number[] = [];
    const { weights, end } = countedReads(tensors, (share) => told.push(share));
    expect([...weights.keys()]).toEqual(['t0', 't1']);
    const bytes = await weights.get('t0')!.read(4, 12);
    expect([...new Float32Array(bytes.slice().buffer)]).toEqual([1, 2]);
    await weights.get('t1')!.read(0, 4);
    await weights.get('t0')!.read(0, 12);
    expect(told).toEqual([0.5, 0.75, 1]);
    end();
    await weights.get('t1')!.read(0, 4);
    expect(told).toHaveLength(3);
  });
});

describe('the time that is left of a share', () => {
  it('follows the rate since it was first told, and begins anew with something else', () => {
    const clock = new ShareClock();
    expect(clock.left('a', 0.2, 1000)).toBeNull();
    // A second is no measure.
    expect(clock.left('a', 0.3, 2000)).toBeNull();
    expect(clock.left('a', 0.4, 11_000)).toBeCloseTo(30, 9);
    expect(clock.left('a', 0.6, 21_000)).toBeCloseTo(20, 9);
    expect(clock.left('b', 0.6, 22_000)).toBeNull();
    expect(clock.left('b', 0.8, 32_000)).toBeCloseTo(10, 9);
    // The same once more, from its beginning.
    expect(clock.left('b', 0.1, 33_000)).toBeNull();
    expect(clock.left('b', 0.11, 43_000)).toBeNull();
  });
});
