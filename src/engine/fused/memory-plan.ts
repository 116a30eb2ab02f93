/**
 * What a run will need on the GPU, said before it starts: bytes by purpose, and a refusal with the dial to turn where one
 * buffer would be larger than the adapter binds. The sizes are not estimates: the same builders that make the plans are
 * asked what buffers they would take. It cannot know how much memory the GPU has left; that shows at allocation.
 */
import type { ParameterViews } from './machine.ts';
import type { CellShape, Machine } from './machine.ts';
import { LabError } from '../../errors.ts';
import type { MemoryPlan, ObjectiveSpec, TrainingShape } from '../engine.ts';
import { align } from '../gpu/work.ts';
import { bucket } from './batch.ts';
import { cellBucket } from './head.ts';
import type { ArenaLayout } from './layout.ts';
import type { Gradients, PolicyViews } from './linear.ts';
import { scorePass, trainPass } from './passes.ts';
import { sizesOf } from './plans.ts';

/** Places of one pass, unless the adapter's limits ask for fewer. */
export const maxPlaces = 8192;

/** Where what computes lies, and where its adapters do; null: all parameters are trained. */
export interface Layouts {
  readonly layout: ArenaLayout;
  readonly adapters: ArenaLayout | null;
}

/** A layout without memory, for asking builders what they need. */
export function imagined(layout: ArenaLayout): ParameterViews {
  return {
    layout,
    view(name) {
      const { shape } = layout.slots.get(name)!;
      return { buffer: null!, offset: 0, size: shape.reduce((total, n) => total * n, 4) };
    },
    part: (index) => ({ buffer: null!, offset: 0, size: layout.parts[index]!.length * 4 }),
  };
}

/** Numbers of four bytes by buffer. */
function passSizes(machine: Machine, { layout, adapters }: Layouts, shape: CellShape, kind: 'train' | 'score'): Record<string, number> {
  const parameters = imagined(layout);
  const views = adapters && imagined(adapters);
  const policy: PolicyViews = { parameters, adapters: views && { views, scale: 1 } };
  if (kind === 'score') return sizesOf(scorePass(machine, policy, shape, null, 1));
  const objective: ObjectiveSpec = {
    term: 'clip',
    ratio: 'token',
    epsilonLow: 0,
    epsilonHigh: 0,
    beta: 0,
    kl: 'none',
    entropyCoef: 0,
    temperature: 1,
  };
  const gradients: Gradients = views ? { of: 'adapters', views } : { of: 'parameters', views: parameters };
  return sizesOf(trainPass(machine, policy, gradients, shape, null, { objective, old: 'ratio', ref: true, stepTokens: 1 }));
}

/**
 * The most rows of one pass whose buffers the adapter binds, and which stay within `maxPlaces`.
 * @param width and completionWidth as buckets  @param bindable bytes  @throws LabError `webgpu` where a single row is too much
 */
export function rowsPerPass(
  machine: Machine,
  layouts: Layouts,
  rows: number,
  width: number,
  completionWidth: number,
  kind: 'train' | 'score',
  bindable: number,
): number {
  for (let fit = Math.max(1, Math.min(rows, Math.floor(maxPlaces / width))); ; fit = Math.ceil(fit / 2)) {
    const shape = { rows: fit, width, completionWidth, cells: cellBucket(fit * completionWidth) };
    const [name, length] = Object.entries(passSizes(machine, layouts, shape, kind)).reduce((a, b) => (b[1] > a[1] ? b : a));
    if (length * 4 <= bindable) return fit;
    if (fit > 1) continue;
    throw new LabError(
      'webgpu',
      `A single row of ${width} tokens needs ${mebibytes(length * 4)} MiB for "${name}", this GPU binds at most ${mebibytes(bindable)} MiB at once.`,
      'Use shorter prompts or completions, a policy with a smaller vocabulary, or another device.',
    );
  }
}

/** @throws LabError `webgpu` naming what does not fit and the dial */
export function planMemory(machine: Machine, layouts: Layouts, shape: TrainingShape, bindable: number): MemoryPlan {
  const bytes = ({ parts }: ArenaLayout) => parts.reduce((total, { length }) => total + length * 4, 0);
  const frozen = layouts.adapters ? bytes(layouts.layout) : 0;
  const arena = bytes(layouts.adapters ?? layouts.layout);
  const width = bucket(shape.width);
  const completionWidth = bucket(shape.completionWidth);
  const most = rowsPerPass(machine, layouts, shape.rows, width, completionWidth, 'train', bindable);
  const fit = shape.microBatchRows > 0 ? Math.min(shape.microBatchRows, most) : most;
  const sizes = passSizes(machine, layouts, { rows: fit, width, completionWidth, cells: cellBucket(fit * completionWidth) }, 'train');
  const passes = Object.entries(sizes)
    .map(([name, length]) => ({ name, bytes: align(length * 4) }))
    .sort((a, b) => b.bytes - a.bytes);
  // Of adapters it is the base itself, without them.
  const reference = shape.withReference && !layouts.adapters ? arena : 0;
  const total = frozen + 4 * arena + reference + passes.reduce((sum, { bytes }) => sum + bytes, 0);
  return { weights: frozen + arena, gradients: arena, moments: 2 * arena, reference, passes, total, rowsPerPass: fit };
}

function mebibytes(bytes: number): number {
  return Math.ceil(bytes / 2 ** 20);
}
