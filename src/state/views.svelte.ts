/** Which of the page's views is open. It lives in the address, so that it survives a reload and a link, and Back goes back. */
export const views = [
  { id: 'train', label: 'Train' },
  { id: 'evaluate', label: 'Evaluate' },
  { id: 'reproduce', label: 'Reproduce' },
] as const;

export type View = (typeof views)[number]['id'];

/** The address of a view within the page. */
export const viewHref = (view: View): string => `#/${view}`;

export class Views {
  current = $state<View>('train');

  constructor() {
    this.#read();
    window.addEventListener('hashchange', () => this.#read());
  }

  /** Other hashes are places within a view. */
  #read(): void {
    const named = views.find(({ id }) => viewHref(id) === location.hash);
    if (named) this.current = named.id;
    else if (location.hash === '') this.current = 'train';
  }
}
