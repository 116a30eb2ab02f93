/** What the page is told once the trainer has started: the engine, what there is to train on and with, and what has been kept. It starts nothing. */
import { libraryOf } from '../persona/libraries.ts';
import type { Policy } from '../policy/policy.ts';
import { parameterCount } from '../policy/weights.ts';
import { recipes } from '../rl/recipes.ts';
import { tasks } from '../tasks/index.ts';
import type { Boot } from './api.ts';
import { bundledPolicy, type Chosen } from './bench.ts';

export function bootReport(
  { engine, reason, checks }: Chosen,
  { config }: Policy,
  kept: Pick<Boot, 'notices' | 'durable' | 'unreadable' | 'runs'>,
): Boot {
  return {
    engine: engine.info,
    reason,
    checks,
    ...kept,
    policy: {
      ...bundledPolicy,
      parameters: parameterCount(config),
      vocabSize: config.vocabSize,
      layers: config.layers,
      hiddenSize: config.hiddenSize,
    },
    ...libraryOf('world'),
    general: libraryOf('general'),
    tasks: tasks.map(({ id, name, description, knobs, whole }) => ({ id, name, description, knobs, whole })),
    recipes,
  };
}
