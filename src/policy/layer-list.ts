/** Layers as people write them: `0-3, 7` is 0, 1, 2, 3 and 7. Whether a policy has them is for others. */

/** Each once, rising; null for what is no list. @param text not empty */
export function readLayers(text: string): number[] | null {
  const parts = text.split(',').map((part) => /^\s*(\d{1,5})(?:\s*-\s*(\d{1,5}))?\s*$/.exec(part));
  const numbers = parts.flatMap((part) => {
    if (!part) return [NaN];
    const [first, last] = [Number(part[1]), Number(part[2] ?? part[1])];
    return first > last ? [NaN] : Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
  return numbers.some(Number.isNaN) ? null : [...new Set(numbers)].sort((a, b) => a - b);
}

/** @param layers rising */
export function writeLayers(layers: readonly number[]): string {
  const runs: [number, number][] = [];
  for (const layer of layers) {
    const run = runs.at(-1);
    if (run && run[1] === layer - 1) run[1] = layer;
    else runs.push([layer, layer]);
  }
  return runs.map(([first, last]) => (first === last ? String(first) : `${first}-${last}`)).join(', ');
}
