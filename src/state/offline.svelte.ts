/**
 * The page's service worker as the page sees it: kept files (`service-worker.ts`) and the next version, which waits until the reader asks for
 * it; nothing reloads by itself. Browsers allow one over https and on this machine; elsewhere the page works without, and says nothing.
 */
export class Offline {
  /** A new version is here, and waits. */
  newer = $state(false);
  #registration: ServiceWorkerRegistration | null = null;

  async start(): Promise<void> {
    if (!import.meta.env.PROD || !('serviceWorker' in navigator)) return;
    try {
      await navigator.serviceWorker.register('./service-worker.js');
    } catch {
      return; // Refused with all other site data, or not to be had at the moment.
    }
    // From here on one is at work, so that whatever comes after it is newer.
    const registration = await navigator.serviceWorker.ready;
    this.#registration = registration;
    const look = () => {
      if (registration.waiting) this.newer = true;
    };
    const watch = () => registration.installing?.addEventListener('statechange', look);
    registration.addEventListener('updatefound', watch);
    watch();
    look();
  }

  /**
   * Loads the new version. Another tab may have put it to work already, which ends nothing in this one: then none waits, or the one that is
   * still seen waiting is on its way and says so by its state, even where the change of this page's controller has been told before.
   */
  load(): void {
    const waiting = this.#registration?.waiting;
    if (waiting?.state !== 'installed') return location.reload();
    const reload = () => location.reload();
    navigator.serviceWorker.addEventListener('controllerchange', reload, { once: true });
    waiting.addEventListener('statechange', reload, { once: true });
    waiting.postMessage('take over');
  }
}
