/** What the wasm engine's products are worth. */
import { upTo } from '../engine/wasm/layout.ts';
import { byColumns, byRows, outer } from '../engine/wasm/linear.ts';
import { startModule } from '../engine/wasm/module.ts';

/** As in the bundled policy's MLP. */
const product = { rows: 1024, in: 96, out: 448 };

/** GFLOP/s of y = W x, dx = Wᵀ dy and dW += dyᵀ x together, packing counted: the best of several, three times. */
export async function productRates(): Promise<number[]> {
  const { kernels, heap } = await startModule();
  const { rows, in: inside, out } = product;
  const room = (numbers: number) => {
    const at = heap.take(4 * numbers);
    heap.floats(at, numbers).forEach((_, i, view) => (view[i] = Math.sin(i)));
    return at;
  };
  const [x, y, w, dw] = [room(rows * inside), room(rows * out), room(upTo(out, 8) * inside), room(upTo(out, 8) * inside)];
  const scratch = { first: room(2 ** 18), second: room(2 ** 20), inner: 0, dInner: 0 };
  const once = () => {
    byRows(kernels, scratch, product, x, { at: w, kind: 0 }, y);
    byColumns(kernels, scratch, product, y, { at: w, kind: 0 }, x);
    outer(kernels, scratch, product, y, x, dw);
    // What is multiplied again and again must not grow.
    kernels.scale(rows * inside, x, 0.01);
  };
  const flop = 3 * 2 * rows * inside * out;
  return Array.from({ length: 3 }, () => {
    let best = Infinity;
    for (let i = 0; i < 20; i++) {
      const start = performance.now();
      once();
      best = Math.min(best, performance.now() - start);
    }
    return flop / best / 1e6;
  });
}
