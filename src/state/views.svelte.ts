/** Which of the page's views is open, and which story beside it. Both live in the address, so that they survive a reload and a link, and Back goes back. */
export const views = [
  { id: 'train', label: 'Train' },
  { id: 'evaluate', label: 'Evaluate' },
  { id: 'reproduce', label: 'Reproduce' },
  { id: 'class', label: 'Class' },
  { id: 'bench', label: 'Bench' },
] as const;

export type View = (typeof views)[number]['id'];

/** The address of a view within the page. */
export const viewHref = (view: View): string => `#/${view}`;

let kept = (path: string): string => path;

/** What goes along from one view to another. @param keep adds it to the address of where one goes */
export function keepAlong(keep: (path: string) => string): void {
  kept = keep;
}

/** To another view, as a link of the page goes there. */
export function goTo(view: View): void {
  location.hash = kept(viewHref(view));
}

export class Views {
  current = $state<View>('train');
  /** What the address calls it, whether there is such a story or not; null: none is open. */
  story = $state<string | null>(null);
  /** An address that names nothing here; null: it does. */
  unknown = $state<string | null>(null);
  /** The address does (`?bench`): then it is the page's first view. */
  readonly asksForBench = new URLSearchParams(location.search).has('bench');
  /** How often the page's own address was asked for: it leads to the top, wherever one is. */
  home = $state(0);

  constructor() {
    this.#read();
    window.addEventListener('hashchange', () => this.#read());
  }

  /** What stands behind a question mark is for `link.ts`. Other hashes are places within a view. */
  #read(): void {
    const [path = ''] = location.hash.split('?');
    if (path !== '' && !path.startsWith('#/')) return;
    const named = views.find(({ id }) => viewHref(id) === path);
    const story = /^#\/story\/(.+)$/.exec(path)?.[1] ?? null;
    const home = path === '' || path === '#/';
    this.unknown = home || named || story !== null ? null : path;
    if (home) this.home++;
    this.current = named?.id ?? (home && this.asksForBench ? 'bench' : 'train');
    this.story = story;
  }
}
