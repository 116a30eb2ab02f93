/**
 * The portable engine: the contract of `engine.ts` on tfjs ops and tfjs autodiff, for any tfjs backend. It runs where
 * there is no WebGPU, and it is what the fused engine is tested against. Choosing and starting a backend is `create.ts`.
 */
import * as tf from '@tensorflow/tfjs';
import { LabError } from '../../errors.ts';
import type { LoraSetup } from '../../policy/adapters.ts';
import type { PolicyConfig } from '../../policy/config.ts';
import type { PolicyTensors } from '../../policy/weights.ts';
import type {
  AdvantageKind,
  EngineInfo,
  GenerateProgress,
  GenerateRequest,
  ObjectiveSpec,
  OptimSpec,
  PolicyEngine,
  PolicyState,
  Rollouts,
  Scores,
  StepMetrics,
  TokenBatch,
  TrainBatch,
  TrainingShape,
} from '../engine.ts';
import { Calls } from '../calls.ts';
import { checkBatch, checkRollouts } from '../check.ts';
import { rowColumns, stepMetricsFromRows } from '../step-metrics.ts';
import { globalNorm } from './adamw.ts';
import { completionsOf, microBatches } from './batch.ts';
import { breathe } from '../breathe.ts';
import { Decoder } from './decoder.ts';
import { generate } from './generate.ts';
import { onHost } from './host.ts';
import { headLogprobs, headOf } from './head.ts';
import { clippedLoss, groupAdvantage } from './kernels/index.ts';
import { TurnedEmbedding } from './ops/linear.ts';
import { placeRows } from './ops/rows.ts';
import { HostMemory } from './memory-plan.ts';
import { arrange, type Parameters } from './parameters.ts';
import { packRows } from './rows.ts';
import { disposeAll, Trained } from './trained.ts';

/** Tokens of one forward and backward pass: bounds the memory of a pass, and keeps it near the CPU's caches. */
const maxPlacesOnHost = 4096;
/** tfjs-webgpu's softmax corrupts the last of more than 65535 rows; attention has heads times places of them. */
const maxSoftmaxRows = 65535;

export class PortableEngine implements PolicyEngine {
  private reference: { readonly tensors: tf.Tensor[]; readonly copied: boolean; readonly turned: TurnedEmbedding } | null = null;
  private disposed = false;
  private readonly decoder: Decoder;
  private readonly calls: Calls;

  private constructor(
    readonly config: PolicyConfig,
    private readonly trained: Trained,
    readonly info: EngineInfo,
    /** Null on webgpu, where nobody says how much there is. */
    private readonly memory: HostMemory | null,
    private readonly check: () => void,
    private readonly release: () => void,
    unlessLost?: <T>(work: Promise<T>) => Promise<T>,
  ) {
    this.calls = new Calls(check, unlessLost);
    this.decoder = new Decoder(config);
  }

  /**
   * Runs on the current tfjs backend.
   * @param check throws when the device reported an error since the last call: a failed submit reads as zeros
   * @param lora null: all parameters are trained
   * @param unlessLost ends a wait for a device that is gone
   */
  static async create(
    config: PolicyConfig,
    tensors: PolicyTensors,
    info: EngineInfo,
    check: () => void = () => {},
    release: () => void = () => {},
    lora: LoraSetup | null = null,
    unlessLost?: <T>(work: Promise<T>) => Promise<T>,
  ): Promise<PortableEngine> {
    const { backend } = info;
    const memory = backend === 'webgpu' ? null : new HostMemory(backend, config, lora?.rank ?? 0, maxPlacesOnHost);
    memory?.hold();
    try {
      const trained = await Trained.create(config, tensors, lora);
      return new PortableEngine(config, trained, info, memory, check, release, unlessLost);
    } catch (error) {
      memory?.release();
      throw error;
    }
  }

  async generate(request: GenerateRequest, onProgress?: (progress: GenerateProgress) => void): Promise<Rollouts> {
    const { prompts, repeats, sampling } = request;
    const longest = prompts.reduce((most, prompt) => Math.max(most, prompt.length), 0);
    const width = Math.min(this.config.maxPositions, longest + sampling.maxNewTokens);
    this.memory?.checkGenerating(prompts.length, longest, prompts.length * repeats, width);
    return this.inTurn(async () => checkRollouts(await generate(this.decoder, this.current(), request, this.maxPlaces(), onProgress)));
  }

