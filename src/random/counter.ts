/**
 * Counter-based random numbers: a draw is a pure function of four 32-bit counters, so that every engine,
 * every backend and every resumed run sees the same draw. `shaders/lib/random.wgsl` is the same function.
 * It is not a cryptographic generator.
 *
 * pcg4d: Jarzynski and Olano, "Hash Functions for GPU Rendering", JCGT 9(3), 2020.
 */

/** One draw: four counters in, one unsigned 32-bit integer out. */
export function counterBits(a: number, b: number, c: number, d: number): number {
  let x = (Math.imul(a, 1664525) + 1013904223) | 0;
  let y = (Math.imul(b, 1664525) + 1013904223) | 0;
  let z = (Math.imul(c, 1664525) + 1013904223) | 0;
  let w = (Math.imul(d, 1664525) + 1013904223) | 0;
  x = (x + Math.imul(y, w)) | 0;
  y = (y + Math.imul(z, x)) | 0;
  z = (z + Math.imul(x, y)) | 0;
  w = (w + Math.imul(y, z)) | 0;
  x ^= x >>> 16;
  y ^= y >>> 16;
  z ^= z >>> 16;
  w ^= w >>> 16;
  x = (x + Math.imul(y, w)) | 0;
  y = (y + Math.imul(z, x)) | 0;
  z = (z + Math.imul(x, y)) | 0;
  w = (w + Math.imul(y, z)) | 0;
  return w >>> 0;
}

/** Uniform in [0, 1) with 24 bits, exactly representable in float32, hence equal in WGSL. */
export function counterUniform(a: number, b: number, c: number, d: number): number {
  return (counterBits(a, b, c, d) >>> 8) / 16777216;
}

/** What a draw is for. Each purpose has its own stream, so that adding draws to one never shifts another. */
export const Purpose = {
  sampling: 0x0,
  question: 0x51a7e57,
  persona: 0x9e3779b,
  weights: 0x2545f491,
  corpus: 0x6c07896,
  evaluation: 0x85ebca6,
  adapters: 0x27d4eb2f,
} as const;

/** A sequential view of one stream: draw number n is `counterUniform(seed ^ purpose, step, row, n)`. */
export class Stream {
  #position = 0;
  constructor(
    readonly seed: number,
    readonly purpose: number,
    readonly step = 0,
    readonly row = 0,
  ) {}

  /** Uniform in [0, 1). */
  uniform(): number {
    return counterUniform(this.seed ^ this.purpose, this.step, this.row, this.#position++);
  }

  /** Uniform integer in [low, high], both included. */
  integer(low: number, high: number): number {
    return low + Math.floor(this.uniform() * (high - low + 1));
  }

  /** One element, uniformly. */
  pick<T>(items: readonly T[]): T {
    const item = items[this.integer(0, items.length - 1)];
    if (item === undefined) throw new Error('pick from an empty list');
    return item;
  }

  /** An index drawn with the given non-negative weights. */
  weighted(weights: readonly number[]): number {
    const total = weights.reduce((sum, w) => sum + w, 0);
    let target = this.uniform() * total;
    for (let i = 0; i < weights.length; i++) {
      target -= weights[i]!;
      if (target < 0) return i;
    }
    return weights.length - 1;
  }

  /** Standard normal (Box-Muller). */
  normal(): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.uniform()));
    return radius * Math.cos(2 * Math.PI * this.uniform());
  }

  /** A Fisher-Yates shuffle of a copy. */
  shuffle<T>(items: readonly T[]): T[] {
    const out = items.slice();
    for (let i = out.length - 1; i > 0; i--) {
      const j = this.integer(0, i);
      [out[i], out[j]] = [out[j]!, out[i]!];
    }
    return out;
  }
}
