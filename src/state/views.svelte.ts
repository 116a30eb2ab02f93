/** Which of the page's views is open, and which story beside it. Both live in the address, so that they survive a reload and a link, and Back goes back. */
export const views = [
  { id: 'train', label: 'Train' },
  { id: 'evaluate', label: 'Evaluate' },
  { id: 'reproduce', label: 'Reproduce' },
  { id: 'class', label: 'Class' },
] as const;

export type View = (typeof views)[number]['id'];

/** The address of a view within the page. */
export const viewHref = (view: View): string => `#/${view}`;

export class Views {
  current = $state<View>('train');
  /** What the address calls it, whether there is such a story or not; null: none is open. */
  story = $state<string | null>(null);

  constructor() {
    this.#read();
    window.addEventListener('hashchange', () => this.#read());
  }

  /** Other hashes are places within a view. */
  #read(): void {
    const named = views.find(({ id }) => viewHref(id) === location.hash);
    const story = /^#\/story\/(.+)$/.exec(location.hash)?.[1] ?? null;
    if (!named && story === null && location.hash !== '') return;
    this.current = named?.id ?? 'train';
    this.story = story;
  }
}
