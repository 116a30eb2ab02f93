/** The evaluation the reader asks for, the one that is under way, and those that are kept. */
import type { ReplyKind } from '../evaluate/request.ts';
import { labErrorCode } from '../errors.ts';
import type { EngineInfo } from '../engine/engine.ts';
import type { PersonaGroup } from '../persona/groups.ts';
import type { Changes } from '../run/identity.ts';
import type { EvaluationRecord, EvaluationSettings } from '../storage/records.ts';
import type { AskedQuestion, CellScore, EvaluationInfo, EvaluationUpdate, TrainerApi } from '../worker/api.ts';
import { secondsFor } from '../worker/evaluation-progress.ts';
import { errorSentence } from './sentence.ts';

export const scoreKey = (policy: number, personaId: string | null): string => `${policy}/${personaId ?? 'none'}`;

/** Which persona's replies are looked at, and what they are. */
export interface OpenReplies {
  readonly kind: ReplyKind;
  readonly personaId: string | null;
  readonly questions: readonly AskedQuestion[] | null;
}

export class Evaluation {
  /** Beside the base; `current` is the open run as it is. */
  checkpoints = $state.raw<readonly string[]>([]);
  task = $state('addition');
  personas = $state<PersonaGroup>('voices');
  problems = $state<number | null>(50);
  /** 0: greedy; otherwise replies to each question at temperature 1. */
  samples = $state(1);
  fidelity = $state(false);
  maxNewTokens = $state<number | null>(24);
  seed = $state<number | null>(1);

  kept = $state.raw<readonly EvaluationInfo[]>([]);
  /** The finished one on view. */
  open = $state.raw<EvaluationRecord | null>(null);
  update = $state.raw<EvaluationUpdate | null>(null);
  /** Of the one under way, by `scoreKey`. */
  scores = $state.raw<ReadonlyMap<string, CellScore>>(new Map());
  running = $state(false);
  cancelling = $state(false);
  problem = $state<string | null>(null);
  replies = $state.raw<OpenReplies | null>(null);
  /** The unfinished one that would go on with something else than it began with. */
  changed = $state.raw<(Changes & { readonly id: string }) | null>(null);

  readonly #api: () => TrainerApi;
  #began = false;
  #opening = 0;

  constructor(api: () => TrainerApi) {
    this.#api = api;
  }

