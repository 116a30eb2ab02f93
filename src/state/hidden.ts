/**
 * A run in a tab that nobody looks at: it trains on in its worker, as far as the browser lets it. What the browser did is seen by what was
 * done meanwhile, and said when the reader is back. It changes nothing; that a checkpoint is taken when a tab is hidden is `worker/client.ts`.
 */
import { remember, remembered } from './remembered.ts';
import type { NoticeLevel } from '../worker/api.ts';

interface Watched {
  readonly active: boolean;
  readonly session: { readonly runId: string | null; readonly step: number };
  notify(level: NoticeLevel, text: string): void;
}

export interface Away {
  readonly seconds: number;
  /** Done meanwhile. */
  readonly steps: number;
  /** The browser said that it stopped the tab's work. */
  readonly frozen: boolean;
}

/** Shorter looks elsewhere are nothing to speak of. */
const leastSeconds = 5;
/** A step takes seconds on a slow machine. */
const standstillSeconds = 60;

const steps = (count: number) => (count === 1 ? 'one step was' : `${count} steps were`);

/** Null where there is nothing to say. @param told that a hidden tab trains on has been said before */
export function awaySentence({ seconds, steps: made, frozen }: Away, told: boolean): string | null {
  const lost = 'Nothing that was done is lost; leave the tab in sight where it must not wait.';
  if (frozen) return `The browser held this tab still while it was hidden: ${steps(made)} made. ${lost}`;
  if (made === 0)
    return seconds < standstillSeconds ? null : `No step was made while this tab was hidden: the browser slowed it down. ${lost}`;
  if (told || seconds < leastSeconds) return null;
  return (
    `This tab trained on while it was hidden: ${steps(made)} made. A browser may slow a hidden tab down, or close it when memory is short; ` +
    'a checkpoint is taken whenever the tab is hidden, and the run goes on from there.'
  );
}

export class HiddenTime {
  #left: { readonly at: number; readonly runId: string | null; readonly step: number } | null = null;
  #frozen = false;

  constructor(private readonly lab: Watched) {
    document.addEventListener('freeze', () => (this.#frozen = true));
    document.addEventListener('visibilitychange', () => (document.visibilityState === 'hidden' ? this.#leave() : this.#return()));
    // A browser that closes a tab and brings it back says so, where it says so at all.
    if ((document as { wasDiscarded?: boolean }).wasDiscarded)
      lab.notify('info', 'The browser had closed this tab to have its memory, and has loaded it anew. What was saved is here.');
  }

  #leave(): void {
    this.#frozen = false;
    const { runId, step } = this.lab.session;
    this.#left = this.lab.active ? { at: Date.now(), runId, step } : null;
  }

  #return(): void {
    const left = this.#left;
    this.#left = null;
    if (!left) return;
    const seconds = (Date.now() - left.at) / 1000;
    const frozen = this.#frozen;
    // What the worker told meanwhile is still on its way.
    setTimeout(() => {
      const { runId, step } = this.lab.session;
      if (runId !== left.runId) return;
      const sentence = awaySentence({ seconds, steps: step - left.step, frozen }, remembered('hidden') === 'told');
      if (sentence === null) return;
      remember('hidden', 'told');
      this.lab.notify('info', sentence);
    }, 500);
  }
}
