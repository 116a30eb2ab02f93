/** The evaluation the reader asks for, the one that is under way, and those that are kept. */
import { errorSentence } from '../errors.ts';
import { evaluationCells, expectedSizes, rowsOfCells, type Rows } from '../evaluate/cells.ts';
import type { ReplyKind } from '../evaluate/request.ts';
import type { EngineInfo } from '../engine/engine.ts';
import type { PersonaGroup } from '../persona/groups.ts';
import type { EvaluationRecord, EvaluationSettings } from '../storage/records.ts';
import type { TrainerApi } from '../worker/api.ts';
import type { AskedQuestion, CellScore, Continued, EvaluationInfo, EvaluationUpdate } from '../worker/evaluation-api.ts';
import { secondsFor } from '../worker/evaluation-progress.ts';
import { Examination, wholeBetween } from './examination.svelte.ts';

export const scoreKey = (policy: number, personaId: string | null): string => `${policy}/${personaId ?? 'none'}`;

/** Which persona's replies are looked at, and what they are. */
export interface OpenReplies {
  readonly kind: ReplyKind;
  readonly personaId: string | null;
  readonly questions: readonly AskedQuestion[] | null;
}

export class Evaluation extends Examination<'evaluation'> {
  task = $state('addition');
  personas = $state<PersonaGroup>('voices');
  problems = $state<number | null>(50);
  /** 0: greedy; otherwise replies to each question at temperature 1. */
  samples = $state(1);
  fidelity = $state(false);
  maxNewTokens = $state<number | null>(24);
  seed = $state<number | null>(1);

  /** Of the one under way, by `scoreKey`. */
  scores = $state.raw<ReadonlyMap<string, CellScore>>(new Map());
  replies = $state.raw<OpenReplies | null>(null);
  #sized = false;

  constructor(api: () => TrainerApi) {
    super('evaluation', api);
  }

  /** The first look at the view: sizes that suit the engine, the newest weights, and what is kept. */
  async begin(engine: EngineInfo, newest: string | null): Promise<void> {
    if (this.#sized) return;
    this.#sized = true;
    const gpu = engine.backend === 'webgpu' && !engine.software;
    if (gpu || engine.backend === 'wasm') this.personas = 'all';
    if (gpu) {
      this.problems = 100;
      this.fidelity = true;
    }
    const latest = await this.first(newest);
    if (latest?.finished && !this.open) await this.view(latest.id);
  }

  get unfinished(): readonly EvaluationInfo[] {
    return this.kept.filter(({ id, finished }) => !finished && !(this.running && id === this.update?.id));
  }

  get openId(): string | null {
    return this.open?.id ?? null;
  }

  /** What is wrong with a field of the form, as a sentence that is shown at it. */
  get complaints(): Readonly<Record<'problems' | 'maxNewTokens' | 'seed', string | null>> {
    return {
      problems: wholeBetween(this.problems, 1, 2000) ? null : 'Problems each must be a whole number from 1 to 2000.',
      maxNewTokens: wholeBetween(this.maxNewTokens, 1, 256) ? null : 'Longest reply must be a whole number of tokens from 1 to 256.',
      seed: wholeBetween(this.seed, 0, 0xffffffff) ? null : `Seed must be a whole number from 0 to ${0xffffffff}.`,
    };
  }

  get obstacle(): string | null {
    const { problems, maxNewTokens, seed } = this.complaints;
    const wrong = problems ?? maxNewTokens ?? seed;
    if (wrong !== null) return wrong;
    if (this.checkpoints.length > 5) return 'Choose at most five policies beside the base.';
    return null;
  }

  get settings(): EvaluationSettings {
    return {
      checkpoints: [...this.checkpoints],
      task: this.task,
      personas: this.personas,
      problems: this.problems ?? 0,
      samples: Math.max(1, this.samples),
      temperature: this.samples === 0 ? 0 : 1,
      maxNewTokens: this.maxNewTokens ?? 0,
      seed: this.seed ?? 0,
      fidelityReplies: this.fidelity ? fidelityReplies : 0,
    };
  }

  /** How long that takes, at the rates of the newest evaluation on the same engine; null where there was none. */
  seconds(rows: Rows, engine: EngineInfo): number | null {
    const same = this.kept.find(({ engine: other, work }) => alike(other, engine) && work.asked.rows > 0);
    return same ? secondsFor(rows, same.work) : null;
  }

  async run(): Promise<void> {
    if (!this.obstacle) await this.start(this.settings);
  }

  protected continuing(id: string, accept: readonly string[]): Continued {
    return { id, accept };
  }

  /** What was said under a persona, null without one; asked for the evaluation on view. */
  async look(kind: OpenReplies['kind'], personaId: string | null): Promise<void> {
    if (!this.open) return;
    const { id } = this.open;
    this.replies = { kind, personaId, questions: null };
    const asked = this.replies;
    try {
      const questions = await this.api().evaluationReplies(id, kind, personaId);
      if (this.replies === asked) this.replies = { kind, personaId, questions };
    } catch (error) {
      if (this.replies === asked) this.replies = null;
      this.problem = errorSentence(error);
    }
  }

  protected override start(request: EvaluationSettings | Continued): Promise<void> {
    if (!this.running) this.scores = new Map();
    return super.start(request);
  }

  protected override show(result: EvaluationRecord | null): void {
    this.open = result;
    this.replies = null;
  }

  /** One that was cancelled has nothing to show yet. */
  protected override ended(result: EvaluationRecord): void {
    if (result.reports.length > 0) this.open = result;
  }

  protected override receive(update: EvaluationUpdate): void {
    super.receive(update);
    if (update.scores.length === 0) return;
    const scores = new Map(this.scores);
    for (const score of update.scores) scores.set(scoreKey(score.policy, score.personaId), score);
    this.scores = scores;
  }
}

/** Replies per persona and kind that fidelity is measured on. */
const fidelityReplies = 8;

/** What there is to compute. @param personas how many there are, without "no persona" */
export function rowsToDo(settings: EvaluationSettings, personas: number): Rows {
  const owners = [0, ...settings.checkpoints.map((_, i) => i + 1)];
  const ids = Array.from({ length: personas }, (_, i) => String(i));
  return rowsOfCells(evaluationCells(owners, 0, ids, expectedSizes(settings), settings));
}

function alike(a: EngineInfo, b: EngineInfo): boolean {
  return a.engine === b.engine && a.backend === b.backend && a.adapter === b.adapter;
}
