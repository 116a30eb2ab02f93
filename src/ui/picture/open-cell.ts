/** A cell that is pressed opens what was said (`CellReplies.svelte`), brought into sight and read first; closed, the cell has the focus again. */
import { tick } from 'svelte';
import type { Place } from '../../evaluate/picture.ts';
import { reveal } from '../parts/reveal.ts';

/** @param map the picture and what it opens  @param place null: closed  @param select what makes it so */
export async function openCell(map: HTMLElement | undefined, place: Place | null, select: () => void): Promise<void> {
  const pressed = map?.querySelector<HTMLElement>('[data-at][aria-expanded="true"]');
  select();
  await tick();
  if (place) reveal(map?.querySelector<HTMLElement>('[data-cell-replies]') ?? null);
  else pressed?.focus();
}
