/**
 * The worker's whole surface, as the page sees it through comlink. Types only.
 * Commands are idempotent; failures reject with a LabError whose message is a full sentence.
 */
import type { PersonaLibrary } from '../persona/file.ts';
import type { Complaint } from '../errors.ts';
import type { HeldOutEvaluation } from '../evaluate/held-out.ts';
import type { ReplyKind } from '../evaluate/request.ts';
import type { EngineInfo, EngineRequest } from '../engine/engine.ts';
import type { PolicyForm } from '../exchange/policy-forms.ts';
import type { TrainerForm } from '../exchange/trainer-forms.ts';
import type { Persona, Voice } from '../persona/persona.ts';
import type { Message } from '../policy/chat-template.ts';
import type { TemplateAsking } from '../rl/asking.ts';
import type { RunConfig } from '../rl/config.ts';
import type { PersonaAccuracy, RolloutRecord, StepRow } from '../rl/events.ts';
import type { MetricName } from '../rl/metric-names.ts';
import type { StepPhase } from '../rl/phases.ts';
import type { HeldOutExcess } from '../run/cost.ts';
import type { Changes } from '../run/identity.ts';
import type { RaceArm } from '../run/race.ts';
import type { Unreadable } from '../storage/checked.ts';
import type { CheckpointInfo, ResumableKind, RunRecord } from '../storage/records.ts';
import type { Knob } from '../tasks/question.ts';
import type { BenchmarkApi } from './benchmark-api.ts';
import type { AskedQuestion } from './evaluation-api.ts';
import type { ExaminationKind, Examinations } from './examinations.ts';
import type { LibrariesApi } from './libraries-api.ts';
import type { PoliciesApi } from './policies-api.ts';
import type { SetsApi } from './sets-api.ts';

/** What the reader may force in the address: `?engine=portable&backend=wasm`. */
export interface BootRequest extends EngineRequest {
  /** `?selftest`: checks the engine again, whatever is remembered of it, and says how it came out. */
  readonly selftest?: boolean;
}

/** An engine's self-check (src/engine/self-check.ts). */
export interface CheckedEngine {
  readonly passed: boolean;
  readonly sentence: string;
  /** All that is known, to be copied or saved. */
  readonly report: string;
}

export interface Boot {
  readonly engine: EngineInfo;
  /** One sentence: why this engine and backend. */
  readonly reason: string;
  /** Self-checks of the engines that were considered; the last one is in use. */
  readonly checks: readonly CheckedEngine[];
  /** What is missing here and what that costs: no secure context, no WebGPU, no IndexedDB … */
  readonly notices: readonly string[];
  readonly policy: {
    readonly id: string;
    readonly name: string;
    readonly parameters: number;
    readonly vocabSize: number;
    readonly layers: number;
    readonly hiddenSize: number;
  };
  readonly voices: readonly Voice[];
  readonly personas: readonly Persona[];
  /** The library beside the world. */
  readonly general: PersonaLibrary;
  readonly tasks: readonly {
    readonly id: string;
    readonly name: string;
    readonly description: string;
    readonly knobs: readonly Knob[];
    readonly whole: boolean;
  }[];
  /** Newest first. A run that was `running` when its tab went away is listed as `paused`. */
  readonly runs: readonly RunRecord[];
  /** False: runs are kept until the page is closed, and no longer; a notice says why. */
  readonly durable: boolean;
  /** Stored records that this version cannot read; each is said in a notice too. */
  readonly unreadable: readonly Unreadable[];
  readonly recipes: Readonly<Record<string, RunConfig>>;
}

export type SessionPhase = 'idle' | 'starting' | 'running' | 'pausing' | 'paused' | 'recovering' | 'finished' | 'failed';

export type NoticeLevel = 'info' | 'warning' | 'error';

