/**
 * Who is measured: an engine of this project behind its own contract, or a peer that does the same. The benchmark asks all
 * of them the same things and does not know how they compute.
 */
import type { BackendName, EngineName, GenerateRequest, ObjectiveSpec, OptimSpec, PolicyEngine, TrainBatch } from '../engine/engine.ts';
import { createEngine } from '../engine/create.ts';
import type { FusedEngine } from '../engine/fused/engine.ts';
import type { PolicyConfig } from '../policy/config.ts';
import { tensorsOf, type Weights } from '../policy/weights.ts';

export interface StepResult {
  readonly loss: number;
  /** Before clipping. */
  readonly gradNorm: number;
  /** JavaScript milliseconds of encoding alone, where the engine knows. */
  readonly encodeMs: number | null;
}

export interface DrawnTokens {
  readonly rows: number;
  readonly completionWidth: number;
  /** [R, C], without the prompts */
  readonly tokens: Int32Array;
  /** [R, C] */
  readonly logprobs: Float32Array;
}

export interface Contender {
  readonly name: string;
  /** A whole optimiser step; resolves when its loss is on the host. */
  step(batch: TrainBatch): Promise<StepResult>;
  rollouts(request: GenerateRequest): Promise<DrawnTokens>;
  weights(): Promise<Weights>;
  dispose(): void;
}

export class EngineContender implements Contender {
  private constructor(
    readonly name: EngineName,
    readonly engine: PolicyEngine,
    private readonly objective: ObjectiveSpec,
    private readonly optim: OptimSpec,
  ) {}

  /** @throws LabError when there is no such engine */
  static async create(
    name: EngineName,
    config: PolicyConfig,
    weights: Weights,
    objective: ObjectiveSpec,
    optim: OptimSpec,
    backend: BackendName = 'webgpu',
  ) {
    const engine = await createEngine({ config, weights: tensorsOf(config, weights), engine: name, backend });
    return new EngineContender(name, engine, objective, optim);
  }

  async step(batch: TrainBatch): Promise<StepResult> {
    const { loss, gradNorm } = await this.engine.step(batch, this.objective, this.optim);
    const { lastStep } = this.engine as Partial<Pick<FusedEngine, 'lastStep'>>;
    return { loss, gradNorm, encodeMs: lastStep?.encodeMs ?? null };
  }

  async rollouts(request: GenerateRequest): Promise<DrawnTokens> {
    const { rows, width, completionWidth, tokens, promptLengths, logprobs } = await this.engine.generate(request);
    const drawn = new Int32Array(rows * completionWidth);
    for (let row = 0; row < rows; row++) {
      const first = row * width + promptLengths[row]!;
      drawn.set(tokens.subarray(first, Math.min(first + completionWidth, (row + 1) * width)), row * completionWidth);
    }
    return { rows, completionWidth, tokens: drawn, logprobs };
  }

  async weights(): Promise<Weights> {
    return (await this.engine.exportState()).weights!;
  }

  dispose(): void {
    this.engine.dispose();
  }
}
