/** What a press opened: brought into sight, as little as that takes, with the focus on its heading, where reading goes on. */
export function reveal(section: HTMLElement | null): void {
  section?.scrollIntoView({ block: 'nearest' });
  section?.querySelector<HTMLElement>('h3[tabindex="-1"]')?.focus({ preventScroll: true });
}