export type TrainerEvent =
  | {
      readonly type: 'session';
      readonly runId: string | null;
      readonly phase: SessionPhase;
      readonly step: number;
      readonly steps: number;
      readonly message: string | null;
    }
  /** Within a step: which phase, and how far (0..1). */
  | {
      readonly type: 'progress';
      readonly runId: string;
      readonly step: number;
      readonly phase: StepPhase | 'evaluate';
      readonly fraction: number;
    }
  /**
   * One or more steps: `columns[name]` holds `steps.length` numbers, NaN where a metric is absent. Buffers are transferred.
   * A step that was told before comes again after a recovery: the run went back to its checkpoint, and the newer numbers count.
   */
  | {
      readonly type: 'metrics';
      readonly runId: string;
      readonly steps: Int32Array;
      readonly columns: Readonly<Partial<Record<MetricName, Float64Array>>>;
      readonly personas: readonly PersonaAccuracy[];
    }
  /** The newest step's rollouts (only the newest of a batch of events is sent). */
  | { readonly type: 'rollouts'; readonly runId: string; readonly step: number; readonly rollouts: readonly RolloutRecord[] }
  /** Two runs are about to be trained in turn. Comes before anything else of them. */
  | { readonly type: 'race'; readonly runId: string; readonly pair: Race }
  /** Held-out questions were asked of the policy of a step; after a recovery perhaps once more. */
  | { readonly type: 'evaluation'; readonly runId: string; readonly evaluation: HeldOutEvaluation }
  /** A policy of the reader's own is being opened and put on the engine (0..1), whatever it is for; the name is null once it is there. */
  | { readonly type: 'loading'; readonly runId: null; readonly policy: string | null; readonly fraction: number }
  | { readonly type: 'checkpoints'; readonly runId: string; readonly checkpoints: readonly CheckpointInfo[] }
  /** Something the reader should know, with what to do about it; what is about settings is told in numbers, because the page names those. */
  | { readonly type: 'notice'; readonly runId: string | null; readonly level: NoticeLevel; readonly text: string | HeldOutExcess };

export interface RunHistory {
  readonly run: RunRecord;
  readonly steps: readonly { readonly step: number; readonly metrics: StepRow; readonly personas: PersonaAccuracy }[];
  readonly checkpoints: readonly CheckpointInfo[];
  /** Ascending steps. */
  readonly heldOut: readonly HeldOutEvaluation[];
}

export interface ProbeRequest extends TemplateAsking {
  /** Id of the base. */
  readonly policy: string;
  readonly question: string;
  /** System prompts; null is "no persona". */
  readonly personas: readonly { readonly key: string; readonly text: string | null }[];
  /** Checkpoint ids; null is the base policy, `current` the live run's weights. */
  readonly checkpoints: readonly (string | null)[];
  readonly temperature: number;
  readonly maxNewTokens: number;
  readonly seed: number;
}

/** A reply, as its text grows. */
export interface ReplyChunk {
  readonly text: string;
  /** The closing mark of a thinking that the prompt opened; null where it opened none. */
  readonly thinking: string | null;
  /** Per token. The log-probs come with the last chunk of the reply; until then the list is empty. */
  readonly pieces: readonly string[];
  readonly logprobs: readonly number[];
  readonly done: boolean;
  /** Done, and cut off where it was as long as it may be. */
  readonly cut: boolean;
}

/** A cell of the probe's grid. */
export interface ProbeChunk extends ReplyChunk {
  readonly checkpoint: string | null;
  readonly persona: string;
}

/** The next reply of a conversation with one policy. */
export interface ChatRequest extends TemplateAsking {
  /** Id of the base. */
  readonly policy: string;
  /** As in a `ProbeRequest`. */
  readonly checkpoint: string | null;
  /** System prompt; null is "no persona". */
  readonly persona: string | null;
  /** What this very policy was told and replied, in turn; first and last are the reader's. */
  readonly messages: readonly Message[];
  readonly temperature: number;
  readonly maxNewTokens: number;
  readonly seed: number;
}

