/**
 * Passes over the places of segments as plans: forward to log-probs (`score`), forward to the last logits (`logits`), and forward and
 * backward of a micro-batch (`train`). Here is the list of dispatches of one training pass, in order; what is uploaded for
 * it and when it runs is the engine's business.
 */
import { normOffset, type CellShape, type Machine, type Views } from './machine.ts';
import { embeddingScale } from '../../policy/layers.ts';
import type { Work } from '../gpu/work.ts';
import type { Builder } from './plans.ts';
import { decoderBackward, decoderForward } from './decoder.ts';
import { headBackward, headForward, logitsForward, type LossInputs } from './head.ts';
import { reducePartials } from './kernels/columns.ts';
import { rmsNormForward } from './kernels/rms-norm.ts';
import type { Gradients, PolicyViews } from './linear.ts';
import { PartialSums } from './partials.ts';
import { tokensBackward } from './weight.ts';

/** Log-probs and entropies of given tokens, in the buffers of `headForward`. */
export function scorePass(machine: Machine, policy: PolicyViews, shape: CellShape, temperature: number): Builder<void> {
  return (memory, works) => {
    const x = decoderForward(memory, machine, policy, shape, 'nothing', works);
    headForward(memory, machine, policy.parameters, shape, x, temperature, works);
  };
}

/** The logits after the place in the buffer `places`, in the buffer `logits` [1, V]. */
export function logitsPass(machine: Machine, policy: PolicyViews, width: number): Builder<void> {
  const { hiddenSize: d, vocabSize: v, rmsNormEps: eps } = machine.config;
  const { parameters } = policy;
  return (memory, works) => {
    const x = decoderForward(memory, machine, policy, { places: width, segments: 1, width }, 'nothing', works);
    const y = memory.view('scratch.normed', d);
    const rstd = memory.view('head.rstd', 1);
    works.push(
      rmsNormForward({
        x,
        weight: parameters.view('norm'),
        y,
        rstd,
        places: memory.view('places', 1),
        rows: 1,
        width: d,
        eps,
        offset: normOffset(machine.config),
      }),
      ...logitsForward(machine, parameters, 1, { x: y, y: memory.view('logits', v) }),
    );
  };
}

export interface TrainPass {
  /** The first dispatches of the loss and of the embedding's gradient, whose numbers change from step to step; null: the embedding is frozen. */
  readonly lossAt: number;
  readonly embeddingAt: number | null;
  /** What the last dispatches add up; null: norms and biases are frozen. */
  readonly partials: PartialSums | null;
}

/** The gradient of the embedding from that of its rows in the residual stream. Which tokens occur, and how many, is uploaded. */
export function embeddingWorks(memory: Views, { config }: Machine, { views }: Gradients, places: number, distinct: number): Work[] {
  const most = Math.min(places, config.vocabSize);
  return tokensBackward(views, {
    order: memory.view('embedding.order', places),
    starts: memory.view('embedding.starts', most + 1),
    ids: memory.view('embedding.ids', most),
    dx: memory.view('dx', places * config.hiddenSize),
    distinct,
    width: config.hiddenSize,
    scale: embeddingScale(config),
  });
}

/** Forward, loss, backward; the gradients are added to `gradients`. */
export function trainPass(
  machine: Machine,
  policy: PolicyViews,
  gradients: Gradients,
  shape: CellShape,
  settings: LossInputs & { readonly keep: 'all' | 'inputs' },
): Builder<TrainPass> {
  const { vocabSize } = machine.config;
  const n = shape.places;
  return (memory, works) => {
    const partials = new PartialSums(policy.parameters.layout, memory);
    const x = decoderForward(memory, machine, policy, shape, settings.keep, works);
    const head = headForward(memory, machine, policy.parameters, shape, x, settings.objective.temperature, works);
    const lossAt = headBackward(memory, machine, policy.parameters, gradients, partials, shape, head, x, settings, works);
    decoderBackward(memory, machine, policy, gradients, partials, shape, settings.keep, works);
    if (gradients.of === 'adapters') return { lossAt, embeddingAt: null, partials: null };
    const embeddingAt = works.length;
    works.push(...embeddingWorks(memory, machine, gradients, n, Math.min(n, vocabSize)));
    gradients.views.layout.parts.forEach((_, index) => {
      const sections = partials.sections.filter((section) => section.part === index);
      if (sections.length === 0) return;
      works.push(
        reducePartials({
          partials: memory.view('partials', partials.used),
          table: memory.view(`partials.table.${index}`, partials.tableOf(index).length),
          sections,
          gradients: gradients.views.part(index),
        }),
      );
    });
    return { lossAt, embeddingAt, partials };
  };
}
