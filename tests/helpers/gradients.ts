/** The gradients of one step, of all parameters or of LoRA's adapters, to be held against others'. Nothing moves. */
import type { ObjectiveSpec, OptimSpec, PolicyEngine, StepMetrics, TrainBatch } from '../../src/engine/engine.ts';
import type { Weights } from '../../src/policy/weights.ts';

/** Without a memory and without clipping the first moment is the gradient itself. */
const still: OptimSpec = {
  learningRate: 0,
  beta1: 0,
  beta2: 0.999,
  eps: 1e-8,
  weightDecay: 0,
  maxGradNorm: 0,
  microBatchRows: 0,
};

/** @returns the step's metrics and d loss / d each tensor that is trained, by its name */
export async function gradientsOf(
  engine: PolicyEngine,
  batch: TrainBatch,
  objective: ObjectiveSpec,
): Promise<{ metrics: StepMetrics; gradients: Weights }> {
  const metrics = await engine.step(batch, objective, still);
  const { moments } = await engine.exportState();
  return { metrics, gradients: moments!.first };
}