  async score(batch: TokenBatch, options: { readonly temperature: number; readonly policy: 'current' | 'reference' }): Promise<Scores> {
    checkBatch(batch, this.config);
    const most = Math.max(batch.width, Math.min(batch.rows * batch.width, this.maxPlaces()));
    this.memory?.checkReading(most, Math.min(most, Math.ceil(most / batch.width) * batch.completionWidth));
    // As in the sampler: the log-probs of greedy decoding are those of temperature 1.
    const temperature = options.temperature > 0 ? options.temperature : 1;
    return this.inTurn(async () => {
      const parameters = options.policy === 'reference' ? this.reference && this.frozen(this.reference) : this.current();
      if (!parameters) throw new LabError('usage', 'There is no reference policy to score with.', 'Call setReference first.');
      const { rows, completionWidth } = batch;
      const logprobs = new Float32Array(rows * completionWidth);
      const entropies = new Float32Array(rows * completionWidth);
      for (const [first, last] of microBatches(batch, 0, this.maxPlaces())) {
        const { packed, places, targets, cells } = completionsOf(batch, first, last);
        if (cells.length === 0) continue;
        const both = tf.tidy(() => {
          const read = this.decoder.read(parameters, packed, places);
          const { logprob, entropy } = headLogprobs(read, headOf(parameters, true), targets, temperature);
          return tf.concat([logprob, entropy]);
        });
        const values = await both.data();
        both.dispose();
        cells.forEach((cell, m) => {
          logprobs[first * completionWidth + cell] = values[m]!;
          entropies[first * completionWidth + cell] = values[places.length + m]!;
        });
        await breathe();
      }
      return { logprobs, entropies };
    });
  }

  async advantages(rewards: Float32Array, groupSize: number, kind: AdvantageKind): Promise<Float32Array> {
    if (groupSize < 2) {
      throw new LabError('config', `A group of ${groupSize} rollout has nothing to be compared with.`, 'Set the group size to 2 or more.');
    }
    return this.inTurn(async () => {
      const tensor = tf.tidy(() => groupAdvantage(tf.tensor1d(rewards), groupSize, kind));
      // A copy: on the host backends the values are the tensor's own memory.
      const values = Float32Array.from(await tensor.data());
      tensor.dispose();
      return values;
    });
  }

  async step(batch: TrainBatch, objective: ObjectiveSpec, optim: OptimSpec, onProgress?: (fraction: number) => void): Promise<StepMetrics> {
    checkBatch(batch, this.config);
    this.planMemory({ ...batch, microBatchRows: optim.microBatchRows, withReference: false });
    if (objective.kl !== 'none' && objective.beta !== 0 && !batch.refLogprobs) {
      throw new LabError('usage', `The KL term ${objective.kl} needs reference log-probs.`, 'Score the batch under the reference first.');
    }
    return this.inTurn(async () => {
      const rows = new Float32Array(batch.rows * rowColumns.length);
      let gradients: tf.Tensor[] | null = null;
      try {
        for (const [first, last] of microBatches(batch, optim.microBatchRows, this.maxPlaces())) {
          const part = await this.gradients(batch, first, last, objective, rows);
          if (part) gradients = gradients ? accumulate(gradients, part) : part;
          onProgress?.(last / batch.rows);
          await breathe();
        }
        const metrics = stepMetricsFromRows(rows, objective, { old: batch.oldLogprobs !== null, ref: batch.refLogprobs !== null });
        const gradNorm = gradients ? await globalNorm(gradients) : 0;
        this.check(); // before anything it computed is kept
        const skipped = !Number.isFinite(metrics.loss) || !Number.isFinite(gradNorm);
        if (skipped) this.trained.skippedSteps++;
        else if (gradients) this.trained.update(gradients, gradNorm, optim);
        return { ...metrics, gradNorm, skipped };
      } finally {
        gradients?.forEach((g) => g.dispose());
      }
    });
  }

