// Before the first paint, so that neither theme flashes: a plain script in <head>, and a file because the page allows none inside it.
// `preferences.svelte.ts` keeps it up to date.
(function () {
  var choice = 'system';
  try {
    choice = localStorage.getItem('permix.theme') || 'system';
  } catch (error) {
    /* storage may be forbidden; the system's theme will do */
  }
  var dark = choice === 'dark' || (choice !== 'light' && matchMedia('(prefers-color-scheme: dark)').matches);
  document.documentElement.dataset.theme = dark ? 'dark' : 'light';
})();
