/**
 * What a fused engine takes at once, asked again and again: the answers of `memory-plan.ts` for its own policy and device, remembered, and
 * halved where the GPU turns out to have less than it may take.
 */
import { labErrorCode } from '../../errors.ts';
import type { GenerateRequest, MemoryPlan, TrainingShape } from '../engine.ts';
import { cellBucket } from './head.ts';
import type { Machine } from './machine.ts';
import {
  fitGeneration,
  fitPass,
  planMemory,
  type BatchShape,
  type GenerationFit,
  type Layouts,
  type Limits,
  type PassFit,
} from './memory-plan.ts';
import { promptLengths } from './rollouts.ts';

export class Fits {
  private readonly known = new Map<string, PassFit | GenerationFit>();

  /** @param layouts as they are now */
  constructor(
    private readonly machine: Machine,
    private readonly layouts: () => Layouts,
    private limits: Limits,
  ) {}

  pass(asked: BatchShape, kind: 'train' | 'score'): PassFit {
    // So that answers are asked for again, of so many tokens roughly.
    const of = { ...asked, tokens: cellBucket(asked.tokens) };
    return this.remembered(`${kind} ${of.tokens} ${of.rows} ${of.width} ${of.completionWidth}`, () =>
      fitPass(this.machine, this.layouts(), of, kind, this.limits),
    );
  }

  generation({ prompts, repeats, sampling }: GenerateRequest): GenerationFit {
    const of = { groups: prompts.length, ...promptLengths(prompts), repeats, sampling };
    return this.remembered(`generate ${of.groups} ${of.longest} ${of.shortest} ${repeats} ${sampling.maxNewTokens}`, () =>
      fitGeneration(this.machine, this.layouts(), of, this.limits),
    );
  }

  /** @param reference bytes of a copy of the policy  @throws LabError `webgpu` or `memory` */
  plan(shape: TrainingShape, reference: number): MemoryPlan {
    return planMemory(this.machine, this.layouts(), shape, this.limits, reference);
  }

  /** What was asked of the GPU's memory; null where it has not so much, and less is to be tried. @param divisible whether there is less */
  async orLess<T>(divisible: boolean, ask: () => Promise<T>): Promise<T | null> {
    try {
      return await ask();
    } catch (error) {
      if (!divisible || labErrorCode(error) !== 'memory') throw error;
      this.limits = { ...this.limits, budget: this.limits.budget / 2 };
      this.forget();
      return null;
    }
  }

  /** The layouts are others now. */
  forget(): void {
    this.known.clear();
  }

  private remembered<T extends PassFit | GenerationFit>(key: string, compute: () => T): T {
    const fit = (this.known.get(key) as T | undefined) ?? compute();
    this.known.set(key, fit);
    return fit;
  }
}
