/** The next moment in which the page has nothing else to do. */

/** @param patience milliseconds after which it is done all the same */
export function idle(patience = 5000): Promise<void> {
  return new Promise((done) => {
    // Safari has no such call.
    if ('requestIdleCallback' in window) requestIdleCallback(() => done(), { timeout: patience });
    else setTimeout(done, 300);
  });
}
