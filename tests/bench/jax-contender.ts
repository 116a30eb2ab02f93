/**
 * jax-js in the benchmark: one optimiser step (forward, clipped loss, backward, global-norm clip, AdamW) under one `jit`,
 * and rollouts by a jitted decode step with a key/value cache of fixed size, whose tokens stay on the device until the end.
 * Same data in and out as the engines', so that what it computes can be held against theirs.
 */
import { getWebGPUDevice, init, defaultDevice, jit, nn, numpy as np, random, tree, valueAndGrad } from '@jax-js/jax';
import type { GenerateRequest, ObjectiveSpec, OptimSpec, TrainBatch } from '../../src/engine/engine.ts';
import type { PolicyConfig } from '../../src/policy/config.ts';
import type { Weights } from '../../src/policy/weights.ts';
import type { Contender, DrawnTokens, StepResult } from '../../src/benchmark/contender.ts';
import { arrange, causal, download, hidden, linear, rmsNorm, ropeTable, upload, type JaxArray } from './jax-policy.ts';

/** One row of the batch's arrays, all on the device. */
interface Inputs {
  [name: string]: JaxArray;
  tokens: JaxArray; // [B, T] i32
  targets: JaxArray; // [B, C] i32
  old: JaxArray; // [B, C]
  mask: JaxArray; // [B, C]
  advantages: JaxArray; // [B, 1]
  rowWeights: JaxArray; // [B, 1]
  cos: JaxArray; // [T, 1, hd/2]
  sin: JaxArray;
  /** [2]: learning rate and eps with the bias corrections in them */
  rates: JaxArray;
}

/** Starts jax-js on a device of its own, which it does not share. */
export async function startJax(): Promise<GPUDevice> {
  if (!(await init('webgpu')).includes('webgpu')) throw new Error('jax-js found no WebGPU');
  defaultDevice('webgpu');
  return getWebGPUDevice();
}

export class JaxContender implements Contender {
  readonly name = 'jax-js';
  private parameters: JaxArray[];
  private first: JaxArray[];
  private second: JaxArray[];
  private steps = 0;
  private readonly jitted: ReturnType<typeof trainStep>;
  private readonly generators = new Map<string, ReturnType<typeof generator>>();

  constructor(
    private readonly config: PolicyConfig,
    weights: Weights,
    objective: ObjectiveSpec,
    private readonly optim: OptimSpec,
  ) {
    this.parameters = upload(config, weights);
    this.first = this.parameters.map((p) => np.zeros(p.shape));
    this.second = this.parameters.map((p) => np.zeros(p.shape));
    this.jitted = trainStep(config, objective, optim);
  }

  async step(batch: TrainBatch): Promise<StepResult> {
    const { learningRate, beta1, beta2, eps } = this.optim;
    this.steps++;
    const correction = Math.sqrt(1 - beta2 ** this.steps);
    const rates = np.array(Float32Array.of((learningRate * correction) / (1 - beta1 ** this.steps), eps * correction));
    const [numbers, parameters, first, second] = this.jitted(
      this.parameters,
      this.first,
      this.second,
      inputsOf(this.config, batch, rates),
    ) as [JaxArray, JaxArray[], JaxArray[], JaxArray[]];
    [this.parameters, this.first, this.second] = [parameters, first, second];
    const [loss, gradNorm] = await numbers.data();
    return { loss: loss!, gradNorm: gradNorm!, encodeMs: null };
  }

  async rollouts(request: GenerateRequest): Promise<DrawnTokens> {
    const { prompts, repeats, sampling } = request;
    const promptWidth = prompts[0]!.length;
    if (prompts.some((prompt) => prompt.length !== promptWidth)) throw new Error('the jax-js peer reads prompts of one length');
    const key = `${prompts.length}x${promptWidth} ${repeats} ${sampling.maxNewTokens}`;
    let make = this.generators.get(key);
    if (!make)
      this.generators.set(key, (make = generator(this.config, repeats, promptWidth + sampling.maxNewTokens, sampling.temperature)));
    const tokens = new Int32Array(prompts.length * promptWidth);
    prompts.forEach((prompt, g) => tokens.set(prompt, g * promptWidth));
    return make(this.parameters, np.array(onDevice(tokens), { shape: [prompts.length, promptWidth], dtype: np.int32 }), sampling);
  }

  weights(): Promise<Weights> {
    return download(this.config, this.parameters);
  }

  dispose(): void {
    tree.dispose([this.parameters, this.first, this.second]);
  }
}

/** A copy: jax-js takes arrays whose memory is not shared with other threads. */
function onDevice<T extends Int32Array | Float32Array>(values: T) {
  return values.slice() as T extends Int32Array ? Int32Array<ArrayBuffer> : Float32Array<ArrayBuffer>;
}

