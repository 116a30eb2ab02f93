/** How much room the browser gives this page, as far as it says. */

export interface StorageEstimate {
  /** Bytes; 0 where the browser does not say. */
  readonly used: number;
  readonly quota: number;
  /** The browser will not evict the data by itself. */
  readonly persisted: boolean;
}

export async function estimate(): Promise<StorageEstimate> {
  const manager = (globalThis.navigator as Navigator | undefined)?.storage;
  if (!manager?.estimate) return { used: 0, quota: 0, persisted: false };
  try {
    const { usage = 0, quota = 0 } = await manager.estimate();
    return { used: usage, quota, persisted: (await manager.persisted?.()) ?? false };
  } catch {
    // Site data is blocked: there is no room to speak of.
    return { used: 0, quota: 0, persisted: false };
  }
}
