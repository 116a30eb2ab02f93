/**
 * What the link that the page was opened with has done to it, and the ways back. Its settings are in the form and the reader's own come back when it is
 * left; what it hides is hidden until somebody says otherwise; what it starts, starts once. All of it is in the address and nowhere else.
 */
import { createContext } from 'svelte';
import type { RunConfig } from '../rl/config.ts';
import type { Lab } from './lab.svelte.ts';
import { noLink, type Hideable, type Link, type Lockable } from './link-parts.ts';
import { keepAlong, viewHref, views } from './views.svelte.ts';

/** Addresses that are a view or a story and no more: of those nothing has to be read. */
const plain = (hash: string): boolean =>
  ['', '#', '#/', ...views.map(({ id }) => viewHref(id))].includes(hash) || /^#\/story\/[^?]*$/.test(hash);

export class Linked {
  /** The link in force. */
  link = $state.raw<Link>(noLink);
  /** It was read, or there is none: until then nobody knows what is hidden. */
  known = $state(false);
  /** What it started runs, or ran. */
  started = $state(false);
  /** The dialog that makes one. */
  making = $state(false);
  /** It opens with what is for a class. */
  forClass = $state(false);
  /** What is in the form is the link's, as far as it was not changed since. */
  settled = $state(false);

  #path = $state('#/train');
  #turn = 0;
  /** Loaded with the first link. */
  #format: typeof import('./link.ts') | null = null;
  /** What the link put into the form. */
  #given: string | null = null;
  /** What was in the form before. */
  #own: { readonly config: RunConfig; readonly teacher: string | null } | null = null;

  constructor(private readonly lab: Lab) {
    void this.#read();
    keepAlong((path) => this.keep(path));
    window.addEventListener('hashchange', () => void this.#read());
    document.addEventListener('click', (event) => this.#follow(event));
  }

  hides(part: string): boolean {
    return this.link.hide.includes(part as Hideable);
  }

  locks(part: Lockable): boolean {
    return this.link.lock.includes(part);
  }

  /** Of the address: the view or the story. */
  get path(): string {
    return this.#path;
  }

  /** The view with the race, a story beside it or not. */
  get onTrain(): boolean {
    return this.#path === '#/train' || this.#path.startsWith('#/story/');
  }

  make(forClass = false): void {
    this.forClass = forClass;
    this.making = true;
  }

  /** Something of the page is not as it would be without the link. */
  get narrows(): boolean {
    const { hide, lock, columns } = this.link;
    return hide.length > 0 || lock.length > 0 || columns !== null;
  }

  /** Places within a view leave everything as it is, the address too. */
  async #read(): Promise<void> {
    const { hash } = location;
    if (hash !== '' && !hash.startsWith('#/')) {
      if (this.link !== noLink) this.#write();
      else if (this.#turn === 0) this.known = true;
      return;
    }
    const turn = ++this.#turn;
    const [path = ''] = hash.split('?');
    this.#path = path !== '' && path !== '#/' && plain(path) ? path : '#/train';
    const { link, complaints } = plain(hash) ? { link: noLink, complaints: [] } : await this.#parse(hash);
    if (turn !== this.#turn) return;
    for (const text of complaints) this.lab.notify('warning', text);
    this.started &&= link !== noLink;
    this.#set(link);
    this.known = true;
    this.settle();
  }

  async #parse(hash: string): Promise<{ readonly link: Link; readonly complaints: readonly string[] }> {
    try {
      this.#format ??= await import('./link.ts');
      return this.#format.readLink(hash);
    } catch {
      return {
        link: noLink,
        complaints: ['What reads links could not be loaded, so this one did nothing. Check the connection and reload the page.'],
      };
    }
  }

  #set(link: Link): void {
    this.link = link;
    this.lab.preferences.presented = link.projector;
  }

  #write(): void {
    if (this.#format) history.replaceState(history.state, '', this.#format.writeLink(this.#path, this.link));
  }

  /** A way within the page keeps what the link does to it; what its picture showed was of the place that is left. */
  keep(path: string): string {
    if (!this.#format) return path;
    return this.#format.writeLink(path, { ...this.link, recording: null, cell: null, autostart: null });
  }

  #follow(event: MouseEvent): void {
    if (event.defaultPrevented || event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    const href = event.target instanceof Element ? event.target.closest('a[href^="#/"]')?.getAttribute('href') : null;
    if (!href || href.includes('?') || this.link === noLink) return;
    event.preventDefault();
    location.hash = this.keep(href);
  }

  /** Puts the link's settings into the form, or gives back what was there before it. To be called when there is a form. */
  settle(): void {
    const { draft } = this.lab;
    if (!draft) return;
    draft.locked = false;
    const { config } = this.link;
    const given = config && JSON.stringify(config);
    if (given !== this.#given) {
      // What was changed since is the reader's own now.
      const untouched = this.#given === JSON.stringify(draft.snapshot());
      if (untouched) this.#restore();
      this.#own = config && { config: draft.snapshot(), teacher: draft.chosenTeacher };
      this.#given = given;
      if (config) draft.take(config);
    }
    this.settled = config !== null;
    draft.locked = this.locks('settings');
  }

  #restore(): void {
    const { draft } = this.lab;
    if (!draft || !this.#own) return;
    draft.take(this.#own.config);
    draft.chosenTeacher = this.#own.teacher;
  }

  /** The reader's own settings again; the address forgets the link's. */
  leaveSettings(): void {
    if (this.lab.draft) this.lab.draft.locked = false;
    this.#restore();
    this.#own = null;
    this.#given = null;
    this.#set({ ...this.link, config: null });
    this.#write();
    this.settle();
  }

  showEverything(): void {
    this.#set({ ...this.link, hide: [], lock: [], columns: null });
    this.#write();
    this.settle();
  }

  /**
   * Starts what the link starts, once: the address forgets it first, so that a reload does not start it again. To be called when the trainer can be
   * asked.
   */
  async autostart(): Promise<void> {
    const { lab, link } = this;
    if (!link.autostart) return;
    this.#set({ ...link, autostart: null });
    this.#write();
    const here = lab.active || lab.busy !== null || lab.session.phase === 'paused';
    if (here || lab.library.runs.some(({ status }) => status === 'running')) {
      const what = here ? 'a run is under way here' : 'a run is training in another tab';
      lab.notify(
        'info',
        `The link would start ${link.autostart === 'race' ? 'both runs' : 'the next run'}, but ${what}: nothing was started.`,
      );
      return;
    }
    this.started = true;
    if (link.autostart === 'race') await lab.trainBoth();
    else await lab.train();
  }
}

export const [useLinked, provideLinked] = createContext<Linked>();
