/**
 * Which runs a study consists of: arms times seeds, each with its whole configuration, a key that says what decides it, and what has to be
 * finished before it. Pure: nothing is run here (`reproduce.ts`), and which arms there are is `reproduce-studies.ts`.
 */
import type { EngineRequest } from '../engine/engine.ts';
import { createHash } from 'node:crypto';
import { analysis, type Examination } from '../evaluate/analysis.ts';
import type { Arm } from '../study/results.ts';
import { personas, voices } from '../persona/world.ts';
import { parseRunConfig } from '../rl/check.ts';
import type { RunConfig } from '../rl/config.ts';
import { formatVersion, numericsVersion } from '../run/identity.ts';

/** A policy that runs begin from. */
export interface BasePolicy {
  readonly id: string;
  /** Start of the SHA-256 of its fingerprint (policy/fingerprint.ts). */
  readonly hash: string;
  /** Absolute path. */
  readonly folder: string;
  /** What its chat template says where there is no persona. */
  readonly ownPrompt?: string | null;
}

export interface PlannedArm extends Arm {
  /** What differs from the recipe, as in a --config file. */
  readonly settings: (seed: number) => Readonly<Record<string, unknown>>;
  /** The arm whose policies teach this one; null for all but distillation. */
  readonly teacher: string | null;
  /** Index of the study's base policies. */
  readonly base: number;
}

export interface StudyPlan {
  readonly name: string;
  readonly title: string;
  readonly arms: readonly PlannedArm[];
  /** The arm others are compared with; null in the comparison of methods. */
  readonly reference: string | null;
}

export interface Circumstances {
  readonly seeds: readonly number[];
  readonly steps: number;
  readonly examination: Examination;
  readonly bases: readonly BasePolicy[];
  readonly engineRequest: EngineRequest;
}

export interface PlannedRun {
  /** Recipe, seed, and a hash of everything that decides the numbers but the machine: what differs in any of it is another run. */
  readonly key: string;
  readonly arm: string;
  readonly seed: number;
  readonly config: RunConfig;
  readonly base: BasePolicy;
  /** Keys of runs that must be finished before: the base's answers, the teacher's policy. */
  readonly baseRun: string | null;
  readonly teacher: string | null;
}

/** In the order they should be run in: the bases first, then seed by seed. @throws LabError 'config' for settings that make no sense */
export function planRuns(study: StudyPlan, circumstances: Circumstances): PlannedRun[] {
  const { seeds, steps, bases, examination, engineRequest } = circumstances;
  const bySeed = seeds.map((seed) => {
    const planned = new Map<string, PlannedRun>();
    const plan = (arm: PlannedArm): PlannedRun => {
      const known = planned.get(arm.id);
      if (known) return known;
      const base = bases[arm.base]!;
      const own = study.arms.find((other) => other.recipe === 'base' && other.base === arm.base && other !== arm);
      const teacher = arm.teacher === null ? null : plan(study.arms.find(({ id }) => id === arm.teacher)!).key;
      const baseRun = own ? plan(own).key : null;
      // The study examines its policies itself.
      const heldOut = { questions: 0 };
      const config = parseRunConfig({ recipe: arm.recipe, seed, steps, heldOut, ...arm.settings(seed), policy: base.id });
      const asked = { task: analysis.task, samples: analysis.samples, temperature: analysis.temperature, most: analysis.maxNewTokens };
      const program = { format: formatVersion, numerics: numericsVersion, world: hashOf([personas, voices]) };
      const identity = {
        config,
        base: base.hash,
        teacher,
        asked,
        examination,
        inference: analysis.inference,
        wish: engineRequest,
        program,
      };
      const run = { key: `${arm.recipe}-seed${seed}-${hashOf(identity)}`, arm: arm.id, seed, config, base, baseRun, teacher };
      planned.set(arm.id, run);
      return run;
    };
    return study.arms.map(plan);
  });
  const all = bySeed.flat();
  return [...all.filter(({ baseRun }) => baseRun === null), ...all.filter(({ baseRun }) => baseRun !== null)];
}

/** The next run that can be started now; null where there is none, because all are or what they need is not finished. */
export function nextRun(runs: readonly PlannedRun[], started: ReadonlySet<string>, finished: ReadonlySet<string>): PlannedRun | null {
  const there = (key: string | null) => key === null || finished.has(key);
  return runs.find(({ key, baseRun, teacher }) => !started.has(key) && !finished.has(key) && there(baseRun) && there(teacher)) ?? null;
}

/**
 * Seconds a run takes on one core, as measured for the bundled policy on wasm (2026, a cloud machine): only their ratios matter, for the time
 * left. A step of 128 rollouts; replies and scored rows of an examination.
 */
export function secondsOf(
  { config }: Pick<PlannedRun, 'config'>,
  { problems, fidelityReplies }: Examination,
): { readonly train: number; readonly evaluate: number } {
  const { promptsPerStep, groupSize, objective, recipe, steps } = config;
  const step = { base: 0, sft: 0.22, distill: 0.8, rlvr: 0.62, permix: 0.8, custom: 0.8 }[recipe] * (objective.beta > 0 ? 1 : 0.87);
  const scored = 2 * fidelityReplies * analysis.personas ** 2;
  return {
    train: (steps * step * promptsPerStep * groupSize) / 128,
    evaluate: ((analysis.personas + 1) * problems) / 470 + scored / 650,
  };
}

/** Enough of a hash to tell things apart. */
export function hashOf(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 12);
}
