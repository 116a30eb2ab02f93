/**
 * Plans by shape: asked for by key, built when new, kept while they are used, all dropped when a buffer they bind grew.
 * A builder is run twice: once with a collector that only notes what it would need, which is the memory plan, and once for real.
 */
import type { Views } from './machine.ts';
import { Plan } from '../gpu/plan.ts';
import type { BufferView, Work } from '../gpu/work.ts';
import type { Pool } from './memory.ts';

/** Pushes dispatches and returns what its caller needs to know of them. */
export type Builder<T> = (memory: Views, works: Work[]) => T;

/** More shapes than a run alternates between; a plan is a few dozen bind groups. */
const kept = 24;

/** Numbers of four bytes that a builder needs, by buffer name. */
export function sizesOf(build: Builder<unknown>): Record<string, number> {
  const sizes: Record<string, number> = {};
  const collector: Views = {
    view(name, length): BufferView {
      sizes[name] = Math.max(sizes[name] ?? 0, length);
      return { buffer: null!, offset: 0, size: Math.max(length, 1) * 4 };
    },
  };
  build(collector, []);
  return sizes;
}

export class Plans {
  private readonly plans = new Map<string, { readonly plan: Plan; readonly extra: unknown }>();
  private generation = 0;

  constructor(
    private readonly device: GPUDevice,
    private readonly pool: Pool,
  ) {}

  /**
   * @param key two builders with the same key do the same
   * @param dial what makes the shape smaller, a sentence
   */
  async get<T>(key: string, dial: string, build: Builder<T>): Promise<{ plan: Plan; extra: T }> {
    const known = this.generation === this.pool.generation ? this.plans.get(key) : undefined;
    if (known) {
      this.plans.delete(key);
      this.plans.set(key, known); // the newest is dropped last
      return known as { plan: Plan; extra: T };
    }
    await this.pool.reserve(sizesOf(build), dial);
    if (this.generation !== this.pool.generation) this.clear();
    this.generation = this.pool.generation;
    const works: Work[] = [];
    const extra = build(this.pool, works);
    const made = { plan: await Plan.create(this.device, works, key), extra };
    this.plans.set(key, made);
    if (this.plans.size > kept) {
      const [oldest, { plan }] = this.plans.entries().next().value!;
      this.plans.delete(oldest);
      plan.dispose();
    }
    return made;
  }

  /** Forgets everything, because what was bound is gone or has moved. */
  clear(): void {
    for (const { plan } of this.plans.values()) plan.dispose();
    this.plans.clear();
  }
}