  /** The first look at the view: sizes that suit the engine, the newest weights, and what is kept. */
  async begin(engine: EngineInfo, newest: string | null): Promise<void> {
    if (this.#began) return;
    this.#began = true;
    const gpu = engine.backend === 'webgpu' && !engine.software;
    if (gpu || engine.backend === 'wasm') this.personas = 'all';
    if (gpu) {
      this.problems = 100;
      this.fidelity = true;
    }
    if (newest && this.checkpoints.length === 0) this.checkpoints = [newest];
    await this.refresh();
    const [latest] = this.kept;
    if (latest?.finished && !this.open) await this.view(latest.id);
  }

  async refresh(): Promise<void> {
    try {
      this.kept = await this.#api().evaluations();
    } catch (error) {
      this.problem = errorSentence(error);
    }
  }

  get unfinished(): readonly EvaluationInfo[] {
    return this.kept.filter(({ id, finished }) => !finished && !(this.running && id === this.update?.id));
  }

  /** What keeps it from being run, as a sentence; null when nothing does. */
  get obstacle(): string | null {
    const whole = (value: number | null, low: number, high: number) =>
      value !== null && Number.isInteger(value) && value >= low && value <= high;
    if (!whole(this.problems, 1, 2000)) return 'Problems per persona: a whole number from 1 to 2000.';
    if (!whole(this.maxNewTokens, 1, 256)) return 'Longest reply: a whole number of tokens from 1 to 256.';
    if (!whole(this.seed, 0, 0xffffffff)) return 'Seed: a whole number from 0.';
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

  toggle(checkpoint: string): void {
    this.checkpoints = this.checkpoints.includes(checkpoint)
      ? this.checkpoints.filter((entry) => entry !== checkpoint)
      : [...this.checkpoints, checkpoint];
  }

  /** How long that takes, at the rates of the newest evaluation on the same engine; null where there was none. */
  seconds(rows: Rows, engine: EngineInfo): number | null {
    const same = this.kept.find(({ engine: other, work }) => alike(other, engine) && work.asked.rows > 0);
    return same ? secondsFor(rows, same.work) : null;
  }

  async run(): Promise<void> {
    if (!this.obstacle) await this.#run(this.settings);
  }

  /** Where something differs from what it began with, asks first. */
  async resume(id: string, accept: readonly string[] = []): Promise<void> {
    if (this.running) return;
    this.changed = null;
    this.problem = null;
    try {
      const changes = accept.length > 0 ? null : await this.#api().changes('evaluation', id);
      if (changes) this.changed = { ...changes, id };
      else await this.#run(id, accept);
    } catch (error) {
      this.problem = errorSentence(error);
    }
  }

  async cancel(): Promise<void> {
    this.cancelling = true;
    try {
      await this.#api().cancelEvaluation();
    } catch (error) {
      this.problem = errorSentence(error);
    }
  }

  /** Puts a finished evaluation on view. */
  async view(id: string): Promise<void> {
    const opening = ++this.#opening;
    try {
      const record = await this.#api().evaluation(id);
      if (opening !== this.#opening) return;
      this.open = record;
      this.replies = null;
    } catch (error) {
      this.problem = errorSentence(error);
    }
  }

  async remove(id: string): Promise<void> {
    try {
      await this.#api().deleteEvaluation(id);
      if (this.open?.id === id) this.open = null;
    } catch (error) {
      this.problem = errorSentence(error);
    }
    await this.refresh();
  }

  /** What was said under a persona, null without one; asked for the evaluation on view. */
  async look(kind: OpenReplies['kind'], personaId: string | null): Promise<void> {
    if (!this.open) return;
    const { id } = this.open;
    this.replies = { kind, personaId, questions: null };
    const asked = this.replies;
    try {
      const questions = await this.#api().evaluationReplies(id, kind, personaId);
      if (this.replies === asked) this.replies = { kind, personaId, questions };
    } catch (error) {
      if (this.replies === asked) this.replies = null;
      this.problem = errorSentence(error);
    }
  }

  async #run(request: EvaluationSettings | string, accept: readonly string[] = []): Promise<void> {
    if (this.running) return;
    this.running = true;
    this.problem = null;
    this.update = null;
    this.scores = new Map();
    this.open = null;
    this.replies = null;
    this.#opening++;
    try {
      const record = await this.#api().evaluate(request, (update) => this.#receive(update), accept);
      if (record.reports.length > 0) this.open = record;
    } catch (error) {
      if (labErrorCode(error) !== 'cancelled') this.problem = errorSentence(error);
    } finally {
      this.running = false;
      this.cancelling = false;
    }
    await this.refresh();
  }

  #receive(update: EvaluationUpdate): void {
    this.update = update;
    if (update.scores.length === 0) return;
    const scores = new Map(this.scores);
    for (const score of update.scores) scores.set(scoreKey(score.policy, score.personaId), score);
    this.scores = scores;
  }
}

/** Replies per persona and kind that fidelity is measured on. */
const fidelityReplies = 8;

/** What there is to compute: replies to generate, and replies to score under a persona. */
export interface Rows {
  readonly asked: number;
  readonly scored: number;
}

/** @param personas how many there are, without "no persona" */
export function rowsOf({ checkpoints, problems, samples, fidelityReplies: measured }: EvaluationSettings, personas: number): Rows {
  const policies = checkpoints.length + 1;
  const asked = policies * (personas + 1) * problems * samples;
  if (measured === 0) return { asked, scored: 0 };
  const each = Math.min(measured, problems);
  // Role-play beside the answers, and twice as many of both from the base, for the classifier to learn voices from.
  return { asked: asked + policies * personas * each + 2 * personas * 2 * each, scored: policies * personas * 2 * each * personas };
}

function alike(a: EngineInfo, b: EngineInfo): boolean {
  return a.engine === b.engine && a.backend === b.backend && a.adapter === b.adapter;
}
