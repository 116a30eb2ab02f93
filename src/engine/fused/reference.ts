/**
 * The frozen policy that a KL is measured against. Where adapters are trained it is the base itself without them, or a copy of the
 * adapters as they were; otherwise a copy of all parameters. Nothing is trained here.
 */
import { LabError } from '../../errors.ts';
import type { Weights } from '../../policy/weights.ts';
import { packArena } from './layout.ts';
import type { Learned } from './learned.ts';
import type { PolicyViews } from './linear.ts';
import { Arena } from './memory.ts';

export class Reference {
  /** What is its own. */
  private kind: 'parameters' | 'adapters' | 'nothing' | null = null;
  private arena: Arena | null = null;
  private views: PolicyViews | null = null;

  /** @param onGone an arena that plans may read is no more */
  constructor(
    private readonly device: GPUDevice,
    private readonly learned: Learned,
    private readonly onGone: () => void,
  ) {}

  /** @throws LabError `usage` where none was set */
  get policy(): PolicyViews {
    if (!this.views) throw new LabError('usage', 'There is no reference policy to score with.', 'Call setReference first.');
    return this.views;
  }

  /** Two with the same name are read by the same plans. */
  get name(): string {
    return `reference ${this.kind}`;
  }

  /** @param weights absent: what computes now */
  async set(weights?: Weights): Promise<void> {
    const { device, learned } = this;
    if (weights && learned.isBase(weights)) return this.take('nothing', null, learned.policyWith(null));
    const adapters = weights ? null : learned.adapters;
    const kind = adapters ? 'adapters' : 'parameters';
    const source = adapters ?? learned.parameters;
    const arena = (this.kind === kind && this.arena) || (await Arena.create(device, source.layout, 'reference'));
    if (weights) arena.write(packArena(arena.layout, weights));
    else {
      const encoder = device.createCommandEncoder();
      arena.copyFrom(source, encoder);
      device.queue.submit([encoder.finish()]);
    }
    this.take(kind, arena, adapters ? learned.policyWith(arena) : { parameters: arena, adapters: null });
  }

  get bytes(): number {
    return this.arena?.bytes ?? 0;
  }

  dispose(): void {
    this.arena?.dispose();
  }

  private take(kind: Reference['kind'], arena: Arena | null, views: PolicyViews): void {
    if (this.arena && this.arena !== arena) {
      this.onGone();
      this.arena.dispose();
    }
    this.kind = kind;
    this.arena = arena;
    this.views = views;
  }
}
