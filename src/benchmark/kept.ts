/**
 * Figures that docs/benchmarks.md keeps, for whoever measures now to look at beside their own. A row is there by the adapter it was measured on; ratios
 * are speeds over the portable engine's in the same run, as a software adapter has nothing else to say. tests/unit/bench-visit.test.ts holds them to the document.
 */
import type { EngineLabel, RowName } from './report.ts';

export interface Kept {
  /** As the document writes it. */
  readonly figure: string;
  readonly engine: EngineLabel;
  /** A ratio, and no figure of its own. */
  readonly times?: true;
}

export interface KeptColumn {
  readonly where: string;
  readonly date: string;
  readonly rows: Readonly<Partial<Record<RowName, readonly Kept[]>>>;
}

const gpu = (figures: Readonly<Partial<Record<EngineLabel, string>>>, times?: true): readonly Kept[] =>
  Object.entries(figures).map(([engine, figure]) => ({ figure, engine: engine as EngineLabel, ...(times ? { times } : {}) }));

export const kept: readonly KeptColumn[] = [
  {
    where: 'SwiftShader 5.0.0',
    date: '2026-11-23',
    rows: {
      'trainStep.dispatches': gpu({ fused: '113', portable: '1014', 'jax-js': '543' }),
      'decodeToken.dispatches': gpu({ fused: '34', portable: '198', 'jax-js': '114' }),
      'trainStep.encode': gpu({ fused: '0.94 ms' }),
      'trainStep.d128.256': gpu({ fused: '6.6×', 'jax-js': '5.4×' }, true),
      'rollout.16': gpu({ fused: '6.1×' }, true),
    },
  },
  {
    where: 'lavapipe, Mesa 25.0.7',
    date: '2026-11-23',
    rows: {
      'trainStep.dispatches': gpu({ fused: '113', portable: '1013', 'jax-js': '542' }),
      'decodeToken.dispatches': gpu({ fused: '34', portable: '198', 'jax-js': '114' }),
      'trainStep.encode': gpu({ fused: '0.87 ms' }),
      'trainStep.d128.256': gpu({ fused: '2.9×', 'jax-js': '1.3×' }, true),
      'rollout.16': gpu({ fused: '5.9×' }, true),
    },
  },
  {
    where: 'two cores of an AMD EPYC, Node 20',
    date: '2026-11-30',
    rows: {
      'host.distinct': gpu({ wasm: '1.00' }),
      'host.step': gpu({ wasm: '5.9×' }, true),
      'host.threads': gpu({ wasm: '1.32×' }),
      'host.products': gpu({ wasm: '51 GFLOP/s' }),
    },
  },
];
