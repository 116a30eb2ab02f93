/** What a page that came over plain http lacks. */

/** A sentence; null in a secure context, and in Node. */
export const insecureNotice = (): string | null =>
  globalThis.isSecureContext === false
    ? 'This page came over plain http, where browsers offer no WebGPU, no offline use and no locks between tabs: ' +
      'open it over https or on localhost to have them, and do not train one run in two tabs.'
    : null;