function inputsOf(config: PolicyConfig, batch: TrainBatch, rates: JaxArray): Inputs {
  const { rows, width, completionWidth, tokens, promptLengths, lengths } = batch;
  if (lengths.some((length) => length !== width) || promptLengths.some((length) => length + completionWidth !== width)) {
    throw new Error('the jax-js peer trains on rows of one length');
  }
  const targets = new Int32Array(rows * completionWidth);
  for (let row = 0; row < rows; row++)
    targets.set(tokens.subarray((row + 1) * width - completionWidth, (row + 1) * width), row * completionWidth);
  const grid = [rows, completionWidth];
  const [cos, sin] = ropeTable(config, width);
  return {
    tokens: np.array(onDevice(tokens), { shape: [rows, width], dtype: np.int32 }),
    targets: np.array(targets, { shape: grid, dtype: np.int32 }),
    old: np.array(onDevice(batch.oldLogprobs!), { shape: grid }),
    mask: np.array(Float32Array.from(batch.mask), { shape: grid }),
    advantages: np.array(onDevice(batch.advantages), { shape: [rows, 1] }),
    rowWeights: np.array(onDevice(batch.rowWeights), { shape: [rows, 1] }),
    cos,
    sin,
    rates,
  };
}

/** (parameters, first, second, inputs) -> [[loss, norm], parameters, first, second] */
function trainStep(config: PolicyConfig, objective: ObjectiveSpec, optim: OptimSpec) {
  const { beta1, beta2, learningRate, weightDecay, maxGradNorm } = optim;
  const differentiate = valueAndGrad(lossOf(config, objective), { argnums: [0, 1] });
  return jit((parameters: JaxArray[], first: JaxArray[], second: JaxArray[], inputs: Inputs) => {
    const { rates, ...data } = inputs;
    const embedded = np.take(parameters[0]!.ref, data['tokens']!.ref, 0);
    const tokens = data['tokens']!.ref.reshape([-1]);
    const [loss, [gradients, dEmbedded]] = differentiate(tree.ref(parameters), embedded, data as unknown as Inputs) as unknown as [
      JaxArray,
      [JaxArray[], JaxArray],
    ];
    const oneHot = nn.oneHot(tokens, config.vocabSize); // [N, V]
    gradients[0] = gradients[0]!.add(np.matmul(oneHot.transpose(), dEmbedded.reshape([-1, config.hiddenSize])));

    const squares = np.sum(np.stack(gradients.map((g) => np.sum(np.square(g.ref)))));
    const norm = np.sqrt(squares);
    const scale = maxGradNorm > 0 ? np.minimum(np.reciprocal(norm.ref.add(1e-6)).mul(maxGradNorm), 1) : np.ones([]);
    const rate = rates.ref.slice(0);
    const epsilon = rates.slice(1);
    const next: JaxArray[][] = [[], [], []];
    parameters.forEach((p, i) => {
      const g = gradients[i]!.mul(scale.ref);
      const m = first[i]!.mul(beta1).add(g.ref.mul(1 - beta1));
      const v = second[i]!.mul(beta2).add(np.square(g).mul(1 - beta2));
      const update = m.ref.div(np.sqrt(v.ref).add(epsilon.ref)).mul(rate.ref);
      const kept = p.ndim > 1 && weightDecay !== 0 ? p.mul(1 - learningRate * weightDecay) : p;
      next[0]!.push(kept.sub(update));
      next[1]!.push(m);
      next[2]!.push(v);
    });
    tree.dispose([scale, rate, epsilon]);
    return [np.stack([loss, norm]), ...next];
  });
}

/** (parameters, embedded [B, T, D], inputs) -> the clipped loss; see `TrainBatch` and `ObjectiveSpec` of the engines. */
function lossOf(config: PolicyConfig, { epsilonLow, epsilonHigh, temperature }: ObjectiveSpec) {
  return (list: JaxArray[], embedded: JaxArray, inputs: Inputs): JaxArray => {
    const { embedding, layers, norm } = arrange(config, list);
    const { tokens, targets, old, mask, advantages, rowWeights, cos, sin } = inputs;
    tokens.dispose();
    const [rows, completion] = targets.shape as [number, number];
    const width = embedded.shape[1]!;
    const x = hidden(config, layers, embedded, [cos, sin], causal);
    // The logits of a token come from the place before it.
    const last = x.slice([], [width - completion - 1, width - 1]).reshape([rows * completion, config.hiddenSize]);
    const logits = linear(rmsNorm(last, norm, config.rmsNormEps), embedding).mul(1 / temperature);
    const chosen = np.sum(logits.ref.mul(nn.oneHot(targets.reshape([-1]), config.vocabSize)), -1);
    const logprob = chosen.sub(nn.logsumexp(logits, -1)).reshape([rows, completion]);

    const ratio = np.exp(np.clip(logprob.sub(old), -20, 20));
    const plain = ratio.ref.mul(advantages.ref);
    const clipped = np.clip(ratio, 1 - epsilonLow, 1 + epsilonHigh).mul(advantages);
    return np.sum(np.minimum(plain, clipped).mul(mask).mul(rowWeights)).mul(-1);
  };
}

