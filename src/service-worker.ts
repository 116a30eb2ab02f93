/**
 * The service worker: keeps every file of the page after the first visit and serves it from there, with or without a network. A new version
 * is fetched beside the old one and waits until a page asks for it (`state/offline.svelte.ts`). Requests to anywhere else (a judge) pass by.
 */
import { clientsClaim } from 'workbox-core';
import { addPlugins, precacheAndRoute, type PrecacheEntry } from 'workbox-precaching';

declare const self: ServiceWorkerGlobalScope & { readonly __WB_MANIFEST: PrecacheEntry[] };

// Precaching goes past the browser's cache where a name is no hash, and would download again what the page has just read; asking whether it
// changed is enough.
addPlugins([
  { requestWillFetch: async ({ request }) => (request.cache === 'reload' ? new Request(request, { cache: 'no-cache' }) : request) },
]);
// The page reads its own query (?engine=…); the file is the same.
precacheAndRoute(self.__WB_MANIFEST, { ignoreURLParametersMatching: [/./], cleanURLs: false });
clientsClaim();

self.addEventListener('message', ({ data }) => {
  if (data === 'take over') void self.skipWaiting();
});
