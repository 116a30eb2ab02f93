/** What jax-js expects of a browser and Node 20 does not have: helpers of iterators. Nothing where they are there. */

export function provideIteratorHelpers(): void {
  const prototype = Object.getPrototypeOf(Object.getPrototypeOf([][Symbol.iterator]())) as Record<string, unknown>;
  const helpers: Record<string, (this: Iterable<unknown>, of: (value: unknown, index: number) => unknown, start?: unknown) => unknown> = {
    *map(of) {
      let index = 0;
      for (const value of this) yield of(value, index++);
    },
    *filter(of) {
      let index = 0;
      for (const value of this) if (of(value, index++)) yield value;
    },
    toArray() {
      return [...this];
    },
    some(of) {
      return [...this].some(of);
    },
    every(of) {
      return [...this].every(of);
    },
    find(of) {
      return [...this].find(of);
    },
    forEach(of) {
      [...this].forEach(of);
    },
  };
  for (const [name, value] of Object.entries(helpers)) {
    if (!(name in prototype)) Object.defineProperty(prototype, name, { value, configurable: true, writable: true });
  }
}