/** Prompts [G, P] -> tokens and log-probs [R, C]: a jitted read of the prompts, then a jitted step per token. */
function generator(config: PolicyConfig, repeats: number, capacity: number, temperature: number) {
  const { hiddenSize, kvHeads, headDim } = config;
  const draw = (list: JaxArray[], x: JaxArray, key: JaxArray): [JaxArray, JaxArray] => {
    const { embedding, norm } = arrange(config, list);
    const logits = linear(rmsNorm(x, norm, config.rmsNormEps), embedding).mul(1 / temperature); // [R, V]
    const token = random.categorical(key, logits.ref);
    const chosen = np.sum(logits.ref.mul(nn.oneHot(token.ref, config.vocabSize)), -1);
    return [token, chosen.sub(nn.logsumexp(logits, -1))];
  };
  const prefill = jit((list: JaxArray[], prompts: JaxArray, key: JaxArray, cos: JaxArray, sin: JaxArray) => {
    const [groups, width] = prompts.shape as [number, number];
    const keys: JaxArray[] = [];
    const values: JaxArray[] = [];
    const kept = (x: JaxArray) =>
      np.repeat(
        np.pad(x, [
          [0, 0],
          [0, capacity - width],
          [0, 0],
          [0, 0],
        ]),
        repeats,
        0,
      );
    const embedded = np.take(list[0]!.ref, prompts, 0);
    const x = hidden(config, arrange(config, list).layers, embedded, [cos, sin], (q, k, v, layer) => {
      keys.push(kept(k.ref));
      values.push(kept(v.ref));
      return causal(q, k, v, layer);
    });
    const last = np.repeat(x.slice([], width - 1), repeats, 0).reshape([groups * repeats, hiddenSize]);
    const [token, logprob] = draw(list, last, key);
    return [token, logprob, keys, values];
  });

  const decode = jit(
    (
      list: JaxArray[],
      keys: JaxArray[],
      values: JaxArray[],
      token: JaxArray,
      position: JaxArray,
      key: JaxArray,
      cos: JaxArray,
      sin: JaxArray,
    ) => {
      const rows = token.shape[0]!;
      const nextKeys: JaxArray[] = [];
      const nextValues: JaxArray[] = [];
      const places = () => np.arange(capacity);
      const written = (cache: JaxArray, x: JaxArray) =>
        np.where(
          np.equal(places().reshape([1, capacity, 1, 1]), position.ref),
          np.broadcastTo(x, [rows, capacity, kvHeads, headDim]),
          cache,
        );
      const at = (table: JaxArray) => np.take(table, position.ref.reshape([1]), 0);
      const embedded = np.take(list[0]!.ref, token, 0).reshape([rows, 1, hiddenSize]);
      const x = hidden(config, arrange(config, list).layers, embedded, [at(cos), at(sin)], (q, k, v, layer) => {
        const ks = written(keys[layer]!, k);
        const vs = written(values[layer]!, v);
        nextKeys.push(ks.ref);
        nextValues.push(vs.ref);
        const mask = np.lessEqual(places(), position.ref).reshape([1, 1, 1, capacity]);
        return nn.dotProductAttention(q, ks, vs, { mask });
      });
      position.dispose();
      const [next, logprob] = draw(list, x.reshape([rows, hiddenSize]), key);
      return [next, logprob, nextKeys, nextValues];
    },
  );

  return async (parameters: JaxArray[], prompts: JaxArray, sampling: GenerateRequest['sampling']): Promise<DrawnTokens> => {
    const [groups, width] = prompts.shape as [number, number];
    const [cos, sin] = ropeTable(config, capacity);
    const table = () => [cos.ref, sin.ref] as const;
    const key = (position: number) => random.key(sampling.seed * 4096 + position);
    const tokens: JaxArray[] = [];
    const logprobs: JaxArray[] = [];
    let [token, logprob, keys, values] = prefill(
      tree.ref(parameters),
      prompts,
      key(0),
      cos.ref.slice([0, width]),
      sin.ref.slice([0, width]),
    ) as unknown as [JaxArray, JaxArray, JaxArray[], JaxArray[]];
    for (let i = 1; ; i++) {
      tokens.push(token.ref);
      logprobs.push(logprob);
      if (i === sampling.maxNewTokens) break;
      const position = np.array(width + i - 1, { dtype: np.int32 });
      [token, logprob, keys, values] = decode(tree.ref(parameters), keys, values, token, position, key(i), ...table()) as unknown as [
        JaxArray,
        JaxArray,
        JaxArray[],
        JaxArray[],
      ];
    }
    tree.dispose([keys, values, token, cos, sin]);
    const rows = groups * repeats;
    return {
      rows,
      completionWidth: sampling.maxNewTokens,
      tokens: Int32Array.from(await np.stack(tokens, 1).data()),
      logprobs: Float32Array.from(await np.stack(logprobs, 1).data()),
    };
  };
}
