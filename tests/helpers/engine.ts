/** Engines of numbers in memory, as tests make them; policies from files have tensors already. */
import { createEngine as create, type EngineOptions } from '../../src/engine/create.ts';
import type { PolicyEngine } from '../../src/engine/engine.ts';
import { tensorsOf, type PolicyTensors, type Weights } from '../../src/policy/weights.ts';

export type TestEngineOptions = Omit<EngineOptions, 'weights'> & { readonly weights: Weights | PolicyTensors };

export function createEngine({ weights, ...options }: TestEngineOptions): Promise<PolicyEngine> {
  return create({
    ...options,
    weights: weights instanceof Map ? (weights as PolicyTensors) : tensorsOf(options.config, weights as Weights),
  });
}
