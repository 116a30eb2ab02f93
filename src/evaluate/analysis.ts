/**
 * How the comparison is analysed, declared before it is run: what every policy is asked, and what is read from the answers. The protocol
 * quotes this object, results.json carries it, and it is part of every finished run's identity. Nothing is computed here.
 */
import { headlineProblems } from './stability.ts';

export const analysis = {
  /** Held-out questions of this task; training asks its other questions. */
  task: 'addition',
  /** Per persona; the same for every persona and every policy of a seed. */
  problems: headlineProblems,
  /** Replies to each problem. */
  samples: 1,
  /** As in training: a rollout, not the most likely reply. */
  temperature: 1,
  maxNewTokens: 48,
  /** Questions and draws of an evaluation are those of the run's own seed, so that the interval over seeds covers them too. */
  evaluationSeed: 'the seed of the run',
  /** The bundled world: 32 trained on, 8 held out. "No persona" is asked beside them and is not one. */
  personas: 40,
  /** Replies per persona and kind (task, role-play) that persona fidelity is measured on. */
  fidelityReplies: 12,
  /** Of the t interval over seeds of the paired log-ratio, which decides a claim. */
  confidence: 0.95,
  /** The smallest effect of interest, ±3 %: the equivalence reading that stands beside a verdict asks whether an effect is shown to be within it. */
  smallestEffect: 0.03,
  /** "Keeps" is at least this share of the other policy's value. */
  keeps: 0.95,
  /** The KL weight of the headline claims; others are reported beside it. */
  headlineBeta: 0.02,
  /** Answers at inference time: how many personas take part. */
  inference: { personas: [1, 2, 4, 8, 16, 40], validationSets: 5, validationProblems: 20, ensembleDraws: 20 },
  /** Steps of the moving average that training curves are drawn with. */
  smoothing: 20,
} as const;

/** What a study may ask for instead; recorded beside the declared values. */
export interface Examination {
  readonly problems: number;
  readonly fidelityReplies: number;
}

export const declaredExamination: Examination = { problems: analysis.problems, fidelityReplies: analysis.fidelityReplies };