export interface ChatChunk extends ReplyChunk {
  /** What the policy read, chat template applied. */
  readonly prompt: string;
  /** Tokens of prompt and reply, and how many the policy reads; null: no limit is known. */
  readonly used: number;
  readonly positions: number | null;
}

/** A place in a stored rollout. */
export interface AlternativesRequest {
  readonly runId: string;
  readonly step: number;
  /** As it was rendered, and the completion's tokens before the place. */
  readonly prompt: string;
  readonly before: readonly number[];
  /** The token that was said. */
  readonly said: number;
}

export interface Alternatives {
  /** `sampler`: the one that sampled the rollout; else the open run as it is now, or its newest checkpoint. */
  readonly policy: { readonly kind: 'sampler' | 'checkpoint'; readonly step: number } | { readonly kind: 'current' };
  /** Likeliest first, under the run's temperature. */
  readonly tokens: readonly { readonly id: number; readonly piece: string; readonly probability: number }[];
  /** Rank from 1. */
  readonly said: { readonly probability: number; readonly rank: number };
}

/** The run that a file holds. */
export interface OpenedRun {
  readonly id: string;
  readonly name: string;
  /** It was here before, as it is in the file, and nothing was stored. */
  readonly known: boolean;
}

/** Run ids by recipe. */
export type Race = Readonly<Record<RaceArm, string>>;

