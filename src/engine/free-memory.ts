/** How much memory this machine has for a policy. It asks only what Node and the browser say; no allocation is tried. */

/** Bytes; infinite where nobody says. */
export function freeMemory(): number {
  if (typeof process !== 'undefined' && typeof process.getBuiltinModule === 'function') {
    // What macOS calls free leaves out what it would give up at once, so there it is what the machine has.
    const { availableMemory, platform } = process;
    return platform === 'linux' && availableMemory ? availableMemory() : process.getBuiltinModule('node:os').totalmem();
  }
  const gibibytes = (globalThis.navigator as (Navigator & { deviceMemory?: number }) | undefined)?.deviceMemory;
  // Chromium's alone, in coarse steps, and never more than 8 is said.
  return gibibytes !== undefined && gibibytes < 8 ? gibibytes * 2 ** 30 : Infinity;
}
