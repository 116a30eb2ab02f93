/** An error in the words a reader sees. LabErrors are sentences already. */
export function errorSentence(error: unknown): string {
  if (error instanceof Error && error.name.startsWith('LabError/')) return error.message;
  const text = error instanceof Error ? error.message : String(error);
  return `Something unexpected happened: ${text || 'no further word'}. What was stored is still there; reload the page to go on.`;
}
