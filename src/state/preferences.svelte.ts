/** What the reader set for this browser: theme, single-key shortcuts, smoothing, the projector mode. Kept in localStorage where that is allowed. */
import { flushSync } from 'svelte';
import { remember, remembered } from './remembered.ts';

export type Theme = 'system' | 'light' | 'dark';
const themes: readonly Theme[] = ['system', 'light', 'dark'];

export class Preferences {
  #theme = $state<Theme>('system');
  #shortcuts = $state(true);
  #smoothing = $state(0.8);
  #projector = $state(false);
  #presented = $state(false);
  #system = window.matchMedia('(prefers-color-scheme: dark)');
  #systemDark = $state(false);
  /** On paper it is light and of the usual size, whatever the screen is. */
  #printing = $state(false);

  constructor() {
    this.#theme = themes.find((theme) => theme === remembered('theme')) ?? 'system';
    this.#shortcuts = remembered('shortcuts') !== 'off';
    const smoothing = Number(remembered('smoothing') ?? NaN);
    if (smoothing >= 0 && smoothing < 1) this.#smoothing = smoothing;
    this.#projector = remembered('projector') === 'on';
    this.#systemDark = this.#system.matches;
    this.#system.addEventListener('change', (event) => {
      this.#systemDark = event.matches;
      this.#paint();
    });
    this.#paint();
    window.addEventListener('beforeprint', () => this.#print(true));
    window.addEventListener('afterprint', () => this.#print(false));
  }

  /** Before the browser lays out the paper, charts included. */
  #print(on: boolean): void {
    flushSync(() => {
      this.#printing = on;
      this.#paint();
    });
  }

  /** Removes what is kept, here and of this tab. */
  forget(): void {
    for (const store of ['localStorage', 'sessionStorage'] as const) {
      try {
        for (const key of Object.keys(window[store])) if (key.startsWith('permix.')) window[store].removeItem(key);
      } catch {
        // Nothing is kept where it is forbidden.
      }
    }
  }

  get theme(): Theme {
    return this.#theme;
  }
  set theme(theme: Theme) {
    this.#theme = theme;
    remember('theme', theme);
    this.#paint();
  }

  get dark(): boolean {
    return !this.#printing && (this.#theme === 'dark' || (this.#theme === 'system' && this.#systemDark));
  }

  nextTheme(): void {
    this.theme = themes[(themes.indexOf(this.#theme) + 1) % themes.length]!;
  }

  get shortcuts(): boolean {
    return this.#shortcuts;
  }
  set shortcuts(on: boolean) {
    this.#shortcuts = on;
    remember('shortcuts', on ? 'on' : 'off');
  }

  /** Factor of the moving average, [0, 1): 0 draws the raw line alone. */
  get smoothing(): number {
    return this.#smoothing;
  }
  set smoothing(factor: number) {
    this.#smoothing = factor;
    remember('smoothing', String(factor));
  }

  /** Larger type, no hints, the whole width: for a class. What it does is in `ui/app.css`; a phone is left as it is. */
  get projector(): boolean {
    return this.#projector || this.#presented;
  }
  set projector(on: boolean) {
    this.#projector = on;
    this.#presented = false;
    remember('projector', on ? 'on' : 'off');
    this.#paint();
  }

  /** The projector mode for as long as something asks for it; nothing is remembered. */
  set presented(on: boolean) {
    if (on === this.#presented) return;
    this.#presented = on;
    this.#paint();
  }

  #paint(): void {
    document.documentElement.dataset['theme'] = this.dark ? 'dark' : 'light';
    document.documentElement.toggleAttribute('data-projector', this.projector && !this.#printing);
    const paper = getComputedStyle(document.documentElement).getPropertyValue('--paper').trim();
    if (paper) for (const meta of document.querySelectorAll('meta[name="theme-color"]')) meta.setAttribute('content', paper);
  }
}
