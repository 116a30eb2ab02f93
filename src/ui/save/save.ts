/** Files that the reader is handed. */

/** One of the files that something can be saved as. */
export interface SaveItem {
  readonly name: string;
  /** What kind of file it is, and what for. */
  readonly hint: string;
  readonly save: () => Promise<unknown>;
}

/** Hands the reader a file. */
export function save(name: string, type: string, content: string | ArrayBuffer | Blob): void {
  const url = URL.createObjectURL(new Blob([content], { type }));
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  // The download has its own hold on the bytes once it has begun.
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