  /**
   * Gradients of the loss of rows [first, last) in what is trained, whose row sums go to `rowSums` [R, K]. Null where nothing counts.
   * The caller disposes them.
   */
  private async gradients(
    batch: TrainBatch,
    first: number,
    last: number,
    objective: ObjectiveSpec,
    rowSums: Float32Array,
  ): Promise<tf.Tensor[] | null> {
    const count = last - first;
    const width = batch.completionWidth;
    const { packed, places, targets, cells } = completionsOf(batch, first, last, batch.mask);
    if (cells.length === 0) return null;
    const cellsOf = (values: ArrayLike<number>) =>
      tf.tensor2d(Float32Array.from(values).subarray(first * width, last * width), [count, width]);
    let sums: tf.Tensor2D | null = null;
    const { value, grads } = tf.valueAndGrads((...tensors: tf.Tensor[]) => {
      const parameters = arrange(this.config, this.trained.policy(tensors), this.trained.turned);
      const read = this.decoder.read(parameters, packed, places);
      const scored = headLogprobs(read, headOf(parameters, this.trained.adapted), targets, objective.temperature);
      const onGrid = (x: tf.Tensor1D) => tf.reshape(placeRows(tf.reshape(x, [-1, 1]), cells, count * width), [count, width]) as tf.Tensor2D;
      const { loss, rows } = clippedLoss(
        {
          logprob: onGrid(scored.logprob),
          entropy: onGrid(scored.entropy),
          old: batch.oldLogprobs && cellsOf(batch.oldLogprobs),
          ref: batch.refLogprobs && cellsOf(batch.refLogprobs),
          mask: cellsOf(batch.mask),
          advantage: tf.tensor1d(batch.advantages.slice(first, last)),
          rowWeight: tf.tensor1d(batch.rowWeights.slice(first, last)),
          stepTokens: batch.mask.reduce((sum, m) => sum + m, 0),
        },
        objective,
      );
      sums = tf.keep(rows);
      return loss;
    })(this.trained.tensors);
    value.dispose();
    rowSums.set(await sums!.data(), first * rowColumns.length);
    sums!.dispose();
    return grads;
  }

  planMemory(shape: TrainingShape): null {
    // One that was set takes its room whether it is asked or not.
    this.memory?.checkTraining({ ...shape, withReference: shape.withReference || this.reference !== null });
    return null;
  }

  async logits(tokens: Int32Array): Promise<Float32Array> {
    const batch = {
      rows: 1,
      width: tokens.length,
      completionWidth: 0,
      tokens,
      promptLengths: Int32Array.of(tokens.length),
      lengths: Int32Array.of(tokens.length),
    };
    checkBatch(batch, this.config);
    this.memory?.checkReading(tokens.length, 1);
    return this.inTurn(async () => {
      const logits = tf.tidy(() => {
        const parameters = this.current();
        const read = this.decoder.read(parameters, packRows([tokens]), Int32Array.of(tokens.length - 1));
        return tf.matMul(read, headOf(parameters, true).columns);
      });
      const values = (await logits.data()) as Float32Array;
      logits.dispose();
      return values;
    });
  }

  async setReference(): Promise<void> {
    return this.inTurn(async () => {
      this.forgetReference();
      this.reference = { ...(await this.trained.ownParameters()), turned: new TurnedEmbedding() };
    });
  }

  async exportState(): Promise<PolicyState> {
    return this.inTurn(() => this.trained.exportState());
  }

  async importState(state: PolicyState): Promise<void> {
    return this.inTurn(async () => {
      // The base that adapters were added to may go with the state before this one.
      const again = this.reference !== null && !this.reference.copied;
      if (again) this.forgetReference();
      try {
        await this.trained.importState(state);
      } finally {
        if (again) this.reference = { ...(await this.trained.ownParameters()), turned: new TurnedEmbedding() };
      }
    });
  }

  dispose(): void {
    if (this.disposed) return;
    this.disposed = true;
    this.memory?.release();
    this.trained.dispose();
    this.forgetReference();
    this.release();
  }

  private forgetReference(): void {
    if (!this.reference) return;
    if (this.reference.copied) disposeAll(this.reference.tensors);
    this.reference.turned.dispose();
    this.reference = null;
  }

  private current(): Parameters {
    return arrange(this.config, this.trained.parameters, this.trained.turned);
  }

  private frozen({ tensors, turned }: { readonly tensors: tf.Tensor[]; readonly turned: TurnedEmbedding }): Parameters {
    return arrange(this.config, tensors, turned);
  }

  /** One call at a time: a step disposes the parameters that a generation would still be reading. */
  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    return this.calls.inTurn(work);
  }

  private maxPlaces(): number {
    return onHost() ? maxPlacesOnHost : Math.min(maxPlacesOnHost, Math.floor(maxSoftmaxRows / this.config.heads));
  }
}

function accumulate(total: tf.Tensor[], part: tf.Tensor[]): tf.Tensor[] {
  return total.map((sum, i) => {
    const both = tf.add(sum, part[i]!);
    disposeAll([sum, part[i]!]);
    return both;
  });
}
