/**
 * The page's service worker as the page sees it: kept files (`service-worker.ts`) and the next version, which waits until the reader asks for
 * it; nothing reloads by itself. Browsers allow one over https and on this machine; elsewhere the page works without, and says nothing.
 */
export class Offline {
  /** A new version is here, and waits. */
  newer = $state(false);
  #waiting: ServiceWorker | null = null;

  async start(): Promise<void> {
    if (!import.meta.env.PROD || !('serviceWorker' in navigator)) return;
    try {
      await navigator.serviceWorker.register('./service-worker.js');
    } catch {
      return; // Refused with all other site data, or not to be had at the moment.
    }
    // From here on one is at work, so that whatever comes after it is newer.
    const registration = await navigator.serviceWorker.ready;
    const look = () => {
      this.#waiting = registration.waiting;
      if (this.#waiting) this.newer = true;
    };
    const watch = () => registration.installing?.addEventListener('statechange', look);
    registration.addEventListener('updatefound', watch);
    watch();
    look();
  }

  /** Loads the new version. Another tab may have put it to work already, which ends nothing in this one. */
  load(): void {
    if (!this.#waiting) return location.reload();
    navigator.serviceWorker.addEventListener('controllerchange', () => location.reload(), { once: true });
    this.#waiting.postMessage('take over');
  }
}
