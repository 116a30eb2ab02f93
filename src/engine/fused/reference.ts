/**
 * The frozen policy that a KL is measured against: the one that the engine was made with. Where adapters are trained on it, it is what
 * computes, without them; otherwise a copy of its own. Nothing is trained here.
 */
import { LabError } from '../../errors.ts';
import type { Learned, Own } from './learned.ts';
import type { PolicyViews } from './linear.ts';
import { Arena } from './memory.ts';
import { writeTensors } from './upload.ts';

export class Reference {
  private wanted = false;
  private arena: Arena | null = null;

  constructor(
    private readonly device: GPUDevice,
    private readonly own: Own,
    private readonly learned: Learned,
  ) {}

  /** @throws LabError `memory` where there is no room for a copy */
  async set(): Promise<void> {
    this.wanted = true;
    await this.views();
  }

  /** What computes it, and a name: two of one name are read by the same plans. @throws LabError `usage` where none was set */
  async views(): Promise<{ readonly policy: PolicyViews; readonly name: string }> {
    if (!this.wanted) throw new LabError('usage', 'There is no reference policy to score with.', 'Call setReference first.');
    const { device, own, learned } = this;
    if (learned.adapters && learned.isOwn) return { policy: learned.policyWith(null), name: 'base' };
    if (!this.arena) {
      const arena = await Arena.create(device, own.layouts.frozen, 'reference');
      await writeTensors(device, arena, own.tensors);
      this.arena = arena;
    }
    return { policy: { parameters: this.arena, adapters: null }, name: 'reference' };
  }

  get bytes(): number {
    return this.arena?.bytes ?? 0;
  }

  dispose(): void {
    this.arena?.dispose();
  }
}
