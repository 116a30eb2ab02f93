/** The examinations of both kinds, made when one is first asked for. */
import type { EvaluationTools } from './candidates.ts';
import { Evaluations } from './evaluation.ts';
import type { ExaminationKind } from './examinations.ts';
import type { Job } from './job.ts';
import { Judgements } from './judge.ts';

interface Kinds {
  readonly evaluation: Evaluations;
  readonly judgement: Judgements;
}

export class Jobs {
  #kinds: Promise<Kinds> | null = null;

  constructor(private readonly tools: () => Promise<EvaluationTools>) {}

  all(): Promise<Kinds> {
    this.#kinds ??= this.tools().then((tools) => ({ evaluation: new Evaluations(tools), judgement: new Judgements(tools) }));
    return this.#kinds;
  }

  async of<K extends ExaminationKind>(kind: K): Promise<Job<K>> {
    const jobs: { readonly [Kind in ExaminationKind]: Job<Kind> } = await this.all();
    return jobs[kind];
  }
}
