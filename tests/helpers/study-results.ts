/** A small study with chosen numbers, for what is concluded and drawn from results. */
import type { Arm, RunResult, StudyResults } from '../../src/study/results.ts';
import { analysis, declaredExamination } from '../../src/evaluate/analysis.ts';
import { recipes } from '../../src/rl/recipes.ts';
import { tinyPersonas } from './tiny-policy.ts';

export const studyArms: readonly Arm[] = [
  { id: 'base', label: 'Base', recipe: 'base', setting: null },
  { id: 'rlvr-beta0.02', label: 'RLVR, β 0.02', recipe: 'rlvr', setting: 'β 0.02' },
  { id: 'permix-beta0.02', label: 'PerMix, β 0.02', recipe: 'permix', setting: 'β 0.02' },
];

export interface Numbers {
  readonly pss: number;
  readonly fidelity: number | null;
  readonly none: number;
}

export function runWith(arm: Arm, seed: number, { pss, fidelity, none }: Numbers): RunResult {
  const accuracies = tinyPersonas.map((_, p) => 0.8 * (p === 0 ? pss : 1));
  const mean = accuracies.reduce((sum, value) => sum + value, 0) / accuracies.length;
  const [min, max] = [0.8 * pss, 0.8];
  const stability = {
    pss,
    pssMean: min / mean,
    min,
    max,
    mean,
    spread: max - min,
    std: 0.1,
    worstCaseUtility: min - none,
    itemStability: 0.4,
  };
  const measures = { replies: 8, style: null, identification: null, likelihood: null, pmi: 1, mean: fidelity };
  return {
    key: `${arm.id}-seed${seed}`,
    arm: arm.id,
    seed,
    config: { ...recipes.permix, seed },
    base: 'permix-tiny',
    teacher: null,
    engine: { engine: 'portable', backend: 'wasm', adapter: null, software: false, features: [], limits: {}, precision: 'f32' },
    finished: `2026-01-0${seed}T00:00:00.000Z`,
    build: 'abc',
    seconds: { train: 3600, evaluate: 0 },
    accuracy: { none, personas: accuracies },
    stability: { all: stability, trained: stability, heldOut: stability },
    shuffled: { mean: 0.91, low: 0.88, high: 0.94, p: 0.01, shuffles: 1000 },
    lottery: accuracies.map((_, i) => mean + (0.05 * i) / accuracies.length),
    fidelity: { headline: fidelity, task: measures, roleplay: measures },
    shift: arm.recipe === 'base' ? null : { none: 1, personas: accuracies, trained: { mean: 1, std: 0.2 }, heldOut: { mean: 1, std: 0.2 } },
    inference: {
      search: [{ personas: 1, accuracy: 0.456, cost: { once: 600, each: 30 } }],
      ensemble: [{ personas: 4, accuracy: 0.654, cost: { once: 0, each: 12_345 } }],
    },
    curve:
      arm.recipe === 'base'
        ? null
        : { step: [1, 2, 3], reward: [0.5, 0.6, 0.7], entropy: [0.9, 0.8, 0.7], kl: [0, null, 0.01], length: [9, 9, 9] },
  };
}

/** @param numbers of an arm with a seed */
export function studyWith(seeds: readonly number[], numbers: (arm: string, seed: number) => Numbers, arms = studyArms): StudyResults {
  return {
    format: 'permix-reproduction',
    version: 1,
    study: {
      name: 'comparison',
      title: 'A study',
      command: 'npm run reproduce --',
      date: '2026-01-02T03:04:05.000Z',
      base: { id: 'permix-tiny', hash: '0123456789abcdef', bundled: true },
      hash: 'fedcba',
      steps: 3,
      analysis,
      examination: declaredExamination,
      versions: { node: '20' },
      reference: null,
    },
    arms,
    personas: tinyPersonas.map(({ id, name, voice, kind, heldOut }) => ({ id, name, voice, kind, heldOut })),
    seeds: seeds.map((seed) => ({ seed, runs: arms.map((arm) => runWith(arm, seed, numbers(arm.id, seed))) })),
  };
}