export interface TrainerApi extends PoliciesApi, SetsApi, LibrariesApi, BenchmarkApi {
  boot(request: BootRequest): Promise<Boot>;
  /** One sink; a second call replaces the first. Events come at most ten times a second. */
  listen(sink: (events: readonly TrainerEvent[]) => void): Promise<void>;
  /** Checks a config and says what is wrong with it; empty when it can be run. */
  check(config: RunConfig, teacher?: string): Promise<readonly Complaint[]>;
  /**
   * Creates a run and starts it. Resolves with its id once the first checkpoint (step 0) is stored.
   * @param teacher sequence distillation: the checkpoint whose right replies are learnt; from then on it is the reader's own
   */
  start(config: RunConfig, name?: string, teacher?: string): Promise<string>;
  /**
   * Asks the untrained policy the held-out questions and makes two steps that are thrown away. Resolves with the seconds of a step; with null
   * where a run began in between, or one is under way.
   */
  trial(config: RunConfig, onEvaluation: (evaluation: HeldOutEvaluation) => void): Promise<number | null>;
  /**
   * Creates RLVR and PerMix with these settings and trains them in turn, a step of each. Resolves with their ids once both train; `pause`,
   * `stop` and `resume` of either are of both.
   */
  race(config: RunConfig): Promise<Race>;
  /** What is not as it was when this run, evaluation or judging began; null when it would go on with the same. */
  changes(kind: ResumableKind, id: string): Promise<Changes | null>;
  /**
   * Continues from the run's last checkpoint; with `checkpoint`, from that one, as a new run, and with `config`, which has other settings.
   * Resolves with the run's id.
   * @param teacher as in `start`, where `config` distils
   * @param accept what of `changes` is taken over; rejects with what is not, and the run stays as it is
   */
  resume(runId: string, checkpoint?: string, config?: RunConfig, teacher?: string, accept?: readonly string[]): Promise<string>;
  /** After the current step; resolves when its checkpoint is written. */
  pause(): Promise<void>;
  /** Exactly one step of the open run; with `config` of a new one, with `runId` of a stored one. Resolves when it is paused again. */
  step(config?: RunConfig, runId?: string, teacher?: string, accept?: readonly string[]): Promise<string>;
  /** Within the current step, whose work is thrown away; the last whole step is saved. The session is `idle` then; the run can be resumed. */
  stop(): Promise<void>;
  runs(): Promise<readonly RunRecord[]>;
  /** @param after of the steps, only those that came later */
  history(runId: string, after?: number): Promise<RunHistory>;
  rollouts(runId: string, step: number): Promise<readonly RolloutRecord[]>;
  /** The steps whose rollouts are kept, ascending. */
  rolloutSteps(runId: string): Promise<readonly number[]>;
  /** Takes a turn with training. */
  alternatives(request: AlternativesRequest): Promise<Alternatives>;
  renameRun(runId: string, name: string): Promise<void>;
  /** A file of the run with its newest state; for the open run also where storage has failed. */
  saveRun(runId: string): Promise<ArrayBuffer>;
  /**
   * The policy of its newest state for other programs: a GGUF file, or a zip of a Hugging Face folder or of PEFT's adapters.
   * @param base PEFT: what the policy that the adapters are of is called elsewhere
   */
  savePolicy(runId: string, form: PolicyForm, options: { readonly format?: string; readonly base?: string }): Promise<File>;
  /**
   * The run as a project for a trainer on larger machines, a zip, and what that trainer does otherwise, a sentence each.
   * @param named the policy's name on the hub, instead of a copy of it; null: a copy goes along
   */
  saveProject(runId: string, form: TrainerForm, named: string | null): Promise<{ readonly file: File; readonly gaps: readonly string[] }>;
  /** Such a file becomes a run of its own, at rest, unless it is here already. */
  openRun(file: File): Promise<OpenedRun>;
  deleteRun(runId: string): Promise<void>;
  /** Everything that is stored. Rejects while something trains, in this tab or another. */
  clear(): Promise<void>;
  /** A record that cannot be read, with what belongs to it. Resolves with those that are left. */
  deleteUnreadable(record: Unreadable): Promise<readonly Unreadable[]>;
  saveCheckpoint(name: string): Promise<CheckpointInfo>;
  renameCheckpoint(id: string, name: string): Promise<void>;
  deleteCheckpoint(id: string): Promise<void>;
  /** How the prompt will look to the policy, chat template applied. */
  renderPrompt(policy: string, personaText: string | null, question: string, asking?: TemplateAsking): Promise<string>;
  /** What the policy's chat template says by itself where there is no persona; null: nothing. */
  ownPrompt(policy: string, asking: TemplateAsking): Promise<string | null>;
  /** Streams; resolves when every cell is done or `cancelProbe` was called. */
  probe(request: ProbeRequest, onChunk: (chunks: readonly ProbeChunk[]) => void): Promise<void>;
  cancelProbe(): Promise<void>;
  /** Streams; resolves with the whole reply, or with null where `cancelChat` was called. One at a time: the one before is cancelled. */
  chat(request: ChatRequest, onChunk: (chunk: ChatChunk) => void): Promise<ChatChunk | null>;
  cancelChat(): Promise<void>;
  /**
   * Examines chosen checkpoints (`current`: the open run, which is saved for it) and the base they came from; with an id, continues an
   * examination that was left unfinished, with `accept` as for `resume`. Takes turns with training. Resolves when all is done or
   * `cancelExamination` was called. A judgement sends requests to the judge's address, and to nowhere else.
   */
  examine<K extends ExaminationKind>(
    kind: K,
    request: Examinations[K]['request'],
    onUpdate: (update: Examinations[K]['update']) => void,
  ): Promise<Examinations[K]['result']>;
  /** What is done stays done. */
  cancelExamination(kind: ExaminationKind): Promise<void>;
  /** Newest first. */
  examinations<K extends ExaminationKind>(kind: K): Promise<readonly Examinations[K]['info'][]>;
  examination<K extends ExaminationKind>(kind: K, id: string): Promise<Examinations[K]['result']>;
  deleteExamination(kind: ExaminationKind, id: string): Promise<void>;
  /** What an evaluation heard under a persona, null: without one. */
  evaluationReplies(id: string, kind: ReplyKind, personaId: string | null): Promise<readonly AskedQuestion[]>;
  /** Bytes used and available, as far as the browser says. */
  storage(): Promise<{ readonly used: number; readonly quota: number; readonly persisted: boolean }>;
}
