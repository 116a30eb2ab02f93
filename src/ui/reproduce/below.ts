/** What stands below the question of the Reproduce view, loaded in one piece: whoever prints the page has all of it or nothing. */
export { default as Replay } from './Replay.svelte';
export { default as Study } from './study/Study.svelte';
