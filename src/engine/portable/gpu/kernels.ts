/**
 * The project's operations as shaders, registered as tfjs kernels for `webgpu`. What they compute, their gradients and
 * their twins on the other backends are in ../kernels/.
 */
import * as tf from '@tensorflow/tfjs';
import advantageShader from '../../../../shaders/rl/group-advantage.wgsl';
import lossShader from '../../../../shaders/rl/clipped-loss.wgsl';
import logprobShader from '../../../../shaders/rl/token-logprob.wgsl';
import samplerShader from '../../../../shaders/decode/sampler.wgsl';
import type { AdvantageKind } from '../../engine.ts';
import type { LossAttributes } from '../kernels/clipped-loss.ts';
import type { SampleAttributes } from '../kernels/sampler.ts';
import { advantageParams, lanes, logprobParams, lossParams, samplerParams } from '../../gpu/settings.ts';
import { rowColumns } from '../../step-metrics.ts';
import type { SharedBackend } from './backend.ts';
import { dispatch } from './dispatch.ts';

type Infos = Record<string, tf.TensorInfo>;

function register(kernelName: string, kernel: (backend: SharedBackend, inputs: Infos, attributes: object) => tf.TensorInfo[]): void {
  tf.registerKernel({
    kernelName,
    backendName: 'webgpu',
    kernelFunc: ({ inputs, attrs, backend }) => kernel(backend as SharedBackend, inputs as Infos, attrs ?? {}),
  });
}

/** Call once tfjs has its `webgpu` backend; calling again changes nothing. */
export function registerShaderKernels(): void {
  if (tf.getKernel('TokenLogprob', 'webgpu')) return;

  register('TokenLogprob', (backend, { logits, targets }, attributes) => {
    const [rows, vocabulary] = logits!.shape as [number, number];
    const logprob = backend.makeTensorInfo([rows], 'float32');
    const entropy = backend.makeTensorInfo([rows], 'float32');
    const stats = backend.makeTensorInfo([rows, 2], 'float32');
    dispatch(backend, {
      shader: logprobShader,
      entry: 'forward',
      tensors: { logits: logits!, targets: targets!, logprob, entropy, stats },
      params: logprobParams({ rows, vocabulary, ...(attributes as { temperature: number }) }),
      groups: rows,
    });
    return [logprob, entropy, stats];
  });

  register('TokenLogprobGrad', (backend, inputs, attributes) => {
    const { logits, targets, entropy, stats, dLogprob, dEntropy } = inputs;
    const [rows, vocabulary] = logits!.shape as [number, number];
    const dlogits = backend.makeTensorInfo([rows, vocabulary], 'float32');
    dispatch(backend, {
      shader: logprobShader,
      entry: 'backward',
      tensors: {
        logits: logits!,
        targets: targets!,
        row_entropy: entropy!,
        row_stats: stats!,
        dlogprob: dLogprob!,
        dentropy: dEntropy!,
        dlogits,
      },
      params: logprobParams({ rows, vocabulary, ...(attributes as { temperature: number }) }),
      groups: rows,
    });
    return [dlogits];
  });

  register('GroupAdvantage', (backend, { rewards }, attributes) => {
    const { groupSize, kind } = attributes as { groupSize: number; kind: AdvantageKind };
    const groups = rewards!.shape[0]! / groupSize;
    const advantage = backend.makeTensorInfo(rewards!.shape, 'float32');
    dispatch(backend, {
      shader: advantageShader,
      entry: 'forward',
      tensors: { rewards: rewards!, advantage },
      params: advantageParams({ groups, groupSize, kind }),
      groups: Math.ceil(groups / lanes),
    });
    return [advantage];
  });

  register('ClippedLoss', (backend, inputs, attributes) => {
    const { logprob, entropy, old, ref, mask, advantage, rowWeight } = inputs;
    const objective = attributes as LossAttributes;
    const [count, width] = logprob!.shape as [number, number];
    const rows = backend.makeTensorInfo([count, rowColumns.length], 'float32');
    const dlogprob = backend.makeTensorInfo([count, width], 'float32');
    const dentropy = backend.makeTensorInfo([count, width], 'float32');
    const loss = backend.makeTensorInfo([], 'float32');
    const work = {
      shader: lossShader,
      tensors: {
        logprob: logprob!,
        old: old ?? logprob!,
        ref_logprob: ref ?? logprob!,
        mask: mask!,
        advantage: advantage!,
        row_weight: rowWeight!,
        entropy: entropy!,
        rows,
        measured: rows,
        loss,
        dlogprob,
        dentropy,
      },
      params: lossParams({ rows: count, width, old: old ? 'ratio' : 'none', ref: Boolean(ref), ...objective }),
    };
    dispatch(backend, { ...work, entry: 'measure', groups: Math.ceil(count / lanes) });
    dispatch(backend, { ...work, entry: 'differentiate', groups: Math.ceil(count / lanes) });
    dispatch(backend, { ...work, entry: 'total', groups: 1 });
    return [loss, rows, dlogprob, dentropy];
  });

  register('SampleTokens', (backend, { logits, rowIds }, attributes) => {
    const sampling = attributes as SampleAttributes;
    const vocabulary = logits!.shape[1]!;
    const rows = rowIds!.shape[0]!;
    const state = tf.tensor1d([rows, sampling.position], 'int32');
    const sampled = backend.makeTensorInfo([rows, 3], 'float32');
    dispatch(backend, {
      shader: samplerShader,
      entry: 'sample',
      tensors: { logits: logits!, row_ids: rowIds!, state, sampled },
      params: samplerParams({ vocabulary, sampling, logitsRepeats: sampling.repeats }),
      groups: rows,
    });
    state.dispose();
    return [sampled];
  });
}
