/** What a finished run and a whole study leave behind, as plain objects that survive JSON. Types only; what follows from them is `claims.ts`. */
import type { EngineInfo } from '../engine/engine.ts';
import type { RecipeName, RunConfig } from '../rl/config.ts';
import type { Fidelity, LogOddsShift, PolicyReport, ReportedPersona } from '../evaluate/report.ts';
import type { InferenceAnswers } from '../evaluate/inference.ts';
import type { Equivalence } from '../statistics/equivalence.ts';
import type { analysis, Examination } from '../evaluate/analysis.ts';

export const resultsFormat = 'permix-reproduction';
export const resultsVersion = 1;

/** One column of the comparison: a recipe and the settings it was run with. */
export interface Arm {
  /** Fit for a file name. */
  readonly id: string;
  readonly label: string;
  readonly recipe: RecipeName;
  /** Arms with the same setting differ in nothing but the recipe; null: belongs to every setting (the base, SFT). */
  readonly setting: string | null;
}

/** Every so many steps a number; [points] each. */
export interface Curve {
  readonly step: readonly number[];
  /** Share of right rollouts. */
  readonly reward: readonly number[];
  /** nats per token */
  readonly entropy: readonly number[];
  /** To the base, nats per token; null in steps where it was not measured. */
  readonly kl: readonly (number | null)[];
  /** tokens */
  readonly length: readonly number[];
}

export type FidelitySummary = { readonly headline: number | null } & Readonly<
  Record<'task' | 'roleplay', Omit<Fidelity['task'], 'personas'>>
>;

export interface RunResult {
  /** Arm and hash of everything that decides the run. */
  readonly key: string;
  readonly arm: string;
  readonly seed: number;
  readonly config: RunConfig;
  /** Which policy it began from, which it was taught by. */
  readonly base: string;
  readonly teacher: string | null;
  readonly engine: EngineInfo;
  readonly finished: string;
  /** Of the program that computed it. */
  readonly build: string;
  /** Processor seconds of training (0 for the base) and evaluation, over all sessions. */
  readonly seconds: { readonly train: number; readonly evaluate: number };
  readonly accuracy: { readonly none: number; readonly personas: readonly number[] };
  readonly stability: PolicyReport['stability'];
  readonly shuffled: PolicyReport['shuffled'];
  /** [P] expected best of k personas. */
  readonly lottery: readonly number[];
  readonly fidelity: FidelitySummary | null;
  /** Against the base; null for the base itself. */
  readonly shift: LogOddsShift | null;
  readonly inference: InferenceAnswers;
  readonly curve: Curve | null;
}

export interface StudyResults {
  readonly format: typeof resultsFormat;
  readonly version: typeof resultsVersion;
  readonly study: Study;
  readonly arms: readonly Arm[];
  readonly personas: readonly ReportedPersona[];
  readonly seeds: readonly { readonly seed: number; readonly runs: readonly RunResult[] }[];
  /** What other seeds of the same setting say, and all together; absent where none were declared beside the study. */
  readonly together?: readonly Together[];
}

export interface Study {
  readonly name: string;
  readonly title: string;
  readonly command: string;
  /** When the last run finished, ISO 8601. */
  readonly date: string;
  /** The policy every run begins from, and the start of the SHA-256 of its files. */
  readonly base: {
    readonly id: string;
    readonly hash: string;
    readonly bundled: boolean;
    /** What its chat template says where there is no persona; absent: nothing, or not recorded. */
    readonly ownPrompt?: string;
  };
  /** Of everything that decides the study's numbers but the program and the machine. */
  readonly hash: string;
  readonly steps: number;
  readonly analysis: typeof analysis;
  readonly examination: Examination;
  readonly versions: Readonly<Record<string, string>>;
  /** The arm others are compared with, where the study varies one thing; null in the comparison of methods. */
  readonly reference: string | null;
}

/** One source of seeds, and what they say of a claim. */
export interface SeedGroup {
  readonly label: string;
  readonly seeds: number;
  readonly ratio: number;
  /** 95 % t interval; null with one seed. */
  readonly low: number | null;
  readonly high: number | null;
  readonly equivalence: Equivalence | null;
}

export interface Together {
  readonly id: string;
  readonly statement: string;
  readonly measure: string;
  readonly setting: string;
  /** The study's own seeds first. */
  readonly sources: readonly SeedGroup[];
  /** Without the study's own, which suggested the claim. */
  readonly fresh: SeedGroup;
  readonly all: SeedGroup;
}

/** Steps 1 to `steps`, each once and in their order, and a value of everything for each. */
export function isWholeCurve(curve: Curve, steps: number): boolean {
  const columns = [curve.step, curve.reward, curve.entropy, curve.kl, curve.length];
  return columns.every((column) => Array.isArray(column) && column.length === steps) && curve.step.every((step, i) => step === i + 1);
}
