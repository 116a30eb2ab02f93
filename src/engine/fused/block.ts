/**
 * One layer of the decoder, forward, as a list of dispatches; for whole rows and for single tokens alike: how the tokens before
 * are looked at is handed in. Which layers there are, and the way back, is `decoder.ts`. D hidden, H query and K key/value heads of hd,
 * Q = (H + 2K)·hd, F intermediate.
 */
import { normOffset, type Machine, type Views } from './machine.ts';
import type { PolicyConfig } from '../../policy/config.ts';
import { families } from '../../policy/families.ts';
import type { BufferView, Work } from '../gpu/work.ts';
import { gateUpMatmul, swigluForward } from './kernels/matmul.ts';
import { rmsNormForward } from './kernels/rms-norm.ts';
import { isPlain, linearForward, type LinearForward, type PolicyViews } from './linear.ts';
import { factor } from './weight.ts';

export const widths = (config: PolicyConfig) => ({
  d: config.hiddenSize,
  q: (config.heads + 2 * config.kvHeads) * config.headDim,
  mixed: config.heads * config.headDim,
  f: config.intermediateSize,
});

/** Of a family that norms what attention and MLP say before it is added to the stream. */
export interface Said {
  /** [N, D] */
  readonly x: BufferView;
  /** [N] */
  readonly rstd: BufferView;
}

/** What a layer reads and leaves, N rows each. */
export interface BlockBuffers {
  /** [N, D] the residual stream */
  readonly x: BufferView;
  /** [N, D] scratch: the inputs of the products */
  readonly normed: BufferView;
  /** [N] */
  readonly attentionRstd: BufferView;
  /** [N, Q] q|k|v before they are turned */
  readonly raw: BufferView;
  /** [N, H·hd] */
  readonly mixed: BufferView;
  /** What the projection says before it is normed; null: it is added as it is. */
  readonly attentionSaid: Said | null;
  /** [N, D] the stream after attention */
  readonly h: BufferView;
  /** [N] */
  readonly mlpRstd: BufferView;
  /** [N, 2F] gate|up; null: nobody asks for it afterwards. */
  readonly gateUp: BufferView | null;
  /** [N, F] scratch: act(gate) · up */
  readonly act: BufferView;
  /** As `attentionSaid`. */
  readonly mlpSaid: Said | null;
  /** [N, D] the stream after the layer; null: it is known already, and not made again. */
  readonly next: BufferView | null;
}

export interface Block {
  readonly layer: number;
  /** N */
  readonly rows: number;
  readonly buffers: BlockBuffers;
  /** From `raw` to `mixed`. */
  readonly attention: readonly Work[];
  /** [1] i32: rows at or beyond it are left as they are. */
  readonly count?: BufferView;
}

export function blockForward(
  memory: Views,
  machine: Machine,
  policy: PolicyViews,
  { layer, rows, buffers: b, attention, count }: Block,
): Work[] {
  const { config } = machine;
  const { d, q, mixed, f } = widths(config);
  const limit = count ? { count } : {};
  const p = (name: string) => policy.parameters.view(`${layer}.${name}`);
  const settings = { rows, width: d, eps: config.rmsNormEps, offset: normOffset(config), ...limit };
  const norm = (name: string, x: BufferView, rstd: BufferView) => rmsNormForward({ x, weight: p(name), y: b.normed, rstd, ...settings });
  const linear = (name: string, of: Omit<LinearForward, 'name' | 'rows' | 'count'>) =>
    linearForward(memory, machine, policy, { name: `${layer}.${name}`, rows, ...limit, ...of });
  /** A projection back into the stream, normed on the way where the family does. */
  const added = (name: string, after: string, inside: number, x: BufferView, said: Said | null, residual: BufferView, y: BufferView) => [
    ...linear(name, { out: d, in: inside, x, ...(said ? { y: said.x } : { y, residual }) }),
    ...(said ? [rmsNormForward({ ...said, weight: p(after), y, residual, ...settings })] : []),
  ];
  return [
    norm('attentionNorm', b.x, b.attentionRstd),
    ...linear('qkv', { out: q, in: d, x: b.normed, y: b.raw, ...(config.qkvBias ? { bias: p('qkvBias') } : {}) }),
    ...attention,
    ...added('output', 'attentionAfter', mixed, b.mixed, b.attentionSaid, b.x, b.h),
    norm('mlpNorm', b.h, b.mlpRstd),
    ...gatedForward(memory, machine, policy, layer, rows, b, count),
    ...(b.next ? added('down', 'mlpAfter', f, b.act, b.mlpSaid, b.h, b.next) : []),
  ];
}

/** gate, up and their unit: one dispatch, unless an adapter adds to gate and up before they meet, or they lie in shards. */
function gatedForward(
  memory: Views,
  machine: Machine,
  policy: PolicyViews,
  layer: number,
  rows: number,
  { normed: x, act, gateUp }: BlockBuffers,
  count: BufferView | undefined,
): Work[] {
  const { d, f } = widths(machine.config);
  const name = `${layer}.gateUp`;
  const { activation } = families[machine.config.family];
  if (isPlain(policy, name)) {
    const saved = gateUp ? { gateUp } : {};
    const limit = count ? { rows: count } : {};
    return gateUpMatmul(
      { m: rows, f, k: d, a: x, ...factor(policy.parameters, name), activation, act, ...saved, ...limit },
      machine.tuning,
    );
  }
  const both = gateUp ?? memory.view('scratch.gateUp', rows * 2 * f);
  const limit = count ? { count } : {};
  return [
    ...linearForward(memory, machine, policy, { name, rows, out: 2 * f, in: d, x, y: both, ...limit }),
    swigluForward({ gateUp: both, act, rows, f, activation }),
  ];
}
