/**
 * How near training steps of the bundled policy come to what the processor's vectors of 128 bits do, on one thread of the wasm engine: its products
 * while they run, and the whole step. What attention multiplies is not counted.
 */
import { WasmEngine } from '../../src/engine/wasm/engine.ts';
import { startModule } from '../../src/engine/wasm/module.ts';
import { personas } from '../../src/persona/world.ts';
import type { Policy } from '../../src/policy/policy.ts';
import { recipes } from '../../src/rl/recipes.ts';
import { initialTrainerState, train } from '../../src/rl/trainer.ts';
import { engineTime } from '../../src/benchmark/host-steps.ts';
import { simdPeak } from './simd-peak.ts';

export interface HostShare {
  /** % of the peak, of each step. */
  readonly products: number[];
  readonly steps: number[];
}

export async function hostShare({ config, weights, tokenizer }: Policy, rounds: number): Promise<HostShare> {
  const peak = await simdPeak();
  const module = await startModule();
  let [flop, milliseconds] = [0, 0];
  const timed = <T>(operations: number, work: () => T): T => {
    const start = performance.now();
    const result = work();
    milliseconds += performance.now() - start;
    flop += operations;
    return result;
  };
  const { multiplyRows, multiplyRowPacked, multiplyColumns } = module.kernels;
  const kernels: typeof module.kernels = {
    ...module.kernels,
    multiplyRows: (m, n, k, ...rest) => timed(2 * m * n * k, () => multiplyRows(m, n, k, ...rest)),
    multiplyRowPacked: (n, k, ...rest) => timed(2 * n * k, () => multiplyRowPacked(n, k, ...rest)),
    multiplyColumns: (m, n, k, ...rest) => timed(2 * m * n * k, () => multiplyColumns(m, n, k, ...rest)),
  };
  const engine = await WasmEngine.create(config, weights, null, 1, { ...module, kernels });
  await engine.setReference();
  const whole = engineTime(engine);
  const given = { tokenizer: tokenizer!, eosIds: config.eosIds, personas, config: recipes.permix };
  const steps = train({ ...given, engine, state: initialTrainerState });
  const share = { products: [] as number[], steps: [] as number[] };
  for (let round = 0; round <= rounds; round++) {
    [flop, milliseconds] = [0, 0];
    const before = whole();
    await steps.next();
    const of = (ms: number) => (100 * flop) / ms / 1e6 / peak;
    if (round === 0) continue;
    share.products.push(of(milliseconds));
    share.steps.push(of(whole() - before));
  }
  engine.dispose();
  return share;
}
