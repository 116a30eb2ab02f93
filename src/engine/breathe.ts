/**
 * Long work in a worker lets messages in now and then: on `cpu` and `wasm` everything awaited is ready at once, so that
 * without a real turn of the event loop a request to stop would be heard only at the end.
 */
const interval = 50; // ms; browsers make a timer wait 4 ms, so this costs at most a twelfth
let last = 0;

/** Resolves after a turn of the event loop, at most every 50 ms; else at once. */
export async function breathe(): Promise<void> {
  const now = performance.now();
  if (now - last < interval) return;
  await new Promise((resolve) => setTimeout(resolve, 0));
  last = performance.now();
}
