/** The evaluation the reader asks for, the one that is under way, and those that are kept. */
import { errorSentence } from '../errors.ts';
import { evaluationCells, expectedSizes, rowsOfCells, type Rows } from '../evaluate/cells.ts';
import type { ReplyKind } from '../evaluate/request.ts';
import type { EngineInfo } from '../engine/engine.ts';
import { askedPersonas, personaGroup, type PersonaGroup } from '../persona/groups.ts';
import { libraryTitle } from '../persona/library-names.ts';
import type { Persona } from '../persona/persona.ts';
import { askingOf, usualAsking, withoutUsual, type AskingSettings } from '../rl/asking.ts';
import type { RunConfig } from '../rl/config.ts';
import type { EvaluationRecord, EvaluationSettings } from '../storage/records.ts';
import { findTooLittle } from '../verify/answer-forms.ts';
import type { Boot, TrainerApi } from '../worker/api.ts';
import type { AskedQuestion, CellScore, Continued, EvaluationInfo, EvaluationUpdate } from '../worker/evaluation-api.ts';
import { secondsFor } from '../worker/evaluation-progress.ts';
import { Examination, wholeBetween, type BaseChoice } from './examination.svelte.ts';
import { libraryIn } from './persona-library.ts';

export const scoreKey = (policy: number, personaId: string | null): string => `${policy}/${personaId ?? 'none'}`;

/** Which persona's replies are looked at, and what they are. */
export interface OpenReplies {
  readonly kind: ReplyKind;
  readonly personaId: string | null;
  readonly questions: readonly AskedQuestion[] | null;
}

/** How the chosen policies are asked where the reader says nothing. */
export interface Suited {
  /** Of the run that is compared, or what the policy brings; null: the recipes' own. */
  readonly config: RunConfig | null;
  /** Whether the policy brings settings of its own: then it is no miniature. */
  readonly own: boolean;
}

const usualTask = 'addition';
const usualLength = 24;
/** Of a policy that is no miniature: each takes long, and the reader may ask for more. */
const fewPersonas = 8;
const longestReply = 4096;

export class Evaluation extends Examination<'evaluation'> {
  task = $state(usualTask);
  personas = $state<PersonaGroup>('voices');
  /** Null: all of the group. */
  personaCount = $state<number | null>(null);
  /** As far as it is not as usual. */
  asking = $state.raw<AskingSettings>({});
  problems = $state<number | null>(50);
  /** 0: greedy; otherwise replies to each question at temperature 1. */
  samples = $state(1);
  fidelity = $state(false);
  /** Of each kind, per persona, that it is measured on. */
  fidelityReplies = $state<number | null>(8);
  maxNewTokens = $state<number | null>(usualLength);
  seed = $state<number | null>(1);

  /** Of the one under way, by `scoreKey`. */
  scores = $state.raw<ReadonlyMap<string, CellScore>>(new Map());
  replies = $state.raw<OpenReplies | null>(null);
  #sized = false;
  /** What was brought last. */
  #suited = brought({ config: null, own: false });

  constructor(
    api: () => TrainerApi,
    private readonly base: (checkpoints: readonly string[]) => BaseChoice,
    private readonly boot: () => Pick<Boot, 'personas' | 'voices' | 'general' | 'tasks'> | null,
  ) {
    super('evaluation', api);
  }

