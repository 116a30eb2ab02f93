/**
 * The wasm kernels as browsers run them, products and sums rounded once (relaxed SIMD), which Node 20 does not know without a flag: the same tests of
 * products, and thirty steps beside the portable engine. It needs no GPU.
 */
import { expect, it } from 'vitest';
import { hasRelaxedSimd } from '../../src/engine/wasm/simd.ts';
import { expectSameUpdates, trainForced } from '../helpers/forced-run.ts';
import { expectClose, normals } from '../helpers/numbers.ts';
import { tinyConfig } from '../helpers/tiny-policy.ts';
import { Bench } from '../helpers/wasm-kernels.ts';
import '../unit/wasm-product.test.ts';

it('are known to this browser, and compute what the plain ones do', async () => {
  expect(hasRelaxedSimd()).toBe(true);
  const [m, n, k] = [4, 8, 400];
  const said = [];
  for (const relaxed of [false, true]) {
    const bench = await Bench.start(relaxed);
    const c = bench.room(m * n);
    const panels = bench.panels(normals(n * k, 2), k);
    bench.kernels.multiplyRows(m, n, k, bench.floats(normals(m * k, 1)), 4 * k, panels, 32, 32 * k, c, 4 * n, 32, 0, 0, 0);
    said.push(bench.read(c, m * n));
  }
  const [plain, relaxed] = said as [Float32Array, Float32Array];
  expectClose(relaxed, plain, 'relaxed beside plain', { relative: 1e-5, absolute: 1e-4 });
});

it('train as the portable engine does', async () => {
  expectSameUpdates(await trainForced('wasm', 'wasm', tinyConfig, null), await trainForced('portable', 'cpu', tinyConfig, null), 1e-4);
});
