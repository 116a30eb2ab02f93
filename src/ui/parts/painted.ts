/**
 * Once what the page begins with can be seen: what is fetched and started before that would only delay it. In a tab that is not in sight nothing
 * is painted, and nothing is waited for.
 */

/** Milliseconds after which nobody waits for a frame that does not come. */
const patience = 1000;

export function painted(): Promise<void> {
  if (document.visibilityState === 'hidden') return Promise.resolve();
  return new Promise((done) => {
    setTimeout(done, patience);
    // The frame is drawn after its callbacks, and before what they set aside for later.
    requestAnimationFrame(() => setTimeout(done));
  });
}