  /** Takes over how the chosen policies are asked, where that is another way than before; else what the reader has said stays. */
  suit(suited: Suited): void {
    const now = brought(suited);
    if (JSON.stringify(now) === JSON.stringify(this.#suited)) return;
    this.#suited = now;
    ({ task: this.task, maxNewTokens: this.maxNewTokens, personaCount: this.personaCount } = now);
    this.ask({ ...usualAsking, ...now.asking });
  }

  ask(changes: AskingSettings): void {
    this.asking = withoutUsual({ ...this.asking, ...changes });
    if (this.group(this.personas).length < 2) this.personas = 'all';
  }

  /** All of it. */
  get asked(): Required<AskingSettings> {
    return askingOf(this.asking);
  }

  /** Of the chosen library. */
  group(group: PersonaGroup): readonly Persona[] {
    return personaGroup(libraryIn(this.boot(), this.asking.library).personas, group);
  }

  get chosen(): readonly Persona[] {
    return personasOf(this.boot(), this.settings);
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
  get complaints(): Readonly<Record<'problems' | 'maxNewTokens' | 'seed' | 'personaCount' | 'fidelityReplies', string | null>> {
    const most = this.group(this.personas).length;
    return {
      personaCount:
        this.personaCount === null || wholeBetween(this.personaCount, 2, Math.max(2, most))
          ? null
          : `How many of them must be a whole number from 2 to ${most}, or empty for all.`,
      problems: wholeBetween(this.problems, 1, 2000) ? null : 'Problems each must be a whole number from 1 to 2000.',
      maxNewTokens: wholeBetween(this.maxNewTokens, 1, longestReply)
        ? null
        : `Longest reply must be a whole number of tokens from 1 to ${longestReply}.`,
      fidelityReplies: wholeBetween(this.fidelityReplies, 1, 200)
        ? null
        : 'Replies for its character must be a whole number from 1 to 200.',
      seed: wholeBetween(this.seed, 0, 0xffffffff) ? null : `Seed must be a whole number from 0 to ${0xffffffff}.`,
    };
  }

  get obstacle(): string | null {
    const { problems, maxNewTokens, seed, personaCount, fidelityReplies } = this.complaints;
    const wrong = problems ?? personaCount ?? maxNewTokens ?? seed ?? (this.fidelity ? fidelityReplies : null);
    if (wrong !== null) return wrong;
    const boot = this.boot();
    if (boot && this.chosen.length < 2) {
      return `${libraryTitle(this.asked.library)} has ${this.group('all').length} persona, and an evaluation compares at least two.`;
    }
    const task = boot?.tasks.find(({ id }) => id === this.task);
    if (task && findTooLittle(task, this.asked.answers)) {
      return `A reply to “${task.name}” is more than its last number. Let an answer be another form first, in Advanced.`;
    }
    if (this.checkpoints.length > 5) return 'Choose at most five policies beside the base.';
    return null;
  }

  get settings(): EvaluationSettings {
    return {
      ...this.base(this.checkpoints),
      checkpoints: [...this.checkpoints],
      ...this.asking,
      task: this.task,
      personas: this.personas,
      ...(this.personaCount === null ? {} : { personaCount: this.personaCount }),
      problems: this.problems ?? 0,
      samples: Math.max(1, this.samples),
      temperature: this.samples === 0 ? 0 : 1,
      maxNewTokens: this.maxNewTokens ?? 0,
      seed: this.seed ?? 0,
      fidelityReplies: this.fidelity ? (this.fidelityReplies ?? 0) : 0,
    };
  }

  /** How long that takes, at the rates of the newest evaluation of the same policy on the same engine; null where there was none. */
  seconds(rows: Rows, engine: EngineInfo): number | null {
    const { policy } = this.settings;
    const same = this.kept.find(
      ({ engine: other, work, settings }) => alike(other, engine) && settings.policy === policy && work.asked.rows > 0,
    );
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

/** Whom an evaluation asks, in its order. */
export const personasOf = (boot: Parameters<typeof libraryIn>[0], settings: EvaluationSettings): readonly Persona[] =>
  askedPersonas(libraryIn(boot, settings.library).personas, settings);

function brought({ config, own }: Suited) {
  const { library, noPersona, noSystemRole, instruction, answers, templateArguments } = askingOf(config ?? {});
  return {
    asking: { library, noPersona, noSystemRole, instruction, answers, templateArguments },
    task: config?.tasks.find(({ weight, set }) => weight > 0 && !set)?.id ?? usualTask,
    // As on the command line a reply may be twice as long as in training.
    maxNewTokens: config && own ? 2 * config.sampling.maxNewTokens : usualLength,
    personaCount: own ? fewPersonas : null,
  };
}

/** What there is to compute. @param personas how many there are, without "no persona" */
export function rowsToDo(settings: EvaluationSettings, personas: number): Rows {
  const owners = [0, ...settings.checkpoints.map((_, i) => i + 1)];
  const ids = Array.from({ length: personas }, (_, i) => String(i));
  return rowsOfCells(evaluationCells(owners, 0, ids, expectedSizes(settings), settings));
}

function alike(a: EngineInfo, b: EngineInfo): boolean {
  return a.engine === b.engine && a.backend === b.backend && a.adapter === b.adapter;
}
