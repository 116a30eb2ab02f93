/**
 * What the first paint does not need, fetched when the page has nothing else to do: what is opened later opens at once, with or without a
 * network. Every `import()` of the interface is in the list (tests/unit/ahead.test.ts); the worker loads its own.
 */
import { fetchAhead, recordingAddress, studyAddress } from '../state/fetched.ts';
import { idle } from './parts/idle.ts';

const parts: readonly (() => Promise<unknown>)[] = [
  () => import('./Workbench.svelte'),
  () => import('./charts/uplot.ts'),
  () => import('./EngineDetails.svelte'),
  () => import('./ShortcutSheet.svelte'),
  () => import('./runs/SmallerCard.svelte'),
  () => import('../state/replayed-run.ts'),
  () => import('../state/link.ts'),
  () => import('./link/LinkDialog.svelte'),
  () => import('./link/LinkBar.svelte'),
  () => import('./evaluate/Evaluate.svelte'),
  () => import('./reproduce/Reproduce.svelte'),
  () => import('./class/Class.svelte'),
  () => import('./rollouts/GroupView.svelte'),
  () => import('./rollouts/TokenPanel.svelte'),
  () => import('./rollouts/formula/katex.ts'),
  () => import('./stories/Story.svelte'),
  () => import('./glossary/TermPopover.svelte'),
  () => import('./glossary/Glossary.svelte'),
  () => import('./save/SaveList.svelte'),
  () => import('./charts/chart-file.ts'),
  () => import('../exchange/export.ts'),
  () => import('../exchange/picture-file.ts'),
  () => import('../run/class.ts'),
  () => fetchAhead(recordingAddress),
  () => fetchAhead(studyAddress),
];

export async function loadAhead(): Promise<void> {
  for (const load of parts) {
    await idle();
    // What does not come now is asked for again where it is needed, and missed there.
    await load().catch(() => {});
  }
}
