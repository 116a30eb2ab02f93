/** The projector mode, on or off; what a screen of it is for, a picture down to the lines under its columns, comes to its top. */
import type { Preferences } from '../../state/preferences.svelte.ts';

const frame = (): Promise<number> => new Promise(requestAnimationFrame);

/** @param picture the one to show; null: the first of the page */
export async function project(preferences: Preferences, picture: Element | null | undefined): Promise<void> {
  preferences.projector = !preferences.projector;
  // Parts change their places, and the browser would keep in sight what was there before.
  await frame();
  await frame();
  (picture ?? document.querySelector('section.picture'))?.scrollIntoView({ block: 'start' });
}
