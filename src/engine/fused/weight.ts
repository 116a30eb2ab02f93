/**
 * A matrix W [out, in] of a policy in products and as a table, whether it lies in one piece or in shards of its rows (`layout.ts`): a shard
 * makes its own columns of y, its own rows of dW, and its own part of the sum dx. Adapters beside it are `linear.ts`. N rows of x.
 */
import { part, type BufferView, type Work } from '../gpu/work.ts';
import { embedBackward, embedForward } from './kernels/embedding.ts';
import { matmul, type WeightFormat } from './kernels/matmul.ts';
import type { Tuning } from './kernels/tuning.ts';
import type { ParameterViews } from './machine.ts';

/** Rows `first` … of a matrix, as the second factor of a product. */
interface Shard {
  readonly first: number;
  readonly count: number;
  readonly b: BufferView;
  readonly weightFormat: WeightFormat;
}

/** Whether a matrix lies in one piece. */
export const isWhole = ({ layout }: ParameterViews, name: string): boolean => !layout.shards.has(name);

/** A matrix that lies in one piece, as the second factor of a product. */
export function factor(parameters: ParameterViews, name: string): Pick<Shard, 'b' | 'weightFormat'> {
  return { b: parameters.view(name), weightFormat: parameters.layout.slots.get(name)!.format };
}

/** All rows of a matrix, in as many pieces as it lies in. */
function shardsOf(parameters: ParameterViews, name: string): Shard[] {
  const { slots, shards } = parameters.layout;
  let first = 0;
  return (shards.get(name) ?? [slots.get(name)!]).map((slot): Shard => {
    const count = slot.shape[0]!;
    first += count;
    return { first: first - count, count, ...factor(parameters, slot.name) };
  });
}

/** W, and N. */
interface Product {
  readonly parameters: ParameterViews;
  readonly name: string;
  readonly rows: number;
  readonly out: number;
  readonly in: number;
}

/** y [N, out] = x Wᵀ (+ bias + residual) */
export function weightForward(
  { parameters, name, rows, out, in: inside }: Product,
  of: {
    readonly x: BufferView;
    readonly y: BufferView;
    readonly bias?: BufferView;
    readonly residual?: BufferView;
    /** [1] i32: rows at or beyond it are left as they are. */
    readonly count?: BufferView;
  },
  tuning: Tuning,
): Work[] {
  const { x: a, y: c, count: limit, bias, residual } = of;
  const more = { ...(bias ? { bias } : {}), ...(residual ? { residual } : {}), ...(limit ? { rows: limit } : {}) };
  return shardsOf(parameters, name).flatMap(({ first, count, ...b }) =>
    matmul({ kind: 'nt', m: rows, n: count, k: inside, a, ...b, c, cColumns: { first, of: out }, ...more }, tuning),
  );
}

/**
 * Rows of W whose products are summed before they join the others. Of a vocabulary in float32, one running sum would swallow the many small ones: two ten
 * thousandths of the gradient of 49,152 logits, a hundredth of that with this.
 */
const summedAtOnce = 2048;

/**
 * dx [N, in] = dy W, the shards one after the other, and of a shard some rows after the others: at once as far as there is room for their sums, which
 * gives a GPU all of them to do where one after the other would leave it a few workgroups each: 56 of 64 cells and a stream of 896, times 75 of V 152k.
 * @param of.partials scratch for sums over parts of W's rows
 */
export function weightInput(
  { parameters, name, rows, out, in: inside }: Product,
  { dy: a, dx: c, partials }: { readonly dy: BufferView; readonly dx: BufferView; readonly partials?: BufferView },
  tuning: Tuning,
): Work[] {
  const room = partials ? Math.max(1, Math.floor(partials.size / (4 * rows * inside))) : 1;
  return shardsOf(parameters, name).flatMap(({ first, count, b, weightFormat }) => {
    const words = weightFormat === 'f32' ? inside : inside / 2;
    const together = room * summedAtOnce;
    return Array.from({ length: Math.ceil(count / together) }, (_, i) => {
      const k = Math.min(together, count - i * together);
      const aColumns = { first: first + i * together, of: out };
      const some = { k, aColumns, b: part(b, i * together * words, k * words), weightFormat };
      const parts = Math.ceil(k / summedAtOnce);
      const apart = partials && parts > 1 ? { partials, parts } : {};
      return matmul({ kind: 'nn', m: rows, n: inside, a, ...some, c, accumulate: aColumns.first > 0, ...apart }, tuning);
    }).flat();
  });
}

/** dW += dyᵀ x; the matrix of `parameters` is dW. @param partials scratch for sums over parts of the rows */
export function weightGradient(
  { parameters, name, rows, out, in: inside }: Product,
  of: { readonly dy: BufferView; readonly x: BufferView; readonly partials?: BufferView },
  tuning: Tuning,
): Work[] {
  const { dy: a, x: b, partials } = of;
  const add = { kind: 'tn', k: rows, accumulate: true, ...(partials ? { partials } : {}) } as const;
  return shardsOf(parameters, name).flatMap(({ first, count, b: c }) =>
    matmul({ ...add, m: count, n: inside, a, aColumns: { first, of: out }, b, c }, tuning),
  );
}

/** x[n] = scale · embedding[tokens[n]], as `embedForward` */
export function tokensForward(
  parameters: ParameterViews,
  of: Omit<Parameters<typeof embedForward>[0], 'table' | 'format' | 'has'>,
): Work[] {
  return shardsOf(parameters, 'embedding').map(({ b: table, weightFormat: format, ...has }) => embedForward({ ...of, table, format, has }));
}

/** d embedding, as `embedBackward`: as many dispatches, whatever the tokens are. */
export function tokensBackward(gradients: ParameterViews, of: Omit<Parameters<typeof embedBackward>[0], 'dTable' | 'has'>): Work[] {
  return shardsOf(gradients, 'embedding').map(({ b: dTable, first, count }) => embedBackward({ ...of, dTable, has: { first, count } }));
}
