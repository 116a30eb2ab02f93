/** Small settings of this browser, kept in localStorage where that is allowed; elsewhere they last as long as the page. */

export function remembered(key: string): string | null {
  try {
    return localStorage.getItem(`permix.${key}`);
  } catch {
    return null;
  }
}

/** @param value null forgets it */
export function remember(key: string, value: string | null): void {
  try {
    if (value === null) localStorage.removeItem(`permix.${key}`);
    else localStorage.setItem(`permix.${key}`, value);
  } catch {
    // Storage is forbidden here.
  }
}

/** Kept as long as the tab, reloads included; where the browser forbids it, not at all. */
export function tabMemory(name: string, value?: string): string | null {
  try {
    if (value !== undefined) sessionStorage.setItem(`permix.${name}`, value);
    return sessionStorage.getItem(`permix.${name}`);
  } catch {
    return null;
  }
}
